//! `[sink.NAME.KIND]`: where records go.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};

use super::load::Environment;
use super::reader::{Node, Table, shown};
use super::{connection, secrets, urls};
use crate::secret::Secret;
use crate::sinks::file::Template;
use crate::sinks::filter::Pattern;
use crate::sinks::format::Format;
use crate::sinks::{Config, Kind, file, stdout, webhook};

/// The most that may wait for a sink.
const QUEUE: RangeInclusive<u64> = 64 << 10..=64 << 30;
const QUEUE_DEFAULT: usize = 64 << 20;

const PATTERNS_MAX: usize = 10_000;
const HEADERS_MAX: usize = 64;

/// Headers that the HTTP client or the sink's format decides.
const RESERVED: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// What a sink's configuration depends on.
pub(super) struct Surroundings<'s> {
    pub(super) environment: Environment<'s>,
    pub(super) state_dir: Option<&'s Path>,
}

/// Something that one sink alone may write to.
#[derive(Clone, Debug)]
pub(super) struct Claim<'t> {
    pub(super) what: String,
    pub(super) wanted: &'static str,
    pub(super) node: Node<'t>,
}

/// Reads one sink and what it claims; `None` where a problem is noted.
pub(super) fn read<'t>(
    name: &str,
    node: &Node<'t>,
    surroundings: &Surroundings<'_>,
) -> Option<(Config, Vec<Claim<'t>>)> {
    let mut table = node.table("a table [sink.NAME.KIND]")?;
    let kinds = ["stdout", "file", "webhook"].map(|kind| Some((kind, table.get(kind)?)));
    let mut kinds = kinds.into_iter().flatten();
    let sink = match (kinds.next(), kinds.next()) {
        (Some(one), None) => one_kind(name, &one, surroundings),
        // Whatever else stands there is reported as an unknown key, with the kinds there are.
        (None, _) if !table.is_empty() => None,
        (None, _) => {
            table.absent("", "one of the tables stdout, file and webhook", None);
            None
        }
        (Some(_), Some((_, second))) => {
            second.report_key("a second kind", "one of stdout, file and webhook", None);
            None
        }
    };
    table.end();
    sink
}

fn one_kind<'t>(
    name: &str,
    (kind, node): &(&str, Node<'t>),
    surroundings: &Surroundings<'_>,
) -> Option<(Config, Vec<Claim<'t>>)> {
    let mut table = node.table("a table")?;
    let common = common(name, &mut table);
    let kind = match *kind {
        "stdout" => Some(to_stdout(&mut table, node)),
        "file" => to_file(&mut table),
        _ => to_webhook(name, &mut table, surroundings),
    };
    table.end();
    let (kind, claims) = kind?;
    Some((common(kind), claims))
}

/// The keys of every sink.
fn common(name: &str, table: &mut Table<'_>) -> impl FnOnce(Kind) -> Config + use<> {
    let formats = [
        ("message", Format::Message),
        ("data", Format::Data),
        ("envelope", Format::Envelope),
        ("cloudevents", Format::CloudEvents),
    ];
    let format = table.get("format").and_then(|node| node.choice(&formats)).unwrap_or_default();
    let queue = table.get("queue").and_then(|node| node.size(&QUEUE)).unwrap_or(QUEUE_DEFAULT);
    let channels = table.get("channels").and_then(|node| patterns(&node)).unwrap_or_default();
    let gap_records = table.get("gap_records").and_then(|node| node.boolean()).unwrap_or(true);
    let name = Arc::from(name);
    move |kind| Config { name, channels, format, queue, gap_records, order: Vec::new(), kind }
}

fn patterns(node: &Node<'_>) -> Option<Vec<Pattern>> {
    let wanted = "an array of channels or patterns such as [\"/topic/Order*\"]";
    let items = node.list(wanted)?;
    match items.len() {
        0 => node.report("an empty array", wanted, Some("without the key, every channel is taken")),
        len if len > PATTERNS_MAX => node.report(&format!("{len} patterns"), "at most 10000", None),
        _ => {}
    }
    let read = |item: &Node<'_>| {
        let wanted = "a channel or pattern such as \"/topic/Order*\"";
        let text = item.text(wanted)?;
        Pattern::parse(text).map_err(|error| item.report(&shown(text), wanted, Some(&error.to_string()))).ok()
    };
    Some(items.iter().take(PATTERNS_MAX).filter_map(read).collect())
}

fn to_stdout<'t>(table: &mut Table<'t>, node: &Node<'t>) -> (Kind, Vec<Claim<'t>>) {
    let pretty = table.get("pretty").and_then(|node| node.boolean()).unwrap_or(false);
    let what = "standard output".to_owned();
    let claim = Claim { what, wanted: "one sink on standard output", node: node.clone() };
    (Kind::Stdout(stdout::Config { limit: None, pretty, color: false }), vec![claim])
}

fn to_file<'t>(table: &mut Table<'t>) -> Option<(Kind, Vec<Claim<'t>>)> {
    let wanted = "a path such as \"out/{connection}/{channel}.jsonl\"";
    let node = table.need("path", wanted)?;
    let text = node.path()?.to_string_lossy().into_owned();
    let path =
        Template::parse(&text).map_err(|error| node.report(&shown(&text), wanted, Some(&error.0))).ok()?;
    Some((Kind::File(file::Config::new(path)), vec![path_claim(&text, node)]))
}

/// A path's claim, without the components that change nothing.
fn path_claim<'t>(path: &str, node: Node<'t>) -> Claim<'t> {
    let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    let what = shown(&parts.collect::<PathBuf>().to_string_lossy());
    Claim { what, wanted: "a path of its own for each sink", node }
}

fn to_webhook<'t>(
    name: &str,
    table: &mut Table<'t>,
    surroundings: &Surroundings<'_>,
) -> Option<(Kind, Vec<Claim<'t>>)> {
    let url = table.need("url", "an http or https URL").and_then(|node| urls::endpoint(&node));
    let timeout = table.get("timeout").and_then(|node| node.duration(&connection::TIMEOUT));
    let retry = connection::waits(table);
    let headers = table.get("headers").and_then(|node| headers(&node, surroundings.environment));
    let http = connection::way_out(table);
    let parked_node = table.get("parked");
    let default = || Some(surroundings.state_dir?.join("parked").join(format!("{name}.jsonl")));
    let parked = parked_node.as_ref().map_or_else(default, Node::path);
    let claims =
        parked_node.zip(parked.as_ref()).map(|(node, path)| path_claim(&path.to_string_lossy(), node));
    let config = webhook::Config {
        url: url?,
        headers: headers.unwrap_or_default(),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        retry,
        http,
        parked,
    };
    Some((Kind::Webhook(Box::new(config)), claims.into_iter().collect()))
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
        secrets::source(node.table(wanted)?, environment).map(|(_, value)| value)?
    } else {
        Secret::new(node.text(wanted)?.to_owned())
    };
    if HeaderValue::from_str(value.expose()).is_err() {
        node.report("a value with characters that no header can hold", wanted, None);
        return None;
    }
    Some(value)
}
