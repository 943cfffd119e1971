//! The login of a connection, as its session sees it.
//!
//! Constraints: a login takes as long as it takes, and whoever waits for it hears commands meanwhile: it is away in a
//! future of its own, and requests go on with the token that there was. One login at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::newer::Newer;
use super::redact::Redactor;
use crate::salesforce::login::{Failure, Login};
use crate::secret::Secret;

type Came = (Box<Login>, Result<(), Failure>);

/// What came of a login.
pub(super) struct Renewed {
    pub(super) result: Result<(), Failure>,
    /// Whether the session asked for it.
    pub(super) asked: bool,
    /// Whether there is another token than before.
    pub(super) changed: bool,
}

/// The token in use.
pub(super) struct Token {
    /// Away while it gets a token.
    login: Option<Box<Login>>,
    renewing: Option<Pin<Box<dyn Future<Output = Came> + Send>>>,
    /// What the session asked for while a login was under way that it had not asked for.
    asked: Option<bool>,
    /// Whether the session waits for the login under way.
    awaited: bool,
    header: Option<Arc<Secret<String>>>,
    /// The one before, of which a server may speak still.
    last: Option<Arc<Secret<String>>>,
    newer: Option<Newer>,
    /// Whether a login that is cut short may lose what no other brings back.
    precious: bool,
}

/// How long the end waits for a login that is not to be cut short.
const LAST: Duration = Duration::from_secs(2);

impl Token {
    /// `newer` tells when the token's file has changed; `precious`: whether a server may replace what it is asked with.
    pub(super) fn new(login: Login, newer: Option<Newer>, precious: bool) -> Self {
        let (header, login) = (login.header(), Some(Box::new(login)));
        Self { login, renewing: None, asked: None, awaited: false, header, last: None, newer, precious }
    }

    /// Ends; a refresh token that the server replaces meanwhile gets a moment to be kept.
    pub(super) async fn finish(self) {
        if let Some(renewing) = self.renewing.filter(|_| self.precious) {
            // Too late is as if the process had been killed.
            drop(tokio::time::timeout(LAST, renewing).await);
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<Arc<Secret<String>>> {
        self.header.clone()
    }

    /// The login, unless it gets a token.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }

    /// What takes the token out of texts.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(self.header.iter().chain(&self.last).cloned().collect())
    }

    /// The server took the token in use.
    pub(super) fn accepted(&mut self) {
        if let Some(login) = &mut self.login {
            login.accepted();
        }
    }

    /// Asks for a token; `refused` when the server did not take the one in use. [`Token::renewed`] tells what came of it.
    pub(super) fn ask(&mut self, refused: bool) {
        if self.renewing.is_some() {
            self.asked = Some(refused);
        } else {
            self.awaited = true;
            self.begin(refused);
        }
    }

    fn begin(&mut self, refused: bool) {
        if let Some(mut login) = self.login.take() {
            self.renewing = Some(Box::pin(async move {
                let came = login.renew(refused).await;
                (login, came)
            }));
        }
    }

    /// What comes of the next login; never, while none is under way or begins. Dropping the future loses nothing.
    pub(super) async fn renewed(&mut self) -> Renewed {
        loop {
            if let Some(renewing) = &mut self.renewing {
                let (login, result) = renewing.await;
                self.renewing = None;
                if let Some(renewed) = self.take(login, result) {
                    return renewed;
                }
            } else if let Some(newer) = &mut self.newer {
                newer.changed().await;
                self.awaited = false;
                self.begin(false);
            } else {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes the login back; nothing where the session wants more than came.
    fn take(&mut self, login: Box<Login>, result: Result<(), Failure>) -> Option<Renewed> {
        let header = login.header();
        let changed = header.as_deref() != self.header.as_deref();
        self.login = Some(login);
        if changed {
            self.last = std::mem::replace(&mut self.header, header);
        }
        if let Some(refused) = self.asked.take() {
            self.awaited = true;
            // What it is about may be the token that has just been replaced.
            if !changed {
                self.begin(refused);
                return None;
            }
        }
        Some(Renewed { result, asked: self.awaited, changed })
    }
}
