//! `cometail topic`: PushTopics, one by one or all that a file names.
//!
//! Constraints: what the guide forbids is told before the org is asked, all of it at once, with its place in the query
//! marked; `--no-check` leaves the judgement to the org. Nothing is deleted that was not named, but by `apply --delete`.

mod apply;
mod edit;
mod problems;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::fail;
use super::org::{Outcome, Place, REFUSED, print, print_json, refused};
use super::table::Table;
use crate::salesforce::api::Api;
use crate::salesforce::topic::{self, Change, Difference, Stored};

/// The most characters of a query in a table.
const QUERY_SHOWN: usize = 60;

/// Manage PushTopics
#[derive(Debug, Subcommand)]
pub(super) enum Topic {
    List(List),
    Show(Show),
    Create(edit::Create),
    Update(edit::Update),
    Activate(Activate),
    Deactivate(Deactivate),
    Delete(Delete),
    Apply(apply::Apply),
}

/// Show the org's topics
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  COMETAIL_TOKEN=00D... cometail topic list \\
      --url https://acme.my.salesforce.com --json | jq -r '.topics[].channel'")]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

/// Show all of one topic
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail topic show InvoiceStatementUpdates --url https://acme.my.salesforce.com")]
pub(super) struct Show {
    #[command(flatten)]
    one: One,
}

/// Let a topic notify
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail topic activate InvoiceStatementUpdates --url https://acme.my.salesforce.com")]
pub(super) struct Activate {
    #[command(flatten)]
    one: One,
}

/// Let a topic be silent, and not count against the org's limit
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail topic deactivate InvoiceStatementUpdates --url https://acme.my.salesforce.com")]
pub(super) struct Deactivate {
    #[command(flatten)]
    one: One,
}

/// Delete a topic; for a while, deactivate it instead
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail topic delete InvoiceStatementUpdates --url https://acme.my.salesforce.com")]
pub(super) struct Delete {
    #[command(flatten)]
    one: One,
}

/// The topic that is meant.
#[derive(Debug, Args)]
struct One {
    /// Its name or id
    #[arg(value_name = "TOPIC")]
    topic: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn main(topic: Topic) -> u8 {
    match topic {
        Topic::List(List { place }) => place.run(async |api| list(api, place.json).await),
        Topic::Show(Show { one }) => one.place.run(async |api| show(api, &one).await),
        Topic::Create(create) => edit::create(&create),
        Topic::Update(update) => edit::update(&update),
        Topic::Activate(Activate { one }) => one.place.run(async |api| switch(api, &one, true).await),
        Topic::Deactivate(Deactivate { one }) => one.place.run(async |api| switch(api, &one, false).await),
        Topic::Delete(Delete { one }) => one.place.run(async |api| delete(api, &one).await),
        Topic::Apply(apply) => apply::main(&apply),
    }
}

async fn list(api: &mut Api, json: bool) -> Outcome<()> {
    let topics = topic::list(api).await.map_err(|error| refused(&error))?;
    if json {
        return print_json(&json!({ "topics": topics.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let mut table = Table::new(&["NAME", "ACTIVE", "API", "FIELDS", "OPERATIONS", "QUERY"]);
    for one in &topics {
        let version = version(one).unwrap_or_default();
        let operations = one.operations().to_string();
        let query = short(one.query());
        table.row([one.name(), active(one), &version, one.notify_for_fields(), &operations, &query]);
    }
    print(&table)
}

async fn show(api: &mut Api, one: &One) -> Outcome<()> {
    let found = find(api, &one.topic).await?;
    if one.place.json {
        return print_json(&as_json(&found));
    }
    let mut table = Table::new(&["FIELD", "VALUE"]);
    let (channel, version) = (found.channel(), version(&found).unwrap_or_default());
    let operations = found.operations().to_string();
    for row in [
        ["Id", found.id()],
        ["Name", found.name()],
        ["channel", &channel],
        ["Query", found.query()],
        ["ApiVersion", &version],
        ["Description", found.description()],
        ["IsActive", active(&found)],
        ["NotifyForFields", found.notify_for_fields()],
        ["operations", &operations],
    ] {
        table.row(row);
    }
    print(&table)
}

async fn switch(api: &mut Api, one: &One, on: bool) -> Outcome<()> {
    let found = find(api, &one.topic).await?;
    let change = Change { is_active: Some(on), ..Change::default() };
    let differences = change.differences(&found, api.org().version);
    change_to(api, &found, &differences, one.place.json).await
}

/// Changes a topic where anything differs, and tells what it changed.
async fn change_to(api: &mut Api, found: &Stored, differences: &[Difference], json: bool) -> Outcome<()> {
    if !differences.is_empty() {
        topic::change(api, found, differences).await.map_err(|error| refused(&error))?;
    }
    if json {
        return print_json(&json!({"id": found.id(), "name": found.name(), "changes": differences}));
    }
    let done = if differences.is_empty() { "is so already: nothing to change in" } else { "changed" };
    let lines = lines(differences, "  ");
    print(&format_args!("{done} {}, {}\n{lines}", found.name().escape_debug(), found.id().escape_debug()))
}

/// Each difference in a line of its own.
fn lines(differences: &[Difference], indent: &str) -> String {
    let line = |one: &Difference| [indent, &one.to_string(), "\n"].concat();
    differences.iter().map(line).collect()
}

async fn delete(api: &mut Api, one: &One) -> Outcome<()> {
    let found = find(api, &one.topic).await?;
    topic::delete(api, &found).await.map_err(|error| refused(&error))?;
    if one.place.json {
        return print_json(&json!({"id": found.id(), "name": found.name()}));
    }
    print(&format_args!("deleted {}, {}\n", found.name().escape_debug(), found.id().escape_debug()))
}

/// The topic of this name or id; the command ends where the org has none.
async fn find(api: &mut Api, wanted: &str) -> Outcome<Stored> {
    let found = topic::find(api, wanted).await.map_err(|error| refused(&error))?;
    let shown = wanted.escape_debug();
    found.ok_or_else(|| fail(REFUSED, &format!("the org has no topic {shown}, or this user may not see it")))
}

/// A topic for machines.
fn as_json(one: &Stored) -> Value {
    let operations: Vec<_> = one.operations().0.iter().map(ToString::to_string).collect();
    let description = (!one.description().is_empty()).then(|| one.description());
    json!({
        "id": one.id(), "name": one.name(), "channel": one.channel(), "query": one.query(),
        "api_version": version(one), "description": description, "is_active": one.is_active(),
        "notify_for_fields": one.notify_for_fields(), "operations": operations,
    })
}

fn version(one: &Stored) -> Option<String> {
    one.api_version().map(|version| format!("{version:.1}"))
}

fn active(one: &Stored) -> &'static str {
    if one.is_active() { "yes" } else { "no" }
}

/// The beginning of a query in one line.
fn short(query: &str) -> String {
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUERY_SHOWN) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
