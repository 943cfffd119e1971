//! What the journal's thread tells the rest of the daemon: how far it has come, and how it is.
//!
//! Whoever waits is woken once for all that was appended, or became durable, at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Notify, watch};

use super::outlet::Outlet;
use crate::event::Channel;
use crate::journal::{Loss, Progress, Trouble};
use crate::status::{self, millis};

/// For how many channels losses are told one by one.
const CHANNELS_MAX: usize = 1000;

/// Whether the journal takes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Events below this sequence number survive the death of the process.
    pub(super) appended: u64,
    /// Whether nothing can be appended at present.
    pub(super) troubled: bool,
}

/// What the journal's thread tells everybody.
pub(super) struct Board {
    pub(super) room: watch::Sender<Room>,
    pub(super) durable: watch::Sender<u64>,
    standing: Mutex<Standing>,
    /// Whether [`Standing::losses`] has anything new.
    pub(super) lost: Notify,
}

/// How the journal is.
pub(super) struct Standing {
    pub(super) state: &'static str,
    pub(super) since: u64,
    pub(super) last_error: Option<status::Error>,
    pub(super) lost: u64,
    pub(super) damaged: u64,
    pub(super) gaps: u64,
    /// What has left the journal and is not told yet.
    pub(super) losses: BTreeMap<(Arc<str>, Channel), u64>,
}

impl Board {
    pub(super) fn new(next: u64, durable: u64, damaged: u64) -> Self {
        let since = millis(SystemTime::now());
        let (last_error, losses) = (None, BTreeMap::new());
        Self {
            room: watch::Sender::new(Room { appended: next, troubled: false }),
            durable: watch::Sender::new(durable),
            standing: Mutex::new(Standing {
                state: "good",
                since,
                last_error,
                lost: 0,
                damaged,
                gaps: 0,
                losses,
            }),
            lost: Notify::new(),
        }
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of progress, on the journal's thread.
    pub(super) fn note(&self, progress: Progress<'_>, path: &Path, outlet: &Outlet) {
        self.note_trouble(progress.trouble, path, outlet);
        if let Some(error) = progress.sync_failure {
            tracing::error!(path = %path.display(), %error, "a sync of the journal failed; what was not durable is written again");
            self.standing().fail(format!("a sync failed: {error}"));
        }
        if !progress.losses.is_empty() {
            self.note_losses(&progress.losses, path);
        }
        let room = Room { appended: progress.appended, troubled: progress.trouble.is_some() };
        let mut grown = false;
        self.room.send_if_modified(|known| {
            grown = known.appended < room.appended;
            std::mem::replace(known, room) != room
        });
        if grown {
            outlet.wake();
        }
        self.durable.send_if_modified(|known| std::mem::replace(known, progress.durable) != progress.durable);
    }

    fn note_trouble(&self, trouble: Option<&Trouble>, path: &Path, outlet: &Outlet) {
        let state = match trouble {
            None => "good",
            Some(Trouble::Full) => "full",
            Some(Trouble::NoSpace(_)) => "no space",
            Some(Trouble::Io(_) | Trouble::TooLarge) => "failing",
        };
        let mut standing = self.standing();
        if standing.state == state {
            return;
        }
        let was = std::mem::replace(&mut standing.state, state);
        let now = millis(SystemTime::now());
        let lasted = now.saturating_sub(std::mem::replace(&mut standing.since, now));
        let path = path.display();
        match trouble {
            None => {
                tracing::info!(%path, was, lasted_ms = lasted, "the journal has room again; events are taken again");
            }
            Some(trouble) => {
                let slowest = matches!(trouble, Trouble::Full).then(|| outlet.slowest()).flatten();
                let (sink, lag) = slowest.unzip();
                let on = sink.as_deref().map_or_else(String::new, |sink| format!(" ({sink})"));
                standing.fail(format!("{trouble}{on}"));
                tracing::error!(%path, reason = %trouble, sink, lag, "the journal takes nothing: no more events are asked for until it does");
            }
        }
    }

    fn note_losses(&self, losses: &[Loss], path: &Path) {
        let mut standing = self.standing();
        for loss in losses {
            let events = loss.events.end.saturating_sub(loss.events.start);
            tracing::error!(path = %path.display(), first = loss.events.start, events, "events left the journal before every sink had them");
            standing.lost = standing.lost.saturating_add(events);
            for one in &loss.channels {
                let key = (Arc::clone(&one.connection), one.channel.clone());
                if standing.losses.len() < CHANNELS_MAX || standing.losses.contains_key(&key) {
                    *standing.losses.entry(key).or_default() += one.events;
                }
            }
        }
        drop(standing);
        self.lost.notify_one();
    }
}

impl Standing {
    fn fail(&mut self, text: String) {
        self.last_error = Some(status::Error { at: millis(SystemTime::now()), text });
    }
}
