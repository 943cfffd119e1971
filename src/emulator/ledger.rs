//! What was sent to whom: for each session and channel how many events were put into responses, and how many of them
//! were in responses that were written to their end.
//!
//! Written is what the operating system has taken; it does not tell whether the client has read it. The accounts of
//! sessions that are over are kept. They are bounded in number: the oldest make way, and only their sums are kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;

/// The most entries: one for each session, and one for each channel that it got events of.
const ENTRIES_MAX: usize = 100_000;

/// What the responses to each client hold: how many events of each channel.
pub(super) type Receipts = BTreeMap<String, BTreeMap<Arc<str>, u64>>;

/// How many of something went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sent {
    /// Put into responses.
    handed_out: u64,
    /// In responses that were written to their end.
    written: u64,
}

/// What one session was sent.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Account {
    responses: Sent,
    events: BTreeMap<String, Sent>,
}

/// What every session was sent.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: HashMap<String, Account>,
    order: VecDeque<String>,
    entries: usize,
    others: Others,
}

/// The sums of the accounts that made way.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Others {
    clients: u64,
    responses: Sent,
    events: Sent,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.handed_out += other.handed_out;
        self.written += other.written;
    }
}

impl Ledger {
    /// Notes what a response holds.
    pub(super) fn hand_out(&mut self, receipts: &Receipts) {
        self.note(receipts, |count| Sent { handed_out: count, written: 0 });
    }

    /// Notes that a response was written to its end.
    pub(super) fn write(&mut self, receipts: &Receipts) {
        self.note(receipts, |count| Sent { handed_out: 0, written: count });
    }

    /// Every account by the id of its session.
    pub(super) fn accounts(&self) -> impl Iterator<Item = (&String, &Account)> {
        self.accounts.iter()
    }

    /// What the accounts held that made way.
    pub(super) fn others(&self) -> Others {
        self.others
    }

    fn note(&mut self, receipts: &Receipts, sent: impl Fn(u64) -> Sent) {
        for (client, events) in receipts {
            if !self.accounts.contains_key(client) {
                self.order.push_back(client.clone());
                self.entries += 1;
            }
            let account = self.accounts.entry(client.clone()).or_default();
            account.responses.add(sent(1));
            for (channel, count) in events {
                if let Some(so_far) = account.events.get_mut(&**channel) {
                    so_far.add(sent(*count));
                } else {
                    self.entries += 1;
                    account.events.insert(channel.to_string(), sent(*count));
                }
            }
            self.make_way();
        }
    }

    fn make_way(&mut self) {
        while self.entries > ENTRIES_MAX
            && let Some(account) = self.order.pop_front().and_then(|oldest| self.accounts.remove(&oldest))
        {
            self.entries -= 1 + account.events.len();
            self.others.clients += 1;
            self.others.responses.add(account.responses);
            account.events.into_values().for_each(|sent| self.others.events.add(sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(client: &str, channel: &str, count: u64) -> Receipts {
        Receipts::from([(client.to_owned(), BTreeMap::from([(channel.into(), count)]))])
    }

    #[test]
    fn what_is_handed_out_and_what_is_written_is_summed_up() {
        let mut ledger = Ledger::default();
        for (count, written) in [(3, true), (4, false)] {
            let receipts = receipts("a", "/topic/A", count);
            ledger.hand_out(&receipts);
            if written {
                ledger.write(&receipts);
            }
        }
        let (_, account) = ledger.accounts().next().unwrap();
        assert_eq!(account.responses, Sent { handed_out: 2, written: 1 });
        assert_eq!(account.events["/topic/A"], Sent { handed_out: 7, written: 3 });
    }

    #[test]
    fn the_accounts_are_bounded_and_nothing_is_lost_from_the_sums() {
        let mut ledger = Ledger::default();
        let clients = ENTRIES_MAX / 2 + 10;
        for n in 0..clients {
            ledger.hand_out(&receipts(&n.to_string(), "/topic/A", 1));
        }
        assert_eq!((ledger.accounts.len(), ledger.order.len()), (clients - 10, clients - 10));
        assert_eq!(ledger.others().clients, 10);
        assert_eq!(ledger.others().events, Sent { handed_out: 10, written: 0 });
        assert!(!ledger.accounts.contains_key("0"));
    }
}
