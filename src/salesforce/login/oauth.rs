//! OAuth 2.0: the four grants that need no browser, and the replies of `/services/oauth2/token`.
//!
//! Constraints: a reply is bounded by the client that reads it; no error of a reader quotes what it read; an instance or
//! an identity is taken from a reply only where tokens may go.
//!
//! Format: RFC 6749 (sections 4.3, 4.4, 5 and 6) and RFC 7523 with Salesforce's `instance_url`, `id` and `issued_at`.
//!
//! Operations: [`Form`] for the request, [`read`] for the reply.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::source;
use super::trouble::{Trouble, Veil};
use super::{Grant, instance};
use crate::secret::Secret;

/// The grant type of an assertion (RFC 7523, section 2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Errors that the same request will meet again (RFC 6749, section 5.2, and Salesforce's own); what is not known passes.
const FINAL: [&str; 12] = [
    "app_not_found",
    "invalid_app_access",
    "invalid_assertion_type",
    "invalid_client",
    "invalid_client_credentials",
    "invalid_client_id",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
];

/// In a description, what passes although its error does not: `invalid_grant` says all of it.
const PASSING: [&str; 10] = [
    "already being processed",
    "inactive",
    "locked",
    "maintenance",
    "rate exceeded",
    "rate limit",
    "retry",
    "suspended",
    "try again",
    "unavailable",
];

/// A request's body in the making.
pub(super) struct Form(String);

impl Form {
    pub(super) fn new(grant_type: &str) -> Self {
        Self(String::new()).with("grant_type", grant_type)
    }

    /// One more field.
    pub(super) fn with(self, name: &str, value: &str) -> Self {
        let length = self.0.len() + name.len() + value.len() * 3 + 2;
        let mut body = String::with_capacity(length);
        body.push_str(&self.0);
        // The old text is wiped: a buffer that grows leaves copies of secrets behind.
        drop(Secret::new(self.0));
        form_urlencoded::Serializer::for_suffix(&mut body, 0).append_pair(name, value);
        Self(body)
    }

    pub(super) fn finish(self) -> Secret<String> {
        Secret::new(self.0)
    }
}

/// A reply that gives a token.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) grant: Grant,
    /// The refresh token that takes the place of the one that was sent.
    pub(super) refresh_token: Option<Secret<String>>,
}

/// A reply as it stands; every field may be missing, or of another type in which case there is no reply.
#[derive(Deserialize)]
struct Written {
    access_token: Option<String>,
    refresh_token: Option<String>,
    token_type: Option<String>,
    instance_url: Option<String>,
    id: Option<String>,
    issued_at: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What a refusal says.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) trouble: Trouble,
    /// Whether the error is `invalid_grant`: an assertion may have come at the wrong time.
    pub(super) invalid_grant: bool,
}

/// What a reply gives; nothing when it is no reply of OAuth at all. `configured`: the hosts that are trusted.
pub(super) fn read(body: &[u8], veil: &Veil, configured: &[&Url]) -> Option<Result<Granted, Refused>> {
    let written: Written = serde_json::from_slice(body).ok()?;
    match &written {
        Written { error: Some(error), error_description, .. } => {
            Some(Err(refusal(error, error_description.as_deref().unwrap_or_default(), veil)))
        }
        Written { access_token: Some(_), .. } => {
            let granted = granted(written, configured);
            Some(granted.map_err(|trouble| Refused { trouble, invalid_grant: false }))
        }
        _ => None,
    }
}

fn granted(written: Written, configured: &[&Url]) -> Result<Granted, Trouble> {
    let given = Secret::new(written.access_token.unwrap_or_default());
    let refresh_token = written.refresh_token.map(Secret::new);
    if written.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Trouble::odd("the login host gave a token of another type than Bearer"));
    }
    let token = usable("access token", &given)?;
    let refresh_token = refresh_token.map(|given| usable("refresh token", &given)).transpose()?;
    let instance = followed("instance_url", written.instance_url.as_deref(), configured)?;
    let instance = instance.map(|(_, origin)| origin);
    let identity = followed("id", written.id.as_deref(), configured)?.map(|(url, _)| url);
    let issued_at = written.issued_at.as_deref().and_then(millis);
    Ok(Granted { grant: Grant { token, instance, identity, username: None, issued_at }, refresh_token })
}

fn usable(what: &str, given: &Secret<String>) -> Result<Secret<String>, Trouble> {
    source::token(given.expose().as_bytes()).map_err(|reason| {
        Trouble::odd(format!("the {what} that the login host gave cannot be used: {reason}"))
    })
}

/// A URL of the reply and its origin, where there is one.
fn followed(name: &str, url: Option<&str>, configured: &[&Url]) -> Result<Option<(Url, Url)>, Trouble> {
    let Some(text) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"));
    let origin = url.and_then(|url| instance::allowed(&url, configured).map(|origin| (url, origin)));
    origin
        .map(Some)
        .map_err(|reason| Trouble::refused(format!("the {name} of the login is not followed: {reason}")))
}

/// Milliseconds since 1970, as Salesforce tells them: in a string.
fn millis(text: &str) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(text.parse().ok()?))
}

fn refusal(error: &str, description: &str, veil: &Veil) -> Refused {
    let said = description.to_ascii_lowercase();
    let passes = !FINAL.contains(&error) || PASSING.iter().any(|part| said.contains(part));
    let (error_shown, description) = (veil.quote(error), veil.quote(description));
    let mut reason = format!("the login was refused: {error_shown}");
    if !description.is_empty() {
        reason = format!("{reason}: {description}");
    }
    if let Some(hint) = hint(&said) {
        reason = format!("{reason} ({hint})");
    }
    let trouble = if passes { Trouble::passing(reason, None) } else { Trouble::refused(reason) };
    Refused { trouble, invalid_grant: error == "invalid_grant" }
}

/// What a person can do, where the server's words do not say it.
fn hint(said: &str) -> Option<&'static str> {
    let hints = [
        (
            "request not supported on this domain",
            "this grant wants the org's own My Domain host as the login host",
        ),
        ("user hasn't approved", "an administrator has to pre-authorise the user for the connected app"),
        ("audience", "the audience is the login host unless it is configured otherwise"),
    ];
    hints.into_iter().find(|(part, _)| said.contains(part)).map(|(_, hint)| hint)
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
