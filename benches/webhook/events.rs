//! The events of a run: all of one length, so that a receiver finds their numbers without parsing.
//!
//! Event `n` (from 0) is on channel `n % channels`; its number stands in it twice, as the replay id and in the record's
//! name, and begins at 1,000,000,000, so that each has ten digits. A channel's name ends in a digit.

use crate::Result;

/// The length of an event.
pub(crate) const LEN: usize = EVENT.len();
/// The number of the first event.
pub(crate) const FIRST: u32 = 1_000_000_000;

const EVENT: &str = concat!(
    r#"{"channel":"/topic/InvoiceStatementUpdate0","data":{"event":{"createdDate":"2016-03-29T16:40:08.208Z","#,
    r#""replayId":1000000000,"type":"created"},"sobject":{"Id":"a00D0000008oLi8IAE","Name":"INV-1000000000","#,
    r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {dock 4}, in person"}}}"#
);
const _: () = assert!(LEN == 300, "the bars are about events of 300 bytes");
const CHANNEL: &str = "/topic/InvoiceStatementUpdate";
/// Where the last character of the channel and the two numbers stand.
const CHANNEL_AT: usize = 41;
const REPLAY_AT: usize = 113;
const NAME_AT: usize = 191;
const DIGITS: usize = 10;

/// What a run sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Channels, and lanes for them.
    pub(crate) channels: u32,
    /// Events in a request.
    pub(crate) per_request: u32,
    /// Events in all.
    pub(crate) total: u32,
}

impl Load {
    /// As [`Load::arguments`] wrote it.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let numbers =
            arguments.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<u32>, _>>()?;
        let [channels, per_request, total] = numbers[..] else {
            return Err("three numbers make a load".into());
        };
        Ok(Self { channels, per_request, total })
    }

    pub(crate) fn arguments(self) -> [String; 3] {
        [self.channels, self.per_request, self.total].map(|number| number.to_string())
    }

    /// The channel of an event.
    pub(crate) const fn channel_of(self, place: u32) -> u32 {
        place % self.channels
    }
}

/// The name of a channel.
pub(crate) fn channel(channel: u32) -> String {
    format!("{CHANNEL}{channel}")
}

/// Appends the event with this place in the run.
pub(crate) fn append(load: Load, place: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(EVENT.as_bytes());
    let event = &mut out[start..];
    event[CHANNEL_AT] = b'0' + u8::try_from(load.channel_of(place)).unwrap_or(0);
    let digits = format!("{:010}", FIRST + place);
    event[REPLAY_AT..REPLAY_AT + DIGITS].copy_from_slice(digits.as_bytes());
    event[NAME_AT..NAME_AT + DIGITS].copy_from_slice(digits.as_bytes());
}

/// The channel and the place in the run of an event, where it is one.
pub(crate) fn read(event: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| {
        let digits = event.get(at..at + DIGITS)?;
        digits.iter().try_fold(0_u32, |number, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number.checked_mul(10)?.checked_add(u32::from(digit))
        })
    };
    let (replay, name) = (number(REPLAY_AT)?, number(NAME_AT)?);
    let channel = event.get(CHANNEL_AT)?.checked_sub(b'0')?;
    (event.len() == LEN && replay == name).then_some((channel.into(), replay.checked_sub(FIRST)?))
}
