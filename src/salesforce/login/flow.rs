//! One login from its secrets to its grant: what is sent to the login host, and what its answer means.
//!
//! Constraints: secrets are read when they are used and kept no longer; an answer is bounded; what the host says is shown
//! without them.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use url::Url;

use super::config::{Config, Options};
use super::jwt::{self, Claims, Clock};
use super::oauth::{self, Form, Granted, Refused};
use super::refresh::Store;
use super::trouble::{Trouble, Veil};
use super::{Grant, SecretSource, sf_cli, soap};
use crate::bayeux::border::{Fault, FaultKind};
use crate::http::{self, Client, Request, Response, SetupError};
use crate::secret::Secret;

/// The largest answer of a login host, in bytes, before and after inflation.
const ANSWER_MAX: usize = 256 << 10;

/// SOAP 1.1 wants the header; the partner API wants nothing in it.
const SOAP_ACTION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("soapaction"), HeaderValue::from_static("\"\""));

const XML: &str = "text/xml; charset=UTF-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// What one connection needs in order to log in.
pub(super) struct Flow {
    config: Config,
    client: Client,
    timeout: Duration,
    /// The hosts that a person named: the login host, and where the connection's URL points.
    configured: Vec<Url>,
    clock: Clock,
    store: Store,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Flow {
    pub(super) fn new(config: Config, http: &http::Config, options: &Options) -> Result<Self, SetupError> {
        let http = http::Config { body_max: ANSWER_MAX, inflated_max: ANSWER_MAX, ..http.clone() };
        // Without a capture: what a host repeats of a secret could not be told from the rest.
        let client = Client::new(&http)?;
        let store = match &config {
            Config::Refresh { store, .. } => store.clone(),
            _ => None,
        };
        let configured = config.host().into_iter().chain(&options.org).cloned().collect();
        let (timeout, store) = (options.timeout, Store::new(store));
        Ok(Self { config, client, timeout, configured, clock: Clock::default(), store })
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// The hosts that a person named.
    pub(super) fn configured(&self) -> Vec<&Url> {
        self.configured.iter().collect()
    }

    /// How far the login host's clock is ahead of ours, in seconds.
    pub(super) const fn skew(&self) -> i64 {
        self.clock.skew()
    }

    /// Logs in.
    pub(super) async fn login(&mut self) -> Result<Grant, Trouble> {
        let mut grant = match self.config.clone() {
            Config::Token(source) => {
                let token = source.token("access token").await?;
                Grant { token, instance: None, identity: None, username: None, issued_at: None }
            }
            Config::Soap { host, username, password, security_token, api_version } => {
                let endpoint = endpoint(&host, &format!("/services/Soap/u/{api_version}"));
                self.soap(&endpoint, &username, &password, security_token.as_ref()).await?
            }
            Config::SfCli { org, program } => {
                sf_cli::login(&program, &org, self.timeout, &self.configured()).await?
            }
            Config::Jwt { host, issuer, subject, key, audience } => {
                self.jwt(&host, &issuer, &subject, &key, audience.as_deref()).await?
            }
            Config::Refresh { host, client_id, client_secret, refresh_token, .. } => {
                self.refresh(&host, &client_id, client_secret.as_ref(), &refresh_token).await?
            }
            other => self.form(&other).await?,
        };
        if grant.username.is_none() {
            grant.username = self.config.username().map(str::to_owned);
        }
        grant.issued_at.get_or_insert_with(SystemTime::now);
        Ok(grant)
    }

    async fn soap(
        &mut self,
        url: &Url,
        username: &str,
        password: &SecretSource,
        security_token: Option<&SecretSource>,
    ) -> Result<Grant, Trouble> {
        let mut veil = Veil::default();
        let password = whole_password(password, security_token, &mut veil).await?;
        let body = soap::envelope(username, password.expose())?;
        let response = self.post(url, (XML, &[SOAP_ACTION]), &body, &veil).await?;
        let read = soap::read(&response.body, &veil, &self.configured());
        let read = read.unwrap_or_else(|| Err(no_login(url, &response, &veil)));
        read.map_err(|trouble| trouble.after(response.retry_after))
    }

    /// The grants that are a form and nothing else.
    async fn form(&mut self, config: &Config) -> Result<Grant, Trouble> {
        let mut veil = Veil::default();
        let (host, form) = match config {
            Config::Password { host, client_id, client_secret, username, password, security_token } => {
                let client_secret = secret(client_secret, "client secret", &mut veil).await?;
                let password = whole_password(password, security_token.as_ref(), &mut veil).await?;
                let form = Form::new("password").with("client_id", client_id);
                let form = form.with("client_secret", client_secret.expose()).with("username", username);
                (host, form.with("password", password.expose()))
            }
            Config::ClientCredentials { host, client_id, client_secret } => {
                let client_secret = secret(client_secret, "client secret", &mut veil).await?;
                let form = Form::new("client_credentials").with("client_id", client_id);
                (host, form.with("client_secret", client_secret.expose()))
            }
            other => return Err(Trouble::odd(format!("{} is no login by a form", other.kind()))),
        };
        let (answer, _) = self.ask(host, form, &veil).await?;
        answer.map(|granted| granted.grant).map_err(|refused| refused.trouble)
    }

    async fn refresh(
        &mut self,
        host: &Url,
        client_id: &str,
        client_secret: Option<&SecretSource>,
        first: &SecretSource,
    ) -> Result<Grant, Trouble> {
        let mut veil = Veil::default();
        let mut form = Form::new("refresh_token").with("client_id", client_id);
        if let Some(source) = client_secret {
            form = form.with("client_secret", secret(source, "client secret", &mut veil).await?.expose());
        }
        let first = first.token("refresh token").await?;
        veil.add(first.expose());
        // Taken out for the time of the exchange, in which this flow is used otherwise.
        let mut store = std::mem::replace(&mut self.store, Store::new(None));
        let granted = self.refresh_with(host, form, &mut veil, &mut store, first).await;
        self.store = store;
        granted
    }

    async fn refresh_with(
        &mut self,
        host: &Url,
        form: Form,
        veil: &mut Veil,
        store: &mut Store,
        first: Secret<String>,
    ) -> Result<Grant, Trouble> {
        let opened = store.open(first).await?;
        veil.add(opened.token.expose());
        let form = form.with("refresh_token", opened.token.expose());
        let (answer, _) = self.ask(host, form, veil).await?;
        let granted = answer.map_err(|refused| refused.trouble)?;
        if let Some(token) = granted.refresh_token {
            opened.rotate(token).await;
        }
        Ok(granted.grant)
    }

    async fn jwt(
        &mut self,
        host: &Url,
        issuer: &str,
        subject: &str,
        key: &SecretSource,
        audience: Option<&str>,
    ) -> Result<Grant, Trouble> {
        let key = jwt::key(&key.text("key").await?)?;
        let origin = host.origin().ascii_serialization();
        let claims = Claims { issuer, subject, audience: audience.unwrap_or(&origin) };
        let mut corrected = false;
        loop {
            let mut veil = Veil::default();
            let assertion = claims.sign(&key, self.clock.at(SystemTime::now()))?;
            veil.add(assertion.expose());
            let form = Form::new(oauth::JWT_BEARER).with("assertion", assertion.expose());
            let (answer, date) = self.ask(host, form, &veil).await?;
            let refused = match answer {
                Ok(granted) => return Ok(granted.grant),
                Err(refused) => refused,
            };
            let wrong = refused.invalid_grant && date.is_some_and(|date| self.learn(host, date));
            if corrected || !wrong {
                return Err(self.with_skew(refused.trouble));
            }
            corrected = true;
        }
    }

    /// Learns what time it is at the login host; whether assertions were made at a wrong one.
    fn learn(&mut self, host: &Url, date: SystemTime) -> bool {
        let wrong = self.clock.learn(SystemTime::now(), date);
        if wrong {
            let host = host.host_str().unwrap_or_default();
            let ahead = self.clock.skew();
            tracing::warn!(
                host,
                ahead_seconds = ahead,
                "the clock here and the login host's differ; set the clock"
            );
        }
        wrong
    }

    /// A refusal, with what the clocks may have to do with it.
    fn with_skew(&self, mut trouble: Trouble) -> Trouble {
        let skew = self.clock.skew();
        if skew != 0 {
            let (by, way) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
            trouble.reason = format!("{}; the clock here is {by} s {way} the login host's", trouble.reason);
        }
        trouble
    }

    /// A form to the token endpoint; what came of it, and the host's clock.
    async fn ask(
        &mut self,
        host: &Url,
        form: Form,
        veil: &Veil,
    ) -> Result<(Result<Granted, Refused>, Option<SystemTime>), Trouble> {
        let url = endpoint(host, "/services/oauth2/token");
        let response = self.post(&url, (FORM, &[]), &form.finish(), veil).await?;
        let answer = oauth::read(&response.body, veil, &self.configured());
        let answer = answer.ok_or_else(|| no_login(&url, &response, veil))?;
        let patient = |Refused { trouble, invalid_grant }| {
            let trouble = Trouble::after(trouble, response.retry_after);
            Refused { trouble, invalid_grant }
        };
        Ok((answer.map_err(patient), response.date))
    }

    async fn post(
        &mut self,
        url: &Url,
        (content_type, headers): (&'static str, &[(HeaderName, HeaderValue)]),
        body: &Secret<String>,
        veil: &Veil,
    ) -> Result<Response, Trouble> {
        let body = Bytes::copy_from_slice(body.expose().as_bytes());
        let request =
            Request { url, body, content_type, authorization: None, headers, deadline: self.timeout };
        self.client.send(Method::POST, request).await.map_err(|fault| unreached(&fault, veil))
    }
}

async fn secret(source: &SecretSource, what: &str, veil: &mut Veil) -> Result<Secret<String>, Trouble> {
    let secret = source.text(what).await?;
    veil.add(secret.expose());
    Ok(secret)
}

/// The password with the security token behind it, as both SOAP and OAuth want it.
async fn whole_password(
    password: &SecretSource,
    security_token: Option<&SecretSource>,
    veil: &mut Veil,
) -> Result<Secret<String>, Trouble> {
    let password = secret(password, "password", veil).await?;
    let Some(source) = security_token else { return Ok(password) };
    let token = secret(source, "security token", veil).await?;
    let mut whole = String::with_capacity(password.expose().len() + token.expose().len());
    whole.push_str(password.expose());
    whole.push_str(token.expose());
    veil.add(&whole);
    Ok(Secret::new(whole))
}

/// A path of the login host; sites have a path of their own before it.
fn endpoint(host: &Url, path: &str) -> Url {
    let mut url = host.clone();
    url.set_path(&format!("{}{path}", host.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn unreached(fault: &Fault, veil: &Veil) -> Trouble {
    let reason = format!("the login host gave no answer: {}", veil.quote(&fault.to_string()));
    let trouble = match fault.kind {
        FaultKind::Malformed | FaultKind::TooLarge | FaultKind::Redirect => Trouble::odd(reason),
        _ => Trouble::passing(reason, None),
    };
    if fault.sent { trouble } else { trouble.unsent() }
}

/// An answer that is neither a login nor its refusal.
fn no_login(url: &Url, response: &Response, veil: &Veil) -> Trouble {
    let kind = veil.quote(response.content_type.as_deref().unwrap_or("no type"));
    let host = url.host_str().unwrap_or_default();
    let (status, length) = (response.status, response.body.len());
    let what = format!(
        "{host} answered with HTTP {status} and {length} bytes of {kind}, which is no reply to a login"
    );
    if status == 408 || status == 429 || status >= 500 {
        return Trouble::passing(what, response.retry_after);
    }
    Trouble::odd(format!("{what}; is it the login host, or under maintenance?"))
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
