//! Where a worker delivers to: one of the kinds of sink, all of one shape.
//!
//! `load` takes events from the front of a run, as many as it delivers at once, and forms their records;
//! `flush` delivers everything loaded. A failed flush is called again until it succeeds, and delivers only
//! what it has not delivered yet; what it counted as delivered or gave back as refused is done with.

use std::time::{Duration, Instant};

use super::handle::Ended;
use super::note::Note;
use super::queue::Run;
use super::{Config, Kind, file, stdout, webhook};

/// Where a worker delivers to.
pub(super) enum Target {
    Stdout(stdout::Sink),
    File(Box<file::Sink>),
    Webhook(Box<webhook::Sink>),
}

/// Why a flush did not deliver everything.
#[derive(Debug)]
pub(super) enum Failure {
    /// The reader is slow: nothing is wrong.
    Busy,
    /// To be tried again, not before `after` where it is given.
    Retry { error: String, after: Option<Duration> },
    /// Files were opened that no cursor knows: a commit is needed before they are written.
    Unnoted,
    /// So many of the records loaded are delivered and no longer loaded; others are: flush again.
    Partly(usize),
    /// One of the records loaded is refused for good and no longer loaded; others may be: flush again.
    Refused(Refused),
    /// Nothing can be delivered any more.
    Ended(Ended),
}

/// A record that an endpoint refused for good.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// The event's stable id.
    pub(super) id: String,
    /// What the endpoint answered, for a person.
    pub(super) reason: String,
    /// The record as it was sent.
    pub(super) record: bytes::Bytes,
}

/// Why a target cannot be opened: what, what was found, what to do.
pub(super) struct Unfit {
    pub(super) thing: String,
    pub(super) found: String,
    pub(super) hint: String,
}

impl Target {
    /// Checks what can be checked before the first event.
    pub(super) fn open(config: &Config) -> Result<Self, Unfit> {
        match &config.kind {
            Kind::Stdout(kind) => {
                stdout::Sink::open(*kind, config.format).map(Self::Stdout).map_err(|error| Unfit {
                    thing: "standard output".to_owned(),
                    found: error.to_string(),
                    hint: "start the process with an open standard output".to_owned(),
                })
            }
            Kind::File(kind) => {
                file::Sink::open(kind, config.format).map(|sink| Self::File(Box::new(sink))).map_err(
                    |(found, hint)| Unfit { thing: kind.path.root().display().to_string(), found, hint },
                )
            }
            Kind::Webhook(kind) => {
                webhook::Sink::open(kind, config.format).map(|sink| Self::Webhook(Box::new(sink)))
            }
        }
    }

    /// Takes events from the front of `run`: how many.
    pub(super) fn load(&mut self, run: &Run) -> usize {
        match self {
            Self::Stdout(sink) => sink.load(run),
            Self::File(sink) => sink.load(run),
            Self::Webhook(sink) => sink.load(run),
        }
    }

    /// Delivers everything loaded.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Stdout(sink) => sink.flush(),
            Self::File(sink) => sink.flush(),
            Self::Webhook(sink) => sink.flush().await,
        }
    }

    /// Whether it delivers over sockets. What does not sleeps on less than a socket's readiness, and wakes faster.
    pub(super) const fn speaks(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    /// What a request holds and how long it waits to be full, where it does.
    pub(super) fn gathers(&self) -> Option<(webhook::Batch, Duration)> {
        match self {
            Self::Webhook(sink) => sink.gathers(),
            Self::Stdout(_) | Self::File(_) => None,
        }
    }

    /// Whether the sink wants no more.
    pub(super) const fn is_spent(&self) -> bool {
        matches!(self, Self::Stdout(sink) if sink.is_spent())
    }

    /// Opens files anew.
    pub(super) fn reopen(&mut self) {
        if let Self::File(sink) = self {
            sink.reopen();
        }
    }

    /// Everything that was loaded has been dealt with.
    pub(super) fn settle(&mut self) {
        if let Self::File(sink) = self {
            sink.settle();
        }
    }

    /// What a commit is to say besides its number.
    pub(super) fn note(&self) -> Note {
        match self {
            Self::File(sink) => sink.note(),
            Self::Stdout(_) | Self::Webhook(_) => Note::default(),
        }
    }

    /// What [`Target::note`] said last has been committed.
    pub(super) fn noted(&mut self) {
        if let Self::File(sink) = self {
            sink.noted();
        }
    }

    /// Whether what is delivered is to be on the device before a commit.
    pub(super) const fn is_synced(&self) -> bool {
        matches!(self, Self::File(sink) if sink.is_synced())
    }

    /// Whether a commit does something for the target even without a cursor.
    pub(super) fn wants_commit(&self) -> bool {
        matches!(self, Self::File(sink) if sink.wants_commit())
    }

    /// Waits until the device has what is to be there before a commit.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        match self {
            Self::File(sink) => sink.sync(),
            Self::Stdout(_) | Self::Webhook(_) => Ok(()),
        }
    }

    /// When a flush has something to do though nothing is loaded.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::File(sink) => sink.deadline(),
            Self::Stdout(_) | Self::Webhook(_) => None,
        }
    }

    /// Whether that time has come.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Brings what it delivers to back to what was committed.
    pub(super) fn restore(&mut self, name: &str, note: &Note) -> Result<(), Unfit> {
        match self {
            Self::File(sink) => sink.restore(name, note),
            Self::Stdout(_) | Self::Webhook(_) => Ok(()),
        }
    }
}
