//! Records as POST requests to an HTTP endpoint.
//!
//! * One record a request, the next when the last one is dealt with: in order, whatever the channel.
//! * 2xx: delivered. A network error, a missed deadline, 408, 425, 429 and 5xx: tried again for ever, not before
//!   `Retry-After` (at most one hour). Every other status, and a redirect to another origin: refused for good.
//! * The status decides, once it is there: nothing in or about the body of an answer makes it less true.
//! * At least once: an answer that got lost means another attempt, with the same `webhook-id`, the event's
//!   stable id.
//! * The values of configured headers are secrets and never leave but for the endpoint.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::{HeaderName, HeaderValue, header};
use url::Url;

use super::format::Format;
use super::queue::Run;
use super::target::{Failure, Refused, Unfit};
use crate::bayeux::border::{Fault, FaultKind, Outcome, Reply};
use crate::secret::Secret;
use crate::{http, retry};

/// Where records are posted and how long that may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// The endpoint, `http` or `https`.
    pub url: Url,
    /// Additional headers, by name.
    pub headers: Vec<(String, Secret<String>)>,
    /// The deadline of one attempt.
    pub timeout: Duration,
    /// The waits between attempts.
    pub retry: retry::Config,
    /// How the endpoint is reached.
    pub http: http::Config,
    /// Where events that the endpoint refuses for good are put aside, one JSON line each with the reason.
    pub parked: Option<PathBuf>,
}

/// The longest `Retry-After` that is obeyed.
const AFTER_MAX: Duration = Duration::from_hours(1);
/// Carries the event's stable id (Standard Webhooks).
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// What a configuration may not set: the transport's own headers and the sink's.
const RESERVED: [HeaderName; 6] = [
    ID,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
];

/// The endpoint of one sink.
pub(super) struct Sink {
    client: http::Client,
    url: Url,
    authorization: Option<Secret<String>>,
    /// The configured headers, then the id of the record loaded.
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    format: Format,
    record: Option<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    id: String,
    body: Bytes,
}

impl Sink {
    /// Checks the URL, the headers and the transport's settings; the endpoint is not asked.
    pub(super) fn open(config: &Config, format: Format) -> Result<Self, Unfit> {
        if !matches!(config.url.scheme(), "http" | "https") {
            let found = format!("the URL's scheme is '{}'", config.url.scheme());
            return Err(unfit(&config.url, found, "give an http or https URL"));
        }
        let client = http::Client::new(&config.http)
            .map_err(|error| unfit(&config.url, error.to_string(), "correct the transport's settings"))?;
        let mut sink = Self {
            client,
            url: config.url.clone(),
            authorization: None,
            headers: Vec::new(),
            timeout: config.timeout,
            format,
            record: None,
        };
        for (name, value) in &config.headers {
            sink.add_header(name, value).map_err(|(found, hint)| unfit(&config.url, found, hint))?;
        }
        Ok(sink)
    }

    /// Takes the first event of `run` unless one is loaded: how many.
    pub(super) fn load(&mut self, run: &Run) -> usize {
        if self.record.is_some() {
            return 0;
        }
        let Some(event) = run.lease.batch().get(run.events.start) else { return 0 };
        let mut body = Vec::new();
        self.format.append(&event, &mut body);
        self.record = Some(Record { id: event.id(), body: Bytes::from(body) });
        1
    }

    /// Posts the record loaded.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let Some(Record { id, body }) = self.record.clone() else { return Ok(()) };
        match verdict(self.post(&id, body.clone()).await) {
            Verdict::Delivered => {
                self.record = None;
                Ok(())
            }
            Verdict::Again { error, after } => Err(Failure::Retry { error, after }),
            Verdict::Never(reason) => {
                self.record = None;
                Err(Failure::Refused(Refused { id, reason, record: body }))
            }
        }
    }

    async fn post(&mut self, id: &str, body: Bytes) -> Outcome {
        let mut headers = self.headers.clone();
        headers.extend(HeaderValue::from_str(id).map(|id| (ID, id)));
        let request = http::Request {
            url: &self.url,
            body,
            content_type: self.format.content_type(),
            authorization: self.authorization.as_ref(),
            headers: &headers,
            deadline: self.timeout,
        };
        self.client.post_for_status(request).await
    }

    fn add_header(&mut self, name: &str, value: &Secret<String>) -> Result<(), (String, &'static str)> {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| (format!("'{name}' is no header name"), "use letters, digits and '-'"))?;
        if RESERVED.contains(&parsed) {
            return Err((format!("the header '{name}' is set by cometail itself"), "remove it"));
        }
        let mut secret = HeaderValue::from_str(value.expose()).map_err(|_| {
            (
                format!("the value of the header '{name}' has a control character"),
                "remove line breaks from it",
            )
        })?;
        secret.set_sensitive(true);
        if parsed == header::AUTHORIZATION {
            self.authorization = Some(value.clone());
        } else {
            self.headers.push((parsed, secret));
        }
        Ok(())
    }
}

fn unfit(url: &Url, found: String, hint: &str) -> Unfit {
    Unfit { thing: origin(url), found, hint: hint.to_owned() }
}

/// The URL without what may be a secret in it: user, path and query.
fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// What an attempt came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Delivered,
    Again { error: String, after: Option<Duration> },
    Never(String),
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Ok(reply) => verdict_of_reply(&reply),
        Err(fault @ Fault { kind: FaultKind::Redirect, .. }) => Verdict::Never(fault.to_string()),
        Err(fault) => Verdict::Again { error: fault.to_string(), after: None },
    }
}

fn verdict_of_reply(reply: &Reply) -> Verdict {
    let answer = format!("HTTP status {}", reply.status);
    match reply.status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 => {
            Verdict::Again { error: answer, after: reply.retry_after.map(|after| after.min(AFTER_MAX)) }
        }
        _ => Verdict::Never(answer),
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
