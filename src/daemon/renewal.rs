//! What a login means for its connection: the token, where the org is, and what people are told.

use std::sync::PoisonError;
use std::time::SystemTime;

use url::Url;

use super::connection::Connection;
use super::token::Renewed;
use crate::bayeux::contract::{Credentials, Input};
use crate::http::Jar;
use crate::salesforce::login::{Failure, Login};
use crate::status;

/// Where an endpoint is.
pub(super) struct Site {
    /// As it was configured.
    pub(super) configured: Url,
    /// Whether its host is real: otherwise only the login says where the org is.
    pub(super) is_located: bool,
    /// Whether it is the endpoint without a version, which wants cookies set by hand.
    pub(super) is_legacy: bool,
    /// As it is now.
    pub(super) url: Url,
}

impl Site {
    /// Where the endpoint is by the word of the login.
    fn by(&self, login: &Login) -> Option<Url> {
        let Some(instance) = login.instance() else {
            return self.is_located.then(|| self.configured.clone());
        };
        let mut url = instance.clone();
        url.set_path(self.configured.path());
        url.set_query(self.configured.query());
        Some(url)
    }
}

impl Connection {
    /// A login came to an end: what the session is to hear of it.
    pub(super) fn on_renewed(&mut self, renewed: Renewed) -> Option<Input> {
        let Renewed { result, asked, changed } = renewed;
        let credentials = match result {
            Ok(()) => self.locate(changed),
            Err(Failure { reason, permanent, after }) => {
                if !asked {
                    tracing::warn!(
                        connection = &*self.name,
                        "the changed access token is not used: {reason}"
                    );
                    return None;
                }
                Credentials::Failed { reason, permanent, after }
            }
        };
        self.note_login(&credentials);
        Some(Input::Credentials(credentials))
    }

    /// There is a token: where it is to be used.
    fn locate(&mut self, changed: bool) -> Credentials {
        let Some(login) = self.token.login() else { return Credentials::Ready };
        let Some(url) = self.site.by(login) else {
            let reason =
                format!("{}: it does not say where the org is, and no url is configured", login.describe());
            return Credentials::Failed { reason, permanent: true, after: None };
        };
        if changed && self.token.header().is_some() {
            tracing::info!(
                connection = &*self.name,
                login = login.describe(),
                logins = login.begun(),
                "access token at hand"
            );
        }
        if self.site.is_legacy {
            set_cookies(login, &self.flights.jar(), &url);
        }
        if url == self.site.url {
            return Credentials::Ready;
        }
        tracing::info!(connection = &*self.name, %url, "the org is where the login says");
        self.flights.move_to(&url);
        if let Some(keeper) = &mut self.keeper {
            keeper.move_to(&url);
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        url.as_str().clone_into(&mut status.url);
        drop(status);
        self.site.url = url;
        Credentials::Elsewhere
    }

    /// Into the status, and to whoever reads the limits.
    fn note_login(&self, credentials: &Credentials) {
        let Some(login) = self.token.login() else { return };
        let now = SystemTime::now();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &mut status.login {
            note(known, login, credentials, now);
        }
        drop(status);
        if let Some(meter) = &self.meter {
            meter.send_replace(self.token.header().map(|header| (self.site.url.clone(), header)));
        }
    }
}

fn note(known: &mut status::Login, login: &Login, credentials: &Credentials, now: SystemTime) {
    let grant = login.grant();
    known.logins = login.begun();
    known.user = grant.and_then(|grant| grant.username.clone());
    known.clock_skew_s = login.clock_skew();
    match credentials {
        Credentials::Failed { reason, after, .. } => {
            known.error = Some(status::Error { at: status::millis(now), text: reason.clone() });
            known.next_attempt = after.and_then(|after| now.checked_add(after)).map(status::millis);
        }
        Credentials::Ready | Credentials::Elsewhere => {
            let given = grant.map(|grant| grant.issued_at.unwrap_or(now));
            known.token_since = given.map(status::millis);
            (known.error, known.next_attempt) = (None, None);
        }
    }
}

/// What the endpoint without a version wants beside the token (guide: the sample client of API 22).
fn set_cookies(login: &Login, jar: &Jar, url: &Url) {
    for (name, value) in login.legacy_cookies() {
        jar.set(name, &value, url);
    }
}
