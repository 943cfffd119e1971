//! Heroku Connect: its API v3, as far as mappings need it, and the authorizations of the platform's API.
//!
//! # Constraints
//!
//! Connections, mappings and tokens are bounded. Nothing is mirrored anywhere: a mapping has a state that moves and a
//! revision that grows, no table.
//!
//! # Format
//!
//! | request | does |
//! |---|---|
//! | `POST /oauth/authorizations` | gives a token for the API key `emulator-api-key`, the password of Basic; `{"expires_in":SECONDS}` bounds its life |
//! | `GET /api/v3/connections?app=APP` | pages of 25 connections |
//! | `GET /api/v3/connections/ID?deep=true` | one connection, without `deep` without its mappings |
//! | `POST /api/v3/connections/ID/mappings` | makes a mapping of `{"object_name","config"}` |
//! | `PUT /api/v3/mappings/ID` | changes it, if `config.revision` is the present one, else 409 |
//! | `POST /api/v3/connections/ID/actions/pause`, `.../resume` | 202; states stand still while paused |
//!
//! At the start the app `example` has one connection. A new or changed mapping is `SCHEMA_CHANGED`, and after five
//! seconds of time that is scaled `POLLING_SF_CHANGES`.
//!
//! # Operations
//!
//! [`handle`] answers a request.

mod config;
mod store;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Reply, json as json_reply};
use super::state::Shared;

pub(super) use store::{Store, add};

/// The key that gets tokens.
const API_KEY: &str = "emulator-api-key";
/// How many connections a page has.
const PAGE: usize = 25;
/// How long a mapping is `SCHEMA_CHANGED`, before scaling.
const SETTLING: Duration = Duration::from_secs(5);
/// The largest request.
pub(super) const REQUEST_MAX: usize = 1 << 20;
const AUTHORIZATIONS: &str = "/oauth/authorizations";
const API: &str = "/api/v3/";

/// Why a request is refused.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    fn missing() -> Self {
        Self(StatusCode::NOT_FOUND, "Not found.".into())
    }
}

/// Whether `path` is one of this service.
pub(super) fn is_path(path: &str) -> bool {
    path == AUTHORIZATIONS || path.starts_with(API)
}

/// Answers a request.
pub(super) fn handle(shared: &Shared, head: &Parts, body: &[u8]) -> Reply {
    let done = if head.uri.path() == AUTHORIZATIONS {
        authorize(shared, head, body)
    } else {
        admit(shared, &head.headers).and_then(|()| route(shared, head, body))
    };
    match done {
        Ok((status, Value::Null)) => json_reply(status, String::new()),
        Ok((status, value)) => json_reply(status, value.to_string()),
        Err(Refusal(status, message)) => json_reply(status, json!({"message": message}).to_string()),
    }
}

type Done = Result<(StatusCode, Value), Refusal>;

fn route(shared: &Shared, head: &Parts, body: &[u8]) -> Done {
    let path = head.uri.path().strip_prefix(API).unwrap_or_default();
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let mut state = shared.lock();
    let store = &mut state.heroku;
    match (&head.method, parts.as_slice()) {
        (&Method::GET, ["connections"]) => Ok((StatusCode::OK, list(store, head))),
        (&Method::GET, ["connections", id]) => {
            let deep = query(head, "deep").is_some_and(|deep| deep == "true");
            let settling = deep.then(|| shared.config.scaled(SETTLING));
            Ok((StatusCode::OK, store.connection(id)?.show(settling)))
        }
        (&Method::POST, ["connections", id, "mappings"]) => {
            Ok((StatusCode::CREATED, store.map(id, config::Wanted::parse(body)?)?))
        }
        (&Method::PUT, ["mappings", id]) => {
            Ok((StatusCode::OK, store.remap(id, config::Wanted::parse(body)?)?))
        }
        (&Method::POST, ["connections", id, "actions", action @ ("pause" | "resume")]) => {
            store.connection(id)?.pause(*action == "pause");
            Ok((StatusCode::ACCEPTED, Value::Null))
        }
        _ => Err(Refusal::missing()),
    }
}

fn list(store: &Store, head: &Parts) -> Value {
    let app = query(head, "app");
    let page: usize = query(head, "page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
    let found: Vec<_> = store.of_app(app.as_deref()).collect();
    let results: Vec<_> = found.iter().skip((page - 1).saturating_mul(PAGE)).take(PAGE).collect();
    let link = |page: usize| {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let app = app.as_deref().map(|app| format!("app={}&", escaped(app))).unwrap_or_default();
        format!("http://{host}{API}connections?{app}page={page}")
    };
    json!({
        "count": found.len(),
        "next": (page.saturating_mul(PAGE) < found.len()).then(|| link(page + 1)),
        "previous": (page > 1).then(|| link(page - 1)),
        "results": results,
    })
}

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn query(head: &Parts, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Lets in who has a token, or the key in a token's place, as the platform does.
fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").unwrap_or_default();
    if token == API_KEY || shared.lock().heroku.knows(token) {
        return Ok(());
    }
    Err(Refusal(StatusCode::UNAUTHORIZED, "Invalid credentials provided.".into()))
}

#[derive(Default, Deserialize)]
struct Asked {
    expires_in: Option<u32>,
}

fn authorize(shared: &Shared, head: &Parts, body: &[u8]) -> Done {
    if head.method != Method::POST {
        return Err(Refusal::missing());
    }
    let given = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let basic = given.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if basic != format!(":{API_KEY}").as_bytes() {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "Invalid credentials provided.".into()));
    }
    let asked = if body.is_empty() { Ok(Asked::default()) } else { serde_json::from_slice(body) };
    let Asked { expires_in } = asked.map_err(|error| Refusal::bad(error.to_string()))?;
    let life = expires_in.map(|seconds| shared.config.scaled(Duration::from_secs(seconds.into())));
    let token = shared.lock().heroku.issue(life);
    let answer = json!({
        "access_tokens": [{"token": token, "expires_in": expires_in}],
        "client": null,
        "created_at": store::authorized_at(),
        "description": "Long-lived user authorization",
        "grants": [],
        "id": store::uuid(),
        "refresh_tokens": [],
        "scopes": ["global"],
        "updated_at": store::authorized_at(),
    });
    Ok((StatusCode::CREATED, answer))
}
