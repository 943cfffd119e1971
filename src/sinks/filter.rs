//! Which channels a sink takes.

use crate::event::{Channel, ChannelError};

/// A channel, or a pattern of channels: `*` stands for any characters within one segment, `**` as the last
/// segment for one or more segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Channel);

impl Pattern {
    /// Checks a pattern as a person wrote it.
    pub fn parse(text: &str) -> Result<Self, ChannelError> {
        Channel::parse(text).map(Self)
    }
}
