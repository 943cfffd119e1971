//! How the service is told who asks: a token, or an API key that gets one.
//!
//! Constraints: a key leaves for the authorization service alone. What a key gets lasts an hour, so that commands leave
//! no heap of authorizations behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::api::Service;
use super::error::{ApiError, refusal};
use crate::http::{Client, Request};
use crate::secret::Secret;

/// How long a token lasts that an API key gets, in seconds.
const LIFETIME: u32 = 3_600;
/// The platform's API tells its versions apart by this header.
const HEADERS: [(HeaderName, HeaderValue); 1] =
    [(ACCEPT, HeaderValue::from_static("application/vnd.heroku+json; version=3"))];

/// What a user has to be known by.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A token of the platform's API, which the service takes as it is.
    Token(Secret<String>),
    /// An API key, which gets a token first.
    ApiKey(Secret<String>),
}

/// The credentials, and the token in use.
#[derive(Debug)]
pub(super) struct Access {
    client: Client,
    credentials: Credentials,
    /// The whole header value, `Bearer ...`.
    header: Option<Secret<String>>,
}

/// The answer of the authorization service: version 3 has one token, the one before it a list.
#[derive(Deserialize)]
struct Authorization {
    access_token: Option<Token>,
    #[serde(default)]
    access_tokens: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Access {
    /// Access that was not asked for yet; `client` is the way to the authorization service.
    pub(super) const fn new(client: Client, credentials: Credentials) -> Self {
        Self { client, credentials, header: None }
    }

    /// The value of `Authorization`, of a token that was asked for if there was none.
    pub(super) async fn header(&mut self, service: &Service) -> Result<&Secret<String>, ApiError> {
        let header = match self.header.take() {
            Some(header) => header,
            None => self.ask(service).await?,
        };
        Ok(self.header.insert(header))
    }

    /// Forgets the token, which the service did not take; whether another can be got.
    pub(super) fn refused(&mut self) -> bool {
        self.header = None;
        matches!(self.credentials, Credentials::ApiKey(_))
    }

    /// What no text may hold.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let (Credentials::Token(given) | Credentials::ApiKey(given)) = &self.credentials;
        let token = self.header.as_ref().and_then(|header| header.expose().strip_prefix("Bearer "));
        token.into_iter().chain([given.expose().as_str()]).collect()
    }

    async fn ask(&mut self, service: &Service) -> Result<Secret<String>, ApiError> {
        match self.credentials.clone() {
            Credentials::Token(token) => Ok(bearer(&token)),
            Credentials::ApiKey(key) => self.authorize(service, &key).await,
        }
    }

    async fn authorize(
        &mut self,
        service: &Service,
        key: &Secret<String>,
    ) -> Result<Secret<String>, ApiError> {
        let url = service.authorizations();
        let pair = Zeroizing::new(format!(":{}", key.expose()));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        let basic = Secret::new(format!("Basic {}", encoded.as_str()));
        let wanted = json!({"description": "cometail", "expires_in": LIFETIME, "scope": ["global"]});
        let request = Request {
            url: &url,
            body: Bytes::from(wanted.to_string()),
            content_type: "application/json",
            authorization: Some(&basic),
            headers: &HEADERS,
            deadline: service.deadline,
        };
        let response = self.client.send(Method::POST, request).await.map_err(ApiError::Fault)?;
        match response.status {
            200..300 => token(&response.body),
            401 | 403 => {
                let told = refusal(&response, &[key.expose(), &encoded]);
                Err(ApiError::Denied(format!("the API key is refused: {told}")))
            }
            _ => Err(refusal(&response, &[key.expose(), &encoded])),
        }
    }
}

/// The header of the token in an answer. The decoder's error is not told: it may repeat the token.
fn token(body: &[u8]) -> Result<Secret<String>, ApiError> {
    let answer = serde_json::from_slice::<Authorization>(body).ok();
    let found =
        answer.and_then(|answer| answer.access_token.or_else(|| answer.access_tokens.into_iter().next()));
    let found = found.map(|found| Secret::new(found.token));
    let usable = |token: &Secret<String>| {
        let text = token.expose();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let none =
        || ApiError::Malformed(String::from("the authorization service gave no token that can be used"));
    found.filter(usable).map(|token| bearer(&token)).ok_or_else(none)
}

fn bearer(token: &Secret<String>) -> Secret<String> {
    Secret::new(format!("Bearer {}", token.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_an_authorization_give_their_token() {
        for body in [
            r#"{"access_tokens":[{"token":"hush","expires_in":null}],"id":"x","scopes":["global"]}"#,
            r#"{"access_token":{"token":"hush","expires_in":3600,"id":"x"},"scope":["global"]}"#,
        ] {
            assert_eq!(token(body.as_bytes()).unwrap().expose(), "Bearer hush");
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"access_tokens":[]}"#,
            r#"{"access_token":{"token":"hush hush"}}"#,
            r#"{"access_token":{"token":""}}"#,
            r#"{"access_token":"hush"}"#,
        ] {
            let error = token(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("no token that can be used") && !error.contains("hush"), "{error}");
        }
    }
}
