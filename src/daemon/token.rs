//! The login of a connection, as its session sees it.

use std::sync::Arc;

use super::redact::Redactor;
use crate::bayeux::contract::Credentials;
use crate::salesforce::login::Login;
use crate::secret::Secret;

/// The token in use.
pub(super) struct Token(pub(super) Login);

impl Token {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<Arc<Secret<String>>> {
        self.0.header()
    }

    /// What takes the token out of texts.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(self.header())
    }

    /// The server took the token in use.
    pub(super) fn accepted(&mut self) {
        self.0.accepted();
    }

    /// Gets the token; `refused` when the server did not take the one in use.
    pub(super) async fn renew(&mut self, refused: bool) -> Credentials {
        match self.0.renew(refused).await {
            Ok(()) => Credentials::Ready,
            Err(failure) => Credentials::Failed { reason: failure.reason, permanent: failure.permanent },
        }
    }
}
