//! The last events of each channel, by which one that the server sends again is recognised.
//!
//! A server repeats events after a subscription that names a position, and may do so beside an open poll. An
//! event is the same when channel, replay id and content are: replay ids alone are not unique after an
//! organisation has been migrated. Events without a replay id are never taken for repeats.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::event::{BatchBuilder, Channel, ReplayId};

/// The events of a channel that are remembered.
pub(super) const WINDOW: usize = 2048;

/// The channels that are remembered; a server chooses their names.
const CHANNELS_MAX: usize = 1024;

/// The last events of every channel.
#[derive(Debug, Default)]
pub(super) struct Recent {
    places: HashMap<Channel, usize>,
    windows: Vec<Window>,
}

/// What a batch had in it that was known, or late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted {
    /// Events that had been delivered before and were taken out.
    pub(super) repeats: u64,
    /// Events that come after one of their channel with a higher replay id.
    pub(super) late: u64,
}

/// One event: its replay id, and its content in brief.
type Known = (ReplayId, u64);

#[derive(Debug, Default)]
struct Window {
    known: VecDeque<Known>,
    /// The highest replay id in it.
    highest: Option<ReplayId>,
}

impl Recent {
    /// Takes out of a batch what is known, and remembers the rest. `names_session` says whether any of its events may
    /// have a `clientId` beside the data.
    pub(super) fn sift(&mut self, body: &Bytes, events: &mut BatchBuilder, names_session: bool) -> Sifted {
        let mut sifted = Sifted::default();
        let places: Vec<_> = events.channels().iter().map(|channel| self.place(channel)).collect();
        events.retain_each(|channel, replay, place| {
            let window = places.get(channel).copied().flatten().and_then(|at| self.windows.get_mut(at));
            let (Some(window), Some(replay)) = (window, replay) else {
                return true;
            };
            let message = body.get(place).unwrap_or_default();
            let news = window.take(replay, if names_session { content(message) } else { brief(message) });
            match news {
                News::Next => true,
                News::Late => {
                    sifted.late += 1;
                    true
                }
                News::Known => {
                    sifted.repeats += 1;
                    false
                }
            }
        });
        sifted
    }

    /// Notes an event that is known from before.
    pub(super) fn remember(&mut self, channel: &Channel, replay: ReplayId, message: &[u8]) {
        if let Some(window) = self.place(channel).and_then(|at| self.windows.get_mut(at)) {
            window.take(replay, content(message));
        }
    }

    /// The replay id after which the last `back` events of a channel come again; `None` where fewer are known.
    pub(super) fn before(&self, channel: &str, back: usize) -> Option<ReplayId> {
        let window = self.places.get(channel).and_then(|at| self.windows.get(*at))?;
        let at = window.known.len().checked_sub(back + 1)?;
        window.known.get(at).map(|(replay, _)| *replay)
    }

    /// The oldest replay id of a channel that is remembered.
    pub(super) fn oldest(&self, channel: &str) -> Option<ReplayId> {
        let window = self.places.get(channel).and_then(|at| self.windows.get(*at))?;
        window.known.front().map(|(replay, _)| *replay)
    }

    /// The replay id of the last event of a channel.
    pub(super) fn last(&self, channel: &str) -> Option<ReplayId> {
        self.before(channel, 0)
    }

    fn place(&mut self, channel: &Channel) -> Option<usize> {
        if let Some(at) = self.places.get(channel.as_str()) {
            return Some(*at);
        }
        let at = self.windows.len();
        if at >= CHANNELS_MAX {
            return None;
        }
        self.windows.push(Window::default());
        self.places.insert(channel.clone(), at);
        Some(at)
    }
}

/// What an event is to its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Next,
    Late,
    Known,
}

impl Window {
    fn take(&mut self, replay: ReplayId, content: u64) -> News {
        let next = self.highest.is_none_or(|highest| replay > highest);
        if !next && self.known.contains(&(replay, content)) {
            return News::Known;
        }
        if self.known.len() >= WINDOW
            && let Some((oldest, _)) = self.known.pop_front()
            && Some(oldest) == self.highest
        {
            self.highest = self.known.iter().map(|(replay, _)| *replay).max();
        }
        self.known.push_back((replay, content));
        self.highest = self.highest.max(Some(replay));
        if next { News::Next } else { News::Late }
    }
}

/// What a message says, in brief. What a server writes of the session beside the data does not count.
fn content(message: &[u8]) -> u64 {
    if names_session(message) { brief(crate::event::data_of(message)) } else { brief(message) }
}

/// Whether a message has a `clientId`, spelled without escapes, beside its data.
fn names_session(message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "clientId")]
        client_id: Option<IgnoredAny>,
    }
    memchr::memmem::find(message, br#""clientId""#).is_some()
        // One that comes twice is an error, and there.
        && serde_json::from_slice::<Named>(message).map_or(true, |named| named.client_id.is_some())
}

/// Bytes in brief: length and checksum.
fn brief(bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    (length << 32) | u64::from(crc32fast::hash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sift(recent: &mut Recent, messages: &[(&str, &str, Option<i64>)]) -> (usize, Sifted) {
        let (mut body, mut events) = (Vec::new(), BatchBuilder::default());
        for (channel, message, replay) in messages {
            let start = body.len();
            body.extend_from_slice(message.as_bytes());
            events.push(channel, start, body.len(), replay.map(ReplayId)).unwrap();
        }
        let sifted = recent.sift(&Bytes::from(body), &mut events, true);
        (events.len(), sifted)
    }

    #[test]
    fn an_event_is_known_by_channel_replay_id_and_content() {
        let mut recent = Recent::default();
        let first = [("/a", r#"{"data":1}"#, Some(5)), ("/b", r#"{"data":1}"#, Some(5))];
        assert_eq!(sift(&mut recent, &first), (2, Sifted::default()));
        assert_eq!(sift(&mut recent, &first), (0, Sifted { repeats: 2, late: 0 }));
        let other = [("/a", r#"{"data":2}"#, Some(5))];
        assert_eq!(sift(&mut recent, &other), (1, Sifted { repeats: 0, late: 1 }), "other content");
        let unnumbered = [("/a", r#"{"data":1}"#, None)];
        assert_eq!(sift(&mut recent, &unnumbered).0, 1);
        assert_eq!(sift(&mut recent, &unnumbered).0, 1, "an event without a number is never a repeat");
    }

    #[test]
    fn what_an_earlier_process_had_is_known() {
        let mut recent = Recent::default();
        recent.remember(&Channel::as_sent("/a"), ReplayId(5), br#"{"data":1}"#);
        let again = [("/a", r#"{"data":1}"#, Some(5)), ("/a", r#"{"data":2}"#, Some(6))];
        assert_eq!(sift(&mut recent, &again), (1, Sifted { repeats: 1, late: 0 }));
        assert_eq!(recent.last("/a"), Some(ReplayId(6)));
    }

    #[test]
    fn what_a_server_writes_of_the_session_does_not_count() {
        let mut recent = Recent::default();
        assert_eq!(sift(&mut recent, &[("/a", r#"{"clientId":"x","data":{"n":1}}"#, Some(1))]).0, 1);
        assert_eq!(sift(&mut recent, &[("/a", r#"{"clientId":"y","data":{"n":1}}"#, Some(1))]).0, 0);
    }

    #[test]
    fn a_session_named_within_the_data_is_data() {
        let mut recent = Recent::default();
        let message = r#"{"channel":"/a","id":"1","data":{"clientId":"x"}}"#;
        recent.remember(&Channel::as_sent("/a"), ReplayId(1), message.as_bytes());
        let body = Bytes::copy_from_slice(message.as_bytes());
        for names_session in [false, true] {
            let mut events = BatchBuilder::default();
            events.push("/a", 0, body.len(), Some(ReplayId(1))).unwrap();
            recent.sift(&body, &mut events, names_session);
            assert_eq!(events.len(), 0, "known whatever may be in its response");
        }
    }

    #[test]
    fn a_window_is_bounded_and_forgets_the_oldest() {
        let mut recent = Recent::default();
        let most = i64::try_from(WINDOW).unwrap();
        for replay in 0..=most {
            assert_eq!(sift(&mut recent, &[("/a", "{}", Some(replay))]).0, 1);
        }
        assert_eq!(sift(&mut recent, &[("/a", "{}", Some(0))]).0, 1, "the oldest is forgotten");
        assert_eq!(sift(&mut recent, &[("/a", "{}", Some(most))]).0, 0);
        assert_eq!(recent.windows[0].known.len(), WINDOW);
        for n in 0..2000 {
            sift(&mut recent, &[(&format!("/{n}"), "{}", Some(1))]);
        }
        assert_eq!(recent.windows.len(), CHANNELS_MAX);
    }

    #[test]
    fn numbers_that_begin_anew_are_news() {
        let mut recent = Recent::default();
        for replay in [1_000_000, 1_000_001, 1, 2, 3] {
            assert_eq!(sift(&mut recent, &[("/a", "{}", Some(replay))]).0, 1, "{replay}");
        }
        assert_eq!(recent.before("/a", 1), Some(ReplayId(2)));
        assert_eq!((recent.before("/a", 100), recent.oldest("/a")), (None, Some(ReplayId(1_000_000))));
        assert_eq!(recent.before("/b", 1), None);
    }
}
