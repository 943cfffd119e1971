//! The journal on a thread of its own.
//!
//! * The sender never waits for the disk. The queue is bounded in bytes: a batch counts until it is in the
//!   journal, and one that is larger than the bound is taken when nothing else waits.
//! * Numbers are given when a batch is taken, since batches are appended in that order and none is left out.
//! * Syncs run on a second thread, so that an append does not wait for the one before to reach the device.
//! * What cannot be appended stays in the queue and is tried again every 200 ms.
//! * Under dense traffic the thread is not woken for each batch but sleeps for a short fixed time, so that its
//!   senders pay no system call. A batch with events that no server sends again wakes it at once, as its sender
//!   asks for nothing more before they are appended.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::inbox::{Inbox, News};
use super::{Journal, Kind, Library, Loss, SyncJob, SyncPolicy, Trouble, record};
use crate::event::Batch;

/// How long after a failure the next attempt is.
const RETRY: Duration = Duration::from_millis(200);
/// How often segments that nobody needs are looked for, besides when one is ended.
const TIDY: Duration = Duration::from_secs(1);

/// How many bytes of batches are written together, but for a single one.
const GROUP: usize = 256 << 10;
/// Two finds of batches closer together than this are dense traffic.
const DENSE: Duration = Duration::from_micros(700);
/// How far the journal has come.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Events below this sequence number survive the death of the process.
    pub appended: u64,
    /// Events below this sequence number are durable as the sync policy defines it.
    pub durable: u64,
    /// Why nothing is taken at present. It is tried again without being asked.
    pub trouble: Option<&'a Trouble>,
    /// What has been dropped since the last time.
    pub losses: Vec<Loss>,
    /// A sync failed since the last time: the device is not to be trusted. Nothing is lost by it, as what was in
    /// doubt is written again.
    pub sync_failure: Option<io::Error>,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The queue is full.
    Busy,
    /// The batch does not fit a record, and never will.
    TooLarge,
    /// The thread has ended.
    Ended,
}

/// A journal that is written by a thread of its own. Dropping it ends the thread, after what waits is written.
#[derive(Debug)]
pub struct Writer {
    inbox: Arc<Inbox>,
    library: Library,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Writer {
    /// Starts the threads. `tell` is called on one of them whenever there is progress or trouble, and must not
    /// wait for anything.
    pub fn start(journal: Journal, tell: impl FnMut(Progress<'_>) + Send + 'static) -> io::Result<Self> {
        let (library, max) = (journal.library(), journal.config.queue_bytes);
        let inbox = Arc::new(Inbox::new(journal.next_sequence(), max));
        let (jobs, to_run) = sync_channel::<SyncJob>(1);
        let done = Arc::clone(&inbox);
        std::thread::Builder::new().name("journal-sync".to_owned()).spawn(move || {
            for job in to_run {
                let outcome = job.run();
                done.synced(job, outcome);
            }
        })?;
        let worker = Worker::new(journal, Arc::clone(&inbox), jobs, tell);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(|| worker.run())?;
        Ok(Self { inbox, library, thread: Some(thread) })
    }

    /// Takes a batch; the sequence numbers that its events will have.
    pub fn append(&self, batch: Arc<Batch>, kind: Kind) -> Result<Range<u64>, Refused> {
        if !record::fits(&batch) {
            return Err(Refused::TooLarge);
        }
        self.inbox.push(batch, kind)
    }

    /// Whether its thread has ended, which it does by itself only when something in it is broken.
    pub fn has_ended(&self) -> bool {
        self.inbox.has_ended()
    }

    /// What its thread is at: a number that is another for every turn; none while it waits for something to do. One that
    /// stays the same for long is held up by the disk.
    pub fn turn(&self) -> Option<u64> {
        self.inbox.turn()
    }

    /// The bytes of the batches that are not yet in the journal.
    pub fn queued_bytes(&self) -> usize {
        self.inbox.queued_bytes()
    }

    /// What makes readers and cursors.
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// Ends the thread when everything that was taken is in the journal and durable.
    ///
    /// # Errors
    /// What stood in the way; what could not be appended is lost.
    pub fn stop(mut self) -> Result<(), Trouble> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Trouble> {
        self.inbox.stop();
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(Trouble::Io(io::Error::other("the journal's thread panicked"))))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Says that the thread is gone, however it went.
struct Ending(Arc<Inbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Worker<F> {
    journal: Journal,
    inbox: Arc<Inbox>,
    jobs: SyncSender<SyncJob>,
    tell: F,
    waiting: VecDeque<(Arc<Batch>, Kind)>,
    /// Whether a sync runs.
    syncing: bool,
    /// When the next sync is due.
    sync_at: Option<Instant>,
    /// What stands in the way, and when it is tried again.
    trouble: Option<(Trouble, Instant)>,
    tidied: Instant,
    told: (u64, u64, bool),
    /// When batches were last found, and whether that was shortly after the time before.
    found: Instant,
    dense: bool,
}

impl<F: FnMut(Progress<'_>)> Worker<F> {
    fn new(journal: Journal, inbox: Arc<Inbox>, jobs: SyncSender<SyncJob>, tell: F) -> Self {
        let told = (journal.next_sequence(), journal.durable(), false);
        let (waiting, tidied) = (VecDeque::new(), Instant::now());
        Self {
            journal,
            inbox,
            jobs,
            tell,
            waiting,
            syncing: false,
            sync_at: None,
            trouble: None,
            tidied,
            told,
            found: tidied,
            dense: false,
        }
    }

    fn run(mut self) -> Result<(), Trouble> {
        let _ending = Ending(Arc::clone(&self.inbox));
        while !self.turn() {}
        self.trouble = None;
        self.append();
        let synced = if self.trouble.is_none() { self.journal.sync().map(drop) } else { Ok(()) };
        self.tell();
        synced?;
        self.trouble.take().map_or(Ok(()), |(trouble, _)| Err(trouble))
    }

    /// Does what there is to do; whether the end was asked for.
    fn turn(&mut self) -> bool {
        if self.dense && self.found.elapsed() < DENSE {
            self.inbox.linger();
        }
        let News { came, synced, stopping } = self.inbox.wait(self.deadline(), &mut self.waiting);
        if came {
            let now = Instant::now();
            self.dense = now.duration_since(self.found) < DENSE;
            self.found = now;
        }
        if let Some((job, outcome)) = synced {
            self.syncing = false;
            let finished = self.journal.finish_sync(&job, outcome);
            self.note(finished);
        }
        self.tidy();
        self.append();
        self.sync();
        self.tell();
        stopping
    }

    /// When there is something to do even if nobody asks.
    fn deadline(&self) -> Option<Instant> {
        let retry = self.trouble.as_ref().map(|(_, at)| *at);
        let sync = self.sync_at.filter(|_| !self.syncing && self.trouble.is_none());
        let tidy = self.journal.has_sealed().then(|| self.tidied + TIDY);
        [retry, sync, tidy].into_iter().flatten().min()
    }

    /// Lets go of what nobody needs: now and then, and before each new attempt.
    fn tidy(&mut self) {
        let retry = self.trouble.as_ref().is_some_and(|(_, at)| *at <= Instant::now());
        if retry || self.tidied.elapsed() >= TIDY {
            self.tidied = Instant::now();
            let tidied = self.journal.retain(SystemTime::now());
            if retry {
                self.trouble = None;
                let repaired = self.journal.rewrite();
                self.note(repaired);
            }
            self.note(tidied.map(drop));
        }
    }

    /// Appends what waits, several batches with one write. Where those find no room, one of them may.
    fn append(&mut self) {
        let mut most = usize::MAX;
        while self.trouble.is_none() && !self.waiting.is_empty() {
            let count = self.group().min(most);
            let group = self.waiting.iter().take(count).map(|(batch, kind)| (batch, *kind));
            match self.journal.append_all(group) {
                Ok(()) => {
                    self.inbox.journaled(self.waiting.drain(..count));
                    most = usize::MAX;
                }
                Err(_) if count > 1 => most = 1,
                Err(trouble) => self.note(Err(trouble)),
            }
        }
    }

    /// How many of the batches that wait are written together, at least one.
    fn group(&self) -> usize {
        let mut bytes = 0_usize;
        let fits = |(batch, _): &&(Arc<Batch>, Kind)| {
            bytes = bytes.saturating_add(batch.size());
            bytes <= GROUP
        };
        self.waiting.iter().take_while(fits).count().max(1)
    }

    fn note(&mut self, outcome: Result<(), Trouble>) {
        if let Err(trouble) = outcome {
            self.trouble = Some((trouble, Instant::now() + RETRY));
        }
    }

    /// Begins a sync when one is due.
    fn sync(&mut self) {
        let wait = match self.journal.config.sync {
            SyncPolicy::Never => return,
            SyncPolicy::Always => Duration::ZERO,
            SyncPolicy::Interval(wait) => wait,
        };
        if self.syncing {
            return;
        }
        let Some(job) = self.journal.begin_sync() else {
            self.sync_at = None;
            return;
        };
        let now = Instant::now();
        let is_due = *self.sync_at.get_or_insert(now + wait) <= now || self.journal.is_sync_pressing();
        if is_due && self.jobs.try_send(job).is_ok() {
            (self.syncing, self.sync_at) = (true, None);
        }
    }

    fn tell(&mut self) {
        let now = (self.journal.next_sequence(), self.journal.durable(), self.trouble.is_some());
        let (losses, sync_failure) = (self.journal.take_losses(), self.journal.take_sync_failure());
        if now == self.told && losses.is_empty() && sync_failure.is_none() {
            return;
        }
        self.told = now;
        let trouble = self.trouble.as_ref().map(|(trouble, _)| trouble);
        (self.tell)(Progress { appended: now.0, durable: now.1, trouble, losses, sync_failure });
    }
}
