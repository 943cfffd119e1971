//! One lane: requests one after another, each with everything that must not overtake it behind it.

use std::collections::VecDeque;

use super::super::target::Refused;
use super::endpoint::Endpoint;
use super::letter::{Letter, Record};
use super::verdict::{Again, Verdict};
use crate::http;

/// One lane.
pub(super) struct Lane {
    client: http::Client,
    waiting: VecDeque<Record>,
    /// The request that is to be repeated.
    letter: Option<Letter>,
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
        Self { client, waiting: VecDeque::new(), letter: None }
    }

    /// Appends a record.
    pub(super) fn push(&mut self, record: Record) {
        self.waiting.push_back(record);
    }

    /// Posts everything, up to the first request that is to be repeated.
    pub(super) async fn run(&mut self, endpoint: &Endpoint) -> Progress {
        let mut progress = Progress::default();
        while let Some(mut letter) = self.next(endpoint) {
            match endpoint.post(&mut self.client, &mut letter).await {
                Verdict::Delivered => progress.delivered += letter.len(),
                Verdict::Never(reason) => progress.refused.extend(letter.refuse(&reason, &mut self.waiting)),
                Verdict::Again(again) => {
                    self.letter = Some(letter);
                    progress.again = Some(again);
                    break;
                }
            }
        }
        progress
    }

    fn next(&mut self, endpoint: &Endpoint) -> Option<Letter> {
        self.letter.take().or_else(|| Letter::take(&mut self.waiting, endpoint.batch))
    }
}
