//! The start: the state directory, the journal, the sinks, then the connections, so that nothing is received before
//! it can be handed on.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::admin;
use super::aside::Aside;
use super::capture::Capture;
use super::connection::Connection;
use super::flight::Flights;
use super::intake::Intake;
use super::journal::Opened;
use super::meter::{Access, Meter};
use super::newer::Newer;
use super::outlet::Outlet;
use super::renewal::Site;
use super::report::{Reporter, Sources};
use super::stop::{Daemon, Running};
use super::store::{Kept, Store, StoreError};
use super::token::Token;
use super::{Ending, Options};
use crate::admin::Tap;
use crate::bayeux::contract::Now;
use crate::bayeux::session::Session;
use crate::config::{self, Config, OnStop};
use crate::salesforce::login::{self, Login, SecretSource};
use crate::sinks::Supply;
use crate::{http, journal, salesforce, sinks, status};

/// Commands that may wait for a connection.
const COMMANDS: usize = 64;

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
pub fn start(config: Config, options: Options) -> Result<Daemon, StartError> {
    let store = config.state_dir.as_deref().map(Store::open).transpose()?;
    let mut opened = open_journal(store.as_ref(), config.journal, &config.sinks)?;
    let channels = channels_of(&config.connections);
    let supply = match &opened {
        Some(opened) => Supply::Journal(opened.library(), channels.clone()),
        None => Supply::Memory,
    };
    tell_strays(&supply, &config.sinks);
    let outlet = Arc::new(Outlet::new(start_sinks(config.sinks, &supply)?));
    let capture = Capture::new(options.wire.clone(), config.wire);
    let tap = Arc::new(Tap::default());
    let mut prepared = Vec::new();
    let mut problems = Vec::new();
    for one in config.connections {
        match prepare(one, &options, &capture, &outlet, &tap, store.as_ref(), opened.as_mut()) {
            Ok(one) => prepared.push(one),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(StartError { ending: Ending::Io, problems });
    }
    let journal = opened.map(|opened| opened.start(outlet.clone(), &channels)).transpose()?;
    let (mut running, mut tasks) = (Vec::new(), JoinSet::new());
    for (handle, mut connection) in prepared {
        if let Some(journal) = &journal {
            connection.intake = Intake::journal(journal.clone());
        }
        running.push(handle);
        tasks.spawn(connection.run());
    }
    if let Some(journal) = &journal {
        tokio::spawn(journal.clone().tell_losses());
    }
    let sources = Sources {
        started: SystemTime::now(),
        connections: running.iter().map(|one| one.status.clone()).collect(),
        outlet: outlet.clone(),
        journal: journal.clone(),
    };
    let (server, orders) = admin::start(config.admin, &sources, &tap)?.unzip();
    let reporter = Reporter::start(sources, store.as_ref().map(Store::status_path));
    Ok(Daemon {
        running,
        tasks,
        outlet,
        journal,
        reporter,
        grace: config.grace,
        one_shot: options.one_shot,
        commands: options.commands,
        capture,
        orders,
        server,
        _store: store,
    })
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
fn channels_of(connections: &[config::Connection]) -> sinks::Channels {
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

fn prepare(
    config: config::Connection,
    options: &Options,
    capture: &Capture,
    outlet: &Arc<Outlet>,
    tap: &Arc<Tap>,
    store: Option<&Store>,
    mut journal: Option<&mut Opened>,
) -> Result<(Running, Connection), String> {
    let config::Connection { name, url: configured, mut session, http, on_stop, .. } = config;
    let (is_located, is_legacy) = (config.is_located, config.is_legacy);
    let tells = !matches!(config.login, None | Some(login::Config::Token(_)));
    let kept = store.map(|store| store.load(&name, &configured, tells)).unwrap_or_default();
    let Kept { session: kept, jar, url } = kept;
    let url = url.unwrap_or_else(|| configured.clone());
    let jar = Arc::new(jar);
    let no_way = |error| format!("connection {name}: {error}");
    let client = http::Client::new(&http).map_err(no_way)?;
    let newer = match &config.login {
        Some(login::Config::Token(SecretSource::File(path))) => Some(Newer::new(path.clone())),
        _ => None,
    };
    let precious = matches!(config.login, Some(login::Config::Refresh { .. }));
    let told = config.login.is_some();
    let logins = login::Options { one_shot: options.one_shot, seed: seed(), ..config.login_options };
    let login = Login::with(config.login, &http, logins).map_err(no_way)?;
    let mut client = client.with_name(name.clone());
    if let Some(wire) = capture.wire() {
        client = client.with_wire(wire.clone());
    }
    let keeper = store.map(|store| store.keeper(&name, &url, kept.clone(), jar.clone()));
    let aside = store.map(|store| Aside::new(store.aside_path(&name)));
    let shown = if is_located || url != configured { url.as_str() } else { "" };
    let mut status = status::Connection::new(&name, shown);
    status.login = told.then(|| status::Login::new(login.describe()));
    let status = Arc::new(Mutex::new(status));
    let meter = config.limits.map(|limits| start_meter(&name, limits, &client, &status));
    let (sender, commands) = mpsc::channel(COMMANDS);
    let now = Now { mono: Instant::now(), wall: SystemTime::now() };
    if let Some(journal) = &mut journal {
        session.positions = journal.positions(&name);
    }
    let mut session = Session::new(session, seed(), now, kept);
    if let Some(journal) = &mut journal {
        journal.remind(&name, &mut session);
    }
    let connection = Connection {
        name: name.clone(),
        session,
        flights: Flights::new(url.clone(), client, jar),
        token: Token::new(login, newer, precious),
        site: Site { configured, is_located, is_legacy, url },
        meter,
        intake: Intake::Memory(outlet.clone()),
        tap: tap.clone(),
        unsent: None,
        paused: false,
        keeper,
        aside,
        status: status.clone(),
        commands,
        one_shot: options.one_shot,
        last_outcome: now.mono,
        dense: false,
    };
    let disconnect = on_stop == OnStop::Disconnect;
    Ok((Running { name, status, commands: sender, disconnect }, connection))
}

/// Has the org's limits read; told where it is, and with which token, by what is given back.
fn start_meter(
    name: &Arc<str>,
    config: salesforce::watch::Config,
    client: &http::Client,
    status: &Arc<Mutex<status::Connection>>,
) -> watch::Sender<Access> {
    let (sender, access) = watch::channel(None);
    let (connection, client, status) = (name.clone(), client.lane(), status.clone());
    tokio::spawn(Meter { connection, config, client, access, status }.run());
    sender
}

/// Different in every process and for every connection.
fn seed() -> u64 {
    fastrand::u64(..)
}

/// How long a person waits at most for a thing that ends in order.
pub(super) fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
