//! Which channels a sink takes.
//!
//! A pattern without a wildcard stands for the one channel of that very name, its filter part
//! (`?Field='value'`) included. The wildcards stand in a pattern's path part only, the part before the
//! first `?`:
//!
//! * `*` is any number of characters, none included, within one segment: `/topic/Order*`, `/*/Orders`;
//! * `**` as the whole last segment is one or more segments: `/u/**`. Anywhere else it is an error.
//!
//! A pattern with a wildcard is compared with the path part of a channel and takes it with any filter part
//! or none; where the pattern has a filter part of its own, the channel's must be equal to it. A `*` within
//! a filter part is only a character: it is compared as it is.

use std::fmt;
use std::sync::Arc;

use super::per_channel::PerChannel;
use crate::event::{Batch, Channel, ChannelError};

/// A channel, or a pattern of channels: `*` stands for any characters within one segment, `**` as the last
/// segment for one or more segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Channel);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is no channel name even without its wildcards.
    Channel(ChannelError),
    /// `**` stands elsewhere than as the whole last segment.
    DoubleStar,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::DoubleStar => f.write_str("'**' stands only as the whole last segment, such as /u/**"),
        }
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Checks a pattern as a person wrote it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let channel = Channel::parse(text).map_err(PatternError::Channel)?;
        let (path, _) = split(text);
        let before_last = path.strip_suffix("/**").unwrap_or(path);
        if before_last.contains("**") {
            return Err(PatternError::DoubleStar);
        }
        Ok(Self(channel))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The pattern as a name.
    pub(super) const fn channel(&self) -> &Channel {
        &self.0
    }

    /// Whether `channel` is one of the pattern's.
    pub fn matches(&self, channel: &Channel) -> bool {
        let (pattern, wanted) = split(self.0.as_str());
        if !pattern.contains('*') {
            return self.0 == *channel;
        }
        let (path, filter) = split(channel.as_str());
        (wanted.is_none() || wanted == filter) && path_matches(pattern, path)
    }
}

/// A name's path part and its filter part.
fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('?').map_or((name, None), |(path, filter)| (path, Some(filter)))
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let Some(segment) = segments.next() else { return false };
        if wanted == "**" {
            return !segment.is_empty();
        }
        if !segment_matches(wanted.as_bytes(), segment.as_bytes()) {
            return false;
        }
    }
    segments.next().is_none()
}

/// Compares with the last `*` taking one byte more after each mismatch: quadratic at worst, never exponential.
fn segment_matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut last_star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                last_star = Some((rest, text));
                pattern = rest;
            }
            (Some((wanted, rest)), Some((byte, after))) if wanted == byte => (pattern, text) = (rest, after),
            (None, None) => return true,
            _ => {
                let Some((after_star, [_, shorter @ ..])) = last_star else { return false };
                last_star = Some((after_star, shorter));
                (pattern, text) = (after_star, shorter);
            }
        }
    }
}

/// The channels of one sink; each decision is made once.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    patterns: Arc<[Pattern]>,
    known: PerChannel<bool>,
}

impl Filter {
    /// Takes every channel where `patterns` is empty.
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        Self { patterns: patterns.into(), known: PerChannel::default() }
    }

    /// Whether every channel is taken.
    pub(super) fn takes_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the events of `channel` are taken.
    pub(super) fn takes(&mut self, connection: &Arc<str>, channel: &Channel) -> bool {
        if self.takes_all() {
            return true;
        }
        let patterns = &self.patterns;
        self.known.get_or(connection, channel, || patterns.iter().any(|pattern| pattern.matches(channel)))
    }

    /// How many events of `batch` are taken.
    pub(super) fn count(&mut self, batch: &Batch) -> usize {
        let connection = batch.connection();
        let taken = batch.channels().iter().filter(|channel| self.takes(connection, channel)).count();
        if taken == batch.channels().len() {
            return batch.len();
        }
        if taken == 0 {
            return 0;
        }
        batch.iter().filter(|event| self.takes(connection, event.channel)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, channel: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&Channel::parse(channel).unwrap())
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        assert!(matches("/topic/Orders", "/topic/Orders"));
        assert!(!matches("/topic/Orders", "/topic/OrdersX"));
        assert!(matches("/topic/Order*", "/topic/Orders"));
        assert!(matches("/topic/Order*", "/topic/Order"));
        assert!(!matches("/topic/Order*", "/topic/Order/x"));
        assert!(matches("/topic/*", "/topic/x"));
        assert!(!matches("/topic/*", "/topic/x/y"));
        assert!(!matches("/topic/*", "/u/x"));
        assert!(matches("/*/x", "/u/x"));
        assert!(matches("/topic/*a*b*", "/topic/xxaxxaybz"));
        assert!(!matches("/topic/*a*b", "/topic/xxaxxaybz"));
        assert!(!matches("/topic/x*", "/topic"));
    }

    #[test]
    fn two_stars_are_one_or_more_last_segments() {
        assert!(matches("/**", "/topic/x"));
        assert!(matches("/u/**", "/u/x"));
        assert!(matches("/u/**", "/u/x/y/z"));
        assert!(!matches("/u/**", "/u"));
        assert!(!matches("/u/**", "/v/x"));
        for wrong in ["/u/**/x", "/u/x**", "/u/***", "/**/**"] {
            assert_eq!(Pattern::parse(wrong), Err(PatternError::DoubleStar), "{wrong}");
        }
        assert_eq!(Pattern::parse("topic/*"), Err(PatternError::Channel(ChannelError::NoLeadingSlash)));
    }

    #[test]
    fn wildcards_look_at_the_path_part_alone() {
        assert!(matches("/topic/*", "/topic/A?Name='x/y'"));
        assert!(matches("/topic/*?Name='*'", "/topic/A?Name='*'"));
        assert!(!matches("/topic/*?Name='*'", "/topic/A?Name='x'"));
        assert!(!matches("/topic/*?Name='x'", "/topic/A"));
        assert!(matches("/topic/A?Name='*'", "/topic/A?Name='*'"));
        assert!(!matches("/topic/A?Name='*'", "/topic/A?Name='x'"));
        assert!(!matches("/topic/A", "/topic/A?Name='x'"));
        assert!(Pattern::parse("/topic/A?Name='**/x'").is_ok());
    }

    #[test]
    fn many_stars_cost_no_exponential_time() {
        let pattern = format!("/{}b", "a*".repeat(500));
        let channel = format!("/{}", "a".repeat(2000));
        assert!(!matches(&pattern, &channel));
    }
}
