//! Everything that the requests share, under one lock that is held briefly and never across an await.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Config;
use super::event::{self, Audience, Content, Event};
use super::faults::{Asked, Faults, Met};
use super::filter::{self, Filter};
use super::heroku;
use super::ledger::Ledger;
use super::login::attempts::Attempts;
use super::records::{Call, Notice, Records, Usage};
use super::session::{Overflow, Session};
use super::store::{Store, TooManyChannels};
use super::tokens::Tokens;
use super::users::Org;

/// What every request has in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// The settings.
    pub(super) config: Config,
    /// When the server started, from which its looks for new events are counted.
    pub(super) started: Instant,
    /// The org, its users and clients.
    pub(super) org: Org,
    /// Told when the server is to restart.
    pub(super) restart: Notify,
    state: Mutex<State>,
}

impl Shared {
    /// The start: no session, no event.
    pub(super) fn new(config: Config) -> Self {
        let org = Org::new(&config.seed);
        let mut tokens = Tokens::new(&org.id, config.scaled(config.session_timeout));
        tokens.plant(&org, &config.seed);
        let mut records = Records::new(config.edition, org.users(), event::now());
        // A seed that was loaded has been checked; the default one has no records.
        let _ = config.seed.plant(&mut records, &org);
        let state = State {
            sessions: HashMap::new(),
            store: Store::new(config.scaled(config.retention)),
            heroku: heroku::Store::default(),
            counters: Counters::default(),
            ledger: Ledger::default(),
            token: config.token.clone(),
            tokens,
            attempts: Attempts::default(),
            instance: None,
            last_authorization: false,
            faults: Faults::default(),
            under_way: 0,
            requests_max: u32::MAX,
            records,
            usage: Usage::new(config.scaled(Duration::from_hours(24))),
            down: Duration::ZERO,
            expired: Instant::now(),
        };
        Self { config, started: Instant::now(), org, restart: Notify::new(), state: Mutex::new(state) }
    }

    /// What the clock of this server shows.
    pub(super) fn now(&self) -> SystemTime {
        let skew = self.config.clock_skew;
        let now = SystemTime::now();
        let skewed = if skew.is_negative() {
            now.checked_sub(skew.unsigned_abs())
        } else {
            now.checked_add(skew.unsigned_abs())
        };
        skewed.unwrap_or(now)
    }

    /// The same as a moment of the calendar; one that is out of any calendar counts as 1970.
    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::try_from(self.now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The faults that a request meets; counts it.
    pub(super) fn meet(&self, asked: Asked<'_>, headers: &HeaderMap) -> Vec<Met> {
        let mut state = self.lock();
        if state.faults.is_empty() {
            return Vec::new();
        }
        let caller = state.caller(&self.org, headers, self.config.login);
        let user = caller.as_ref().ok().map(|caller| &*caller.user.username);
        let met = state.faults.meet(Asked { user, ..asked });
        state.counters.faults += u64::from(!met.is_empty());
        met
    }

    /// The state. A panic elsewhere leaves nothing half done that would matter to an emulator.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes.
pub(super) struct State {
    /// Every session by its client id.
    pub(super) sessions: HashMap<String, Session>,
    /// What can be replayed.
    pub(super) store: Store,
    /// Heroku Connect.
    pub(super) heroku: heroku::Store,
    /// What happened so far.
    pub(super) counters: Counters,
    /// What was sent to whom.
    pub(super) ledger: Ledger,
    /// The token demanded now.
    pub(super) token: Option<String>,
    /// What logins have given out.
    pub(super) tokens: Tokens,
    /// Wrong passwords.
    pub(super) attempts: Attempts,
    /// Where logins say that the org is, instead of the host that they were sent to.
    pub(super) instance: Option<String>,
    /// Whether the last Bayeux request had an `Authorization`.
    pub(super) last_authorization: bool,
    /// What requests meet.
    pub(super) faults: Faults,
    /// How many Bayeux requests are under way, connects that are held included.
    pub(super) under_way: u32,
    /// How many of them the server has the resources for.
    pub(super) requests_max: u32,
    /// The org's records.
    pub(super) records: Records,
    /// What was used of the org's allowances.
    pub(super) usage: Usage,
    /// For how long the next restart refuses connections.
    pub(super) down: Duration,
    /// When sessions were last looked at for those that have expired.
    expired: Instant,
}

/// Leaves out the token.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("counters", &self.counters).finish_non_exhaustive()
    }
}

/// How often each thing happened since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Counters {
    /// HTTP requests to a CometD endpoint.
    pub(super) requests: u64,
    /// `/meta/handshake` messages.
    pub(super) handshakes: u64,
    /// `/meta/connect` messages.
    pub(super) connects: u64,
    /// `/meta/subscribe` messages.
    pub(super) subscribes: u64,
    /// `/meta/unsubscribe` messages.
    pub(super) unsubscribes: u64,
    /// `/meta/disconnect` messages.
    pub(super) disconnects: u64,
    /// Logins that were let in, of every kind; a refreshed token is one too.
    pub(super) logins: u64,
    /// Logins that were refused.
    pub(super) logins_refused: u64,
    /// Events published.
    pub(super) events_published: u64,
    /// Events put into responses, each session's counted.
    pub(super) events_handed_out: u64,
    /// Those of them that were in responses that were written to their end.
    pub(super) events_written: u64,
    /// Requests that met a fault.
    pub(super) faults: u64,
}

impl State {
    /// The session `client`, unless it has expired.
    pub(super) fn session(&mut self, client: &str, config: &Config) -> Option<&mut Session> {
        if self.sessions.get(client)?.expired(config.reconnect_timeout()) {
            self.sessions.remove(client);
        }
        self.sessions.get_mut(client)
    }

    /// Forgets the sessions that have expired.
    pub(super) fn expire(&mut self, config: &Config) {
        let timeout = config.reconnect_timeout();
        self.sessions.retain(|_, session| !session.expired(timeout));
        self.expired = Instant::now();
    }

    /// Forgets the sessions that have expired where a new one needs their room, or where nobody has looked for as long as
    /// it takes one to expire: to look at all of them for each handshake would make many handshakes slow.
    pub(super) fn make_room(&mut self, config: &Config) {
        let is_full = self.is_crowded() || self.sessions.len() >= self.clients_max();
        if is_full || self.expired.elapsed() > config.reconnect_timeout() {
            self.expire(config);
        }
    }

    /// Forgets the session `client`; a connect that it holds returns.
    pub(super) fn forget(&mut self, client: &str) {
        if let Some(session) = self.sessions.remove(client) {
            session.bell.notify.notify_waiters();
        }
    }

    /// Forgets every session and says how many there were.
    pub(super) fn forget_all(&mut self) -> usize {
        let all: Vec<_> = self.sessions.drain().collect();
        for (_, session) in &all {
            session.bell.notify.notify_waiters();
        }
        all.len()
    }

    /// Forgets what a restart forgets; how long that takes.
    pub(super) fn restart(&mut self) -> Duration {
        self.forget_all();
        std::mem::take(&mut self.down)
    }

    /// Subscribes the session `client` to `name`, a channel perhaps with a filter, from a checked position.
    pub(super) fn subscribe(
        &mut self,
        client: &str,
        name: Arc<str>,
        filter: Option<Filter>,
        position: i64,
    ) -> Result<(), Overflow> {
        let owed = self.store.replay(filter::split(&name).0, position);
        let session = self.sessions.get_mut(client);
        session.map_or(Ok(()), |session| session.subscribe(name, filter, owed.as_deref()))
    }

    /// Publishes to every subscriber and gives the replay id.
    pub(super) fn publish(&mut self, channel: &str, content: Content) -> Result<i64, TooManyChannels> {
        self.publish_to(channel, content, Audience::Everybody)
    }

    fn publish_to(
        &mut self,
        channel: &str,
        content: Content,
        audience: Audience,
    ) -> Result<i64, TooManyChannels> {
        let event: Arc<Event> = self.store.publish(channel, content, audience)?;
        self.counters.events_published += 1;
        let overflowed = |(client, session): (&String, &mut Session)| {
            session.offer(&event).is_err().then(|| client.clone())
        };
        let overflowed: Vec<_> = self.sessions.iter_mut().filter_map(overflowed).collect();
        for client in overflowed {
            self.forget(&client);
        }
        Ok(event.replay)
    }

    /// Publishes what the org's records or a push tell, as far as the day's allowance goes: what is beyond it is
    /// dropped. Says how many were published.
    pub(super) fn notify(&mut self, notices: Vec<Notice>) -> usize {
        let mut published = 0;
        for notice in notices {
            let channel = &*notice.channel;
            let heard = || self.sessions.values().any(|session| session.listens(channel));
            if (notice.former && !heard()) || !self.count_event(channel) {
                continue;
            }
            let done = self.publish_to(&notice.channel, notice.content, notice.audience);
            published += usize::from(done.is_ok());
        }
        published
    }

    /// Counts an event of the org's own; whether the day's allowance has room for it.
    fn count_event(&mut self, channel: &str) -> bool {
        let allowed = self.records.allowances();
        let usage = self.usage.now();
        let (used, max) = if channel.starts_with("/u/") {
            (&mut usage.generic_events, allowed.generic_events)
        } else {
            (&mut usage.events, allowed.events)
        };
        let room = *used < max;
        *used += u32::from(room);
        room
    }

    /// Whether the day's allowance of events is used up.
    pub(super) fn is_used_up(&mut self) -> bool {
        let allowed = self.records.allowances();
        self.usage.now().events >= allowed.events
    }

    /// The most sessions at a time.
    pub(super) fn clients_max(&self) -> usize {
        usize::try_from(self.records.allowances().clients).unwrap_or(usize::MAX)
    }

    /// Whether the server has as many sessions as it may have, of whatever org.
    pub(super) fn is_crowded(&self) -> bool {
        self.sessions.len() >= usize::try_from(self.records.allowances().server_clients).unwrap_or(usize::MAX)
    }

    /// Whether the session `client` may subscribe to `channel`; the Bayeux error where not.
    pub(super) fn admit(
        &mut self,
        client: &str,
        call: Call<'_>,
        channel: &str,
        filter: Option<&Filter>,
        config: &Config,
    ) -> Result<(), String> {
        self.records.subscribe(call, channel, filter, config.strict)?;
        let max = usize::try_from(self.records.allowances().topic_clients).unwrap_or(usize::MAX);
        let timeout = config.reconnect_timeout();
        let others = self.sessions.iter().filter(|(id, _)| *id != client);
        let listen = others.filter(|(_, other)| other.listens(channel) && !other.expired(timeout));
        // They are not counted where there are too few of them in any case.
        if self.sessions.len() > max && listen.count() >= max {
            return Err("403::Subscription limit exceeded for this topic".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store;
    use super::super::version::Version;
    use super::*;

    fn subscribe(shared: &Shared, client: &str) -> Result<(), String> {
        let mut state = shared.lock();
        let user = Arc::clone(shared.org.anybody().unwrap());
        let version = Version::of_path("/cometd/61.0").unwrap().unwrap();
        let session = Session::new(version, Arc::clone(&user), String::new(), true, false);
        state.sessions.insert(client.to_owned(), session);
        let call = Call { user: &user, version: version.number(), now: shared.timestamp() };
        state.admit(client, call, "/topic/A", None, &shared.config)?;
        state.subscribe(client, "/topic/A".into(), None, store::NEW).unwrap();
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_expired_takes_no_place_on_a_channel() {
        let shared = Shared::new(Config::default());
        shared.lock().records.allowances_mut().topic_clients = 1;
        subscribe(&shared, "a").unwrap();
        assert!(subscribe(&shared, "b").is_err());
        tokio::time::advance(Duration::from_secs(41)).await;
        subscribe(&shared, "c").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn expired_sessions_are_forgotten_when_room_is_needed_or_after_a_time() {
        let shared = Shared::new(Config::default());
        for (age, looked, clients, left) in [(41, 1, 1, 0), (41, 1, 2, 1), (39, 39, 1, 1), (41, 41, 2, 0)] {
            shared.lock().sessions.clear();
            shared.lock().records.allowances_mut().clients = clients;
            subscribe(&shared, "a").unwrap();
            tokio::time::advance(Duration::from_secs(age - looked)).await;
            shared.lock().expire(&shared.config);
            tokio::time::advance(Duration::from_secs(looked)).await;
            shared.lock().make_room(&shared.config);
            assert_eq!(shared.lock().sessions.len(), left, "{age} s, looked at {looked} s ago, of {clients}");
        }
    }
}
