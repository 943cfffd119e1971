//! A bounded memory of one small value per connection and channel.
//!
//! A server may name any number of channels, so the memory is emptied when it is full: it only saves work.
//! A look-up copies nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::Channel;

/// The most values kept.
const MAX: usize = 4096;

/// One value per connection and channel.
#[derive(Clone, Debug)]
pub(super) struct PerChannel<V> {
    connections: HashMap<Arc<str>, HashMap<Channel, V>>,
    len: usize,
}

impl<V> Default for PerChannel<V> {
    fn default() -> Self {
        Self { connections: HashMap::new(), len: 0 }
    }
}

impl<V> PerChannel<V> {
    /// The value known, if any.
    pub(super) fn get(&self, connection: &Arc<str>, channel: &Channel) -> Option<&V> {
        self.connections.get(connection)?.get(channel)
    }

    /// Keeps a value in place of a former one.
    pub(super) fn insert(&mut self, connection: &Arc<str>, channel: &Channel, value: V) {
        if self.len >= MAX {
            self.connections.clear();
            self.len = 0;
        }
        let of_connection = self.connections.entry(Arc::clone(connection)).or_default();
        if of_connection.insert(channel.clone(), value).is_none() {
            self.len += 1;
        }
    }
}

impl<V: Copy> PerChannel<V> {
    /// The value known, or else the one that `decide` finds.
    pub(super) fn get_or(
        &mut self,
        connection: &Arc<str>,
        channel: &Channel,
        decide: impl FnOnce() -> V,
    ) -> V {
        self.get(connection, channel).copied().unwrap_or_else(|| {
            let value = decide();
            self.insert(connection, channel, value);
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_decides_once_and_stays_bounded() {
        let mut memory = PerChannel::default();
        let (acme, other) = (Arc::from("acme"), Arc::from("other"));
        let channel = |n: usize| Channel::parse(&format!("/topic/{n}")).unwrap();
        assert_eq!(memory.get_or(&acme, &channel(1), || 1), 1);
        assert_eq!(memory.get_or(&acme, &channel(1), || 2), 1);
        assert_eq!(memory.get_or(&other, &channel(1), || 3), 3);
        for n in 0..3 * MAX {
            memory.get_or(&acme, &channel(n), || n);
            assert!(memory.len <= MAX);
        }
    }
}
