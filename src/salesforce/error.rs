//! What an org refuses, in its own words and without the token.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::login::Failure;
use crate::bayeux::border::{Fault, FaultKind};
use crate::http::Response;
use crate::secret::{Secret, hide};

/// The most errors of one answer that are kept.
const COMPLAINTS_MAX: usize = 20;
/// The longest text of one error that is kept, in characters.
const TEXT_MAX: usize = 1_000;
/// The longest body of a refusal that is looked into, in bytes: a small text can be large when it is taken apart.
const BODY_MAX: usize = 256 << 10;
/// What is said of a change where nobody can tell whether it was made.
pub(super) const OPEN: &str = "it may have been done all the same; look before it is asked for again";
/// The status of what nobody of this name may do.
const FORBIDDEN: u16 = 403;
/// The status of a thing that is not there.
const NOT_FOUND: u16 = 404;

/// Codes of a user who may not do what was asked, whatever is tried again.
const PERMISSION: [&str; 9] = [
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "CLIENT_NOT_ACCESSIBLE_FOR_USER",
    "FUNCTIONALITY_NOT_ENABLED",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "INVALID_SESSION_ID",
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
];

/// Codes of an org that has no room now, whatever status they come with.
const BUSY: [&str; 3] = ["REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"];

/// Why a call came to nothing.
#[derive(Debug)]
pub enum ApiError {
    /// No answer came.
    Fault(Fault),
    /// There is no token, or none that the org takes.
    Login(Failure),
    /// The org said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, as far as it could be read.
        errors: Vec<Complaint>,
        /// `Retry-After` as a wait from now.
        retry_after: Option<Duration>,
    },
    /// The answer, or the question, makes no sense.
    Malformed(String),
}

/// One error of an org.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// Such as `INVALID_FIELD`; empty where the server has none.
    pub code: String,
    /// For a person.
    pub message: String,
    /// The fields that it is about.
    pub fields: Vec<String>,
}

impl ApiError {
    /// Whether the token, or its user, may not do what was asked.
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Login(failure) => failure.permanent,
            Self::Refused { status: 401, .. } => true,
            Self::Refused { status: FORBIDDEN, errors, .. } => !errors.iter().any(Complaint::is_busy),
            Self::Refused { errors, .. } => errors.iter().any(Complaint::is_permission),
            Self::Fault(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether the same call may succeed at another time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Login(failure) => !failure.permanent,
            Self::Refused { status: 408 | 429 | 500.., .. } | Self::Fault(_) => true,
            Self::Refused { errors, .. } => errors.iter().any(Complaint::is_busy),
            Self::Malformed(_) => false,
        }
    }

    /// The error of a request that was to change something; it tells where that may be done. An org that names its error
    /// has undone what it began.
    pub(super) fn of_change(mut self) -> Self {
        match &mut self {
            Self::Fault(fault) if fault.sent && fault.kind != FaultKind::Redirect => {
                fault.detail = format!("{}; {OPEN}", fault.detail);
            }
            Self::Refused { status: 500.., errors, .. } if errors.iter().all(|one| one.code.is_empty()) => {
                errors.push(Complaint::of(OPEN));
            }
            _ => {}
        }
        self
    }

    /// The error of a request for `what`, which is told where there is no such thing.
    pub(super) fn of_request(mut self, what: &str) -> Self {
        if let Self::Refused { status: NOT_FOUND, errors, .. } = &mut self {
            let text = format!("asked was {what}; 'cometail whoami' shows the API versions of the org");
            errors.push(Complaint::of(&text));
        }
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Login(failure) => failure.fmt(f),
            Self::Malformed(what) => f.write_str(what),
            Self::Refused { errors, retry_after, .. } => {
                let mut texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
                let wait = retry_after.map(|wait| wait.as_secs()).filter(|seconds| *seconds > 0);
                texts.extend(wait.map(|seconds| format!("it wants to be left alone for {seconds} s")));
                f.write_str(&texts.join("; "))
            }
        }
    }
}

impl std::error::Error for ApiError {}

impl Complaint {
    /// Words without a code.
    fn of(message: &str) -> Self {
        Self { message: message.to_owned(), ..Self::default() }
    }

    fn is_busy(&self) -> bool {
        BUSY.contains(&self.code.as_str())
    }

    /// The identity service has no codes, but words of its own.
    fn is_permission(&self) -> bool {
        PERMISSION.contains(&self.code.as_str()) || self.message.contains("_OAuth_Token")
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", message) => f.write_str(message)?,
            (code, "") => f.write_str(code)?,
            (code, message) => write!(f, "{code}: {message}")?,
        }
        if self.fields.is_empty() { Ok(()) } else { write!(f, " [{}]", self.fields.join(", ")) }
    }
}

/// The spellings of an error: that of the REST API, that of a record's result, that of OAuth.
#[derive(Deserialize)]
struct Written {
    #[serde(alias = "statusCode", alias = "error")]
    #[serde(rename = "errorCode")]
    code: Option<Value>,
    #[serde(alias = "error_description")]
    message: Option<Value>,
    #[serde(default)]
    fields: Option<Vec<Value>>,
}

/// What a response that is no success says; `header` is that of the token in use.
pub(super) fn refusal(response: &Response, header: Option<&Secret<String>>) -> ApiError {
    let token = header.map_or("", |header| header.expose());
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let body = response.body.get(..BODY_MAX).unwrap_or(&response.body);
    let written: Vec<Written> = serde_json::from_slice(body)
        .or_else(|_| serde_json::from_slice(body).map(|one| vec![one]))
        .unwrap_or_default();
    let mut errors: Vec<_> = written
        .into_iter()
        .take(COMPLAINTS_MAX)
        .map(|one| Complaint {
            code: text(one.code, token),
            message: text(one.message, token),
            fields: one
                .fields
                .into_iter()
                .flatten()
                .take(COMPLAINTS_MAX)
                .map(|f| text(Some(f), token))
                .collect(),
        })
        .filter(|one| *one != Complaint::default())
        .collect();
    if errors.is_empty() {
        errors.push(Complaint::of(&plain(response.status, body, token)));
    }
    if response.status == FORBIDDEN && header.is_none() {
        errors.push(Complaint::of("no access token was sent; set COMETAIL_TOKEN or give --token-file"));
    }
    ApiError::Refused { status: response.status, errors, retry_after: response.retry_after }
}

fn text(value: Option<Value>, token: &str) -> String {
    match value {
        Some(Value::String(text)) => tidy(&text, token),
        None | Some(Value::Null) => String::new(),
        Some(other) => tidy(&other.to_string(), token),
    }
}

/// One line of a server's words.
fn tidy(text: &str, token: &str) -> String {
    let shown = hide(text, token);
    shown.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What is said of a body that is no JSON.
fn plain(status: u16, body: &[u8], token: &str) -> String {
    let body = body.trim_ascii();
    if body.starts_with(b"<") {
        let why = if status < 500 { "is this the address of an org?" } else { "the org is in trouble" };
        return format!("HTTP {status} with a page for people; {why}");
    }
    // What is shown of it is short, and to look for the token is not.
    let body = body.get(..TEXT_MAX).unwrap_or(body);
    let text = tidy(&String::from_utf8_lossy(body), token);
    match text.chars().take(100).collect::<String>() {
        text if text.is_empty() => format!("the org answers HTTP {status}"),
        text => format!("HTTP {status}: {text}"),
    }
}
