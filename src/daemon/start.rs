//! The start: the state directory, the journal, the sinks, then the connections, so that nothing is received before
//! it can be handed on.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::admin;
use super::capture::Capture;
use super::connection::{Command, Connection};
use super::fleet::Fleet;
use super::journal::Opened;
use super::line::Lines;
use super::notify::Manager;
use super::orders::ORDERS;
use super::outlet::Outlet;
use super::post::Posts;
use super::prepare::{Means, Past, prepare};
use super::reload::Reload;
use super::report::{Reporter, Sources};
use super::stop::Daemon;
use super::store::{Store, StoreError};
use super::{Ending, Options, files, signals};
use crate::bayeux::memory::Memory;
use crate::config::{self, Config};
use crate::event::Channel;
use crate::sinks::Supply;
use crate::{journal, sinks, status};

/// Why a daemon did not start.
#[derive(Debug)]
pub struct StartError {
    /// The exit code.
    pub ending: Ending,
    /// One line for each thing that is wrong.
    pub problems: Vec<String>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for StartError {}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        let ending = if matches!(error, StoreError::InUse(_)) { Ending::InUse } else { Ending::Io };
        Self { ending, problems: vec![error.to_string()] }
    }
}

/// Opens the journal, starts every sink and every connection. Must be called on a tokio runtime.
pub fn start(mut config: Config, options: Options) -> Result<Daemon, StartError> {
    let hangup = hangup(&options)?;
    files::raise_limit(config.connections.len());
    let store = config.state_dir.as_deref().map(Store::open).transpose()?;
    let mut opened = open_journal(store.as_ref(), config.journal.clone(), &config.sinks)?;
    let channels = channels_of(&config.connections);
    // One copy of each for whoever has to know it; a list of pointers is otherwise made in the place of theirs, and as large.
    let connections = std::mem::take(&mut config.connections).into_iter().map(Arc::new).collect::<Box<[_]>>();
    let supply = match &opened {
        Some(opened) => Supply::Journal(opened.library(), channels.iter().cloned().collect()),
        None => Supply::Memory,
    };
    tell_strays(&supply, &config.sinks);
    let outlet = Arc::new(Outlet::new(start_sinks(config.sinks.clone(), &supply)?));
    let status_path = store.as_ref().map(Store::status_path);
    let mut means = Means {
        store,
        outlet: outlet.clone(),
        journal: None,
        capture: Capture::new(options.wire, config.wire.clone()),
        tap: Arc::default(),
        one_shot: options.one_shot,
    };
    let memories = opened.as_mut().map(Opened::take_memories).unwrap_or_default();
    let (prepared, memories) = prepare_all(&connections, &means, memories)?;
    means.journal = opened.map(|opened| opened.start(outlet.clone(), &channels)).transpose()?;
    let (means, library) = (Arc::new(means), library_of(&supply));
    let lines = launch(&connections, prepared, &means, memories);
    if let Some(journal) = &means.journal {
        tokio::spawn(journal.clone().tell_losses());
    }
    let posts = Posts::new(outlet.clone(), supply, config.grace, config.sinks.clone());
    let fleet = Fleet::new(lines, posts, options.one_shot);
    let (grace, admin) = (config.grace, config.admin.clone());
    let manager = Manager::of_environment(config.ready_after);
    let reload = Reload::new(options.source, config, connections.into_vec(), library);
    let sources = Sources {
        started: SystemTime::now(),
        connections: fleet.roll.clone(),
        outlet,
        journal: means.journal.clone(),
        reload: reload.report.clone(),
        capture: means.capture.clone(),
    };
    let (orders, requests) = mpsc::channel(ORDERS);
    let server = admin::start(admin.as_ref(), &sources, &means.tap, &orders)?;
    let reporter = Reporter::start(sources.clone(), status_path, manager, reload.told.clone());
    Ok(Daemon {
        fleet,
        hangup,
        means,
        sources,
        reporter,
        reload,
        grace,
        orders,
        requests,
        server,
        commands: options.commands,
    })
}

fn hangup(options: &Options) -> Result<signals::Hangup, StartError> {
    let problem = |error: std::io::Error| format!("signals cannot be handled: {error}");
    signals::hangup(!options.one_shot)
        .map_err(|error| StartError { ending: Ending::Io, problems: vec![problem(error)] })
}

/// A connection that can run.
type Prepared = (Arc<Mutex<status::Connection>>, (mpsc::Sender<Command>, Connection));

/// What sessions knew, by the names of their connections.
type Memories = HashMap<Arc<str>, Memory>;

/// Every connection, and what is known of those that are not configured.
fn prepare_all(
    configs: &[Arc<config::Connection>],
    means: &Means,
    mut memories: Memories,
) -> Result<(Vec<Prepared>, Memories), StartError> {
    let (mut prepared, mut problems) = (Vec::new(), Vec::new());
    for one in configs {
        let status = Arc::new(Mutex::new(status::Connection::new(&one.name, "")));
        let mut past = Past { memory: memories.remove(&one.name).unwrap_or_default(), away: None };
        match prepare(config::Connection::clone(one), means, &status, &mut past) {
            Ok(connection) => prepared.push((status, connection)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok((prepared, memories))
    } else {
        Err(StartError { ending: Ending::Io, problems })
    }
}

fn launch(
    configs: &[Arc<config::Connection>],
    prepared: Vec<Prepared>,
    means: &Arc<Means>,
    memories: Memories,
) -> Lines {
    let mut lines = Lines::new(Arc::clone(means), memories);
    for (wanted, (status, (commands, mut connection))) in configs.iter().zip(prepared) {
        connection.intake = means.intake();
        lines.launch(Arc::clone(wanted), status, (commands, connection));
    }
    lines
}

fn library_of(supply: &Supply) -> Option<journal::Library> {
    match supply {
        Supply::Journal(library, _) | Supply::Again(library) => Some(library.clone()),
        Supply::Memory => None,
    }
}

fn open_journal(
    store: Option<&Store>,
    config: journal::Config,
    sinks: &[sinks::Config],
) -> Result<Option<Opened>, StartError> {
    let Some(store) = store else {
        tracing::info!(
            "no state directory: events are in memory alone, and what is not delivered when this process dies is lost"
        );
        return Ok(None);
    };
    let names: Vec<_> = sinks.iter().map(|sink| Arc::clone(&sink.name)).collect();
    Opened::open(store.journal_path(), config, &names).map(Some)
}

/// Every channel of every connection.
pub(super) fn channels_of(connections: &[config::Connection]) -> Vec<(Arc<str>, Channel)> {
    let of_one = |one: &config::Connection| {
        let name = one.name.clone();
        let channels: Vec<_> = one.session.channels.iter().map(|wanted| wanted.channel.clone()).collect();
        channels.into_iter().map(move |channel| (name.clone(), channel))
    };
    connections.iter().flat_map(of_one).collect()
}

/// Tells of cursors that no sink has: they hold back nothing, and are there for a sink that comes back.
fn tell_strays(supply: &Supply, sinks: &[sinks::Config]) {
    let Supply::Journal(library, _) = supply else { return };
    match library.cursors() {
        Ok(cursors) => {
            for (name, at) in cursors.iter().filter(|(name, _)| sinks.iter().all(|sink| *sink.name != **name))
            {
                tracing::warn!(
                    sink = name,
                    cursor = at.sequence,
                    "a sink that is not in the configuration any more has a cursor: the journal keeps nothing for it"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "the journal's cursors cannot be listed"),
    }
}

fn start_sinks(configs: Vec<sinks::Config>, supply: &Supply) -> Result<Vec<sinks::Handle>, StartError> {
    let (mut handles, mut problems) = (Vec::new(), Vec::new());
    for config in configs {
        match sinks::start(config, supply.clone()) {
            Ok(handle) => handles.push(handle),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() { Ok(handles) } else { Err(StartError { ending: Ending::Io, problems }) }
}

/// How long a person waits at most for a thing that ends in order.
pub(super) fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
