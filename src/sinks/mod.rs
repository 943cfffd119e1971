//! Delivery to stdout, files and webhooks.
//!
//! * A sink never delays a session: it reads from the journal, each from a cursor of its own, or from a queue in
//!   memory that is bounded in bytes ([`Supply`]). Every sink has a thread of its own, and may block it.
//! * On the journal, what a cursor has passed has been delivered, and a restart goes on there: nothing is lost.
//!   Files have every event exactly once through the death of the process ([`mod@file`]); elsewhere what was
//!   delivered since the last commit, at most 100 ms or one load earlier, comes again.
//! * Events are delivered in the order of their arrival (or of their creation, where a rule says so), at least
//!   once, as the bytes that came in; a delivery that fails is tried again for ever.
//! * A cursor of which nothing whole is left begins anew with the oldest event in the journal: what the sink had comes
//!   again, also in files, and nothing is lost.
//! * What a sink does not get is counted: [`SinkStatus`]. Where events are not in the journal any more, gap records
//!   take their place, as exactly as events.
//! * A sink that has ended by itself holds back nothing in the journal once its owner [releases](Handle::release)
//!   it; one without a handle never does.
//!
//! A record is one line of JSON in one of four forms ([`mod@format`]); [`filter`] says how channels are chosen,
//! [`mod@file`] how paths are made.
//!
//! Operations: [`start`] checks what can be checked and starts the thread; the [`Handle`] does the rest. A [`Resender`]
//! posts parked records once more.

mod created;
pub mod file;
pub mod filter;
pub mod format;
mod gather;
mod handle;
mod intake;
mod latency;
mod ledger;
mod meter;
mod note;
mod order;
mod output;
mod park;
mod pause;
mod per_channel;
mod pretty;
mod queue;
mod refusals;
mod resend;
mod restore;
mod rotate;
pub mod stdout;
mod tape;
mod target;
mod tell;
mod template;
#[cfg(test)]
pub(crate) mod testing;
mod unstarted;
pub mod webhook;
mod worker;

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

pub use created::created_at;
use filter::{Filter, Pattern};
use format::Format;
use handle::Shared;
pub use handle::{Ended, Handle, Offer};
use intake::Intake;
pub use latency::Latency;
use meter::Meter;
pub use meter::{SinkStatus, State};
use note::Note;
use park::Park;
use queue::Queue;
pub use resend::{Answer, Resender};
use tape::Tape;
use target::{Target, Unfit};
use tell::Teller;
use worker::Worker;

use crate::event::Channel;
use crate::journal::{Cursor, Library};
use crate::retry::Backoff;

/// One sink: what it takes, how it writes it, where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its name in the configuration, logs and status.
    pub name: Arc<str>,
    /// The channels it takes; every channel where there is none.
    pub channels: Vec<Pattern>,
    /// The form of a record.
    pub format: Format,
    /// Whether it takes gap records: what tells that events may be missing.
    pub gap_records: bool,
    /// The most that may wait for it, in bytes.
    pub queue: usize,
    /// The channels whose events are put in the order of their creation first.
    pub order: Vec<Order>,
    /// Where records go.
    pub kind: Kind,
}

impl Config {
    /// Whether both write to the same place, so that they must not run at once.
    pub fn collides(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Stdout(_), Kind::Stdout(_)) => true,
            (Kind::File(one), Kind::File(other)) => one.path == other.path,
            (Kind::Webhook(one), Kind::Webhook(other)) => one.parked.is_some() && one.parked == other.parked,
            _ => false,
        }
    }
}

/// Events of these channels are held for at most `window`, and leave by `createdDate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The connection it holds for.
    pub connection: Arc<str>,
    /// The channels.
    pub channels: Pattern,
    /// The longest that an event is held.
    pub window: Duration,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Standard output.
    Stdout(stdout::Config),
    /// Files by a path template.
    File(file::Config),
    /// An HTTP endpoint.
    Webhook(Box<webhook::Config>),
}

impl Kind {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
            Self::Webhook(_) => "webhook",
        }
    }
}

/// Why a sink cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    /// The sink's name in the configuration.
    pub sink: Arc<str>,
    /// The path or endpoint.
    pub thing: String,
    /// What was wrong.
    pub found: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sink {}: {}: {}; {}", self.sink, self.thing, self.found, self.hint)
    }
}

impl std::error::Error for StartError {}

/// Where a sink's batches come from.
#[derive(Clone, Debug)]
pub enum Supply {
    /// A bounded queue in memory, filled by [`Handle::offer`].
    Memory,
    /// The journal, from the sink's own cursor on; [`Handle::wake`] says that it has grown. A sink without a
    /// cursor begins at the journal's end. The channels are those that a gap is told of, with their connections,
    /// where events are not in the journal any more.
    Journal(Library, Channels),
    /// As [`Supply::Memory`], for a sink that has a cursor in this journal: its files are brought back to what is
    /// committed, and what is offered is committed with them. The cursor stays where it is.
    Again(Library),
}

/// Channels and the connections that they belong to. All that share them see when they are replaced.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<RwLock<ChannelList>>);

/// Connections, by their names, and channels of them.
type ChannelList = Arc<[(Arc<str>, Channel)]>;

impl Channels {
    /// As they are now.
    pub fn list(&self) -> ChannelList {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These from now on.
    pub fn replace(&self, list: impl IntoIterator<Item = (Arc<str>, Channel)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = list.into_iter().collect();
    }
}

impl FromIterator<(Arc<str>, Channel)> for Channels {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Channel)>>(list: T) -> Self {
        Self(Arc::new(RwLock::new(list.into_iter().collect())))
    }
}

/// Checks what can be checked before the first event, and starts the sink's thread. On the journal, its cursor
/// is there when this returns, and files are cut back to what was committed.
pub fn start(config: Config, supply: Supply) -> Result<Handle, StartError> {
    start_as(config, supply, false)
}

/// As [`start`], for a sink that stands still until [`Handle::resume`].
pub fn start_paused(config: Config, supply: Supply) -> Result<Handle, StartError> {
    start_as(config, supply, true)
}

fn start_as(config: Config, supply: Supply, paused: bool) -> Result<Handle, StartError> {
    let sink = Arc::clone(&config.name);
    let started = open(&config).and_then(|(target, park)| start_with(config, target, park, supply, paused));
    started.map_err(|unfit| start_error(sink, unfit))
}

fn start_error(sink: Arc<str>, unfit: Unfit) -> StartError {
    StartError { sink, thing: unfit.thing, found: unfit.found, hint: unfit.hint }
}

/// Checks what can be checked without starting anything: what it writes to may be in use by another one.
pub fn check(config: &Config) -> Result<(), StartError> {
    open(config).map(drop).map_err(|unfit| start_error(Arc::clone(&config.name), unfit))
}

/// The place of a sink that is started soon: a new one begins where the journal ends now, and nothing from there on
/// leaves it while this is kept.
pub fn reserve(config: &Config, library: &Library) -> Result<Cursor, StartError> {
    let reserved = place(library, &config.name).map(|(cursor, ..)| cursor);
    reserved.map_err(|unfit| start_error(Arc::clone(&config.name), unfit))
}

fn open(config: &Config) -> Result<(Target, Option<Park>), Unfit> {
    let target = Target::open(config)?;
    let park = match &config.kind {
        Kind::Webhook(kind) => {
            kind.parked.as_deref().map(|path| Park::open(path, kind.parked_max)).transpose()?
        }
        Kind::Stdout(_) | Kind::File(_) => None,
    };
    Ok((target, park))
}

fn start_with(
    config: Config,
    mut target: Target,
    park: Option<Park>,
    supply: Supply,
    paused: bool,
) -> Result<Handle, Unfit> {
    let name = Arc::clone(&config.name);
    let waits = match &config.kind {
        Kind::Webhook(kind) => kind.retry,
        Kind::Stdout(_) | Kind::File(_) => worker::LOCAL_RETRY,
    };
    let (tape, cursor, place) = match supply {
        Supply::Memory => (None, None, None),
        Supply::Journal(library, channels) => {
            let (cursor, start, note) = place(&library, &name)?;
            target.restore(&name, &note)?;
            let teller = Teller::new(&config, &channels, &note);
            (Some(Tape::new(library.clone(), start, &note, teller)), Some(cursor), Some((library, start)))
        }
        Supply::Again(library) => {
            let (cursor, start, note) = place(&library, &name)?;
            target.restore(&name, &note)?;
            let teller = Teller::new(&config, &Channels::default(), &note);
            (Some(Tape::still(library, start, &note, teller)), Some(cursor), None)
        }
    };
    let queue = Queue::new(config.queue, Filter::new(&config.channels), config.gap_records);
    let meter = Meter::new(Arc::clone(&name), config.kind.name(), place);
    meter.pause(paused);
    let shared = Arc::new(Shared::new(queue, meter, cursor));
    let backoff = Backoff::new(waits, fastrand::u64(..));
    let worker = Worker::new(Arc::clone(&shared), tape, Intake::new(config), target, park, backoff);
    spawn(&shared, worker).map_err(|error| Unfit {
        thing: "its thread".to_owned(),
        found: error.to_string(),
        hint: "allow the process more threads and descriptors".to_owned(),
    })?;
    Ok(Handle(shared))
}

/// The sink's cursor, where it stands, and what it says. A new one is written at once: after a crash before its
/// first commit, the sink would begin at an end that has moved. A damaged one begins with the oldest event, of which the
/// sink may not have had any.
fn place(library: &Library, name: &str) -> Result<(Cursor, u64, Note), Unfit> {
    let unfit = |found: String, hint: &str| Unfit {
        thing: "its cursor in the journal".to_owned(),
        found,
        hint: hint.to_owned(),
    };
    let cursor = cursor(library, name)
        .map_err(|error| unfit(error.to_string(), "make the state directory readable and writable"))?;
    let (start, note) = match cursor.committed() {
        Some(committed) => (committed.sequence, committed.note.as_slice()),
        None => (library.next_sequence(), &b""[..]),
    };
    let mut note = Note::parse(note)
        .map_err(|error| unfit(format!("its note cannot be read: {error}"), "give the sink another name"))?;
    note.forget_from(library.next_sequence());
    Ok((cursor, start, note))
}

fn cursor(library: &Library, name: &str) -> io::Result<Cursor> {
    let mut cursor = library.cursor(name, library.next_sequence())?;
    if cursor.is_damaged() {
        let start = library.oldest_sequence();
        tracing::error!(
            sink = name,
            start,
            "the sink's cursor is damaged: it begins with the oldest event of the journal, and what it had of them comes again"
        );
        cursor.commit(start, &Note::default().bytes()?, true)?;
    } else if cursor.committed().is_none() {
        let note = Note { seen: Some(tell::millis(SystemTime::now())), ..Note::default() };
        cursor.commit(library.next_sequence(), &note.bytes()?, true)?;
    }
    Ok(cursor)
}

fn spawn(shared: &Arc<Shared>, worker: Worker) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    if worker.target.speaks() {
        builder.enable_io();
    }
    let runtime = builder.enable_time().build()?;
    let name = format!("sink-{}", shared.meter.name().replace('\0', ""));
    let gone = Gone(Arc::clone(shared));
    std::thread::Builder::new().name(name).spawn(move || {
        let _even_after_a_panic = gone;
        runtime.block_on(worker.run());
    })?;
    Ok(())
}

/// Tells when the worker and all that it held is gone.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.go();
    }
}

/// Private functions that read outside input, for the fuzz targets alone; no part of the library's interface.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    /// The time of creation that an event's `data` gives.
    pub fn created(data: &[u8]) -> Option<jiff::Timestamp> {
        super::created::of_data(data)
    }
}

#[cfg(test)]
mod tests;
