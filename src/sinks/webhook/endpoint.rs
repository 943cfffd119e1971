//! The endpoint: what every request to it has in common, and one attempt.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::http::{HeaderName, HeaderValue, header};
use url::Url;

use super::super::format::Format;
use super::super::target::Unfit;
use super::Config;
use super::letter::{Batch, Letter};
use super::sign::Signer;
use super::verdict::{Again, Verdict};
use crate::http;
use crate::secret::Secret;

/// Identifies the event or the batch: the same on every attempt.
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When the attempt was made, in seconds since 1970.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures, where there are keys.
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// What a configuration may not set: the transport's own headers and the sink's.
const RESERVED: [HeaderName; 8] = [
    ID,
    TIMESTAMP,
    SIGNATURE,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
];

/// The endpoint of one sink.
pub(super) struct Endpoint {
    url: Url,
    authorization: Option<Secret<String>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    signer: Option<Signer>,
    content_type: &'static str,
    timeout: Duration,
    retry_for: Option<Duration>,
    pub(super) batch: Batch,
}

impl Endpoint {
    /// Checks the URL and the headers.
    pub(super) fn new(config: &Config, format: Format) -> Result<Self, Unfit> {
        if !matches!(config.url.scheme(), "http" | "https") {
            let found = format!("the URL's scheme is '{}'", config.url.scheme());
            return Err(unfit(&config.url, found, "give an http or https URL"));
        }
        let mut endpoint = Self {
            url: config.url.clone(),
            authorization: None,
            headers: Vec::new(),
            signer: Signer::new(&config.keys),
            content_type: content_type(format, config.batch),
            timeout: config.timeout,
            retry_for: config.retry_for,
            batch: config.batch,
        };
        for (name, value) in &config.headers {
            endpoint.add_header(name, value).map_err(|(found, hint)| unfit(&config.url, found, hint))?;
        }
        Ok(endpoint)
    }

    /// One attempt.
    pub(super) async fn post(&self, client: &mut http::Client, letter: &mut Letter) -> Verdict {
        let began = *letter.tried.get_or_insert_with(Instant::now);
        let headers = self.headers_of(letter);
        let request = http::Request {
            url: &self.url,
            body: letter.body.clone(),
            content_type: self.content_type,
            authorization: self.authorization.as_ref(),
            headers: &headers,
            deadline: self.timeout,
        };
        match client.post_for_status(request).await.into() {
            Verdict::Again(again) => self.again(again, began),
            verdict => verdict,
        }
    }

    fn headers_of(&self, letter: &Letter) -> Vec<(HeaderName, HeaderValue)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut headers = Vec::with_capacity(self.headers.len() + 3);
        headers.extend_from_slice(&self.headers);
        headers.extend(HeaderValue::from_maybe_shared(letter.id.clone()).map(|id| (ID, id)));
        headers.push((TIMESTAMP, HeaderValue::from(now)));
        if let Some(signer) = &self.signer {
            let signature = signer.signature(&letter.id, now, &letter.body);
            headers.extend(HeaderValue::try_from(signature).map(|signature| (SIGNATURE, signature)));
        }
        headers
    }

    /// Another attempt, if it can be made before the time for attempts is over.
    fn again(&self, again: Again, began: Instant) -> Verdict {
        let earliest = began.elapsed().saturating_add(again.after.unwrap_or_default());
        match self.retry_for {
            Some(limit) if earliest >= limit => {
                Verdict::Never(format!("not delivered within {limit:?}: {}", again.error))
            }
            _ => Verdict::Again(again),
        }
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

/// The media type of a body.
const fn content_type(format: Format, batch: Batch) -> &'static str {
    match format {
        Format::CloudEvents if batch.events > 1 => "application/cloudevents-batch+json",
        _ => format.content_type(),
    }
}

/// Why the endpoint cannot be used; of the URL, only what cannot be a secret (user, path and query can).
pub(super) fn unfit(url: &Url, found: String, hint: &str) -> Unfit {
    let thing = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    Unfit { thing, found, hint: hint.to_owned() }
}
