//! What a receiver got, and whether that is each event once and in order.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;
use crate::events::{self, Load};
use crate::shared::messages::{Message, header};

/// The book of one run. A connection writes into it before it answers, so that what is written later was sent later.
pub(crate) struct Book {
    load: Load,
    pages: Mutex<Pages>,
    done: Condvar,
}

#[derive(Default)]
struct Pages {
    /// Of each request its id and its events: each one's channel and place in the run.
    ids: Vec<String>,
    events: Vec<(u32, u32)>,
    first: Option<Instant>,
    last: Option<Instant>,
    /// The first thing that was wrong.
    wrong: Option<String>,
}

impl Book {
    pub(crate) fn new(load: Load) -> Self {
        let total = load.total as usize;
        let pages =
            Pages { ids: Vec::with_capacity(total), events: Vec::with_capacity(total), ..Pages::default() };
        Self { load, pages: Mutex::new(pages), done: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request.
    pub(crate) fn note(&self, (head, body): Message<'_>) {
        let now = Instant::now();
        let mut pages = self.lock();
        pages.first.get_or_insert(now);
        if let (Some(id), Some(mut events)) = (header(head, "webhook-id"), read(self.load, body)) {
            pages.ids.push(id.to_owned());
            pages.events.append(&mut events);
        } else {
            let head = String::from_utf8_lossy(head);
            pages.wrong.get_or_insert_with(|| format!("a request that is none of the run's: {head}"));
        }
        if pages.events.len() >= self.load.total as usize || pages.wrong.is_some() {
            pages.last.get_or_insert(now);
            self.done.notify_all();
        }
    }

    /// Waits for the last event, or something wrong; how long it took from the first request on.
    pub(crate) fn wait(&self, limit: Duration) -> Result<Duration> {
        let pages = self.lock();
        let waited = self.done.wait_timeout_while(pages, limit, |pages| pages.last.is_none());
        let (pages, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (&pages.wrong, pages.first.zip(pages.last)) {
            (Some(wrong), _) => Err(wrong.clone().into()),
            (None, Some((first, last))) => Ok(last.duration_since(first)),
            (None, None) => Err(format!("{} events after {limit:?}", pages.events.len()).into()),
        }
    }

    /// Whether each event came once, in the order of its channel, and no id twice.
    pub(crate) fn check(&self) -> Result<u32> {
        let pages = self.lock();
        let mut next: Vec<u32> = (0..self.load.channels).collect();
        for (channel, place) in &pages.events {
            let wanted = next.get_mut(*channel as usize).ok_or("an event of another channel")?;
            if wanted != place {
                return Err(format!("event {wanted} wanted, event {place} came").into());
            }
            *wanted += self.load.channels;
        }
        let ids: HashSet<&str> = pages.ids.iter().map(String::as_str).collect();
        if ids.len() != pages.ids.len() || pages.events.len() != self.load.total as usize {
            return Err(format!(
                "{} events, {} requests, {} ids",
                pages.events.len(),
                pages.ids.len(),
                ids.len()
            )
            .into());
        }
        Ok(u32::try_from(pages.ids.len())?)
    }
}

/// The events of a body.
fn read(load: Load, body: &[u8]) -> Option<Vec<(u32, u32)>> {
    if load.per_request == 1 {
        return events::read(body).map(|event| vec![event]);
    }
    let list = body.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let events = list.chunks(events::LEN + 1).map(|event| events::read(event.get(..events::LEN)?));
    events.collect()
}
