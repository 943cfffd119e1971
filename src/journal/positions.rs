//! Each channel's last journaled replay id.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Batch, Channel, ReplayId};

/// The last journaled replay id of each channel of each connection.
///
/// The last, not the highest: after an org was migrated its numbers may begin again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<Arc<str>, BTreeMap<Channel, ReplayId>>);

impl Positions {
    /// The position of one channel.
    pub fn get(&self, connection: &str, channel: &Channel) -> Option<ReplayId> {
        self.0.get(connection)?.get(channel).copied()
    }

    /// Connection, channel and position, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Channel, ReplayId)> {
        self.0.iter().flat_map(|(connection, channels)| {
            channels.iter().map(move |(channel, replay)| (&**connection, channel, *replay))
        })
    }

    /// Whether no channel has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set(&mut self, connection: &str, channel: &Channel, replay: ReplayId) {
        if !self.0.contains_key(connection) {
            self.0.insert(Arc::from(connection), BTreeMap::new());
        }
        let Some(channels) = self.0.get_mut(connection) else { return };
        match channels.get_mut(channel) {
            Some(position) => *position = replay,
            None => drop(channels.insert(channel.clone(), replay)),
        }
    }

    /// Moves on by the events of a batch.
    pub(super) fn follow(&mut self, batch: &Batch) {
        for (channel, replay) in batch.positions() {
            self.set(batch.connection(), channel, replay);
        }
    }
}
