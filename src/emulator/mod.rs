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
//! | `GET /_emulator/deliveries` | shows what was sent to whom |
//! | `POST /_emulator/publish` `{"channel","data"}` | publishes; `data.event` gets what it lacks |
//! | ... `{"channel","count":N,"data"}` | publishes N events, the number from 0 in `data.sobject.n` |
//! | ... `{"channel","raw":TEXT,"count":N}` | publishes the text as it is, `REPLAYID` in it replaced |
//! | `POST /_emulator/sessions/expire` | forgets every session; the clients get "Unknown client" |
//! | `POST /_emulator/restart` `{"down_ms":N}` | cuts every connection, this one too, forgets every session, and refuses connections for N ms, at most an hour; events and counters stay |
//! | `POST /_emulator/token` `{"token":TEXT}` | demands this token from now on; `null`: none |
//! | `POST /_emulator/heroku/connections` `{"app","count"}` | adds connections of Heroku Connect; the door of `heroku` has its API |
//! | `POST /_emulator/tokens/issue` `{"username","client"}` | gives an access token, with a client a refresh token too |
//! | `POST /_emulator/tokens/revoke` `{"username","refresh"}` | ends the access tokens of a user, without one of all; with `"refresh":true` the refresh tokens too |
//! | `POST /_emulator/users` `{"username","active","permissions","objects","hidden_fields"}` | changes what a user may do, at once and in the words of a seed; what is left out stays |
//! | `POST /_emulator/instance` `{"url":TEXT}` | what logins say of where the org is; `null`: the host they came to |
//! | `POST /_emulator/faults` `{"next":N,...}` | switches a fault on, behind those that are, and gives its `id`; `{"next":0}` ends them all |
//! | `GET /_emulator/faults` | shows those that are on, how many requests met each, and how many are `left` to |
//! | `DELETE /_emulator/faults`, `DELETE /_emulator/faults/ID` | ends all of them, or one |
//! | `POST /_emulator/objects` `{NAME:{"fields":{NAME:TYPE}}}` | makes objects, or adds fields to them, as a seed does |
//! | `POST /_emulator/records` `{NAME:[{FIELD:VALUE}]}` | makes records as the Bulk API does: nobody is told |
//! | `POST /_emulator/usage` `{"events":N,"generic_events":N}` | sets what was used of the day's allowances |
//! | `POST /_emulator/limits` `{"clients":N,"topic_clients":N,"server_clients":N,"requests":N}` | sets how many clients the org, each channel and this server (at most 10,000) may have, and how many Bayeux requests may be under way at a time, connects that are held included |
//!
//! # Faults
//!
//! Faults are a list of at most 100. One meets Bayeux requests; with `"path":"/services/oauth2/"` requests whose path
//! begins so, of whatever kind. `"channel":"/meta/connect"` spares Bayeux requests without a message of that channel,
//! `"client":ID` those without a message of that client id, `"user":NAME` requests that are not that user's. Of the
//! requests concerned the next `"next":N` meet it, with `"rate":0.2` a fifth of them, until N have; without `next` as
//! long as it is on. What chance decides follows from `"seed":N` (default 0).
//!
//! A request meets every fault that concerns it, and delays add up; but of those that spoil its answer (each member
//! below from `close` to `corrupt`) it meets the oldest alone, and the next request the next one.
//!
//! | member | does |
//! |---|---|
//! | `"close":true` | the TCP connection is closed without a reply |
//! | `"restart":N` | the server restarts, without a reply, and refuses connections for N ms, at most an hour |
//! | `"refuse":{"error":TEXT,"failure":TEXT,"advice":{}}` | every message of the request is refused with this error, and, where given, this `ext.sfdc.failureReason` and `advice` |
//! | `"status"`, `"retry_after"`, `"body"` | a reply of that status (default 200), those seconds, that text comes instead of the answer |
//! | `"cut":N`, `"cut":true` | the body ends after N bytes, at the latest before its last, or anywhere, and the connection is closed |
//! | `"corrupt":N`, `"corrupt":true` | the byte at N, at the latest the last, or any one has every bit the other way round, which is no UTF-8 |
//! | `"reorder":true` | the events of a response come in another order, within a channel too |
//! | `"lose_session":true` | the sessions that the request names are forgotten before it is answered |
//! | `"revoke_token":true` | the access token of a login that the request carries is revoked before it is answered |
//! | `"delay":N` | all of that comes N milliseconds later |
//! | `"after":true` | the server acts first: the reply with its events or its token is lost where another takes its place; sessions and tokens are lost after the answer was made |
//!
//! `{}` besides `next` is an empty reply of status 200.
//!
//! # What was sent to whom
//!
//! `GET /_emulator/deliveries` gives `{"clients":{ID:{"responses":SENT,"events":{CHANNEL:SENT}}},"others":...}`, where
//! SENT is `{"handed_out":N,"written":N}`: in how many responses something was put, and how many of them were written
//! to their end. An event that was handed out and not written is one that the client cannot have got; one that was
//! written can still be lost on the way, or in a damaged body. What waits is `queued` in the state. Sessions that are
//! over are shown too; of very many the oldest are summed up in `others`.
//!
//! # Which channels there are
//!
//! Every channel can be subscribed to and published on by `/_emulator/publish`, unless [`Config::channels`] or
//! [`Config::strict`] says otherwise. A `PushTopic` record tells of changes on `/topic/NAME`, a `StreamingChannel` of
//! pushes on `/u/NAME`; only these events count against the day's allowance of the [`Edition`].
//!
//! `/topic/NAME?FieldA='v'&FieldB='w'` is a filtered subscription: the event of a record that meets one of the
//! conditions comes, under the name subscribed to. Where a `PushTopic` has the name, its query has to select the fields
//! (`400::Query fields {...} do not exist on the topic entity`).
//!
//! # Refused subscriptions
//!
//! Wildcards and `/meta/*` get `403::Restricted channel`. A channel that does not exist gets from API 37 on the 400 of
//! the later guides, before that `403:denied_by_security_policy:create_denied`, or `404::Unknown channel` where no
//! channel could have the name. By API 36 and before a user without access gets
//! `403:denied_by_security_policy:subscribe_denied`. `/data/*` takes the permission `ViewAllData`.
//!
//! # Overload
//!
//! Where as many Bayeux requests are under way as `/_emulator/limits` allows, the next is refused as the guide for later
//! versions has it, with `503::Server is too busy.  Please try your request again later.` as `ext.sfdc.failureReason`;
//! below API 37 with the HTTP status 503.
//!
//! # Two connects, and a client that leaves
//!
//! As with the reference server, a newer connect of a client ends the one that is held, which gets the HTTP status 408
//! and no event; a disconnect ends it with success and the advice to do nothing more.
//!
//! # Who is let in
//!
//! A login's token stands for its user for [`Config::session_timeout`], then it is refused, as are revoked ones. Other
//! requests are let in as the first active user by name: all of them, those with [`Config::token`] where there is
//! one, none with [`Config::login`]. A seed file ([`Seed`]) says who the users are. A Bayeux session is its user's
//! alone: to others it is an unknown client.
//!
//! A request to `/cometd` with a token has to carry the cookies that the guide's client sets by hand for API 22:
//! `com.salesforce.LocaleInfo`, `login`, `language`, and `sid`, which is the token. Otherwise it gets the status 401.
//!
//! # Operations
//!
//! [`serve`] on a bound listener until a future completes.

mod ack;
mod auth;
mod bayeux;
mod channels;
mod config;
mod control;
mod event;
mod faults;
mod filter;
mod generate;
mod heroku;
mod http;
mod ids;
mod ledger;
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
mod wire;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use state::Shared;

pub use config::{Config, ConfigError, Generate};
pub use records::Edition;
pub use seed::{Seed, SeedError};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use soql::fuzzing;

/// The most TCP connections at a time; others wait to be accepted. Each client that the server may have has two: its
/// connect, and one for what else it says meanwhile.
const CONNECTIONS_MAX: usize = 2 * records::SERVER_CLIENTS_MAX as usize;
/// The wait after an accept error, such as too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The connections that wait to be accepted after a restart.
const BACKLOG: u32 = 1024;

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
