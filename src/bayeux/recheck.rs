//! Anti-entropy: events that the server sent to nobody, as users report of events that fall into the moment in
//! which a poll ends, are asked for from time to time.
//!
//! Live channels are subscribed again, beside the open poll, from a little before their last event. What is known
//! of what then comes is dropped, what is not is delivered late instead of never.

use super::session::Session;

/// How many of the last events a check asks for again.
const BACK: usize = super::recent::WINDOW / 8;

impl Session {
    pub(super) fn recheck_if_due(&mut self, replay: bool) {
        let Some(every) = self.config.recheck else {
            return;
        };
        if self.recheck_at.is_some_and(|at| at > self.now.mono) {
            return;
        }
        self.recheck_at = Some(self.now.mono + every);
        if replay {
            self.subscriptions.recheck(&self.recent, BACK);
        }
    }
}
