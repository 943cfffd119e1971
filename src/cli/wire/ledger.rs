//! Which recorded requests the session has sent, and which it could send next.
//!
//! Constraints: a request is looked for within the recorded session that the replay has reached, which ends at the
//! next recorded handshake; of its kind the first one counts. Each step takes about the same time, however long the
//! capture is.

use std::collections::VecDeque;
use std::ops::Range;

use super::asks::Asks;
use super::talk::Request;

/// The recorded requests of a talk.
#[derive(Debug)]
pub(super) struct Ledger<'t> {
    requests: &'t [Request],
    used: Vec<bool>,
    left: usize,
    /// The places of the recorded session that the replay has reached.
    epoch: Range<usize>,
    connects: VecDeque<usize>,
    /// Everything but connects and handshakes.
    others: VecDeque<usize>,
    /// The first that may not be used.
    first: usize,
}

impl<'t> Ledger<'t> {
    pub(super) fn new(requests: &'t [Request]) -> Self {
        let used = vec![false; requests.len()];
        let mut ledger = Self {
            requests,
            used,
            left: requests.len(),
            epoch: 0..0,
            connects: VecDeque::new(),
            others: VecDeque::new(),
            first: 0,
        };
        ledger.enter(0);
        ledger
    }

    /// How many were not sent.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    pub(super) fn is_used(&self, at: usize) -> bool {
        self.used.get(at).copied().unwrap_or(true)
    }

    pub(super) fn request(&self, at: usize) -> Option<&'t Request> {
        self.requests.get(at)
    }

    /// The first that was not sent.
    pub(super) fn first_left(&mut self) -> Option<&'t Request> {
        while self.first < self.requests.len() && self.is_used(self.first) {
            self.first += 1;
        }
        self.requests.get(self.first)
    }

    /// Whether every request before it was sent.
    pub(super) fn is_first_left(&mut self, at: usize) -> bool {
        self.first_left();
        self.first == at
    }

    /// Whether the recorded session goes on with a request that was not sent.
    pub(super) fn is_epoch_open(&self) -> bool {
        self.epoch.clone().any(|at| !self.is_used(at))
    }

    /// The place of the handshake with which the next recorded session begins.
    pub(super) fn next_handshake(&self) -> Option<usize> {
        let first = self.epoch.start;
        let is_first = first == 0 && !self.is_used(0) && self.is_handshake(0);
        if is_first { Some(0) } else { Some(self.epoch.end).filter(|end| *end < self.requests.len()) }
    }

    /// The recorded request that the session sends now, if there is one; it counts as sent.
    pub(super) fn take(&mut self, asks: &Asks, by_socket: bool) -> Option<usize> {
        let at = match asks {
            Asks::Handshake { .. } => {
                let at = self.next_handshake()?;
                if at > 0 {
                    self.enter(at);
                }
                Some(at)
            }
            Asks::Connect { .. } => {
                let place = self.place_of(&self.connects, asks, by_socket)?;
                self.connects.remove(place)
            }
            _ => {
                let place = self.place_of(&self.others, asks, by_socket)?;
                self.others.remove(place)
            }
        }?;
        self.mark(at);
        Some(at)
    }

    /// Where the first request like this stands that went the same way.
    fn place_of(&self, places: &VecDeque<usize>, asks: &Asks, by_socket: bool) -> Option<usize> {
        let request = |at: &usize| self.requests.get(*at);
        let like = |one: &Request| one.by_socket == by_socket && asks.is_like(&one.asks);
        places.iter().position(|at| request(at).is_some_and(like))
    }

    /// Leaves a request out.
    pub(super) fn skip(&mut self, at: usize) {
        self.others.retain(|one| *one != at);
        self.connects.retain(|one| *one != at);
        self.mark(at);
    }

    /// What of the recorded session was not sent, left out from now on.
    pub(super) fn close_epoch(&mut self) -> Vec<&'t Request> {
        self.close(self.epoch.clone())
    }

    /// All that was not sent, left out from now on.
    pub(super) fn close_all(&mut self) -> Vec<&'t Request> {
        self.close(0..self.requests.len())
    }

    fn close(&mut self, places: Range<usize>) -> Vec<&'t Request> {
        let mut left = Vec::new();
        for at in places {
            if !self.is_used(at) {
                left.extend(self.requests.get(at));
                self.mark(at);
            }
        }
        left
    }

    fn mark(&mut self, at: usize) {
        if let Some(used) = self.used.get_mut(at).filter(|used| !**used) {
            *used = true;
            self.left -= 1;
        }
    }

    fn is_handshake(&self, at: usize) -> bool {
        self.requests.get(at).is_some_and(|one| matches!(one.asks, Asks::Handshake { .. }))
    }

    /// Turns to the recorded session that begins at `start`.
    fn enter(&mut self, start: usize) {
        let end = (start + 1..self.requests.len()).find(|at| self.is_handshake(*at));
        self.epoch = start..end.unwrap_or(self.requests.len());
        let open = |wanted: &dyn Fn(&Asks) -> bool| -> VecDeque<usize> {
            let places = self.epoch.clone().filter(|at| !self.is_used(*at));
            places.filter(|at| self.requests.get(*at).is_some_and(|one| wanted(&one.asks))).collect()
        };
        let connects = open(&|asks| matches!(asks, Asks::Connect { .. }));
        let others = open(&|asks| !matches!(asks, Asks::Connect { .. } | Asks::Handshake { .. }));
        (self.connects, self.others) = (connects, others);
    }
}
