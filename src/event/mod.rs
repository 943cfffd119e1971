//! Channels, replay ids and events: the server's bytes, kept as they came.
//!
//! A [`Batch`] owns the body of one response and knows where in it each event stands; sinks that want
//! what the server sent write slices of that body. An event's message holds no line break: line breaks
//! of pretty-printed JSON are removed when the batch is made.

mod batch;
mod gap;
mod uuid;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

pub use batch::{Batch, BatchBuilder, Event, data_of};
pub use gap::Gap;

/// A Bayeux channel name, such as `/topic/InvoiceStatementUpdates`; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

/// Why a text is no channel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// It does not start with `/`.
    NoLeadingSlash,
    /// It has an empty segment: `/`, a doubled or a trailing slash.
    EmptySegment,
    /// It has white space at an end, or a control character.
    BadCharacter,
    /// It is longer than [`Channel::MAX_LEN`] bytes.
    TooLong,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLeadingSlash => "a channel starts with '/', such as /topic/Name",
            Self::EmptySegment => "a channel has no empty segment and no trailing '/'",
            Self::BadCharacter => "a channel has no control character and no space at its ends",
            Self::TooLong => "a channel has at most 2,048 bytes",
        })
    }
}

impl std::error::Error for ChannelError {}

impl Channel {
    /// The longest name accepted, in bytes; a filtered subscription carries its filter in the name.
    pub const MAX_LEN: usize = 2048;

    /// Checks a name as a person or a server gave it. A filter (`?Field='value'`, Streaming API 37 and
    /// later) may hold anything but control characters.
    pub fn parse(text: &str) -> Result<Self, ChannelError> {
        if text.len() > Self::MAX_LEN {
            return Err(ChannelError::TooLong);
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(ChannelError::NoLeadingSlash);
        };
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(ChannelError::BadCharacter);
        }
        let path = rest.split_once('?').map_or(rest, |(path, _)| path);
        if path.split('/').any(str::is_empty) {
            return Err(ChannelError::EmptySegment);
        }
        Ok(Self(Arc::from(text)))
    }

    /// A name as a server sent it: anything that is text.
    pub fn as_sent(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the protocol's own channels, `/meta/...`.
    pub fn is_meta(&self) -> bool {
        self.0.starts_with("/meta/")
    }
}

/// A channel hashes and compares as its name does.
impl Borrow<str> for Channel {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A server's number of an event within its channel: increasing, not contiguous, opaque
/// (Streaming API 37 and later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayId(pub i64);

impl ReplayId {
    /// Asks for events published after the subscription only.
    pub const NEW: Self = Self(-1);
    /// Asks for every event that the server still retains.
    pub const ALL: Self = Self(-2);
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_are_checked() {
        for good in
            ["/topic/A", "/u/notifications/ExampleUserChannel", "/topic/A?Name='a / b'", "/data/ChangeEvents"]
        {
            assert_eq!(Channel::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Channel::parse("topic/A"), Err(ChannelError::NoLeadingSlash));
        assert_eq!(Channel::parse(""), Err(ChannelError::NoLeadingSlash));
        assert_eq!(Channel::parse("/"), Err(ChannelError::EmptySegment));
        assert_eq!(Channel::parse("/topic//A"), Err(ChannelError::EmptySegment));
        assert_eq!(Channel::parse("/topic/"), Err(ChannelError::EmptySegment));
        assert_eq!(Channel::parse("/topic/A "), Err(ChannelError::BadCharacter));
        assert_eq!(Channel::parse("/topic/\u{7}"), Err(ChannelError::BadCharacter));
        assert_eq!(Channel::parse(&format!("/{}", "a".repeat(2048))), Err(ChannelError::TooLong));
    }
}
