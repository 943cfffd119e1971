//! The journal's words: its settings, its errors, and what it tells of itself.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::shared::{Behind, Shared};
use super::{Cursor, Reader};
use crate::event::{Batch, Channel, Event};

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When what was appended is made durable.
    pub sync: SyncPolicy,
    /// The most bytes on disk, beyond which `when_full` applies.
    pub max_bytes: u64,
    /// What happens then.
    pub when_full: WhenFull,
    /// The size at which a segment is ended, in bytes; at most half of `max_bytes` is of use. One that has much to sync may
    /// become larger by a quarter, since appends wait for its last sync.
    pub segment_bytes: u64,
    /// How long segments stay after every cursor has passed them, as long as there is room; the last one always does.
    pub keep: Duration,
    /// How long segments stay even though a cursor has not passed them; the last one always does.
    pub max_age: Option<Duration>,
    /// How many bytes of recent events are kept in memory for readers.
    pub tail_bytes: usize,
    /// How many bytes may wait for the writer's thread.
    pub queue_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync: SyncPolicy::Interval(Duration::from_millis(100)),
            max_bytes: 1 << 30,
            when_full: WhenFull::Pause,
            segment_bytes: 64 << 20,
            keep: Duration::ZERO,
            max_age: None,
            tail_bytes: 8 << 20,
            queue_bytes: 8 << 20,
        }
    }
}

/// When what was appended is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// At most this long after it was appended, together with everything of that time; sooner when 8 MiB wait.
    Interval(Duration),
    /// At once.
    Always,
    /// When the system likes: what was appended counts as durable.
    Never,
}

/// What happens when the journal has its full size and no segment can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is taken until there is room.
    Pause,
    /// The oldest segment goes; what a cursor has not passed is a [`Loss`].
    DropOldest,
}

/// What a record's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events, as the server sent them.
    Events,
    /// Records of events that may be missing, made by this program.
    Gap,
}

/// The events of one response in the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Record {
    /// The sequence number of its first event.
    pub first: u64,
    /// What its messages are.
    pub kind: Kind,
    /// Its events.
    pub batch: Arc<Batch>,
}

impl Record {
    /// The sequence number after its last event.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.batch.len() as u64)
    }

    /// The events numbered `sequence` and above, with their numbers.
    pub fn events_from(&self, sequence: u64) -> impl Iterator<Item = (u64, Event<'_>)> {
        let skip = usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX);
        (self.first..).zip(self.batch.iter()).skip(skip)
    }
}

/// Why a journal cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process writes it.
    InUse(PathBuf),
    /// A segment has a format that this program does not know. Nothing was touched.
    Newer {
        /// The segment's file.
        name: String,
        /// Its version.
        version: u32,
    },
    /// The file system said so.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(dir) => write!(f, "journal {} is in use by another cometail", dir.display()),
            Self::Newer { name, version } => write!(
                f,
                "journal: {name} has format version {version}, this program knows versions up to {}; use the \
                 cometail that wrote it, or another directory",
                super::segment::VERSION
            ),
            Self::Io(error) => write!(f, "journal: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why the journal takes nothing at present; each attempt may find it over.
#[derive(Debug)]
pub enum Trouble {
    /// It has its full size, and some cursor has not passed the oldest segment.
    Full,
    /// The file system or a quota is full.
    NoSpace(io::Error),
    /// The file system said so.
    Io(io::Error),
    /// The batch does not fit a record, and never will.
    TooLarge,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the journal is full: a sink is too far behind"),
            Self::NoSpace(error) => write!(f, "no space for the journal: {error}"),
            Self::Io(error) => write!(f, "the journal cannot be written: {error}"),
            Self::TooLarge => f.write_str("a batch is too large for the journal"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Is;
        match error.kind() {
            Is::StorageFull | Is::QuotaExceeded | Is::FileTooLarge => Self::NoSpace(error),
            _ => Self::Io(error),
        }
    }
}

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What is missing or damaged where it was looked for: in the last segment, and between segments.
    pub holes: Vec<Hole>,
    /// How many holes there are beyond those listed.
    pub more_holes: u64,
    /// The bytes of unfinished records that were cut off.
    pub cut: u64,
}

/// A place of the journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The number of the segment.
    pub segment: u64,
    /// The place in it, in bytes.
    pub bytes: Range<u64>,
    /// What was found there.
    pub reason: Reason,
    /// The sequence numbers of the events that were there, where known.
    pub events: Option<Range<u64>>,
}

impl fmt::Display for Hole {
    /// Where and what, the same at each start that finds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} at {}: {}", self.segment, self.bytes.start, self.reason)
    }
}

/// What was found in the place of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The segment ends inside a record.
    CutShort,
    /// A record's contents are not what was written.
    Sum,
    /// Zeros.
    Zeros,
    /// Bytes that are no record.
    NoRecord,
    /// A segment's header is not what was written.
    Header,
    /// A whole segment is not there.
    Missing,
    /// A cursor is ahead of the last event: a loss of power took events that a sink has had already.
    Unsynced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "a record is cut short",
            Self::Sum => "a record does not have its checksum",
            Self::Zeros => "zeros in the place of a record",
            Self::NoRecord => "no record where one begins",
            Self::Header => "the segment's header is damaged",
            Self::Missing => "the segment is missing",
            Self::Unsynced => "events that were not yet synced are gone",
        })
    }
}

/// Events that left the journal before every cursor had passed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Their sequence numbers.
    pub events: Range<u64>,
    /// How many there were of each channel, as far as they could still be read.
    pub channels: Vec<ChannelLoss>,
}

/// The part of a [`Loss`] that one channel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLoss {
    /// The connection.
    pub connection: Arc<str>,
    /// The channel.
    pub channel: Channel,
    /// How many events.
    pub events: u64,
}

/// Makes readers and cursors of one journal, on any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Library(Arc<Shared>);

impl Library {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// A reader that begins with the event numbered `from`, or the first one after it that is there.
    pub fn reader(&self, from: u64) -> Reader {
        Reader::new(Arc::clone(&self.0), from)
    }

    /// The cursor `name`; one that is new stands at `start`, a [damaged](Cursor::is_damaged) one before everything. From now on until it is dropped, what it has not
    /// passed stays, as far as the policies for size and age let it.
    pub fn cursor(&self, name: &str, start: u64) -> io::Result<Cursor> {
        Cursor::open(Arc::clone(&self.0), name, start)
    }

    /// The sequence number that the next event gets.
    pub fn next_sequence(&self) -> u64 {
        self.0.next()
    }

    /// How much of the journal the event with this number and all after it are. Reads nothing from the disk.
    pub fn behind(&self, sequence: u64) -> Behind {
        self.0.behind(sequence)
    }

    /// The bytes on disk, and in how many segments they are.
    pub fn size(&self) -> (u64, usize) {
        (self.0.bytes(), self.0.segment_count())
    }

    /// The sequence number below which every event is that a hole may have had; the highest of all where the end of
    /// the journal is in doubt.
    pub fn end_of(&self, hole: &Hole) -> u64 {
        let segments = self.0.segments();
        let after = || segments.iter().find(|meta| meta.number > hole.segment);
        let end = hole.events.as_ref().map(|events| events.end);
        end.or_else(|| after().map(|meta| meta.first)).unwrap_or(u64::MAX)
    }

    /// The sequence number of the oldest event that may still be there.
    pub fn oldest_sequence(&self) -> u64 {
        self.0.segments().first().map_or(self.0.next(), |meta| meta.first)
    }
}
