//! The control endpoints, `/_emulator/*`, for tests and for people at the same machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use http::header::ORIGIN;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::event::{Content, Draft};
use super::faults::{DOWN_MAX, Fault};
use super::heroku;
use super::http::{Reply, json as json_reply};
use super::login::control as logins;
use super::records::{ObjectSeed, RecordSeeds, SERVER_CLIENTS_MAX};
use super::state::{Counters, Shared};
use super::version;

/// The most events of one publish.
const COUNT_MAX: u64 = 250_000;

/// Where the faults are.
const FAULTS: &str = "/_emulator/faults";

/// Whether `path` is a control endpoint, existing or not.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with("/_emulator/")
}

/// Whether a request from this peer may use them: they need no token, so only this machine, and no web page
/// that a browser on it shows (such a page's requests say their origin).
pub(super) fn allows(peer: IpAddr, headers: &HeaderMap) -> bool {
    peer.to_canonical().is_loopback() && !headers.contains_key(ORIGIN)
}

/// Why a control request failed.
#[derive(Debug)]
pub(super) struct Wrong {
    status: StatusCode,
    error: String,
}

impl Wrong {
    /// A request that cannot be done.
    pub(super) fn new(error: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: error.into() }
    }
}

/// Does what a control request asks.
pub(super) fn handle(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Reply {
    let done = match (method, path) {
        (&Method::GET, "/_emulator/state") => show(shared),
        (&Method::GET, "/_emulator/deliveries") => Ok(show_deliveries(shared)),
        (&Method::POST, "/_emulator/publish") => publish(shared, body),
        (&Method::POST, "/_emulator/sessions/expire") => Ok(json!({"expired": shared.lock().forget_all()})),
        (&Method::POST, "/_emulator/restart") => restart(shared, body),
        (&Method::POST, "/_emulator/token") => change_token(shared, body),
        (&Method::POST, "/_emulator/tokens/issue") => logins::issue(shared, body),
        (&Method::POST, "/_emulator/tokens/revoke") => logins::revoke(shared, body),
        (&Method::POST, "/_emulator/users") => logins::change_rights(shared, body),
        (&Method::POST, "/_emulator/instance") => logins::move_instance(shared, body),
        (&Method::GET, FAULTS) => Ok(json!({"faults": shared.lock().faults.shown()})),
        (&Method::POST, FAULTS) => add_fault(shared, body),
        (&Method::DELETE, FAULTS) => Ok(json!({"ended": shared.lock().faults.clear()})),
        (&Method::DELETE, _) if path.starts_with(FAULTS) => end_fault(shared, path),
        (&Method::POST, "/_emulator/heroku/connections") => heroku::add(&mut shared.lock().heroku, body),
        (&Method::POST, "/_emulator/objects") => define(shared, body),
        (&Method::POST, "/_emulator/records") => load(shared, body),
        (&Method::POST, "/_emulator/usage") => set_usage(shared, body),
        (&Method::POST, "/_emulator/limits") => set_limits(shared, body),
        _ => Err(Wrong { status: StatusCode::NOT_FOUND, error: format!("no {method} {path}") }),
    };
    match done {
        Ok(value) => json_reply(StatusCode::OK, value.to_string()),
        Err(wrong) => json_reply(wrong.status, json!({"error": wrong.error}).to_string()),
    }
}

/// The members of a request.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| Wrong::new(error.to_string()))
}

#[derive(Serialize)]
struct Shown {
    sessions: Vec<ShownSession>,
    #[serde(flatten)]
    counters: Counters,
    last_authorization: bool,
    tokens: usize,
}

#[derive(Serialize)]
struct ShownSession {
    id: String,
    channels: Vec<String>,
    has_open_connect: bool,
    queued: usize,
}

fn show(shared: &Shared) -> Result<Value, Wrong> {
    let mut state = shared.lock();
    state.expire(&shared.config);
    let sessions = state.sessions.iter().map(|(id, session)| ShownSession {
        id: id.clone(),
        channels: session.channels.keys().map(ToString::to_string).collect(),
        has_open_connect: session.has_open_connect(),
        queued: session.queued(),
    });
    let shown = Shown {
        sessions: sessions.collect(),
        counters: state.counters.clone(),
        last_authorization: state.last_authorization,
        tokens: state.tokens.alive(),
    };
    serde_json::to_value(shown).map_err(|error| Wrong::new(error.to_string()))
}

/// What was sent to whom.
fn show_deliveries(shared: &Shared) -> Value {
    let state = shared.lock();
    let accounts = state.ledger.accounts();
    let clients: BTreeMap<_, _> = accounts.collect();
    json!({"clients": clients, "others": state.ledger.others()})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    channel: String,
    count: Option<u64>,
    data: Option<Box<RawValue>>,
    raw: Option<String>,
}

impl Publish {
    /// The content of the event number `n` of this publish.
    fn contents(&self) -> Result<impl Fn(u64) -> Content, Wrong> {
        let draft = match (&self.data, &self.raw) {
            (Some(data), None) => Some(Draft::parse(data).map_err(Wrong::new)?),
            (None, Some(_)) => None,
            _ => return Err(Wrong::new("one of data and raw is wanted")),
        };
        Ok(move |n| match &draft {
            Some(draft) => draft.content(&self.channel, self.count.map(|_| n)),
            None => Content::Raw(self.raw.clone().unwrap_or_default()),
        })
    }
}

fn publish(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let publish: Publish = parse(body)?;
    if !version::is_channel(&publish.channel) {
        return Err(Wrong::new("channel: /topic/NAME, /u/NAME, /event/NAME or /data/NAME is wanted"));
    }
    let count = publish.count.unwrap_or(1);
    if count > COUNT_MAX {
        return Err(Wrong::new(format!("count: at most {COUNT_MAX} is wanted")));
    }
    let content = publish.contents()?;
    let mut state = shared.lock();
    state.expire(&shared.config);
    let mut first = None;
    let mut last = None;
    for n in 0..count {
        let id = state.publish(&publish.channel, content(n));
        last = Some(id.map_err(|_| Wrong::new("there are as many channels as there may be"))?);
        first = first.or(last);
    }
    Ok(json!({"published": count, "first": first, "last": last}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    down_ms: u64,
}

fn restart(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Restart { down_ms } = parse(body)?;
    if down_ms > DOWN_MAX {
        return Err(Wrong::new(format!("down_ms: at most {DOWN_MAX} is wanted")));
    }
    shared.lock().down = Duration::from_millis(down_ms);
    shared.restart.notify_one();
    Ok(json!({"down_ms": down_ms}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: Option<String>,
}

fn change_token(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let Token { token } = parse(body)?;
    let demanded = token.is_some();
    shared.lock().token = token;
    Ok(json!({"demanded": demanded}))
}

fn add_fault(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let fault: Fault = parse(body)?;
    if fault.next == Some(0) {
        return Ok(json!({"next": 0, "ended": shared.lock().faults.clear()}));
    }
    fault.check().map_err(Wrong::new)?;
    let next = fault.next;
    let id = shared.lock().faults.add(fault);
    let id = id.map_err(|_| Wrong::new("there are as many faults as there may be"))?;
    Ok(json!({"id": id, "next": next}))
}

fn end_fault(shared: &Shared, path: &str) -> Result<Value, Wrong> {
    let id = path.strip_prefix(FAULTS).and_then(|rest| rest.strip_prefix('/')).and_then(|id| id.parse().ok());
    let ended = id.is_some_and(|id| shared.lock().faults.remove(id));
    let missing = || Wrong { status: StatusCode::NOT_FOUND, error: "no such fault is on".to_owned() };
    ended.then(|| json!({"ended": 1})).ok_or_else(missing)
}

fn define(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let objects: BTreeMap<String, ObjectSeed> = parse(body)?;
    let mut state = shared.lock();
    objects.iter().try_for_each(|(name, object)| state.records.define(name, object)).map_err(Wrong::new)?;
    Ok(json!({"defined": objects.len()}))
}

/// Makes records without telling anybody, as the Bulk API does.
fn load(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let records: RecordSeeds = parse(body)?;
    let loaded = shared.lock().records.load(&shared.org, &records, shared.timestamp());
    loaded.map(|loaded| json!({"loaded": loaded})).map_err(Wrong::new)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    events: Option<u32>,
    generic_events: Option<u32>,
}

fn set_usage(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let used: Used = parse(body)?;
    let mut state = shared.lock();
    let usage = state.usage.now();
    usage.events = used.events.unwrap_or(usage.events);
    usage.generic_events = used.generic_events.unwrap_or(usage.generic_events);
    Ok(json!({"events": usage.events, "generic_events": usage.generic_events}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    clients: Option<u32>,
    topic_clients: Option<u32>,
    server_clients: Option<u32>,
    requests: Option<u32>,
}

fn set_limits(shared: &Shared, body: &[u8]) -> Result<Value, Wrong> {
    let limits: Limits = parse(body)?;
    if limits.server_clients.is_some_and(|count| count > SERVER_CLIENTS_MAX) {
        return Err(Wrong::new(format!("server_clients: at most {SERVER_CLIENTS_MAX} is wanted")));
    }
    let mut state = shared.lock();
    let requests = limits.requests.unwrap_or(state.requests_max);
    state.requests_max = requests;
    let allowed = state.records.allowances_mut();
    allowed.clients = limits.clients.unwrap_or(allowed.clients);
    allowed.topic_clients = limits.topic_clients.unwrap_or(allowed.topic_clients);
    allowed.server_clients = limits.server_clients.unwrap_or(allowed.server_clients);
    Ok(json!({
        "clients": allowed.clients, "topic_clients": allowed.topic_clients, "server_clients": allowed.server_clients,
        "requests": requests,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_control() {
        for own in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(allows(own.parse().unwrap(), &HeaderMap::new()), "{own}");
            let page = HeaderMap::from_iter([(ORIGIN, "http://example.com".parse().unwrap())]);
            assert!(!allows(own.parse().unwrap(), &page), "{own}");
        }
        for other in ["10.0.0.1", "0.0.0.0", "::", "192.168.1.1", "::ffff:10.0.0.1", "fe80::1", "2001:db8::1"]
        {
            assert!(!allows(other.parse().unwrap(), &HeaderMap::new()), "{other}");
        }
    }
}
