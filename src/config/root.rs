//! The tables of the file: `[state]`, `[journal]`, `[daemon]`, `[log]`, `[admin]`, `[wire]`, and every connection and sink.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::load::{Environment, Place};
use super::reader::{Log, Node, Table, shown};
use super::{Config, OnStop, admin, connection, journal, sink, topic, wire};
use crate::salesforce::topic::Change;
use crate::telemetry::{self, TelemetryError};

/// The most connections, and the most sinks: each sink has a thread.
const CONNECTIONS_MAX: usize = 10_000;
const SINKS_MAX: usize = 1000;

/// Reads the whole file; `None` where a problem is noted.
pub(super) fn read(
    log: &Log,
    entries: &DeTable<'_>,
    environment: Environment<'_>,
    place: Place<'_>,
) -> Option<Config> {
    let mut table = Table::root(log, entries);
    let written = state(&mut table, environment);
    let state_dir = match place {
        Place::AsWritten => written.clone(),
        Place::Running(running) => running.map(Path::to_owned),
    };
    let journal = journal::read(&mut table, state_dir.is_some());
    let (grace, ready_after) = daemon(&mut table);
    let wire = wire::read(&mut table, state_dir.as_deref());
    let logs = log_section(&mut table);
    let admin = table.table("admin").and_then(|table| admin::read(table, environment));
    let connections = named(&mut table, "connection", CONNECTIONS_MAX, |name, node| {
        let read = connection::read(name, node, environment, state_dir.as_deref())?;
        if state_dir.is_none() && read.0.on_stop == OnStop::Keep {
            warn_unkept(node);
        }
        Some(read)
    });
    let surroundings = sink::Surroundings { environment, state_dir: state_dir.as_deref() };
    let sinks = named(&mut table, "sink", SINKS_MAX, |name, node| sink::read(name, node, &surroundings));
    let topics = topic::read(&mut table, Some(&connection_names(entries)));
    table.end();
    let (mut sinks, claims): (Vec<_>, Vec<_>) = sinks?.into_iter().unzip();
    keep_apart(&claims.concat());
    let (connections, orders): (Vec<_>, Vec<_>) = connections?.into_iter().unzip();
    let orders = orders.concat();
    for sink in &mut sinks {
        sink.order.clone_from(&orders);
    }
    let files = log.take_files();
    Some(Config {
        state_dir: written,
        journal,
        grace,
        ready_after,
        log: logs,
        admin,
        connections,
        sinks,
        topics,
        files,
        wire,
    })
}

/// Reads a file of topics alone; `None` where there is none.
pub(super) fn read_topics(log: &Log, entries: &DeTable<'_>) -> Option<Vec<Change>> {
    let mut table = Table::root(log, entries);
    let topics = topic::read(&mut table, None);
    if topics.is_empty() {
        table.absent("topic", "at least one table [topic.NAME]", None);
    }
    table.end();
    let wanted: Vec<_> = topics.into_iter().map(|topic| topic.wanted).collect();
    (!wanted.is_empty()).then_some(wanted)
}

/// The names of all connections, those with problems too.
fn connection_names<'t>(entries: &'t DeTable<'_>) -> Vec<&'t str> {
    let table = entries.get("connection").and_then(|value| value.get_ref().as_table());
    table.map(|table| table.keys().map(|key| &**key.get_ref()).collect()).unwrap_or_default()
}

/// `[state]`: the directory, or none where nothing is to be kept.
fn state(root: &mut Table<'_>, environment: Environment<'_>) -> Option<PathBuf> {
    let Some(mut table) = root.table("state") else {
        return default_state_dir(environment).or_else(|| homeless(root, "state"));
    };
    let dir = table.get("dir");
    let persist = table.get("persist");
    let kept = persist.as_ref().and_then(Node::boolean).unwrap_or(true);
    let path = dir.as_ref().and_then(Node::path);
    if let (Some(persist), Some(_), false) = (&persist, &dir, kept) {
        persist.report("false beside a dir", "one of them", Some("without persist = false, dir is used"));
    }
    let chosen = match dir {
        _ if !kept => None,
        Some(_) => path,
        None => default_state_dir(environment).or_else(|| homeless(&table, "")),
    };
    table.end();
    chosen
}

/// A session is kept in the state directory.
fn warn_unkept(connection: &Node<'_>) {
    let on_stop = connection.table("a table").and_then(|mut table| table.get("on_stop"));
    let hint = "with state.persist = false no session outlives the process";
    if let Some(node) = on_stop {
        node.warn("\"keep\"", "a state directory", Some(hint));
    }
}

fn homeless(table: &Table<'_>, key: &str) -> Option<PathBuf> {
    let wanted = "a dir, as STATE_DIRECTORY, XDG_STATE_HOME and HOME are not set";
    table.absent(key, wanted, Some("or persist = false, and nothing outlives the process"));
    None
}

/// systemd's state directory (the first, where a unit has several), else the XDG state directory.
fn default_state_dir(environment: Environment<'_>) -> Option<PathBuf> {
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_systemd = environment("STATE_DIRECTORY")
        .and_then(|list| std::env::split_paths(&list).next())
        .filter(|path| path.is_absolute());
    of_systemd
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("cometail")))
        .or_else(|| Some(absolute("HOME")?.join(".local/state/cometail")))
}

/// `[daemon]`: how long its end may take, and how long its start is waited for.
fn daemon(root: &mut Table<'_>) -> (Duration, Duration) {
    // With all that follows the grace period, the end is within the 10 s that container engines leave.
    const GRACE: Duration = Duration::from_secs(7);
    const READY_AFTER: Duration = Duration::from_secs(30);
    let Some(mut table) = root.table("daemon") else { return (GRACE, READY_AFTER) };
    let mut wait =
        |name| table.get(name).and_then(|node| node.duration(&(Duration::ZERO..=connection::HOUR)));
    let waits = (wait("grace").unwrap_or(GRACE), wait("ready_after").unwrap_or(READY_AFTER));
    table.end();
    waits
}

fn log_section(root: &mut Table<'_>) -> telemetry::Config {
    use telemetry::Form;
    let Some(mut table) = root.table("log") else { return telemetry::Config::default() };
    let filter = table.get("filter").and_then(|node| {
        let wanted = "a filter such as \"info\" or \"info,cometail=debug\"";
        let text = node.text(wanted)?;
        if let Err(TelemetryError::Filter { reason, .. }) = telemetry::check_filter(text) {
            node.report(&shown(text), wanted, Some(&reason));
        }
        Some(text.to_owned())
    });
    let forms = [("auto", Form::Auto), ("human", Form::Human), ("json", Form::Json)];
    let form = table.get("format").and_then(|node| node.choice(&forms)).unwrap_or_default();
    table.end();
    telemetry::Config { filter, form }
}

/// Reads `[kind.NAME]` for every NAME; `None` where a problem is noted.
fn named<'t, T>(
    root: &mut Table<'t>,
    kind: &'static str,
    max: usize,
    read: impl Fn(&str, &Node<'t>) -> Option<T>,
) -> Option<Vec<T>> {
    let wanted = format!("at least one table [{kind}.NAME]");
    let node = root.need(kind, &wanted)?;
    let table = node.table(&wanted)?;
    let nodes = table.named();
    match nodes.len() {
        0 if table.is_empty() => node.report_key("an empty table", &wanted, None),
        len if len > max => node.report_key(&format!("{len} of them"), &format!("at most {max}"), None),
        _ => {}
    }
    let mut all = Vec::new();
    for (name, node) in nodes.iter().take(max) {
        check_name(name, node);
        all.extend(read(name, node));
    }
    (!all.is_empty()).then_some(all)
}

/// Names go into file names, log fields and metric labels.
fn check_name(name: &str, node: &Node<'_>) {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(good) {
        node.report_key(&shown(name), "a name of 1 to 64 letters, digits, '-' and '_'", None);
    }
}

/// Refuses sinks that would write into each other: two on stdout, two with the same path.
fn keep_apart(claims: &[sink::Claim<'_>]) {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for sink::Claim { what, wanted, node } in claims {
        match taken.get(what.as_str()) {
            Some(first) => node.report_key(&format!("{what} once more, after {first}"), wanted, None),
            None => drop(taken.insert(what, &node.key)),
        }
    }
}
