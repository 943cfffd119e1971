//! The REST API below `/services/data/vXX.X`: records, queries, pushes, limits.
//!
//! | request | does |
//! |---|---|
//! | `GET .` | names the resources |
//! | `GET sobjects`, `sobjects/TYPE`, `sobjects/TYPE/describe` | describes the types, in short and whole |
//! | `POST sobjects/TYPE` | creates a record |
//! | `GET`, `PATCH`, `DELETE sobjects/TYPE/ID` | reads (`?fields=A,B`), updates, deletes it |
//! | `POST sobjects/TYPE/ID/undelete` | takes it out of the recycle bin; Salesforce has this in SOAP only |
//! | `GET query?q=`, `queryAll?q=`, `query/LOCATOR` | finds records, in pages (`Sforce-Query-Options: batchSize=N`) |
//! | `POST sobjects/StreamingChannel/ID/push` | pushes events |
//! | `GET sobjects/StreamingChannel/ID/push` | tells who listens |
//! | `GET limits` | tells what is allowed and what is left |
//!
//! A `POST` with `?_HttpMethod=PATCH` or `DELETE` stands for that method. Bodies are JSON.
//! Every reply to a caller who is let in says in `Sforce-Limit-Info` how many calls the day has seen.

mod describe;
mod limits;
mod push;
mod query;
mod sobjects;

use std::borrow::Cow;

use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

use super::auth::{self, Caller};
use super::http::{Reply, json as json_reply, with};
use super::records::{Call, Refused};
use super::state::Shared;
use super::version::Version;

/// The largest request.
pub(super) const REQUEST_MAX: usize = 1 << 20;
/// What every reply says of the calls of the day: `api-usage=USED/ALLOWED`.
const LIMIT_INFO: HeaderName = HeaderName::from_static("sforce-limit-info");
/// Where the API begins.
const ROOT: &str = "/services/data/v";

/// Whether `path` is answered here.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with(ROOT)
}

/// One request, its parts taken apart.
#[derive(Debug)]
struct Rest<'r> {
    shared: &'r Shared,
    method: Method,
    version: Version,
    caller: Caller,
    now: Timestamp,
    head: &'r Parts,
    body: &'r [u8],
}

/// What answers a request: status and body; an empty one where there is none.
type Answer = Result<(StatusCode, String), Refused>;

/// Answers a request of such a path.
pub(super) fn handle(shared: &Shared, head: &Parts, body: &[u8]) -> Reply {
    let caller = match auth::rest_caller(shared, &head.headers) {
        Ok(caller) => caller,
        Err(denied) => return denied.rest(),
    };
    let used = count_call(shared);
    let rest = head.uri.path().strip_prefix(ROOT).unwrap_or_default();
    let (version, path) = rest.split_once('/').unwrap_or((rest, ""));
    let version = Version::parse(version).filter(|version| Version::all().any(|one| one == *version));
    let answer = version.ok_or_else(Refused::not_found).and_then(|version| {
        let method = method(head)?;
        let now = shared.timestamp();
        Rest { shared, method, version, caller, now, head, body }.route(path.trim_end_matches('/'))
    });
    with(render(answer), LIMIT_INFO, &used)
}

/// Counts the call; what the reply says of the calls of the day.
fn count_call(shared: &Shared) -> String {
    let mut state = shared.lock();
    state.usage.count_call();
    let allowed = state.records.allowances().calls;
    format!("api-usage={}/{allowed}", state.usage.now().calls)
}

fn render(answer: Answer) -> Reply {
    match answer {
        Ok((StatusCode::NO_CONTENT, _)) => {
            let mut reply = Reply::default();
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        Ok((status, body)) => json_reply(status, body),
        Err(refused) => {
            let reply = json_reply(refused.status, refused.body());
            if refused.status == StatusCode::METHOD_NOT_ALLOWED {
                with(reply, ALLOW, refused.message.rsplit(' ').next().unwrap_or_default())
            } else {
                reply
            }
        }
    }
}

/// The method that a request means.
fn method(head: &Parts) -> Result<Method, Refused> {
    if head.method != Method::POST {
        return Ok(head.method.clone());
    }
    match parameter(head, "_HttpMethod") {
        None => Ok(Method::POST),
        Some(name) => Method::from_bytes(name.as_bytes()).map_err(|_| Refused::not_found()),
    }
}

/// The parameter `name` of a request's URL.
fn parameter<'h>(head: &'h Parts, name: &str) -> Option<Cow<'h, str>> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

impl Rest<'_> {
    fn route(&self, path: &str) -> Answer {
        let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        match parts.as_slice() {
            [] => self.only_get(|rest| Ok(describe::resources(rest))),
            ["limits"] => self.only_get(limits::limits),
            ["query"] => self.only_get(|rest| query::query(rest, false)),
            ["queryAll"] => self.only_get(|rest| query::query(rest, true)),
            ["query" | "queryAll", locator] => self.only_get(|rest| query::more(rest, locator)),
            ["sobjects"] => self.only_get(|rest| Ok(describe::global(rest))),
            ["sobjects", kind] => sobjects::kind(self, kind),
            ["sobjects", kind, "describe"] => self.only_get(|rest| describe::whole(rest, kind)),
            ["sobjects", kind, id] => sobjects::record(self, kind, id),
            ["sobjects", kind, id, "undelete"] => sobjects::undelete(self, kind, id),
            ["sobjects", kind, id, "push"] if kind.eq_ignore_ascii_case("StreamingChannel") => {
                push::push(self, id)
            }
            _ => Err(Refused::not_found()),
        }
    }

    fn only_get(&self, answer: impl FnOnce(&Self) -> Answer) -> Answer {
        if self.reads() { answer(self) } else { Err(self.not_allowed("GET,HEAD")) }
    }

    /// Whether the request only reads.
    fn reads(&self) -> bool {
        [Method::GET, Method::HEAD].contains(&self.method)
    }

    fn not_allowed(&self, allowed: &str) -> Refused {
        let message = format!("HTTP Method '{}' not allowed. Allowed are {allowed}", self.method);
        Refused::new("METHOD_NOT_ALLOWED", message).with(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// Who calls, and how.
    fn call(&self) -> Call<'_> {
        Call { user: &self.caller.user, version: self.version.number(), now: self.now }
    }

    /// The body, read as JSON. A body without a type counts as that.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let kind =
            self.head.headers.get(CONTENT_TYPE).map_or(&b"application/json"[..], HeaderValue::as_bytes);
        if !kind.to_ascii_lowercase().starts_with(b"application/json") {
            let message = format!("Content type {} not supported", String::from_utf8_lossy(kind));
            let refused = Refused::new("UNSUPPORTED_MEDIA_TYPE", message);
            return Err(refused.with(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        serde_json::from_slice(self.body).map_err(|error| {
            let place = format!("[line:{}, column:{}]", error.line(), error.column());
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            Refused::new("JSON_PARSER_ERROR", format!("{what} at {place}"))
        })
    }
}

/// What was asked for.
fn found(value: &Value) -> (StatusCode, String) {
    (StatusCode::OK, value.to_string())
}

/// Done, with nothing to say.
const NO_CONTENT: (StatusCode, String) = (StatusCode::NO_CONTENT, String::new());
