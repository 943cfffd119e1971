//! What a session leaves to the next one of its connection in the same process: where each channel stands, and the
//! last events, by which those that come again are recognised.

use std::collections::HashMap;

use super::recent::Recent;
use super::session::Session;
use super::subscription::Subscriptions;
use crate::event::{Channel, ReplayId};

/// Positions and recent events. Bounded as a session is: by the channels that were wanted, and by
/// [`Session::REMEMBERED`] for each.
#[derive(Debug, Default)]
pub struct Memory {
    positions: HashMap<Channel, ReplayId>,
    recent: Recent,
}

impl Memory {
    /// One of these positions and of no events.
    pub fn new(positions: impl IntoIterator<Item = (Channel, ReplayId)>) -> Self {
        Self { positions: positions.into_iter().collect(), recent: Recent::default() }
    }

    /// Remembers an event that an earlier process kept, oldest first.
    pub fn remember(&mut self, channel: &Channel, replay: ReplayId, message: &[u8]) {
        self.recent.remember(channel, replay, message);
    }

    /// Behind which event each channel goes on; for [`Config::positions`](super::Config::positions).
    pub fn positions(&self) -> Vec<(Channel, ReplayId)> {
        self.positions.iter().map(|(channel, replay)| (channel.clone(), *replay)).collect()
    }

    /// Whether a channel has a position, by its own name or without its filter.
    pub fn knows(&self, channel: &Channel) -> bool {
        let path = channel.as_str().split_once('?').map(|(path, _)| path);
        [Some(channel.as_str()), path].into_iter().flatten().any(|name| self.positions.contains_key(name))
    }
}

impl Session {
    /// Recognises the events that `memory` knows. Its positions are for [`Session::new`].
    pub fn recall(&mut self, memory: Memory) {
        self.recent = memory.recent;
    }

    /// What the next session goes on with: the positions that are committed, and every event that was handed on.
    pub fn into_memory(self) -> Memory {
        Memory { positions: positions_of(self.subscriptions), recent: self.recent }
    }
}

/// Behind which event each channel goes on, also those that an earlier session left and nobody wants now.
fn positions_of(subscriptions: Subscriptions) -> HashMap<Channel, ReplayId> {
    let Subscriptions { list, mut positions } = subscriptions;
    for one in list {
        match one.position {
            Some(position) => drop(positions.insert(one.channel, position)),
            // It has begun from elsewhere, as its position was not retained any more.
            None => drop(positions.remove(&one.channel)),
        }
    }
    positions
}
