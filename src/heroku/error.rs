//! What the service refuses, in its own words and without a token.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::bayeux::border::{Fault, FaultKind};
use crate::http::Response;
use crate::secret::hide;

/// The longest text of a server that is kept, in characters.
const TEXT_MAX: usize = 1_000;
/// The longest text that is kept of a body that is no JSON, in characters.
const PLAIN_MAX: usize = 100;
/// The longest body of a refusal that is looked into, in bytes: a small text can be large when it is taken apart.
const BODY_MAX: usize = 256 << 10;
/// What is said of a change where nobody can tell whether it was made.
pub(super) const OPEN: &str = "it may have been done all the same; look before it is asked for again";
/// Members of an answer that tell what is wrong, the best first.
const MEMBERS: [&str; 5] = ["message", "error", "detail", "error_description", "id"];

/// Why a call came to nothing.
#[derive(Debug)]
pub enum ApiError {
    /// No answer came.
    Fault(Fault),
    /// There is no token, or none that the service takes.
    Denied(String),
    /// The service said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, as far as it could be read.
        message: String,
        /// `Retry-After` as a wait from now.
        retry_after: Option<Duration>,
    },
    /// The answer, or the question, makes no sense.
    Malformed(String),
}

impl ApiError {
    /// Whether the token, or its user, may not do what was asked.
    pub const fn is_permission(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Refused { status: 401 | 403, .. })
    }

    /// Whether the same call may succeed at another time.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Refused { status: 408 | 429 | 500.., .. })
    }

    /// Whether it may be for what somebody else did to the same thing meanwhile.
    pub const fn may_be_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 409 | 412 | 422, .. })
    }

    /// How long the service asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Fault(_) | Self::Denied(_) | Self::Malformed(_) => None,
        }
    }

    /// The error of a request that was to change something; it tells where that may be done.
    pub(super) fn of_change(mut self) -> Self {
        match &mut self {
            Self::Fault(Fault { sent: true, kind, detail }) if *kind != FaultKind::Redirect => {
                *detail = format!("{detail}; {OPEN}");
            }
            Self::Refused { status: 500.., message, .. } => {
                let gap = if message.is_empty() { "" } else { "; " };
                *message = format!("{message}{gap}{OPEN}");
            }
            _ => {}
        }
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Denied(what) | Self::Malformed(what) => f.write_str(what),
            Self::Refused { status, message, retry_after } => {
                match message.as_str() {
                    "" => write!(f, "the service answers HTTP {status}")?,
                    message => write!(f, "{message} (HTTP {status})")?,
                }
                match retry_after.map(|wait| wait.as_secs()) {
                    None | Some(0) => Ok(()),
                    Some(seconds) => write!(f, "; it wants to be left alone for {seconds} s"),
                }
            }
        }
    }
}

impl std::error::Error for ApiError {}

/// What a response that is no success says, without `secrets`.
pub(super) fn refusal(response: &Response, secrets: &[&str]) -> ApiError {
    let body = response.body.get(..BODY_MAX).unwrap_or(&response.body);
    let message = match serde_json::from_slice::<Value>(body) {
        Ok(value) => tidy(&told(&value), secrets),
        Err(_) => plain(response.status, body, secrets),
    };
    ApiError::Refused { status: response.status, message, retry_after: response.retry_after }
}

fn told(value: &Value) -> String {
    let member = MEMBERS.iter().find_map(|name| value.get(name).filter(|found| !found.is_null()));
    match member.unwrap_or(value) {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn plain(status: u16, body: &[u8], secrets: &[&str]) -> String {
    let body = body.trim_ascii();
    if body.starts_with(b"<") {
        let why = if status < 500 { "is this the address of the API?" } else { "the service is in trouble" };
        return format!("a page for people came; {why}");
    }
    // What is shown of it is short, and to look for secrets is not.
    let body = body.get(..TEXT_MAX).unwrap_or(body);
    tidy(&String::from_utf8_lossy(body), secrets).chars().take(PLAIN_MAX).collect()
}

/// One line of a server's words.
fn tidy(text: &str, secrets: &[&str]) -> String {
    let mut shown = text.to_owned();
    for secret in secrets {
        shown = hide(&shown, secret).into_owned();
    }
    shown.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn said(body: &str) -> String {
        let response = Response {
            status: 400,
            date: None,
            location: None,
            retry_after: None,
            content_type: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        match refusal(&response, &["hush-hush-hush"]) {
            ApiError::Refused { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_best_words_are_taken_and_no_secret_with_them() {
        for (body, wanted) in [
            (r#"{"id":"bad_request","message":"no hush-hush-hush"}"#, "no ***"),
            (r#"{"error":"still\nsyncing","syncing":["a"]}"#, "still syncing"),
            (r#"{"detail":"Not found."}"#, "Not found."),
            (r#"{"fields":["wanted"]}"#, r#"{"fields":["wanted"]}"#),
            ("null", ""),
            ("", ""),
            ("hush-hush-hush\u{1b}[2J", "*** [2J"),
            ("<html>hush", "a page for people came; is this the address of the API?"),
        ] {
            assert_eq!(said(body), wanted, "{body}");
        }
        assert_eq!(said(&"x".repeat(5_000)).len(), PLAIN_MAX);
        assert_eq!(said(&format!("{:?}", "x".repeat(5_000))).len(), TEXT_MAX);
    }

    #[test]
    fn errors_are_sorted_by_what_follows() {
        let of = |status| ApiError::Refused { status, message: String::new(), retry_after: None };
        for (status, permission, passes) in [
            (401, true, false),
            (403, true, false),
            (404, false, false),
            (429, false, true),
            (503, false, true),
        ] {
            assert_eq!((of(status).is_permission(), of(status).may_pass()), (permission, passes), "{status}");
        }
        assert_eq!(of(500).to_string(), "the service answers HTTP 500");
    }
}
