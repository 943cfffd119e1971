//! The token of a session: asked for, at hand, or not to be had.

use std::time::Duration;

use super::contract::{Credentials, Output};
use super::liveness::Cause;
use super::notice::{Closed, Notice};
use super::refusal::Meaning;
use super::session::Session;
use super::state::{Next, State};

impl Session {
    pub(super) fn authenticate(&mut self, then: Next, refused: bool) {
        self.state = State::Authenticating { then, refused };
        self.put(Output::Authenticate { refused });
    }

    pub(super) fn on_credentials(&mut self, credentials: Credentials) {
        let (then, refused) = match &self.state {
            State::Authenticating { then, refused } => (then.clone(), *refused),
            // Sooner than it was asked for.
            State::Resting { then: Next::Authenticate, .. } => (Next::Handshake, true),
            _ => return,
        };
        match credentials {
            Credentials::Ready => self.with_token(then, refused),
            Credentials::Elsewhere => {
                if self.state.client().is_some() {
                    self.forget_session(String::from("the org is at another address"), Cause::Moved);
                }
                self.with_token(Next::Handshake, refused);
            }
            Credentials::Failed { reason, permanent: true, .. } => self.end(Closed::Unauthenticated(reason)),
            Credentials::Failed { reason, permanent: false, after } => {
                // By the time that there is a token, the server may have forgotten it.
                if self.state.client().is_some() {
                    self.forget_session(reason.clone(), Cause::Token);
                }
                let wait = after.unwrap_or(self.config.retry.max).max(self.config.retry.initial);
                let meaning = Meaning::Unauthenticated;
                self.say(Notice::Refused { channel: None, text: reason, meaning, retry_in: Some(wait) });
                self.rest(wait, Next::Authenticate, "for another token");
            }
        }
    }

    /// There is a token; one that follows a refused one may be refused as well.
    fn with_token(&mut self, then: Next, refused: bool) {
        let wait = if refused { self.pace.after_failure(None) } else { Duration::ZERO };
        let wait = if self.pace.failures() > 1 { wait } else { Duration::ZERO };
        self.rest(wait, then, "before another token is tried");
    }
}
