//! Logins: SOAP, the OAuth endpoints, and who a token stands for.
//!
//! | request | does |
//! |---|---|
//! | `POST /services/Soap/u/XX.X`, `/services/Soap/c/XX.X` | `login` and `logout` of the partner and enterprise API |
//! | `POST /services/oauth2/token` | `password`, `refresh_token`, `client_credentials` and JWT bearer grants |
//! | `POST`, `GET /services/oauth2/revoke` | takes a token back |
//! | `GET`, `POST /services/oauth2/userinfo`, `/id/ORG/USER` | tells who a token stands for |
//! | `GET /services/data` | the API versions; for everybody |
//!
//! Ten wrong passwords in a row lock a user out for 15 minutes, scaled; the answer does not say so. Of a user 3,600
//! logins in an hour, scaled, are taken.
//!
//! Nothing is written about what was in a request: passwords and tokens come in here.

pub(super) mod attempts;
pub(super) mod control;
mod identity;
pub(super) mod jwt;
mod oauth;
mod soap;

use std::sync::Arc;

use http::header::{ALLOW, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::http::{Reply, text, with};
use super::state::Shared;
use super::users::User;

/// The largest request to any of these.
pub(super) const REQUEST_MAX: usize = 64 << 10;

/// Whether `path` is answered here.
pub(super) fn is_path(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == "/services/data"
        || ["/services/oauth2/", "/services/Soap/", "/id/"].iter().any(|start| path.starts_with(start))
}

/// Answers a request of such a path.
pub(super) fn handle(shared: &Shared, head: &Parts, body: &[u8]) -> Reply {
    let path = head.uri.path().trim_end_matches('/');
    let read = [Method::GET, Method::HEAD].contains(&head.method);
    let post = head.method == Method::POST;
    match path {
        "/services/data" if read => identity::versions(),
        "/services/oauth2/token" if post => oauth::token(shared, &head.headers, body),
        "/services/oauth2/revoke" if post => oauth::revoke(shared, body),
        "/services/oauth2/revoke" if read => {
            oauth::revoke(shared, head.uri.query().unwrap_or_default().as_bytes())
        }
        "/services/oauth2/userinfo" if read || post => identity::userinfo(shared, &head.headers),
        "/services/data" | "/services/oauth2/userinfo" => not_allowed("GET"),
        "/services/oauth2/token" | "/services/oauth2/revoke" => not_allowed("POST"),
        _ => match (path.strip_prefix("/services/Soap/"), path.strip_prefix("/id/")) {
            (Some(api), _) if post => soap::handle(shared, &head.headers, api, body),
            (Some(_), _) => not_allowed("POST"),
            (_, Some(who)) if read || post => identity::identity(shared, &head.headers, who),
            (_, Some(_)) => not_allowed("GET"),
            _ => text(StatusCode::NOT_FOUND, "no such page"),
        },
    }
}

fn not_allowed(method: &str) -> Reply {
    with(text(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted"), ALLOW, method)
}

/// Why a user is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// There is no such user, or the password is another.
    Wrong,
    /// The password is right, and the security token is missing behind it.
    NoSecurityToken,
    /// Logins of this user are not taken.
    Inactive,
    /// There were as many logins of the user as there may be in an hour.
    TooMany,
}

/// The user of this name, if the password is right and has not been wrong too often.
fn check_password(shared: &Shared, username: &str, password: &str) -> Result<Arc<User>, Refused> {
    let user = shared.org.user(username).ok_or(Refused::Wrong)?;
    let mut state = shared.lock();
    if state.attempts.are_locked(&user.id, shared.config.scaled(attempts::LOCKOUT)) {
        return Err(Refused::Wrong);
    }
    let outcome = compare(user, password);
    state.attempts.note(&user.id, outcome.is_ok());
    drop(state);
    outcome?;
    if admit(shared, user) { Ok(Arc::clone(user)) } else { Err(Refused::TooMany) }
}

/// Whether one more login of a user is taken.
fn admit(shared: &Shared, user: &User) -> bool {
    shared.lock().attempts.admit(&user.id, shared.config.scaled(attempts::PERIOD))
}

fn compare(user: &User, password: &str) -> Result<(), Refused> {
    match password.strip_prefix(user.password.expose()) {
        Some(token) if token == user.security_token.expose() => {}
        Some("") => return Err(Refused::NoSecurityToken),
        _ => return Err(Refused::Wrong),
    }
    if user.is_active() { Ok(()) } else { Err(Refused::Inactive) }
}

/// Counts a login.
fn count<T, E>(shared: &Shared, outcome: Result<T, E>) -> Result<T, E> {
    let mut state = shared.lock();
    match outcome {
        Ok(_) => state.counters.logins += 1,
        Err(_) => state.counters.logins_refused += 1,
    }
    outcome
}

/// The origin of this server, as its client sees it.
fn origin(headers: &HeaderMap) -> String {
    let plain =
        |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:[]-_".contains(&byte));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(plain);
    format!("http://{}", host.unwrap_or("localhost"))
}

/// The origin of the org: where a login says that requests are to go.
fn instance(shared: &Shared, headers: &HeaderMap) -> String {
    shared.lock().instance.clone().unwrap_or_else(|| origin(headers))
}
