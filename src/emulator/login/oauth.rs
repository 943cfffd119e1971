//! The token endpoint of OAuth 2.0 (RFC 6749, RFC 7523) and the revocation endpoint (RFC 7009), in the words of
//! Salesforce's public documentation ("OAuth 2.0 Authorization Errors").
//!
//! Parameters come as a form in the body, the client's also as HTTP Basic; each at most once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded;

use super::super::http::{Reply, json as json_reply, with};
use super::super::state::Shared;
use super::super::users::{Client, User};
use super::{Refused, admit, check_password, count, instance, jwt, origin};

/// The grant type of an assertion.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Why there is no token: `error` and `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denial(pub(super) &'static str, pub(super) &'static str);

const AUTHENTICATION: Denial = Denial("invalid_grant", "authentication failure");
const UNKNOWN_CLIENT: Denial = Denial("invalid_client_id", "client identifier invalid");
const WRONG_SECRET: Denial = Denial("invalid_client", "invalid client credentials");
const EXPIRED: Denial = Denial("invalid_grant", "expired access/refresh token");
const TOO_MANY: Denial = Denial("invalid_grant", "login rate exceeded");
const INACTIVE: Denial = Denial("inactive_user", "user is inactive");

/// The parameters of a request.
type Form<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What a grant comes to.
struct Granted {
    user: Arc<User>,
    client: Arc<Client>,
    /// Where each refresh token works once: the next.
    refresh: Option<String>,
    /// Whether the reply says when it was made, and is signed; that to an assertion is not.
    signed: bool,
}

impl Granted {
    fn new(user: &Arc<User>, client: &Arc<Client>) -> Self {
        Self { user: Arc::clone(user), client: Arc::clone(client), refresh: None, signed: true }
    }
}

/// `POST /services/oauth2/token`.
pub(super) fn token(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Reply {
    match count(shared, form(body).and_then(|form| grant(shared, headers, &form))) {
        Ok(granted) => reply(StatusCode::OK, &render(shared, headers, &granted)),
        Err(denial) => refuse(denial),
    }
}

/// `/services/oauth2/revoke`, the parameters in the body or the query.
pub(super) fn revoke(shared: &Shared, parameters: &[u8]) -> Reply {
    let form = form(parameters).unwrap_or_default();
    if form.get("token").is_some_and(|token| shared.lock().tokens.revoke(token)) {
        return with(Reply::default(), CACHE_CONTROL, "no-store");
    }
    refuse(Denial("unsupported_token_type", "this token type is not supported"))
}

fn grant(shared: &Shared, headers: &HeaderMap, form: &Form) -> Result<Granted, Denial> {
    match value(form, "grant_type") {
        "password" => password(shared, &client(shared, headers, form)?, form),
        "refresh_token" => refresh(shared, &client(shared, headers, form)?, form),
        "client_credentials" => client_credentials(shared, &client(shared, headers, form)?),
        JWT_BEARER => assertion(shared, headers, value(form, "assertion")),
        "" => Err(Denial("invalid_request", "missing required parameter: grant_type")),
        _ => Err(Denial("unsupported_grant_type", "grant type not supported")),
    }
}

/// The client that sends the form, its secret checked.
fn client(shared: &Shared, headers: &HeaderMap, form: &Form) -> Result<Arc<Client>, Denial> {
    let basic = basic(headers);
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => (value(form, "client_id"), value(form, "client_secret")),
    };
    let client = shared.org.client(id).ok_or(UNKNOWN_CLIENT)?;
    let demanded = client.secret.expose();
    if demanded.is_empty() || secret == demanded { Ok(Arc::clone(client)) } else { Err(WRONG_SECRET) }
}

/// The client of `Authorization: Basic` (RFC 6749, 2.3.1: both parts are form-encoded first).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let pair = format!("x={}", part.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

fn password(shared: &Shared, client: &Arc<Client>, form: &Form) -> Result<Granted, Denial> {
    let user = check_password(shared, value(form, "username"), value(form, "password"));
    let user = user.map_err(|refused| if refused == Refused::TooMany { TOO_MANY } else { AUTHENTICATION })?;
    if client.is_approved_by(&user) {
        return Ok(Granted::new(&user, client));
    }
    Err(Denial("invalid_app_access", "user is not admin approved to access this app"))
}

fn refresh(shared: &Shared, client: &Arc<Client>, form: &Form) -> Result<Granted, Denial> {
    let token = value(form, "refresh_token");
    let mut state = shared.lock();
    let user = state.tokens.refresh(token, client).ok_or(EXPIRED)?;
    if !user.is_active() {
        return Err(INACTIVE);
    }
    let next = client.rotates.then(|| state.tokens.rotate(token, &user, client));
    Ok(Granted { refresh: next, ..Granted::new(&user, client) })
}

fn client_credentials(shared: &Shared, client: &Arc<Client>) -> Result<Granted, Denial> {
    if client.secret.expose().is_empty() {
        return Err(WRONG_SECRET);
    }
    let user = client.run_as.as_deref().and_then(|name| shared.org.user(name));
    let user = user.ok_or(Denial("invalid_grant", "no client credentials user enabled"))?;
    if !user.is_active() {
        return Err(INACTIVE);
    }
    if admit(shared, user) { Ok(Granted::new(user, client)) } else { Err(TOO_MANY) }
}

fn assertion(shared: &Shared, headers: &HeaderMap, assertion: &str) -> Result<Granted, Denial> {
    let jwt = jwt::Assertion::parse(assertion)?;
    let client = shared.org.client(jwt.issuer()).ok_or(UNKNOWN_CLIENT)?;
    jwt.check_signature(client)?;
    jwt.check_claims(shared, &origin(headers))?;
    let user = jwt.subject().and_then(|name| shared.org.user(name));
    let user = user.ok_or(Denial("invalid_grant", "user hasn't approved this consumer"))?;
    if !user.is_active() {
        return Err(INACTIVE);
    }
    if !client.is_approved_by(user) {
        return Err(Denial("invalid_grant", "user hasn't approved this consumer"));
    }
    if !admit(shared, user) {
        return Err(TOO_MANY);
    }
    Ok(Granted { signed: false, ..Granted::new(user, client) })
}

/// The members of the reply (REST API developer guide, "OAuth 2.0 username-password flow").
fn render(shared: &Shared, headers: &HeaderMap, granted: &Granted) -> Value {
    let id = format!("{}/id/{}/{}", origin(headers), shared.org.id, granted.user.id);
    let instance = instance(shared, headers);
    let mut members = json!({
        "access_token": shared.lock().tokens.issue(&granted.user, Some(&granted.client)),
        "instance_url": instance,
        "id": id,
        "token_type": "Bearer",
        "scope": "id api refresh_token",
    });
    let mut set = |name: &str, value: String| {
        if let Some(members) = members.as_object_mut() {
            members.insert(name.to_owned(), value.into());
        }
    };
    if granted.signed {
        let issued_at = millis(shared.now()).to_string();
        set("signature", sign(granted.client.secret.expose(), &format!("{id}{issued_at}")));
        set("issued_at", issued_at);
    }
    granted.refresh.iter().for_each(|token| set("refresh_token", token.clone()));
    members
}

/// By which the client knows that the reply is from somebody who has its secret.
fn sign(secret: &str, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn form(body: &[u8]) -> Result<Form<'_>, Denial> {
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(body) {
        if form.insert(name, value).is_some() {
            return Err(Denial("invalid_request", "a parameter comes twice"));
        }
    }
    Ok(form)
}

fn value<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map(AsRef::as_ref).unwrap_or_default()
}

fn refuse(Denial(error, description): Denial) -> Reply {
    reply(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": description}))
}

fn reply(status: StatusCode, members: &Value) -> Reply {
    with(json_reply(status, members.to_string()), CACHE_CONTROL, "no-store")
}
