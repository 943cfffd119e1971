//! One lane: requests one after another, each with everything that must not overtake it behind it.

use std::collections::VecDeque;

use super::super::target::Refused;
use super::endpoint::Endpoint;
use super::letter::{Batch, Draft, Letter};
use super::verdict::{Again, Verdict};
use crate::http;

/// The most that is set aside for a body before anything of it is there, in bytes.
const RESERVED_MAX: usize = 1 << 20;

/// One lane.
pub(super) struct Lane {
    client: http::Client,
    waiting: VecDeque<Letter>,
    /// What waits and may become more.
    draft: Option<Draft>,
    /// How many records wait.
    records: usize,
    /// How large the last body was, in bytes.
    body: usize,
}

/// How far a lane came.
#[derive(Default)]
pub(super) struct Progress {
    /// The records delivered.
    pub(super) delivered: usize,
    /// Those that are refused for good.
    pub(super) refused: Vec<Refused>,
    /// Why it did not come to its end.
    pub(super) again: Option<Again>,
}

impl Lane {
    /// An empty lane.
    pub(super) const fn new(client: http::Client) -> Self {
        Self { client, waiting: VecDeque::new(), draft: None, records: 0, body: 0 }
    }

    /// How many records were appended since it was empty last.
    pub(super) const fn len(&self) -> usize {
        self.records
    }

    /// Appends the record that `form` appends to a body: its length.
    pub(super) fn push(&mut self, batch: Batch, id: String, form: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut draft = self.draft.take().unwrap_or_else(|| Draft::with_capacity(self.body));
        if let Some(next) = draft.push(batch, id, form) {
            self.seal(std::mem::replace(&mut draft, next), batch);
        }
        self.records += 1;
        let length = draft.last_len();
        if draft.is_full(batch) {
            self.seal(draft, batch);
        } else {
            self.draft = Some(draft);
        }
        length
    }

    fn seal(&mut self, draft: Draft, batch: Batch) {
        let Some(letter) = draft.seal(batch) else { return };
        self.body = letter.body.len().min(RESERVED_MAX);
        self.waiting.push_back(letter);
    }

    /// Posts everything, up to the first request that is to be repeated.
    pub(super) async fn run(&mut self, endpoint: &Endpoint) -> Progress {
        let mut progress = Progress::default();
        if let Some(draft) = self.draft.take() {
            self.seal(draft, endpoint.batch);
        }
        while let Some(mut letter) = self.waiting.pop_front() {
            match endpoint.post(&mut self.client, &mut letter).await {
                Verdict::Delivered => progress.delivered += letter.len(),
                Verdict::Never(reason) => progress.refused.extend(letter.refuse(&reason, &mut self.waiting)),
                Verdict::Again(again) => {
                    self.waiting.push_front(letter);
                    progress.again = Some(again);
                    return progress;
                }
            }
        }
        self.records = 0;
        progress
    }
}
