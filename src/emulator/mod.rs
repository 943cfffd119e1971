//! A stand-in for the Streaming API of Salesforce: a Bayeux long-polling server, the logins to it, and an org whose
//! records tell of their changes.
//!
//! # Constraints
//!
//! - It imports nothing else of this crate. It reads and writes the protocol on its own, so that a
//!   misreading of it elsewhere cannot hide.
//! - Everything is bounded: requests (32,768 bytes), headers, the time to send them, connections, sessions,
//!   subscriptions, what waits for a session, what a channel retains, records. An accept error is waited out.
//! - It behaves as the guide says: an idle connect is answered after 110 s; a session without a connect
//!   expires 40 s after the last response; cookies are demanded; replay exists from API 37 on. All these
//!   times are multiplied by [`Config::time_scale`], and the `advice` says the scaled ones.
//! - CometD's `ack` extension, which Salesforce lacks, is there where [`Config::ack`] asks for it.
//! - There is no randomness worth guarding and no TLS: it is for tests and demonstrations.
//!
//! # Format
//!
//! `POST /cometd/XX.X` and `POST /cometd` (legacy, API 22, channels without `/topic`): Bayeux messages in
//! JSON. Logins and `/services/data/vXX.X`: the doors of `login` and `rest` have the tables. `/_emulator/*`: for loopback peers only and for no web page, JSON
//! in and out, an `{"error": ...}` with a 4xx status where something is wrong:
//!
//! | request | does |
//! |---|---|
//! | `GET /_emulator/state` | shows sessions and counters; of the last `Authorization` only whether there was one |
//! | `POST /_emulator/publish` `{"channel","data"}` | publishes; `data.event` gets what it lacks |
//! | ... `{"channel","count":N,"data"}` | publishes N events, the number from 0 in `data.sobject.n` |
//! | ... `{"channel","raw":TEXT,"count":N}` | publishes the text as it is, `REPLAYID` in it replaced |
//! | `POST /_emulator/sessions/expire` | forgets every session; the clients get "Unknown client" |
//! | `POST /_emulator/restart` `{"down_ms":N}` | cuts every connection, this one too, forgets every session, and refuses connections for N ms, at most an hour; events and counters stay |
//! | `POST /_emulator/token` `{"token":TEXT}` | demands this token from now on; `null`: none |
//! | `POST /_emulator/heroku/connections` `{"app","count"}` | adds connections of Heroku Connect; the door of `heroku` has its API |
//! | `POST /_emulator/tokens/issue` `{"username","client"}` | gives an access token, with a client a refresh token too |
//! | `POST /_emulator/tokens/revoke` `{"username","refresh"}` | ends the access tokens of a user, without one of all; with `"refresh":true` the refresh tokens too |
//! | `POST /_emulator/instance` `{"url":TEXT}` | what logins say of where the org is; `null`: the host they came to |
//! | `POST /_emulator/faults` `{"next":N,...}` | the next N requests meet a fault; 0 ends it |
//! | `POST /_emulator/objects` `{NAME:{"fields":{NAME:TYPE}}}` | makes objects, or adds fields to them, as a seed does |
//! | `POST /_emulator/records` `{NAME:[{FIELD:VALUE}]}` | makes records as the Bulk API does: nobody is told |
//! | `POST /_emulator/usage` `{"events":N,"generic_events":N}` | sets what was used of the day's allowances |
//!
//! A fault is `"close":true` (the TCP connection is closed without a reply) or a reply made of `"status"`
//! (default 200), `"retry_after"` (seconds) and `"body"`, either after `"delay"` milliseconds; a fault of a delay alone
//! lets the answer come then. It meets Bayeux requests, and `"channel":"/meta/connect"` spares those without a message
//! of that channel; with `"path":"/services/oauth2/"` it meets requests whose path begins so, of whatever kind.
//! `"after":true` lets the server act first, so that the reply with its events or its token is lost.
//!
//! # Which channels there are
//!
//! Every channel can be subscribed to and published on by `/_emulator/publish`, unless [`Config::channels`] or
//! [`Config::strict`] says otherwise. A `PushTopic` record tells of changes on `/topic/NAME`, a `StreamingChannel` of
//! pushes on `/u/NAME`; only these events count against the day's allowance of the [`Edition`].
//!
//! # Who is let in
//!
//! A login's token stands for its user for [`Config::session_timeout`], then it is refused, as are revoked ones. Other
//! requests are let in as the first active user by name: all of them, those with [`Config::token`] where there is
//! one, none with [`Config::login`]. A seed file ([`Seed`]) says who the users are.
//!
//! # Operations
//!
//! [`serve`] on a bound listener until a future completes.

mod ack;
mod auth;
mod bayeux;
mod control;
mod event;
mod faults;
mod generate;
mod heroku;
mod http;
mod ids;
mod login;
mod message;
mod poll;
mod records;
mod rest;
mod seed;
mod session;
mod soql;
mod state;
mod store;
mod tokens;
mod users;
mod version;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use jiff::SignedDuration;
use state::Shared;

pub use records::Edition;
pub use seed::{Seed, SeedError};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use soql::fuzzing;

/// The most TCP connections at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// The wait after an accept error, such as too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The connections that wait to be accepted after a restart.
const BACKLOG: u32 = 1024;

/// How the emulator behaves.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// What the protocol's times are multiplied by, above 0 and at most 1000: 1 is real time, 0.01 a hundred
    /// times faster. No time becomes shorter than a millisecond.
    pub time_scale: f64,
    /// How often the server looks for new events, not scaled, at most an hour; 0 delivers at once.
    /// Salesforce looks about once a second.
    pub poll_interval: Duration,
    /// Events of the emulator's own.
    pub generate: Option<Generate>,
    /// How long events are kept for replay, before scaling.
    pub retention: Duration,
    /// The token that `Authorization` must carry.
    pub token: Option<String>,
    /// The only channels that exist; without it every `/topic/*`, `/u/*`, `/event/*` and `/data/*` does.
    pub channels: Option<Vec<String>>,
    /// Whether the session cookie is demanded.
    pub cookies: bool,
    /// Whether only the channels exist that the org has records of: `/topic/NAME` by a `PushTopic`, `/u/NAME` by a
    /// `StreamingChannel`, which the first subscription makes.
    pub strict: bool,
    /// What the org may use of streaming.
    pub edition: Edition,
    /// Who and what exists at the start.
    pub seed: Seed,
    /// Whether requests must carry the token of a login, or [`Config::token`].
    pub login: bool,
    /// How long a login's token is good, before scaling.
    pub session_timeout: Duration,
    /// How far the server's clock is ahead, at most 100 years either way.
    pub clock_skew: SignedDuration,
    /// Whether clients that ask for the `ack` extension get it.
    pub ack: bool,
}

/// A generator of `PushTopic` events.
#[derive(Clone, Debug)]
pub struct Generate {
    /// Where they are published, such as `/topic/InvoiceStatementUpdates`.
    pub channel: String,
    /// The time between two events, not scaled, at least a millisecond.
    pub every: Duration,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// `time_scale` is not a number above 0 and at most 1000.
    TimeScale,
    /// `poll_interval` is longer than an hour.
    PollInterval,
    /// `generate.every` is shorter than a millisecond.
    GenerateEvery,
    /// `clock_skew` is more than 100 years.
    ClockSkew,
    /// This is no `/topic/*`, `/u/*`, `/event/*` or `/data/*` channel.
    Channel(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeScale => f.write_str("time scale: a number above 0 and at most 1000 is wanted"),
            Self::PollInterval => f.write_str("poll interval: at most an hour is wanted"),
            Self::GenerateEvery => f.write_str("time between generated events: at least 1 ms is wanted"),
            Self::ClockSkew => f.write_str("clock skew: at most 100 years are wanted"),
            Self::Channel(name) => {
                write!(f, "channel {name:?}: /topic/NAME, /u/NAME, /event/NAME or /data/NAME is wanted")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        Self {
            time_scale: 1.0,
            poll_interval: Duration::ZERO,
            generate: None,
            retention: Duration::from_hours(24),
            token: None,
            channels: None,
            cookies: true,
            strict: false,
            edition: Edition::default(),
            seed: Seed::default(),
            login: false,
            session_timeout: Duration::from_hours(2),
            clock_skew: SignedDuration::ZERO,
            ack: false,
        }
    }
}

/// Says whether there is a token, not which.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("time_scale", &self.time_scale)
            .field("poll_interval", &self.poll_interval)
            .field("generate", &self.generate)
            .field("retention", &self.retention)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("channels", &self.channels)
            .field("cookies", &self.cookies)
            .field("strict", &self.strict)
            .field("edition", &self.edition)
            .field("seed", &self.seed)
            .field("login", &self.login)
            .field("session_timeout", &self.session_timeout)
            .field("clock_skew", &self.clock_skew)
            .field("ack", &self.ack)
            .finish()
    }
}

impl Config {
    /// Finds the first thing wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.time_scale > 0.0 && self.time_scale <= 1000.0) {
            return Err(ConfigError::TimeScale);
        }
        if self.poll_interval > Duration::from_hours(1) {
            return Err(ConfigError::PollInterval);
        }
        if self.generate.as_ref().is_some_and(|generate| generate.every < Duration::from_millis(1)) {
            return Err(ConfigError::GenerateEvery);
        }
        if self.clock_skew.unsigned_abs() > Duration::from_hours(24 * 365 * 100) {
            return Err(ConfigError::ClockSkew);
        }
        let generated = self.generate.iter().map(|generate| &generate.channel);
        let mut channels = self.channels.iter().flatten().chain(generated);
        match channels.find(|channel| !version::is_channel(channel)) {
            Some(wrong) => Err(ConfigError::Channel(wrong.clone())),
            None => Ok(()),
        }
    }

    /// After which time an idle connect is answered (guide, "limits": 110 s).
    fn connect_timeout(&self) -> Duration {
        self.scaled(Duration::from_secs(110))
    }

    /// How long a session lives on without a connect (guide, "limits": 40 s).
    fn reconnect_timeout(&self) -> Duration {
        self.scaled(Duration::from_secs(40))
    }

    /// The wait advised before a new handshake.
    fn rehandshake_interval(&self) -> Duration {
        self.scaled(Duration::from_millis(500))
    }

    fn scaled(&self, time: Duration) -> Duration {
        let scaled = Duration::try_from_secs_f64(time.as_secs_f64() * self.time_scale);
        scaled.unwrap_or(Duration::MAX).max(Duration::from_millis(1))
    }
}

/// Serves until `shutdown` completes; open connections are then cut, as by a server that stops.
///
/// # Errors
/// `InvalidInput` with a [`ConfigError`] for a bad configuration; after a restart on demand, whatever keeps it from
/// listening again.
pub async fn serve(
    mut listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    config.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let generate = config.generate.clone();
    let shared = Arc::new(Shared::new(config));
    let address = listener.local_addr()?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (mut generator, mut tasks) = (JoinSet::new(), JoinSet::new());
    if let Some(generate) = generate {
        generator.spawn(generate::run(Arc::clone(&shared), generate));
    }
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            // Nothing is accepted any more once an end or a restart was asked for.
            biased;
            () = &mut shutdown => break,
            () = shared.restart.notified() => {
                drop(listener);
                tasks.shutdown().await;
                let Some(again) = stay_closed(address, &shared, shutdown.as_mut()).await? else { break };
                listener = again;
            }
            // Taken up so that finished tasks do not pile up; a panic in one is that connection's end.
            Some(_) = tasks.join_next() => {}
            (stream, peer, slot) = accept(&listener, &slots) => {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    http::serve_connection(shared, stream, peer).await;
                    drop(slot);
                });
            }
        }
    }
    tasks.shutdown().await;
    generator.shutdown().await;
    Ok(())
}

/// What a server that restarts does before it listens again; nothing where it is told to stop meanwhile.
async fn stay_closed(
    address: SocketAddr,
    shared: &Shared,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<Option<TcpListener>> {
    let reserved = reserve(address)?;
    let down = shared.lock().restart();
    tokio::select! {
        () = shutdown => Ok(None),
        () = tokio::time::sleep(down) => reserved.listen(BACKLOG).map(Some),
    }
}

/// Keeps an address where connections are refused from becoming somebody else's.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix the remains of earlier connections are in the way without it.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    Ok(socket)
}

/// The next connection, once there is a slot for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a permit in the end.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_configuration_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        for time_scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1000.1] {
            let config = Config { time_scale, ..Config::default() };
            assert_eq!(config.check(), Err(ConfigError::TimeScale), "{time_scale}");
        }
        let config = Config { poll_interval: Duration::from_secs(3601), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::PollInterval));
        let generate = |channel: &str, every| Some(Generate { channel: channel.to_owned(), every });
        let config = Config { generate: generate("/topic/A", Duration::ZERO), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::GenerateEvery));
        let config = Config { generate: generate("/A", Duration::from_secs(1)), ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::Channel("/A".to_owned())));
        let config = Config { channels: Some(vec!["/topic/*".to_owned()]), ..Config::default() };
        assert!(config.check().unwrap_err().to_string().contains("\"/topic/*\""));
    }

    #[test]
    fn times_are_scaled_within_bounds() {
        let config = |time_scale| Config { time_scale, retention: Duration::MAX, ..Config::default() };
        assert_eq!(config(0.01).connect_timeout(), Duration::from_millis(1100));
        assert_eq!(config(0.01).rehandshake_interval(), Duration::from_millis(5));
        assert_eq!(config(f64::MIN_POSITIVE).reconnect_timeout(), Duration::from_millis(1));
        assert_eq!(config(1000.0).scaled(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn the_token_is_not_shown() {
        let config = Config { token: Some("t0ps3cret".to_owned()), ..Config::default() };
        assert!(!format!("{config:?} {:?}", Shared::new(config.clone())).contains("t0ps3cret"));
    }
}
