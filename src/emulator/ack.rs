//! CometD's `ack` extension: what a client has not acknowledged comes again.
//!
//! Each response to a connect has a number, from 1 in each session, and holds every event that is not acknowledged
//! yet. A connect acknowledges all responses up to the number that it carries. One that carries a lower number than
//! the last gets what is open at once; one that carries none gets it with the next event or at the end of its time.
//! A number that the session has not reached yet acknowledges what nobody has seen.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Event;

/// What one session has been sent and has not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    /// The number of the last response.
    last: u64,
    /// Events with the number of the response that had them first.
    open: VecDeque<(u64, Arc<Event>)>,
    /// Their size in bytes.
    bytes: usize,
    /// Whether they are to come again without waiting for another event.
    due: bool,
}

impl Unacknowledged {
    /// Takes the number that a connect carries. Whether it is one that the session has not reached yet.
    pub(super) fn acknowledge(&mut self, number: Option<i64>) -> bool {
        let Some(number) = number else { return false };
        let number = u64::try_from(number).unwrap_or(0);
        self.open.retain(|(first, _)| *first > number);
        self.bytes = self.open.iter().map(|(_, event)| event.size()).sum();
        self.due = !self.open.is_empty();
        number > self.last
    }

    /// Whether the next response need not wait.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    /// The size of what comes again, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events of the next response: those that are open, and after them `news`.
    pub(super) fn respond(&mut self, news: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
        self.last += 1;
        self.due = false;
        self.bytes += news.iter().map(|event| event.size()).sum::<usize>();
        self.open.extend(news.into_iter().map(|event| (self.last, event)));
        self.open.iter().map(|(_, event)| Arc::clone(event)).collect()
    }

    /// The number of the last response.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Audience, Content};
    use super::*;

    fn event(replay: i64) -> Arc<Event> {
        Arc::new(Event::new(
            "/topic/A".into(),
            replay,
            tokio::time::Instant::now(),
            Content::Raw(String::new()),
            Audience::Everybody,
        ))
    }

    fn respond(ack: &mut Unacknowledged, news: &[i64]) -> Vec<i64> {
        let events = ack.respond(news.iter().copied().map(event).collect());
        events.iter().map(|event| event.replay).collect()
    }

    #[test]
    fn what_is_not_acknowledged_comes_again_before_what_is_new() {
        let mut ack = Unacknowledged::default();
        assert_eq!(respond(&mut ack, &[]), [0_i64; 0]);
        assert_eq!(respond(&mut ack, &[1, 2]), [1, 2]);
        assert!(!ack.acknowledge(Some(1)) && ack.is_due());
        assert_eq!(respond(&mut ack, &[3]), [1, 2, 3]);
        assert!(!ack.acknowledge(Some(2)) && ack.is_due());
        assert_eq!(respond(&mut ack, &[]), [3]);
        assert!(!ack.acknowledge(None) && !ack.is_due());
        assert!(!ack.acknowledge(Some(-1)) && ack.is_due());
        assert!(!ack.acknowledge(Some(4)) && !ack.is_due());
        assert_eq!((ack.last(), ack.bytes()), (4, 0));
        assert!(ack.acknowledge(Some(5)));
    }
}
