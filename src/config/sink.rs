//! `[sink.NAME.KIND]`: where records go.

mod webhook;

use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::load::Environment;
use super::reader::{Node, Table, shown};
use crate::sinks::file::{Compression, Template};
use crate::sinks::filter::Pattern;
use crate::sinks::format::Format;
use crate::sinks::{Config, Kind, file, stdout};

/// The most that may wait for a sink.
const QUEUE: RangeInclusive<u64> = 64 << 10..=64 << 30;
const QUEUE_DEFAULT: usize = 64 << 20;

const PATTERNS_MAX: usize = 10_000;

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
        _ => webhook::read(name, &mut table, surroundings),
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

/// The size and the age from which a file can be rotated.
const ROTATE: RangeInclusive<u64> = (1 << 10)..=(1 << 40);
const ROTATE_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 366);

fn to_file<'t>(table: &mut Table<'t>) -> Option<(Kind, Vec<Claim<'t>>)> {
    let wanted = "a path such as \"out/{connection}/{channel}.jsonl\"";
    let node = table.need("path", wanted)?;
    let text = node.path()?.to_string_lossy().into_owned();
    let path =
        Template::parse(&text).map_err(|error| node.report(&shown(&text), wanted, Some(&error.0))).ok()?;
    let config = rotation(table, file::Config::new(path));
    Some((Kind::File(config), vec![path_claim(&text, node)]))
}

/// When files are closed, and what becomes of them then.
fn rotation(table: &mut Table<'_>, file: file::Config) -> file::Config {
    let sync = table.get("sync").and_then(|node| node.boolean()).unwrap_or(file.sync);
    let max_bytes = table.get("max_size").and_then(|node| node.size(&ROTATE)?.try_into().ok());
    let max_age = table.get("max_age").and_then(|node| node.duration(&ROTATE_AGE));
    let words = [("none", None), ("gzip", Some(Compression::Gzip)), ("zstd", Some(Compression::Zstd))];
    let compress_node = table.get("compress");
    let compress = compress_node.as_ref().and_then(|node| node.choice(&words)).flatten();
    if let (Some(node), Some(_), None, None) = (&compress_node, compress, max_bytes, max_age) {
        node.report("files that are never closed", "max_size or max_age beside it", None);
    }
    file::Config { sync, max_bytes, max_age, compress, ..file }
}

/// A path's claim, without the components that change nothing.
fn path_claim<'t>(path: &str, node: Node<'t>) -> Claim<'t> {
    let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    let what = shown(&parts.collect::<PathBuf>().to_string_lossy());
    Claim { what, wanted: "a path of its own for each sink", node }
}
