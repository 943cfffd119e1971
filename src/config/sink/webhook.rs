//! `[sink.NAME.webhook]`: an endpoint, what is sent to it and how long that is tried.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};

use super::super::load::Environment;
use super::super::reader::{Node, Table, shown};
use super::super::{connection, secrets, units, urls};
use super::{Claim, Surroundings, path_claim};
use crate::retry;
use crate::secret::Secret;
use crate::sinks::Kind;
use crate::sinks::webhook::{Batch, Config, Key, Ordering, PARKED_MAX};

const HEADERS_MAX: usize = 64;
const SECRETS_MAX: usize = 8;
const BATCH: RangeInclusive<u32> = 1..=1000;
const BATCH_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 20;
const BATCH_WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);
const CONCURRENCY: RangeInclusive<u32> = 1..=64;
/// How large the file of parked events may become.
const PARKED: RangeInclusive<u64> = 1 << 20..=1 << 40;
/// How long an event may be tried, unless for ever.
const RETRY_FOR: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(30 * 24);

/// Headers that the HTTP client, the sink's format or its signatures decide.
const RESERVED: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Reads the table and what it claims; `None` where a problem is noted.
pub(super) fn read<'t>(
    name: &str,
    table: &mut Table<'t>,
    surroundings: &Surroundings<'_>,
) -> Option<(Kind, Vec<Claim<'t>>)> {
    let url = table.need("url", "an http or https URL").and_then(|node| urls::endpoint(&node));
    let timeout = table.get("timeout").and_then(|node| node.duration(&connection::TIMEOUT));
    let retry = connection::waits(table, retry::Config::default());
    let retry_node = table.get("retry_for");
    let headers = table.get("headers").and_then(|node| headers(&node, surroundings.environment));
    let keys = keys(table, surroundings.environment);
    let (batch, batch_wait) = batch(table);
    let (ordering, concurrency) = order(table);
    let http = connection::way_out(table);
    let parked_node = table.get("parked");
    let default = || Some(surroundings.state_dir?.join("parked").join(format!("{name}.jsonl")));
    let parked = parked_node.as_ref().map_or_else(default, Node::path);
    let parked_max = table.get("parked_max").and_then(|node| node.size(&PARKED)?.try_into().ok());
    let retry_for = retry_node.and_then(|node| retry_for(&node, parked.as_ref()));
    let claims =
        parked_node.zip(parked.as_ref()).map(|(node, path)| path_claim(&path.to_string_lossy(), node));
    let config = Config {
        url: url?,
        headers: headers.unwrap_or_default(),
        keys,
        batch,
        batch_wait,
        ordering,
        concurrency,
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        retry,
        retry_for,
        http,
        parked,
        parked_max: parked_max.unwrap_or(PARKED_MAX),
    };
    Some((Kind::Webhook(Box::new(config)), claims.into_iter().collect()))
}

/// `batch` and `batch_bytes`, and `batch_wait`.
fn batch(table: &mut Table<'_>) -> (Batch, Duration) {
    let default = Batch::default();
    let events = table.get("batch").map(|node| node.number(&BATCH));
    let single = events.is_none_or(|events| events == Some(1));
    let batch = Batch {
        events: events.flatten().and_then(|events| events.try_into().ok()).unwrap_or(default.events),
        bytes: table.get("batch_bytes").and_then(|node| node.size(&BATCH_BYTES)).unwrap_or(default.bytes),
    };
    let node = table.get("batch_wait");
    let wait = node.as_ref().and_then(|node| node.duration(&BATCH_WAIT)).unwrap_or_default();
    if let Some(node) = node.filter(|_| single && !wait.is_zero()) {
        node.warn("a wait for a single event", "`batch` beside it", None);
    }
    (batch, wait)
}

/// `ordering` and `concurrency`.
fn order(table: &mut Table<'_>) -> (Ordering, usize) {
    let orderings = [("channel", Ordering::Channel), ("record", Ordering::Record), ("none", Ordering::None)];
    let node = table.get("ordering");
    let ordering = node.as_ref().and_then(|node| node.choice(&orderings)).unwrap_or_default();
    let concurrency = table.get("concurrency").map(|node| node.number(&CONCURRENCY).unwrap_or(1));
    if let Some(node) = node.filter(|_| concurrency.is_none() && ordering != Ordering::Channel) {
        node.warn("an ordering for one request at a time", "`concurrency` beside it", None);
    }
    (ordering, concurrency.and_then(|number| number.try_into().ok()).unwrap_or(1))
}

/// `"forever"`, which is `None` as well, or a duration.
fn retry_for(node: &Node<'_>, parked: Option<&PathBuf>) -> Option<Duration> {
    let bounds = [RETRY_FOR.start(), RETRY_FOR.end()].map(|bound| units::show_duration(*bound));
    let wanted = format!("\"forever\" or a duration from {:?} to {:?}", bounds[0], bounds[1]);
    let text = node.text(&wanted)?;
    if text == "forever" {
        return None;
    }
    let Some(duration) = units::duration(text).filter(|duration| RETRY_FOR.contains(duration)) else {
        node.report(&shown(text), &wanted, None);
        return None;
    };
    if parked.is_none() {
        node.warn(
            "an end of the attempts",
            "`parked` as well",
            Some("without that file such events are lost"),
        );
    }
    Some(duration)
}

/// `secret` or `secrets`: where the keys for signatures come from.
fn keys(table: &mut Table<'_>, environment: Environment<'_>) -> Vec<Key> {
    let nodes = match (table.get("secret"), table.get("secrets")) {
        (Some(_), Some(several)) => {
            several.report_key("both secret and secrets", "one of them", None);
            Vec::new()
        }
        (one, None) => one.into_iter().collect(),
        (None, Some(several)) => several_keys(&several),
    };
    nodes.iter().filter_map(|node| key(node, environment)).collect()
}

fn several_keys<'t>(node: &Node<'t>) -> Vec<Node<'t>> {
    let wanted = "an array of 1 to 8 of { file = \"PATH\" } and { env = \"VARIABLE\" }";
    let Some(mut nodes) = node.list(wanted) else { return Vec::new() };
    if nodes.is_empty() || nodes.len() > SECRETS_MAX {
        node.report(&format!("{} of them", nodes.len()), wanted, None);
    }
    nodes.truncate(SECRETS_MAX);
    nodes
}

fn key(node: &Node<'_>, environment: Environment<'_>) -> Option<Key> {
    let source = node.table("{ file = \"PATH\" } or { env = \"VARIABLE\" }")?;
    let (_, secret) = secrets::source(source, environment, secrets::Shape::Line)?;
    let hint = "make one with: echo whsec_$(openssl rand -base64 32)";
    let report = |error: crate::sinks::webhook::KeyError| {
        node.report(
            &error.to_string(),
            "whsec_ and 24 to 64 bytes in base64, or as many bytes of text",
            Some(hint),
        );
    };
    Key::parse(secret.expose()).map_err(report).ok()
}

type Headers = Vec<(String, Secret<String>)>;

/// `headers`: each a value, or where a secret value comes from.
fn headers(node: &Node<'_>, environment: Environment<'_>) -> Option<Headers> {
    let entries = node.table("a table of headers")?.named();
    if entries.len() > HEADERS_MAX {
        node.report(&format!("{} headers", entries.len()), "at most 64", None);
    }
    let mut names = HashSet::new();
    let mut headers = Vec::new();
    for (name, value) in entries.iter().take(HEADERS_MAX) {
        let Some(name) = header_name(name, value) else { continue };
        if !names.insert(name.clone()) {
            value.report_key(
                "a header once more",
                "each header once",
                Some("upper and lower case are the same"),
            );
        }
        if let Some(value) = header_value(value, environment) {
            headers.push((name.as_str().to_owned(), value));
        }
    }
    Some(headers)
}

fn header_name(name: &str, node: &Node<'_>) -> Option<HeaderName> {
    let wanted = "the name of a header such as \"X-Name\"";
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        node.report_key("a key that is no header's name", wanted, None);
        return None;
    };
    if RESERVED.contains(&header.as_str()) {
        node.report_key("a header that cometail sets itself", wanted, None);
        return None;
    }
    Some(header)
}

fn header_value(node: &Node<'_>, environment: Environment<'_>) -> Option<Secret<String>> {
    let wanted = "a header's value, { file = \"PATH\" } or { env = \"VARIABLE\" }";
    let value = if node.is_table() {
        secrets::source(node.table(wanted)?, environment, secrets::Shape::Line).map(|(_, value)| value)?
    } else {
        Secret::new(node.text(wanted)?.to_owned())
    };
    if HeaderValue::from_str(value.expose()).is_err() {
        node.report("a value with characters that no header can hold", wanted, None);
        return None;
    }
    Some(value)
}
