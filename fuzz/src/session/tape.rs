//! The bytes that decide.

use std::sync::Arc;
use std::time::Duration;

use cometail::bayeux::{Config, ReplayLost, Wanted};
use cometail::event::{Channel, ReplayId};

/// The channel of that number; some have filters, quotes and length.
pub(super) fn channel(number: u8) -> Channel {
    let name = match number % 8 {
        0 => String::from("/topic/A"),
        1 => String::from("/topic/A?Name='a \"quoted\" one'"),
        2 => format!("/u/{}", "long".repeat(400)),
        3 => format!("/topic/Quotes?F='{}'", "\\\"".repeat(900)),
        other => format!("/event/E{other}_{number}__e"),
    };
    Channel::parse(&name).expect("a channel by the rules")
}

/// What the run reads, byte by byte.
pub(super) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    /// Takes the configuration off the beginning.
    pub(super) fn new(input: &'a [u8]) -> (Self, Config) {
        let mut tape = Self(input);
        let byte = tape.byte();
        let count = match byte % 4 {
            0 => 1,
            1 => 3,
            2 => 8,
            _ => 40,
        };
        let starts = [ReplayId::ALL, ReplayId::NEW, ReplayId(7)];
        let wanted = (0..count).map(|number: u8| Wanted {
            channel: channel(number),
            replay: starts[usize::from(number.wrapping_add(byte >> 5)) % starts.len()],
        });
        let mut config = Config::new(Arc::from("fuzz"), wanted.collect());
        config.one_shot = byte & 4 != 0;
        config.replay_lost = match byte >> 3 & 3 {
            0 => ReplayLost::New,
            1 => ReplayLost::Stop,
            _ => ReplayLost::All,
        };
        (tape, config)
    }

    /// The next step, while there is one.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    /// One of these.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// As many bytes as the next one says, or as there are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// From a millisecond to eighteen hours, short times as often as long ones.
    pub(super) fn time(&mut self) -> Duration {
        let byte = u32::from(self.byte());
        Duration::from_millis(u64::from(1 + (byte & 7)) << ((byte >> 3) % 24))
    }
}
