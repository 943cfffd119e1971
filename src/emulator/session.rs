//! One Bayeux session: its subscriptions, its queue, its open connect.
//!
//! The queue is bounded; a session that lets it overflow is forgotten, as CometD does with its `maxQueue`:
//! the client learns of it by an unknown-client error instead of losing events in silence. Events leave the
//! queue only when a response takes them, so a client that hangs up during a poll loses none.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ack::Unacknowledged;
use super::event::Event;
use super::filter::Filter;
use super::users::User;
use super::version::Version;

/// The most events that wait for one session.
const QUEUE_MAX: usize = 500_000;
/// The most bytes that wait for one session.
const QUEUE_BYTES_MAX: usize = 256 << 20;
/// A response takes no further event once it holds this many bytes.
const RESPONSE_BYTES: usize = 1 << 20;

/// What the server keeps of one client.
#[derive(Debug)]
pub(super) struct Session {
    /// The API version of its handshake.
    pub(super) version: Version,
    /// Whose handshake it was.
    pub(super) user: Arc<User>,
    /// The cookie that its requests must carry.
    pub(super) cookie: String,
    /// Whether the version has replay.
    pub(super) replay: bool,
    /// Told of every event and of the session's end.
    pub(super) bell: Arc<Bell>,
    /// The names subscribed to, which are those of channels, some with a filter.
    pub(super) channels: BTreeMap<Arc<str>, Option<Filter>>,
    /// What it has not acknowledged, where its handshake asked for that.
    ack: Option<Unacknowledged>,
    queue: VecDeque<Arc<Event>>,
    queue_bytes: usize,
    connects: u64,
    open: bool,
    last_response: Instant,
}

/// What a held connect hears of its session.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Rings for every event, every connect and the session's end.
    pub(super) notify: Notify,
    left: AtomicBool,
}

impl Bell {
    /// Whether the session is over because its client said so.
    pub(super) fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

/// Why a session cannot go on: more waits for it than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Session {
    /// A session as a handshake leaves it.
    pub(super) fn new(version: Version, user: Arc<User>, cookie: String, replay: bool, ack: bool) -> Self {
        Self {
            version,
            user,
            cookie,
            replay,
            bell: Arc::default(),
            channels: BTreeMap::new(),
            ack: ack.then(Unacknowledged::default),
            queue: VecDeque::new(),
            queue_bytes: 0,
            connects: 0,
            open: false,
            last_response: Instant::now(),
        }
    }

    /// Whether the client has kept away for longer than `timeout` with no connect open.
    pub(super) fn expired(&self, timeout: Duration) -> bool {
        !self.open && self.last_response.elapsed() > timeout
    }

    /// Notes that a response goes out now.
    pub(super) fn touch(&mut self) {
        self.last_response = Instant::now();
    }

    /// Notes that the client wants no more of it.
    pub(super) fn leave(&self) {
        self.bell.left.store(true, Ordering::Relaxed);
    }

    /// Whether a connect is held.
    pub(super) fn has_open_connect(&self) -> bool {
        self.open
    }

    /// How many events wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Opens a connect, which may acknowledge a response, and gives its number; an older one that is held returns at
    /// once.
    pub(super) fn open_connect(&mut self, acknowledged: Option<i64>) -> u64 {
        if self.ack.as_mut().is_some_and(|ack| ack.acknowledge(acknowledged)) {
            self.queue.clear();
            self.queue_bytes = 0;
        }
        self.connects += 1;
        self.open = true;
        self.bell.notify.notify_waiters();
        self.connects
    }

    /// Whether the connect of this number is the newest.
    pub(super) fn is_newest(&self, connect: u64) -> bool {
        self.connects == connect
    }

    /// Closes the connect of this number, answered or abandoned.
    pub(super) fn close_connect(&mut self, connect: u64) {
        if self.is_newest(connect) {
            self.open = false;
        }
        self.touch();
    }

    /// Whether it has subscribed to `channel`, be it to some of its events.
    pub(super) fn listens(&self, channel: &str) -> bool {
        self.channels.contains_key(channel) || self.filtered(channel).next().is_some()
    }

    /// The filtered subscriptions to `channel`.
    fn filtered(&self, channel: &str) -> impl Iterator<Item = (&Arc<str>, &Filter)> {
        let after = (Bound::Excluded(channel), Bound::Unbounded);
        let names = self.channels.range::<str, _>(after).map_while(move |(name, filter)| {
            name.strip_prefix(channel).map(|rest| (name, filter.as_ref().filter(|_| rest.starts_with('?'))))
        });
        names.filter_map(|(name, filter)| filter.map(|filter| (name, filter)))
    }

    /// Queues `event` for each subscription to its channel that wants it.
    pub(super) fn offer(&mut self, event: &Arc<Event>) -> Result<(), Overflow> {
        let wanting = self.filtered(&event.channel).filter(|(_, filter)| filter.lets(event));
        let mut wanted: Vec<_> = wanting.map(|(name, _)| Arc::new(event.under(name))).collect();
        if self.channels.contains_key(&event.channel) {
            wanted.push(Arc::clone(event));
        }
        wanted.iter().try_for_each(|event| self.push(event))?;
        if !wanted.is_empty() {
            self.bell.notify.notify_waiters();
        }
        Ok(())
    }

    /// Subscribes to `name`. `owed`, where the client named a position, are the channel's events after it: they take
    /// the place of those that wait by that name.
    pub(super) fn subscribe(
        &mut self,
        name: Arc<str>,
        filter: Option<Filter>,
        owed: Option<&[Arc<Event>]>,
    ) -> Result<(), Overflow> {
        if let Some(owed) = owed {
            self.queue.retain(|event| *event.name() != name);
            self.queue_bytes = self.queue.iter().map(|event| event.size()).sum();
            for event in owed {
                match &filter {
                    None => self.push(event)?,
                    Some(filter) if filter.lets(event) => self.push(&Arc::new(event.under(&name)))?,
                    Some(_) => {}
                }
            }
            self.bell.notify.notify_waiters();
        }
        self.channels.insert(name, filter);
        Ok(())
    }

    /// Takes what the response to a connect carries; nothing where it is to wait, which it is not when its time is
    /// `over`.
    pub(super) fn take(&mut self, over: bool) -> Vec<Arc<Event>> {
        let news = self.take_queued();
        match &mut self.ack {
            Some(ack) if over || ack.is_due() || !news.is_empty() => ack.respond(news),
            _ => news,
        }
    }

    /// The number of the last response, where the client acknowledges.
    pub(super) fn acknowledgeable(&self) -> Option<u64> {
        self.ack.as_ref().map(Unacknowledged::last)
    }

    fn take_queued(&mut self) -> Vec<Arc<Event>> {
        let mut taken = Vec::new();
        // What comes again counts, and is nothing that would have to be taken.
        let again = self.ack.as_ref().map_or(0, Unacknowledged::bytes);
        let mut bytes = again;
        while bytes < RESPONSE_BYTES
            && let Some(event) = self.queue.pop_front()
        {
            bytes += event.size();
            taken.push(event);
        }
        self.queue_bytes -= bytes - again;
        taken
    }

    fn push(&mut self, event: &Arc<Event>) -> Result<(), Overflow> {
        if !event.concerns(self.version, &self.user) {
            return Ok(());
        }
        if self.queue.len() >= QUEUE_MAX || self.queue_bytes + event.size() > QUEUE_BYTES_MAX {
            return Err(Overflow);
        }
        self.queue_bytes += event.size();
        self.queue.push_back(Arc::clone(event));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::event::{Audience, Content};
    use crate::emulator::seed::Seed;
    use crate::emulator::users::Org;

    fn session() -> Session {
        let user = Arc::clone(Org::new(&Seed::default()).anybody().unwrap());
        let version = Version::of_path("/cometd/40.0").unwrap().unwrap();
        let mut session = Session::new(version, user, String::new(), true, false);
        session.subscribe("/topic/A".into(), None, None).unwrap();
        session
    }

    fn event(replay: i64, size: usize) -> Arc<Event> {
        let content = Content::Raw("x".repeat(size));
        Arc::new(Event::new("/topic/A".into(), replay, Instant::now(), content, Audience::Everybody))
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut session = session();
        let one = event(1, 0);
        for _ in 0..QUEUE_MAX {
            session.offer(&one).unwrap();
        }
        assert_eq!(session.offer(&one), Err(Overflow));
        let mut session = self::session();
        let big = event(1, 100 << 20);
        session.offer(&big).unwrap();
        session.offer(&big).unwrap();
        assert_eq!(session.offer(&big), Err(Overflow));
    }

    #[test]
    fn a_response_is_bounded_and_takes_at_least_one() {
        let mut session = session();
        for n in 0..3 {
            session.offer(&event(n, RESPONSE_BYTES)).unwrap();
        }
        for left in (0..3).rev() {
            assert_eq!(session.take(false).len(), 1);
            assert_eq!(session.queued(), left);
        }
        assert!(session.take(false).is_empty());
    }

    #[test]
    fn a_replay_takes_the_place_of_what_waits() {
        let mut session = session();
        session.offer(&event(5, 0)).unwrap();
        session.subscribe("/topic/A".into(), None, Some(&[event(4, 0), event(5, 0)])).unwrap();
        let ids: Vec<_> = session.take(false).iter().map(|event| event.replay).collect();
        assert_eq!(ids, [4, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_expires_only_while_no_connect_is_open() {
        let timeout = Duration::from_secs(40);
        let mut session = session();
        let first = session.open_connect(None);
        tokio::time::advance(Duration::from_secs(110)).await;
        assert!(!session.expired(timeout));
        let second = session.open_connect(None);
        session.close_connect(first);
        assert!(session.has_open_connect(), "the older connect's end is not the newer one's");
        session.close_connect(second);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(!session.expired(timeout));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(session.expired(timeout));
    }
}
