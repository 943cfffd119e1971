//! The calls of the API.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::access::{Access, Credentials};
use super::config::MappingConfig;
use super::connection::{Connection, Mapping};
use super::error::{ApiError, OPEN, refusal};
use crate::http::{Client, Meanwhile, Request, Response, beside};

/// The most pages of one list.
const PAGES_MAX: usize = 100;
/// The most connections that one list gives.
const CONNECTIONS_MAX: usize = 10_000;
/// The largest answer, in bytes, and how much all pages of a list may be together.
const ANSWER_MAX: usize = 16 << 20;
/// The longest id, in bytes.
const ID_MAX: usize = 100;
/// The status of a token that is not taken.
const UNAUTHORIZED: u16 = 401;
const HEADERS: [(HeaderName, HeaderValue); 1] = [(ACCEPT, HeaderValue::from_static("application/json"))];

/// Where the service is.
#[derive(Clone, Debug)]
pub struct Service {
    /// The region's URL, such as `https://connect-us.heroku.com/`; `/api/v3` at its end is allowed.
    pub api: Url,
    /// Where an API key gets a token, such as `https://api.heroku.com/`.
    pub authority: Url,
    /// How long one request may take, from its start to its last byte.
    pub deadline: Duration,
}

/// The API, as one user.
#[derive(Debug)]
pub struct Api {
    client: Client,
    access: Access,
    service: Service,
    meanwhile: Option<Meanwhile>,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    results: Vec<Connection>,
    next: Option<String>,
}

impl Service {
    /// The URL of a path below `/api/v3/`.
    fn url(&self, path: &str) -> Url {
        let prefix = self.api.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/api/v3").unwrap_or(prefix);
        with_path(&self.api, &format!("{prefix}/api/v3/{path}"))
    }

    /// Where an API key gets a token.
    pub(super) fn authorizations(&self) -> Url {
        let prefix = self.authority.path().trim_end_matches('/');
        with_path(&self.authority, &format!("{prefix}/oauth/authorizations"))
    }
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl Api {
    /// An API that nothing was asked yet.
    pub fn new(client: Client, credentials: Credentials, service: Service) -> Self {
        let client = client.with_answers_of(ANSWER_MAX);
        Self { access: Access::new(client.lane(), credentials), client, service, meanwhile: None }
    }

    /// From now on one request may take this long.
    pub const fn set_deadline(&mut self, deadline: Duration) {
        self.service.deadline = deadline;
    }

    /// From now on this, or nothing, goes on beside each call, its login included.
    pub const fn set_meanwhile(&mut self, meanwhile: Option<Meanwhile>) {
        self.meanwhile = meanwhile;
    }

    /// The connections of an app, all pages; at most 10,000.
    pub async fn connections(&mut self, app: &str) -> Result<Vec<Connection>, ApiError> {
        beside(self.meanwhile, self.pages(app)).await
    }

    async fn pages(&mut self, app: &str) -> Result<Vec<Connection>, ApiError> {
        let mut url = self.service.url("connections");
        url.query_pairs_mut().append_pair("app", app);
        let (mut found, mut size) = (Vec::new(), 0);
        for _ in 0..PAGES_MAX {
            let body = self.exchange(&Method::GET, &url, None).await?.body;
            let mut page: Page = parse(&Method::GET, &url, &body)?;
            found.append(&mut page.results);
            size += body.len();
            if found.len() > CONNECTIONS_MAX || size > ANSWER_MAX {
                break;
            }
            match page.next.filter(|next| !next.is_empty()) {
                None => return Ok(found),
                Some(next) => url = self.next(&next)?,
            }
        }
        let mib = ANSWER_MAX >> 20;
        let what = format!(
            "the app has more than {CONNECTIONS_MAX} connections, or {PAGES_MAX} pages or {mib} MiB of them"
        );
        Err(ApiError::Malformed(what))
    }

    /// A connection and its mappings.
    pub async fn connection(&mut self, id: &str) -> Result<Connection, ApiError> {
        let mut url = self.service.url(&format!("connections/{}", checked(id)?));
        url.query_pairs_mut().append_pair("deep", "true");
        self.ask(&Method::GET, &url, None).await
    }

    /// Maps an object.
    pub async fn map(
        &mut self,
        connection: &str,
        object: &str,
        config: &MappingConfig,
    ) -> Result<Mapping, ApiError> {
        let url = self.service.url(&format!("connections/{}/mappings", checked(connection)?));
        self.ask(&Method::POST, &url, Some(&body(object, config))).await
    }

    /// Changes a mapping; `config` says which revision it was made from.
    pub async fn remap(
        &mut self,
        mapping: &str,
        object: &str,
        config: &MappingConfig,
    ) -> Result<Mapping, ApiError> {
        let url = self.service.url(&format!("mappings/{}", checked(mapping)?));
        self.ask(&Method::PUT, &url, Some(&body(object, config))).await
    }

    /// Stops all synchronization of a connection.
    pub async fn pause(&mut self, connection: &str) -> Result<(), ApiError> {
        self.act(connection, "pause").await
    }

    /// Goes on with it.
    pub async fn resume(&mut self, connection: &str) -> Result<(), ApiError> {
        self.act(connection, "resume").await
    }

    async fn act(&mut self, connection: &str, action: &str) -> Result<(), ApiError> {
        let url = self.service.url(&format!("connections/{}/actions/{action}", checked(connection)?));
        // What comes with 202 says nothing more.
        let ended = beside(self.meanwhile, self.exchange(&Method::POST, &url, None)).await;
        ended.map(|_| ()).map_err(ApiError::of_change)
    }

    /// A page link, which must not take the token elsewhere.
    fn next(&self, link: &str) -> Result<Url, ApiError> {
        let url = self.service.api.join(link).ok();
        let own = |url: &Url| url.origin() == self.service.api.origin();
        url.filter(own).ok_or_else(|| {
            let what = "the link to the next page leads away from the API; nothing was sent there";
            ApiError::Malformed(String::from(what))
        })
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<T, ApiError> {
        let ended = beside(self.meanwhile, self.exchange(method, url, body)).await;
        if *method == Method::GET {
            return parse(method, url, &ended?.body);
        }
        let response = ended.map_err(ApiError::of_change)?;
        let parsed = parse(method, url, &response.body);
        parsed.map_err(|error| ApiError::Malformed(format!("{error}; {OPEN}")))
    }

    /// One exchange that succeeded, with a new token once where the service does not take the one in use.
    async fn exchange(
        &mut self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Response, ApiError> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut response = self.send(method, url, body.clone()).await?;
        if response.status == UNAUTHORIZED {
            let told = refusal(&response, &self.access.secrets());
            if !self.access.refused() {
                return Err(ApiError::Denied(format!("the access token is refused: {told}")));
            }
            response = self.send(method, url, body).await?;
        }
        match response.status {
            200..300 => Ok(response),
            UNAUTHORIZED => {
                let told = refusal(&response, &self.access.secrets());
                Err(ApiError::Denied(format!("a new access token is refused too: {told}")))
            }
            _ => Err(refusal(&response, &self.access.secrets())),
        }
    }

    async fn send(&mut self, method: &Method, url: &Url, body: Bytes) -> Result<Response, ApiError> {
        let authorization = self.access.header(&self.service).await?;
        let request = Request {
            url,
            body,
            content_type: "application/json",
            authorization: Some(authorization),
            headers: &HEADERS,
            deadline: self.service.deadline,
        };
        self.client.send(method.clone(), request).await.map_err(ApiError::Fault)
    }
}

/// Reads an answer.
fn parse<T: DeserializeOwned>(method: &Method, url: &Url, body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        // The error of the decoder may repeat the text; its place and kind say enough.
        let (kind, line, column) = (error.classify(), error.line(), error.column());
        let place = match (body, body.trim_ascii_start()) {
            ([], _) => String::from("there is none"),
            (_, [b'<', ..]) => String::from("a page for people; is this the address of the API?"),
            _ => format!("{kind:?}, line {line}, column {column}"),
        };
        let path = url.path();
        ApiError::Malformed(format!("{method} {path}: the answer is not what was expected: {place}"))
    })
}

fn body(object: &str, config: &MappingConfig) -> Value {
    json!({"object_name": object, "config": config})
}

/// Whether `id` may stand in a path: at most 100 letters, digits, `-` and `_`.
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(plain)
}

fn checked(id: &str) -> Result<&str, ApiError> {
    if is_id(id) {
        return Ok(id);
    }
    let shown: String = id.chars().take(ID_MAX).flat_map(char::escape_debug).collect();
    Err(ApiError::Malformed(format!("{shown:?} is no id: letters, digits, '-' and '_' are wanted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(api: &str) -> Service {
        let url = |text| Url::parse(text).unwrap();
        Service { api: url(api), authority: url("https://api.example/?x"), deadline: Duration::ZERO }
    }

    #[test]
    fn the_region_may_be_given_with_and_without_the_version() {
        for (given, wanted) in [
            ("https://a.example", "https://a.example/api/v3/connections"),
            ("https://a.example/", "https://a.example/api/v3/connections"),
            ("https://a.example/api/v3", "https://a.example/api/v3/connections"),
            ("https://a.example:1/x/api/v3/?q#f", "https://a.example:1/x/api/v3/connections"),
        ] {
            assert_eq!(service(given).url("connections").as_str(), wanted);
        }
        assert_eq!(
            service("https://a").authorizations().as_str(),
            "https://api.example/oauth/authorizations"
        );
    }

    #[test]
    fn ids_cannot_lead_elsewhere() {
        for good in ["a", "15d2306c-4567-47bf-bd0c-38989a00e7e6", "A_1"] {
            assert_eq!(checked(good).unwrap(), good);
        }
        for bad in ["", ".", "..", "a/b", "a?b", "a#", "%2e", "\u{e9}", "a b", &"x".repeat(101)] {
            assert!(checked(bad).unwrap_err().to_string().contains("is no id"), "{bad}");
        }
    }
}
