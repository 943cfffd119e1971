//! What all streams share: the latest events and the latest status, each made once, while somebody reads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior};

use super::reply::frame;
use super::shared::Shared;
use super::tap::Inbox;

/// How long events are gathered before streams are woken.
const GATHER: Duration = Duration::from_millis(20);
/// After how many batches others have a turn.
const TURN: usize = 32;
/// How often the status is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The longest that no status is sent.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The statuses before the latest that are kept for streams that are in the middle of one, in bytes.
const BEFORE_MAX: usize = 16 << 20;

/// The latest status as streams have it.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    latest: Option<Told>,
    before: VecDeque<Arc<Bytes>>,
}

/// A status, and its number, by which a stream knows whether it has had it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) frame: Arc<Bytes>,
    at: Instant,
    /// It without its time, which alone is no news.
    content: Arc<str>,
}

impl Latest {
    /// The latest.
    pub(super) fn get(&self) -> Option<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).latest.clone()
    }

    fn set(&self, told: Told) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.latest.replace(told);
        kept.before.extend(last.map(|last| last.frame));
        while kept.before.iter().map(|frame| frame.len()).sum::<usize>() > BEFORE_MAX {
            kept.before.pop_front();
        }
    }
}

/// Takes events from the daemon for as long as it runs.
pub(super) async fn pump(shared: Arc<Shared>, mut inbox: Inbox) {
    while let Some(first) = inbox.next().await {
        let mut batch = Some(first);
        let mut turn = 0;
        while let Some(present) = batch {
            shared.ring.add(&present);
            turn += 1;
            if turn % TURN == 0 {
                shared.ring.tell();
                tokio::task::yield_now().await;
            }
            batch = inbox.next_now();
        }
        shared.ring.tell();
        tokio::time::sleep(GATHER).await;
    }
}

/// Looks at the status, for ever, while somebody reads.
pub(super) async fn observe(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let lost = shared.port.tap.take_lost();
        if lost > 0 {
            shared.ring.lose(lost);
            shared.ring.tell();
        }
        if shared.port.tap.readers() == 0 {
            shared.ring.clear();
        } else {
            look(&shared).await;
        }
    }
}

/// The latest status; a new one where it is old.
pub(super) async fn fresh(shared: &Shared) -> Option<Told> {
    if shared.latest.get().is_none_or(|told| told.at.elapsed() >= EVERY) {
        look(shared).await;
    }
    shared.latest.get()
}

async fn look(shared: &Shared) {
    let Some(mut status) = shared.status().await else { return };
    let at = std::mem::take(&mut status.updated_at);
    let Ok(content) = serde_json::to_string(&status) else { return };
    let last = shared.latest.get();
    if last.as_ref().is_some_and(|last| *last.content == *content && last.at.elapsed() < HEARTBEAT) {
        return;
    }
    status.updated_at = at;
    let Some(frame) = frame("status", &status) else { return };
    let number = last.map_or(1, |last| last.number + 1);
    shared.latest.set(Told { number, frame: Arc::new(frame), at: Instant::now(), content: content.into() });
}
