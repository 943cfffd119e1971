//! The access token out of what a server said, before anything is logged, counted or written.

use std::borrow::Cow;
use std::sync::Arc;

use crate::bayeux::border::Fault;
use crate::bayeux::decode::Bad;
use crate::bayeux::notice::{Closed, Notice};
use crate::secret::{Secret, hide};

/// Knows the token that is in use, and the one before.
pub(super) struct Redactor {
    /// The whole header values, `Bearer ...`.
    headers: Vec<Arc<Secret<String>>>,
}

impl Redactor {
    pub(super) const fn new(headers: Vec<Arc<Secret<String>>>) -> Self {
        Self { headers }
    }

    /// A text without the token.
    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for header in &self.headers {
            let header = header.expose();
            if let Cow::Owned(shown) = hide(&text, header.strip_prefix("Bearer ").unwrap_or(header)) {
                text = Cow::Owned(shown);
            }
        }
        text
    }

    /// A notice without the token; [`Redactor::beginning`] is for the bytes of a malformed message.
    pub(super) fn notice<'n>(&self, notice: &'n Notice) -> Cow<'n, Notice> {
        if self.headers.is_empty() {
            return Cow::Borrowed(notice);
        }
        let mut notice = notice.clone();
        if let Some(text) = text_of(&mut notice)
            && let Cow::Owned(shown) = self.text(text)
        {
            *text = shown;
        }
        Cow::Owned(notice)
    }

    /// The first `most` characters of bytes from a server, on one line, without the token.
    pub(super) fn beginning(&self, bytes: &[u8], most: usize) -> String {
        let token = self.headers.iter().map(|header| header.expose().len()).max().unwrap_or_default();
        // A token that begins before the cut is seen whole, and with backslashes in it.
        let window = bytes.get(..most.saturating_add(token * 2)).unwrap_or(bytes);
        let text = String::from_utf8_lossy(window);
        self.text(&text).chars().take(most).flat_map(char::escape_debug).collect()
    }
}

/// The words of a server, or about it, in a notice; channels are those of the configuration.
fn text_of(notice: &mut Notice) -> Option<&mut String> {
    match notice {
        Notice::SessionLost { reason: text }
        | Notice::Fallback { reason: text }
        | Notice::Refused { text, .. }
        | Notice::Gap { reason: text, .. }
        | Notice::Suspect { reason: text }
        | Notice::Failed { fault: Fault { detail: text, .. }, .. }
        | Notice::Misbehaved { what: text, .. }
        | Notice::Malformed(Bad { reason: text, .. })
        | Notice::OddAdvice(text)
        | Notice::Closed(Closed::Endpoint(text) | Closed::Unauthenticated(text)) => Some(text),
        Notice::Handshaking { .. }
        | Notice::Handshaken { .. }
        | Notice::MoreMalformed(_)
        | Notice::Sifted { .. }
        | Notice::Watchdog { .. }
        | Notice::Resuming
        | Notice::Live
        | Notice::Subscribed { .. }
        | Notice::Unsubscribed { .. }
        | Notice::ReplayLost { .. }
        | Notice::Advice(_)
        | Notice::NoReplay
        | Notice::Closed(Closed::Requested) => None,
    }
}
