//! A connect that is held until there are events, or its time is over, or it has become pointless.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::event::Event;
use super::session::Bell;
use super::state::Shared;

/// How a held connect ends.
#[derive(Debug)]
pub(super) enum Held {
    /// With events; with none when its time is over.
    Answered {
        events: Vec<Arc<Event>>,
        /// The number of the response, where the client acknowledges.
        ack: Option<u64>,
    },
    /// A newer connect came. The reference server answers the older one with the status 408 alone.
    Superseded,
    /// The client said meanwhile that it leaves. The reference server then advises it to do nothing more.
    Left,
    /// The session was forgotten meanwhile.
    Gone,
}

/// An open connect. Dropped unanswered (the client hung up) it takes nothing from the queue.
#[derive(Debug)]
pub(super) struct OpenConnect {
    shared: Arc<Shared>,
    client: String,
    number: u64,
    bell: Arc<Bell>,
}

impl OpenConnect {
    /// The connect `number` of the session `client`.
    pub(super) fn new(shared: &Arc<Shared>, client: &str, number: u64, bell: Arc<Bell>) -> Self {
        Self { shared: Arc::clone(shared), client: client.to_owned(), number, bell }
    }

    /// Waits for at most `timeout`.
    pub(super) async fn hold(&self, timeout: Duration) -> Held {
        let deadline = Instant::now() + timeout;
        let mut look = true;
        loop {
            let notified = self.bell.notify.notified();
            tokio::pin!(notified);
            // Registered before the look, so that an event between the look and the wait is not missed.
            notified.as_mut().enable();
            let over = Instant::now() >= deadline;
            if let Some(held) = self.look(look || over, over) {
                return held;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = notified => look = self.shared.config.poll_interval.is_zero(),
                () = sleep_until(self.next_look()), if !self.shared.config.poll_interval.is_zero() => look = true,
            }
        }
    }

    /// What there is to answer now, if anything; `for_events` says whether the server looks for events.
    fn look(&self, for_events: bool, over: bool) -> Option<Held> {
        let mut state = self.shared.lock();
        let Some(session) = state.sessions.get_mut(&self.client) else {
            return Some(if self.bell.has_left() { Held::Left } else { Held::Gone });
        };
        if !session.is_newest(self.number) {
            return Some(Held::Superseded);
        }
        let events = if for_events { session.take(over) } else { Vec::new() };
        if events.is_empty() && !over {
            return None;
        }
        let ack = session.acknowledgeable();
        state.counters.events_handed_out += u64::try_from(events.len()).unwrap_or(0);
        Some(Held::Answered { events, ack })
    }

    /// When the server next looks for events, where it does not deliver at once.
    fn next_look(&self) -> Instant {
        let interval = self.shared.config.poll_interval.as_nanos().max(1);
        let past = self.shared.started.elapsed().as_nanos() % interval;
        Instant::now() + Duration::from_nanos(u64::try_from(interval - past).unwrap_or(u64::MAX))
    }
}

impl Drop for OpenConnect {
    fn drop(&mut self) {
        if let Some(session) = self.shared.lock().sessions.get_mut(&self.client) {
            session.close_connect(self.number);
        }
    }
}
