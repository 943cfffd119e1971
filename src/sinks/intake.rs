//! From batches to runs: what the sink does not take is left out, what is to be ordered is held.
//!
//! Every rule of ordering holds the events of its channels together, so that they leave in one order. The
//! events of other channels are not delayed. An event's time of arrival is its batch's, read on the wall
//! clock, and a clock that was set in between can only shorten its wait.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::created;
use super::filter::Filter;
use super::order::Order;
use super::per_channel::PerChannel;
use super::queue::{Lease, Run};
use super::{Config, Order as Rule};
use crate::event::{Batch, Event};

/// What becomes of the events of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Left,
    Direct,
    Held(usize),
}

/// The filter and the orders of one sink.
pub(super) struct Intake {
    filter: Filter,
    rules: Vec<Rule>,
    orders: Vec<Order<Run>>,
    ways: PerChannel<Way>,
    /// The way of each channel of the batch at hand.
    of_batch: Vec<Way>,
    released: Vec<Run>,
}

impl Intake {
    /// Holds at most half of what the queue may, so that ordering alone never fills it.
    pub(super) fn new(config: Config) -> Self {
        let max_weight = config.queue / 2 / config.order.len().max(1);
        Self {
            filter: Filter::new(&config.channels),
            orders: config.order.iter().map(|rule| Order::new(rule.window, max_weight)).collect(),
            rules: config.order,
            ways: PerChannel::default(),
            of_batch: Vec::new(),
            released: Vec::new(),
        }
    }

    /// Puts the events at `places` that may leave at once on `ready`, and holds the others; those that the
    /// sink does not take go to `left`.
    pub(super) fn admit(
        &mut self,
        lease: &Arc<Lease>,
        places: Range<usize>,
        now: Instant,
        ready: &mut VecDeque<Run>,
        left: &mut Vec<usize>,
    ) {
        let batch = lease.batch();
        if self.decide(batch) {
            ready.push_back(Run { lease: Arc::clone(lease), events: places });
            return;
        }
        let end = places.end;
        let held = batch.iter().filter(|event| matches!(self.way(event), Way::Held(_))).count();
        let weight = batch.size().div_ceil(held.max(1));
        let arrived = arrival(batch.received(), self.longest_window(), now);
        let mut start = None;
        for (index, event) in places.filter_map(|index| Some((index, batch.get(index)?))) {
            let way = self.way(&event);
            if way == Way::Direct {
                start.get_or_insert(index);
                continue;
            }
            if let Some(start) = start.take() {
                ready.push_back(Run { lease: Arc::clone(lease), events: start..index });
            }
            if let Way::Held(order) = way {
                let run = Run { lease: Arc::clone(lease), events: index..index + 1 };
                self.hold(order, run, &event, arrived, weight);
            } else {
                left.push(index);
            }
        }
        if let Some(start) = start {
            ready.push_back(Run { lease: Arc::clone(lease), events: start..end });
        }
        ready.extend(self.released.drain(..));
    }

    /// Puts the events whose time has come on `ready`.
    pub(super) fn release(&mut self, now: Instant, ready: &mut VecDeque<Run>) {
        self.orders.iter_mut().for_each(|order| order.release(now, &mut self.released));
        ready.extend(self.released.drain(..));
    }

    /// Puts everything held on `ready`.
    pub(super) fn drain(&mut self, ready: &mut VecDeque<Run>) {
        self.orders.iter_mut().for_each(|order| order.drain(&mut self.released));
        ready.extend(self.released.drain(..));
    }

    /// Puts half of what is held on `ready`, for want of room.
    pub(super) fn relieve(&mut self, ready: &mut VecDeque<Run>) {
        self.orders.iter_mut().for_each(|order| order.relieve(&mut self.released));
        ready.extend(self.released.drain(..));
    }

    /// How many events are held.
    pub(super) fn held(&self) -> usize {
        self.orders.iter().map(Order::len).sum()
    }

    /// When [`Intake::release`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.orders.iter().filter_map(Order::next_deadline).min()
    }

    /// How many events have left early since this was asked last.
    pub(super) fn take_early(&mut self) -> u64 {
        self.orders.iter_mut().map(Order::take_early).sum()
    }

    /// Finds the way of each channel of `batch`; whether all of them are direct.
    fn decide(&mut self, batch: &Batch) -> bool {
        if self.filter.takes_all() && self.rules.is_empty() {
            return true;
        }
        self.of_batch.clear();
        let connection = batch.connection();
        for channel in batch.channels() {
            let (filter, rules) = (&mut self.filter, &self.rules);
            let way = self.ways.get_or(connection, channel, || {
                let rule = rules
                    .iter()
                    .position(|rule| rule.connection == *connection && rule.channels.matches(channel));
                match rule {
                    _ if !filter.takes(connection, channel) => Way::Left,
                    Some(order) => Way::Held(order),
                    None => Way::Direct,
                }
            });
            self.of_batch.push(way);
        }
        self.of_batch.iter().all(|way| *way == Way::Direct)
    }

    fn way(&self, event: &Event<'_>) -> Way {
        self.of_batch.get(event.channel_index).copied().unwrap_or(Way::Left)
    }

    fn longest_window(&self) -> Duration {
        self.rules.iter().map(|rule| rule.window).max().unwrap_or_default()
    }

    fn hold(&mut self, order: usize, run: Run, event: &Event<'_>, arrived: Instant, weight: usize) {
        let created = created::of_data(event.data());
        let key = created.unwrap_or_else(|| super::format::timestamp(event.received)).as_microsecond();
        if let Some(order) = self.orders.get_mut(order) {
            order.push(run, key, arrived, weight, &mut self.released);
        }
    }
}

/// When a batch arrived, at most `window` ago.
fn arrival(received: SystemTime, window: Duration, now: Instant) -> Instant {
    let ago = SystemTime::now().duration_since(received).unwrap_or_default().min(window);
    now.checked_sub(ago).unwrap_or(now)
}
