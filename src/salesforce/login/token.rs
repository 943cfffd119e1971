//! A token that somebody else keeps fresh: read anew whenever it is asked for.
//!
//! Constraints: no text tells any part of a token. A refused token that does not change is tried again from time to time:
//! a server may refuse a good one once.

use std::sync::Arc;

use super::trouble::Trouble;
use super::{Failure, Grant, SecretSource, bearer, digest};
use crate::secret::Secret;

/// A refused token that has not changed is handed out again every so many times that one is asked for.
const TRIED_EVERY: u32 = 15;

/// The token in use.
#[derive(Debug)]
pub(super) struct Token {
    source: Option<SecretSource>,
    grant: Option<Grant>,
    /// The whole header value, `Bearer ...`.
    header: Option<Arc<Secret<String>>>,
    /// The digest of what was refused, so that it is known again without being kept.
    refused: Option<String>,
    /// How many times the refused token was asked for since it was last handed out.
    withheld: u32,
    /// Whether the server ever took a token, or none, from this connection.
    accepted: bool,
    /// Whether a refusal is final, as for a command that a person watches.
    one_shot: bool,
}

impl Token {
    pub(super) const fn new(source: Option<SecretSource>, one_shot: bool) -> Self {
        Self { source, grant: None, header: None, refused: None, withheld: 0, accepted: false, one_shot }
    }

    pub(super) fn header(&self) -> Option<Arc<Secret<String>>> {
        self.header.clone()
    }

    pub(super) const fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    pub(super) fn describe(&self) -> String {
        match &self.source {
            Some(source) => format!("token of {source}"),
            None => String::from("no login"),
        }
    }

    pub(super) fn accepted(&mut self) {
        self.accepted = true;
        self.refused = None;
        self.withheld = 0;
    }

    pub(super) async fn renew(&mut self, refused: bool) -> Result<(), Failure> {
        if refused {
            self.refused = Some(self.present());
        }
        let read = match &self.source {
            None => Ok(None),
            Some(source) => source.token("access token").await.map(Some),
        };
        match read {
            Ok(token) => {
                self.header = token.as_ref().map(bearer);
                let grant =
                    |token| Grant { token, instance: None, identity: None, username: None, issued_at: None };
                self.grant = token.map(grant);
                self.hand_out()
            }
            Err(Trouble { reason, .. }) => Err(self.failed(reason)),
        }
    }

    /// The token that was read, unless it is the refused one and not its turn.
    fn hand_out(&mut self) -> Result<(), Failure> {
        if self.refused.as_ref() != Some(&self.present()) {
            self.withheld = 0;
            return Ok(());
        }
        self.withheld += 1;
        if self.withheld >= TRIED_EVERY && !self.is_final() {
            self.withheld = 0;
            return Ok(());
        }
        let Some(source) = &self.source else {
            let reason = "the server demands an access token and none is configured; set COMETAIL_TOKEN, \
                          --token-file or [connection.NAME.login.token]";
            return Err(self.failed(reason.into()));
        };
        let then = if self.is_final() {
            "get a new one"
        } else {
            "it is read again until it changes, and tried again from time to time"
        };
        Err(self.failed(format!("the server refused the access token of {source}; {then}")))
    }

    const fn failed(&self, reason: String) -> Failure {
        Failure { reason, permanent: self.is_final(), after: None }
    }

    /// Whether waiting changes nothing: the environment of a process stays as it is, but a server that took its token
    /// once may do so again.
    const fn is_final(&self) -> bool {
        self.one_shot || !(self.accepted || matches!(self.source, Some(SecretSource::File(_))))
    }

    /// The digest of the header, or of none.
    fn present(&self) -> String {
        digest(self.header.as_ref().map_or("", |header| header.expose()))
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
