//! `[topic.NAME]`: PushTopics as an org is to have them, for `cometail topic apply`.
//!
//! Constraints: what is no topic in any org's eyes is a problem; what an org refuses by the guide's rules is a warning, for
//! the daemon does not need it.

use std::collections::HashMap;
use std::sync::Arc;

use super::reader::{Node, Table, shown};
use crate::salesforce::api::ApiVersion;
use crate::salesforce::topic::{self, Change, NotifyForFields, Operation, Operations};

/// The most topics of one file; an org has at most 100 (guide: "Streaming API Limits").
const TOPICS_MAX: usize = 1000;

/// A topic, and the connection whose org is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The orgs of all connections where there is none.
    pub connection: Option<Arc<str>>,
    /// What the org is to have.
    pub wanted: Change,
}

/// Reads every table; `connections` are those that a topic may name, in a file that has connections.
pub(super) fn read(root: &mut Table<'_>, connections: Option<&[&str]>) -> Vec<Topic> {
    let Some(table) = root.table("topic") else { return Vec::new() };
    let nodes = table.named();
    if nodes.len() > TOPICS_MAX {
        table.report(&format!("{} topics", nodes.len()), &format!("at most {TOPICS_MAX}"), None);
    }
    keep_apart(&nodes);
    nodes.iter().take(TOPICS_MAX).filter_map(|(name, node)| one(name, node, connections)).collect()
}

/// Orgs compare names without regard to case.
fn keep_apart(nodes: &[(&str, Node<'_>)]) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, node) in nodes {
        if let Some(first) = seen.insert(name.to_lowercase(), name) {
            node.report_key(&shown(name), &format!("another name than {}", shown(first)), None);
        }
    }
}

fn one(name: &str, node: &Node<'_>, connections: Option<&[&str]>) -> Option<Topic> {
    let mut table = node.table("a table [topic.NAME]")?;
    let query = table.need("query", "a query such as \"SELECT Id, Name FROM Account\"");
    let query = query.and_then(|node| node.text("a query in SOQL"));
    let text = |node: Node<'_>| node.text("a text").map(str::to_owned);
    let wanted = Change {
        name: Some(name.to_owned()),
        query: query.map(str::to_owned),
        api_version: table.get("api_version").and_then(|node| version(&node)),
        description: table.get("description").and_then(text),
        is_active: table.get("active").and_then(|node| node.boolean()),
        notify_for_fields: table
            .get("notify_for_fields")
            .and_then(|node| node.choice(&NotifyForFields::NAMES)),
        operations: table.get("operations").and_then(|node| operations(&node)),
    };
    let connection = connections.and_then(|known| connection(&mut table, known));
    table.end();
    // Without a query there is a problem already.
    query?;
    for problem in topic::check(&wanted, None, ApiVersion::DEFAULT) {
        let found = format!("{}: {}", problem.field, problem.text);
        node.warn(&found, "a topic that an org takes", problem.hint);
    }
    Some(Topic { connection, wanted })
}

fn version(node: &Node<'_>) -> Option<ApiVersion> {
    let wanted = "an API version such as \"61.0\", from 20.0 on";
    let text = node.text(wanted)?;
    text.parse().map_err(|_| node.report(&shown(text), wanted, None)).ok()
}

fn operations(node: &Node<'_>) -> Option<Operations> {
    let items = node.list("an array such as [\"create\", \"update\"]")?;
    Some(Operations(items.iter().filter_map(|item| item.choice(&Operation::NAMES)).collect()))
}

fn connection(table: &mut Table<'_>, known: &[&str]) -> Option<Arc<str>> {
    let node = table.get("connection")?;
    let text = node.text("the name of a connection")?;
    if known.contains(&text) {
        return Some(Arc::from(text));
    }
    node.report(&shown(text), &format!("one of the connections: {}", known.join(", ")), None);
    None
}
