//! The journal as the daemon runs it: opened and recovered, written by a thread, watched by connections and status.
//!
//! * What it lost, and what was damaged, becomes gap records in it. They come at most once a second, so that in a
//!   full journal they do not drive out each other.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::board::{Board, Room};
use super::damage::Damage;
use super::outlet::Outlet;
use super::{Ending, StartError};
use crate::bayeux::memory::Memory;
use crate::bayeux::session::Session;
use crate::event::{Batch, Channel, Gap, ReplayId};
use crate::journal::{Config, Journal, Kind, Library, OpenError, Read, Record, Refused, Writer};
use crate::status;

/// How much of the journal is read at the start for the events that a server may repeat, in bytes.
const RECENT_MAX: u64 = 16 << 20;

/// For how many channels a gap is told.
const CHANNELS_MAX: usize = 1000;

/// The least time between two rounds of gap records.
const ROUND: Duration = Duration::from_secs(1);

/// A journal that has been read and is not written yet.
pub(super) struct Opened {
    journal: Journal,
    path: PathBuf,
    max_bytes: u64,
    /// When the oldest event in it arrived, or now.
    since: SystemTime,
    positions: HashMap<String, Vec<(Channel, ReplayId)>>,
    recent: HashMap<Arc<str>, Vec<Record>>,
    damage: Damage,
}

impl Opened {
    /// Opens the journal in `path`, from which `sinks` are supplied, and logs what was found.
    pub(super) fn open(path: PathBuf, config: Config, sinks: &[Arc<str>]) -> Result<Self, StartError> {
        let max_bytes = config.max_bytes;
        let journal = Journal::open(&path, config).map_err(|error| refuse(&path, &error))?;
        let (library, recovery) = (journal.library(), journal.recovery());
        if recovery.cut > 0 {
            tracing::info!(path = %path.display(), bytes = recovery.cut, "an unfinished record at the end of the journal is cut off");
        }
        let passed = library.passed_by(sinks).map_err(|error| refuse(&path, &OpenError::Io(error)))?;
        let damage = Damage::sort(&path, recovery, &library, passed);
        damage.log(&path);
        let since = oldest(&library).unwrap_or_else(SystemTime::now);
        let mut positions = HashMap::<String, Vec<_>>::new();
        for (connection, channel, replay) in journal.positions().iter() {
            positions.entry(connection.to_owned()).or_default().push((channel.clone(), replay));
        }
        let mut recent = HashMap::<Arc<str>, Vec<_>>::new();
        match library.recent(Session::REMEMBERED, RECENT_MAX) {
            Ok(records) => {
                for record in records.into_iter().filter(|record| record.kind == Kind::Events) {
                    recent.entry(Arc::clone(record.batch.connection())).or_default().push(record);
                }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the latest events cannot be read; repeats of them are not recognised");
            }
        }
        Ok(Self { journal, path, max_bytes, since, positions, recent, damage })
    }

    pub(super) fn library(&self) -> Library {
        self.journal.library()
    }

    /// What the sessions of an earlier process knew, by the names of their connections.
    pub(super) fn take_memories(&mut self) -> HashMap<Arc<str>, Memory> {
        let positions = std::mem::take(&mut self.positions).into_iter();
        let mut memories: HashMap<Arc<str>, _> =
            positions.map(|(name, positions)| (Arc::from(name), Memory::new(positions))).collect();
        for (name, records) in self.recent.drain() {
            let memory = memories.entry(name).or_default();
            for record in &records {
                for event in record.batch.iter() {
                    if let Some(replay) = event.replay {
                        memory.remember(event.channel, replay, event.message);
                    }
                }
            }
        }
        memories
    }

    /// Begins to write. What was found damaged, and is not told yet, becomes gaps of `channels`.
    pub(super) fn start(
        self,
        outlet: Arc<Outlet>,
        channels: &[(Arc<str>, Channel)],
    ) -> Result<Arc<Appender>, StartError> {
        let Self { journal, path, max_bytes, since, damage, .. } = self;
        let library = journal.library();
        let board = Arc::new(Board::new(journal.next_sequence(), journal.durable(), damage.places()));
        let (teller, place) = (Arc::clone(&board), path.clone());
        let started = Writer::start(journal, move |progress| teller.note(progress, &place, &outlet));
        let writer = started.map_err(|error| StartError {
            ending: Ending::Io,
            problems: vec![format!("journal {}: its threads cannot start: {error}", path.display())],
        })?;
        let appender = Appender {
            path,
            library,
            max_bytes,
            since,
            writer: Mutex::new(Some(writer)),
            board,
            unnumbered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            busy: AtomicBool::new(false),
        };
        if let Some(reason) = damage.reason() {
            for (connection, channel) in channels.iter().take(CHANNELS_MAX) {
                appender.tell_gap(connection, channel, &reason);
            }
        }
        Ok(Arc::new(appender))
    }
}

fn refuse(path: &Path, error: &OpenError) -> StartError {
    let ending = if matches!(error, OpenError::InUse(_)) { Ending::InUse } else { Ending::Io };
    let problem = match error {
        OpenError::InUse(_) => error.to_string(),
        OpenError::Newer { .. } => format!("{}: {error}", path.display()),
        OpenError::Io(error) => format!("journal {}: {error}", path.display()),
    };
    StartError { ending, problems: vec![problem] }
}

/// When the oldest event arrived.
fn oldest(library: &Library) -> Option<SystemTime> {
    let mut reader = library.reader(library.oldest_sequence());
    while let Ok(Some(read)) = reader.try_next() {
        if let Read::Record(record) = read {
            return Some(record.batch.received());
        }
    }
    None
}

/// Where every connection appends its events.
pub(super) struct Appender {
    path: PathBuf,
    library: Library,
    max_bytes: u64,
    since: SystemTime,
    /// Until the end.
    writer: Mutex<Option<Writer>>,
    board: Arc<Board>,
    /// The sequence number after the last taken event that no server sends again.
    unnumbered: AtomicU64,
    /// Events that no server sends again and that could not be taken before the end.
    given_up: AtomicU64,
    /// Whether the queue was found full since a batch was last taken.
    busy: AtomicBool,
}

impl Appender {
    /// Takes a batch; the sequence numbers that its events will have.
    pub(super) fn append(&self, batch: &Arc<Batch>, kind: Kind) -> Result<Range<u64>, Refused> {
        let taken = match &*self.writer() {
            Some(writer) => writer.append(Arc::clone(batch), kind)?,
            None => return Err(Refused::Ended),
        };
        if batch.unnumbered() > 0 {
            self.unnumbered.fetch_max(taken.end, Ordering::Relaxed);
        }
        if self.busy.load(Ordering::Relaxed) && self.busy.swap(false, Ordering::Relaxed) {
            tracing::info!(path = %self.path.display(), "the queue to the journal has room again; events are taken again");
        }
        Ok(taken)
    }

    /// A batch was refused because of the queue: said once.
    pub(super) fn note_busy(&self) {
        if !self.busy.swap(true, Ordering::Relaxed) {
            tracing::warn!(path = %self.path.display(), "the queue to the journal is full, the disk is slower than the events: no more are asked for until it has room");
        }
    }

    pub(super) fn room(&self) -> watch::Receiver<Room> {
        self.board.room.subscribe()
    }

    pub(super) fn durable(&self) -> watch::Receiver<u64> {
        self.board.durable.subscribe()
    }

    /// Events that no server sends again are lost for want of room.
    pub(super) fn give_up(&self, events: u64) {
        self.given_up.fetch_add(events, Ordering::Relaxed);
    }

    /// What the journal's thread is at; see [`Writer::turn`].
    pub(super) fn turn(&self) -> Option<u64> {
        self.writer().as_ref().and_then(Writer::turn)
    }

    /// Ends when the journal's thread has, unasked.
    pub(super) async fn ended(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            if self.writer().as_ref().is_some_and(Writer::has_ended) {
                return tracing::error!(path = %self.path.display(), "the journal's thread has ended unexpectedly");
            }
        }
    }

    /// Makes gap records of what the journal lost, for ever.
    pub(super) async fn tell_losses(self: Arc<Self>) {
        loop {
            self.board.lost.notified().await;
            self.flush_losses();
            tokio::time::sleep(ROUND).await;
        }
    }

    fn flush_losses(&self) {
        let losses = std::mem::take(&mut self.board.standing().losses);
        for ((connection, channel), events) in losses {
            let reason = format!("{events} events left the journal before every sink had them");
            self.tell_gap(&connection, &channel, &reason);
        }
    }

    fn tell_gap(&self, connection: &Arc<str>, channel: &Channel, reason: &str) {
        let until = SystemTime::now();
        let gap = Gap { channel, since: self.since.min(until), until, reason };
        self.board.standing().gaps += 1;
        if self.append(&Arc::new(gap.record(Arc::clone(connection), until)), Kind::Gap).is_err() {
            tracing::warn!(%connection, %channel, reason, "the journal has no room for the record of a gap");
        }
    }

    /// How it is.
    pub(super) fn status(&self) -> status::Journal {
        let (bytes, segments) = self.library.size();
        let standing = self.board.standing();
        status::Journal {
            path: self.path.display().to_string(),
            bytes,
            max_bytes: self.max_bytes,
            segments,
            next_sequence: self.library.next_sequence(),
            durable: *self.board.durable.borrow(),
            state: standing.state,
            since: standing.since,
            last_error: standing.last_error.clone(),
            lost: standing.lost,
            damaged: standing.damaged,
            gaps: standing.gaps,
        }
    }

    /// Appends and syncs what was taken, within a time; whether nothing is lost.
    pub(super) async fn stop(&self, wait: Duration) -> bool {
        self.flush_losses();
        let Some(writer) = self.writer().take() else { return self.is_stopped(wait).await };
        let stopping = tokio::task::spawn_blocking(move || writer.stop());
        let failed = match tokio::time::timeout(wait, stopping).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(trouble))) => Some(trouble.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(String::from("the disk does not answer in time")),
        };
        if let Some(reason) = failed {
            tracing::warn!(path = %self.path.display(), reason, "not everything is in the journal; what has a replay id is asked for again after the next start");
        }
        self.tell_unnumbered()
    }

    /// An earlier stop may have been given up before it came to its end: within a time, whether nothing is lost.
    async fn is_stopped(&self, wait: Duration) -> bool {
        let (wanted, mut room) = (self.unnumbered.load(Ordering::Relaxed), self.room());
        drop(tokio::time::timeout(wait, room.wait_for(|room| room.appended >= wanted)).await);
        self.tell_unnumbered()
    }

    /// Whether the journal has every event that no server sends again.
    fn tell_unnumbered(&self) -> bool {
        let waiting = self.unnumbered.load(Ordering::Relaxed) > self.board.room.borrow().appended;
        let given_up = self.given_up.load(Ordering::Relaxed);
        if waiting || given_up > 0 {
            tracing::error!(path = %self.path.display(), "events without a replay id are lost: the journal did not take them");
        }
        !waiting && given_up == 0
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
