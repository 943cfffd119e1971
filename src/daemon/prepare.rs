//! From the configuration of a connection to one that can run, at the start of the daemon and at every later one.
//!
//! Constraints: it reads files (certificates, the kept session), so while the daemon runs it belongs on a thread for
//! blocking work. Must be called on a tokio runtime.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use super::aside::Aside;
use super::capture::Capture;
use super::connection::{Command, Connection};
use super::flight::Flights;
use super::intake::Intake;
use super::journal::Appender;
use super::meter::{Access, Meter};
use super::newer::Newer;
use super::outlet::Outlet;
use super::renewal::Site;
use super::store::{Kept, Store};
use super::token::Token;
use crate::admin::Tap;
use crate::bayeux::contract::Now;
use crate::bayeux::memory::Memory;
use crate::bayeux::session::Session;
use crate::config;
use crate::event::{Channel, ReplayId};
use crate::salesforce::login::{self, Login, SecretSource};
use crate::{http, salesforce, status};

/// Commands that may wait for a connection.
pub(super) const COMMANDS: usize = 64;

/// What every connection and every sink is started with.
pub(super) struct Means {
    pub(super) store: Option<Store>,
    pub(super) outlet: Arc<Outlet>,
    /// Where there is a state directory, once it is written.
    pub(super) journal: Option<Arc<Appender>>,
    pub(super) capture: Capture,
    /// Where the page's events come from.
    pub(super) tap: Arc<Tap>,
    pub(super) one_shot: bool,
}

impl Means {
    /// Where a connection's events go.
    pub(super) fn intake(&self) -> Intake {
        match &self.journal {
            Some(journal) => Intake::journal(Arc::clone(journal)),
            None => Intake::memory(Arc::clone(&self.outlet)),
        }
    }
}

/// What is known of a connection from before.
#[derive(Default)]
pub(super) struct Past {
    pub(super) memory: Memory,
    /// Since when it has not been running, where it has been in this process.
    pub(super) away: Option<SystemTime>,
}

/// A connection that can run, and the way to tell it something; why not otherwise, with nothing of `past` taken.
pub(super) fn prepare(
    config: config::Connection,
    means: &Means,
    status: &Arc<Mutex<status::Connection>>,
    past: &mut Past,
) -> Result<(mpsc::Sender<Command>, Connection), String> {
    let config::Connection { name, url: configured, mut session, http, .. } = config;
    let (is_located, is_legacy) = (config.is_located, config.is_legacy);
    let tells = !matches!(config.login, None | Some(login::Config::Token(_)));
    let kept = means.store.as_ref().map(|store| store.load(&name, &configured, tells)).unwrap_or_default();
    let Kept { session: kept, jar, url } = kept;
    let url = url.unwrap_or_else(|| configured.clone());
    let jar = Arc::new(jar);
    let no_way = |error| format!("connection {name}: {error}");
    let mut client = http::Client::new(&http).map_err(no_way)?.with_name(name.clone());
    if let Some(wire) = means.capture.wire() {
        client = client.with_wire(wire.clone());
    }
    let newer = match &config.login {
        Some(login::Config::Token(SecretSource::File(path))) => Some(Newer::new(vec![path.clone()])),
        _ => None,
    };
    let precious = matches!(config.login, Some(login::Config::Refresh { .. }));
    let told = config.login.is_some();
    let logins = login::Options { one_shot: means.one_shot, seed: seed(), ..config.login_options };
    let login = Login::with(config.login, &http, logins).map_err(no_way)?;
    let keeper = means.store.as_ref().map(|store| store.keeper(&name, &url, kept.clone(), jar.clone()));
    let aside = means.store.as_ref().map(|store| Aside::new(store.aside_path(&name)));
    let shown = if is_located || url != configured { url.as_str() } else { "" };
    begin(status, config.required, shown, told.then(|| login.describe()));
    let meter = config.limits.map(|limits| start_meter(&name, limits, &client, status));
    let (sender, commands) = mpsc::channel(COMMANDS);
    let now = Now { mono: Instant::now(), wall: SystemTime::now() };
    let past = std::mem::take(past);
    session.positions = past.memory.positions();
    let away = past.away.filter(|_| kept.is_none());
    let lost = lost(&session.channels, &past.memory);
    let mut session = Session::new(session, seed(), now, kept);
    session.recall(past.memory);
    let mut connection = Connection {
        name,
        session,
        flights: Flights::new(url.clone(), client, jar),
        token: Token::new(login, newer, precious),
        site: Site { configured, is_located, is_legacy, url },
        meter,
        intake: means.intake(),
        tap: means.tap.clone(),
        unsent: None,
        paused: false,
        keeper,
        aside,
        status: status.clone(),
        commands,
        retiring: None,
        one_shot: means.one_shot,
        last_outcome: now.mono,
        dense: false,
    };
    if let Some(since) = away {
        connection.tell_away(since, &lost);
    }
    Ok((sender, connection))
}

/// The channels that begin with what is new: what comes while nobody is subscribed to them is lost.
fn lost(channels: &[crate::bayeux::Wanted], memory: &Memory) -> Vec<Channel> {
    let begins_new = channels.iter().filter(|one| one.replay == ReplayId::NEW);
    begins_new.map(|one| one.channel.clone()).filter(|channel| !memory.knows(channel)).collect()
}

/// The status of a connection that starts, or starts again: what it counts goes on.
fn begin(status: &Mutex<status::Connection>, required: bool, url: &str, login: Option<String>) {
    let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
    status.required = required;
    url.clone_into(&mut status.url);
    status.enter(SystemTime::now(), "new", "not started", None);
    status.login = login.map(status::Login::new);
    (status.limits, status.limits_at) = (Vec::new(), None);
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
