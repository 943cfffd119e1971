//! The REST API of one org: JSON in, JSON out, one kept-alive connection.
//!
//! Constraints: a request goes to the origin of the org alone, and so does the token; an answer that points elsewhere is
//! refused. A token that the org does not take (401) is renewed once for each request, then the request fails. What a
//! server says is told without the token in use, and shortened.
//!
//! Operations: [`Api::get`], [`Api::post`], [`Api::patch`], [`Api::put`], [`Api::delete`] of a path;
//! [`Api::query`] for the records of a query, all its pages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::error::{ApiError, OPEN, refusal};
use super::login::{Failure, Login};
use crate::http::{Client, Meanwhile, Request, Response, beside};

/// The most records that one query gives.
pub const RECORDS_MAX: usize = 50_000;
/// The most pages of one query; orgs put 200 records or more on each but the last.
const PAGES_MAX: usize = 500;
/// The largest answer, in bytes, and how much all pages of a query may be together.
const ANSWER_MAX: usize = 16 << 20;
const QUERY_MAX: usize = 64 << 20;
/// The status of a token that is not taken, `INVALID_SESSION_ID`.
const UNAUTHORIZED: u16 = 401;
/// Without it some resources answer in XML.
const HEADERS: [(HeaderName, HeaderValue); 1] = [(ACCEPT, HeaderValue::from_static("application/json"))];

/// The version of an org's API, such as 61.0. Salesforce counts in whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u16);

impl ApiVersion {
    /// What is asked for where nobody says a version.
    pub const DEFAULT: Self = Self(61);
    /// The first with a REST API for data (guide: `ApiVersion` of a PushTopic, 20.0 and later).
    pub const FIRST: Self = Self(20);
    /// That of the endpoint `/cometd` without a version (guide: the legacy endpoint).
    pub const LEGACY: Self = Self(22);
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

/// A text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVersion;

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted an API version such as 61.0, from 20.0 on")
    }
}

impl std::error::Error for NoVersion {}

impl FromStr for ApiVersion {
    type Err = NoVersion;

    /// Takes `61.0`, `61` and `v61.0`.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let number = text.strip_prefix('v').unwrap_or(text);
        let number = number.strip_suffix(".0").unwrap_or(number);
        let digits = !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit());
        let version = number.parse().ok().filter(|_| digits).map(Self).ok_or(NoVersion)?;
        if version < Self::FIRST { Err(NoVersion) } else { Ok(version) }
    }
}

/// Where an org is, and by which version it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// Its origin, such as `https://acme.my.salesforce.com/`.
    pub instance: Url,
    /// The version of its API.
    pub version: ApiVersion,
}

impl Org {
    /// The org of `url`, a host or a CometD endpoint; `version` before that of the endpoint, before the default.
    ///
    /// # Errors
    /// The endpoint names a version that is none.
    pub fn of(url: &Url, version: Option<ApiVersion>) -> Result<Self, NoVersion> {
        let mut instance = url.clone();
        instance.set_path("/");
        instance.set_query(None);
        instance.set_fragment(None);
        // Both fail only on URLs that can have neither.
        let _ = instance.set_username("");
        let _ = instance.set_password(None);
        let told = match url.path().trim_end_matches('/').rsplit_once("/cometd") {
            Some((_, "")) => Some(ApiVersion::LEGACY),
            Some((_, rest)) => rest.strip_prefix('/').map(str::parse).transpose()?,
            None => None,
        };
        Ok(Self { instance, version: version.or(told).unwrap_or(ApiVersion::DEFAULT) })
    }
}

/// The REST API of an org, as one user.
#[derive(Debug)]
pub struct Api {
    client: Client,
    login: Login,
    org: Org,
    deadline: Duration,
    /// Whether the login was asked for a token.
    begun: bool,
    meanwhile: Option<Meanwhile>,
}

/// Pages of a query, as the server gives them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    records: Vec<T>,
    next_records_url: Option<String>,
    /// Whether these are the last records.
    done: Option<bool>,
}

impl Api {
    /// An API that nothing was asked yet; `deadline` is for each request, from its start to its last byte.
    pub fn new(client: Client, login: Login, org: Org, deadline: Duration) -> Self {
        let client = client.with_answers_of(ANSWER_MAX);
        Self { client, login, org, deadline, begun: false, meanwhile: None }
    }

    /// From now on this goes on beside each call, its login included.
    pub const fn set_meanwhile(&mut self, meanwhile: Meanwhile) {
        self.meanwhile = Some(meanwhile);
    }

    /// The org as it was given.
    pub const fn org(&self) -> &Org {
        &self.org
    }

    /// The login, which knows more after the first request.
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Where requests go: where the login says that the org is, else where it was said to be.
    pub fn instance(&self) -> &Url {
        self.login.instance().unwrap_or(&self.org.instance)
    }

    /// Reads. A path that begins with `/` is one of the host, any other one of `/services/data/vXX.X/`.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ApiError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Sends a new thing, or an action.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = json(body)?;
        self.ask(Method::POST, path, body).await
    }

    /// Changes some fields; orgs answer without a body, which reads as `()` or [`None`].
    pub async fn patch<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = json(body)?;
        self.ask(Method::PATCH, path, body).await
    }

    /// Puts a thing in the place of another.
    pub async fn put<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = json(body)?;
        self.ask(Method::PUT, path, body).await
    }

    /// Deletes; orgs answer without a body, which reads as `()` or [`None`].
    pub async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ApiError> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    /// The records of a query in SOQL, all pages; at most [`RECORDS_MAX`].
    pub async fn query<T: DeserializeOwned>(&mut self, soql: &str) -> Result<Vec<T>, ApiError> {
        beside(self.meanwhile, self.pages(soql)).await
    }

    async fn pages<T: DeserializeOwned>(&mut self, soql: &str) -> Result<Vec<T>, ApiError> {
        let escaped: String = form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let mut path = format!("query?q={escaped}");
        let mut records = Vec::new();
        let mut size = 0;
        for _ in 0..PAGES_MAX {
            let body = self.answer(&Method::GET, &path, Bytes::new()).await?;
            let mut page: Page<T> = read(&Method::GET, &path, &body)?;
            records.append(&mut page.records);
            size += body.len();
            if records.len() > RECORDS_MAX || size > QUERY_MAX {
                break;
            }
            match page.next_records_url {
                None if page.done == Some(false) => {
                    let what = "the org has more records, and does not say where";
                    return Err(ApiError::Malformed(String::from(what)));
                }
                None => return Ok(records),
                Some(next) if next.starts_with('/') => path = next,
                Some(next) => return Err(stray(&next)),
            }
        }
        let mib = QUERY_MAX >> 20;
        let what =
            format!("the query has more than {RECORDS_MAX} records or {PAGES_MAX} pages, or {mib} MiB");
        Err(ApiError::Malformed(what))
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ApiError> {
        let ended = beside(self.meanwhile, self.answer(&method, path, body)).await;
        if method == Method::GET {
            return read(&method, path, &ended?);
        }
        let body = ended.map_err(ApiError::of_change)?;
        read(&method, path, &body).map_err(|error| ApiError::Malformed(format!("{error}; {OPEN}")))
    }

    /// The body of an answer that is no refusal.
    async fn answer(&mut self, method: &Method, path: &str, body: Bytes) -> Result<Bytes, ApiError> {
        let response = self.exchange(method, path, body).await?;
        if (200..300).contains(&response.status) {
            return Ok(response.body);
        }
        let asked =
            format!("{method} {}", self.url(path).map_or_else(|_| shown(path), |url| shown(url.path())));
        Err(refusal(&response, self.login.header().as_deref()).of_request(&asked))
    }

    /// One exchange, with the token renewed once where the org does not take it.
    async fn exchange(&mut self, method: &Method, path: &str, body: Bytes) -> Result<Response, ApiError> {
        if !self.begun {
            self.login.renew(false).await.map_err(ApiError::Login)?;
            self.begun = true;
        }
        let response = self.send(method, path, body.clone()).await?;
        if response.status != UNAUTHORIZED {
            self.login.accepted();
            return Ok(response);
        }
        self.login.renew(true).await.map_err(ApiError::Login)?;
        let response = self.send(method, path, body).await?;
        if response.status == UNAUTHORIZED {
            let told = refusal(&response, self.login.header().as_deref());
            let reason = format!("the org refused a new access token too: {told}");
            return Err(ApiError::Login(Failure { reason, permanent: true, after: None }));
        }
        self.login.accepted();
        Ok(response)
    }

    async fn send(&mut self, method: &Method, path: &str, body: Bytes) -> Result<Response, ApiError> {
        let url = self.url(path)?;
        let authorization = self.login.header();
        let request = Request {
            url: &url,
            body,
            content_type: "application/json",
            authorization: authorization.as_deref(),
            headers: &HEADERS,
            deadline: self.deadline,
        };
        self.client.send(method.clone(), request).await.map_err(ApiError::Fault)
    }

    /// A path of the org; a server's own words may be in it, and must not lead elsewhere.
    fn url(&self, path: &str) -> Result<Url, ApiError> {
        let instance = self.instance();
        let absolute = format!("/services/data/v{}/{path}", self.org.version);
        let url = instance.join(if path.starts_with('/') { path } else { &absolute });
        let url = url.ok().filter(|url| url.origin() == instance.origin());
        url.ok_or_else(|| stray(path))
    }
}

/// Reads an answer, of which there may be nothing.
fn read<T: DeserializeOwned>(method: &Method, path: &str, body: &[u8]) -> Result<T, ApiError> {
    let bytes = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(bytes).map_err(|error| {
        // The error of the decoder may repeat the text; its place and kind say enough.
        let (kind, line, column) = (error.classify(), error.line(), error.column());
        let place = match (body, body.trim_ascii_start()) {
            ([], _) => "there is none".to_owned(),
            (_, [b'<', ..]) => "a page for people; is this the address of an org?".to_owned(),
            _ => format!("{kind:?}, line {line}, column {column}"),
        };
        let path = shown(path);
        ApiError::Malformed(format!("{method} {path}: the answer is not what was expected: {place}"))
    })
}

fn json(body: &impl Serialize) -> Result<Bytes, ApiError> {
    let text = serde_json::to_vec(body);
    text.map(Bytes::from).map_err(|error| ApiError::Malformed(format!("what was to be sent: {error}")))
}

fn stray(path: &str) -> ApiError {
    ApiError::Malformed(format!("no path of the org: {}", shown(path)))
}

/// A path without its query, for a person.
fn shown(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    path.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_whole_numbers_from_20_on() {
        for (text, number) in [("61.0", 61), ("61", 61), ("v61.0", 61), ("20.0", 20), ("100.0", 100)] {
            assert_eq!(text.parse(), Ok(ApiVersion(number)), "{text}");
        }
        for bad in ["", "v", ".0", "19.0", "61.1", "61.", "61.00", "+61", "-61", "1000.0", "vv61", "6\u{661}"]
        {
            assert_eq!(bad.parse::<ApiVersion>(), Err(NoVersion), "{bad}");
        }
        assert_eq!(ApiVersion(61).to_string(), "61.0");
    }

    #[test]
    fn an_org_is_an_origin_and_a_version() {
        let of = |text: &str| Org::of(&Url::parse(text).unwrap(), None).map(|org| org.instance.into());
        let wanted = Ok(String::from("https://acme.example:8443/"));
        for text in ["", "/", "/cometd/61.0", "/services/x?y=z#a", "/cometd"] {
            assert_eq!(of(&format!("https://acme.example:8443{text}")), wanted, "{text}");
        }
        assert_eq!(of("https://u:p@acme.example:8443/"), wanted);
        assert_eq!(of("https://acme.example/cometd/latest"), Err(NoVersion));
    }
}
