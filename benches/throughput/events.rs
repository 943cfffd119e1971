//! The events of a run: what they look like in each form, and where their numbers stand.
//!
//! Constraints: every event has the same length but for white space around its parts, and a number of its own, which
//! stands in it twice: as the replay id and in the record's name. Numbers start at 1,000,000,000, so that each has ten
//! digits. Escaped quotes and braces stand in the text, so that nobody can split events without understanding strings.
//!
//! Format: a PushTopic event as the Streaming API sends it. One of 3,000 bytes has more fields of the same kind: as many
//! quotes and colons for its length as one of 300.

use std::fmt;

use serde::Serialize;

/// The number of a run's first event.
pub(crate) const FIRST: u32 = 1_000_000_000;
/// The number of an event that has not got its own yet.
pub(crate) const UNNUMBERED: &str = "1000000000";
/// What stands before an event's number in the record's name, and nowhere else.
pub(crate) const NAME: &str = "INV-";
/// The channel of every event.
pub(crate) const CHANNEL: &str = "/topic/InvoiceStatementUpdates";

const HEAD: &str = concat!(
    r#"{"channel":"/topic/InvoiceStatementUpdates","data":{"event":{"createdDate":"2016-03-29T16:40:08.208Z","#,
    r#""replayId":1000000000,"type":"created"},"sobject":{"Id":"a00D0000008oLi8IAE","Name":"INV-1000000000","#,
    r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {dock 4}, in person""#
);
const TAIL: &str = "}}}";
const FIELD: &str =
    r#""Note_00__c":"Deliver \"by hand\" {floor 2}, after 14:30, to Ms. Ortega or the front desk""#;
const _: () = assert!(HEAD.len() + TAIL.len() == 300, "the bars are about events of 300 bytes");

/// How a server may spell a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// One body of known length, without white space.
    Plain,
    /// In chunks of about 8 KiB.
    Chunked,
    /// Compressed.
    Gzip,
    /// Each field on a line of its own, indented.
    Pretty,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Chunked, Self::Gzip, Self::Pretty];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Chunked => "chunked",
            Self::Gzip => "gzip",
            Self::Pretty => "pretty",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.name() == name)
    }
}

/// What events and responses look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) shape: Shape,
    /// The length of an event without white space, one of [`Form::BYTES`].
    pub(crate) bytes: u32,
}

impl Form {
    /// The lengths that an event may have.
    pub(crate) const BYTES: [u32; 2] = [300, 3_000];
    /// The form that most figures are about.
    pub(crate) const USUAL: Self = Self { shape: Shape::Plain, bytes: 300 };

    /// Every form, the usual one first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::BYTES.into_iter().flat_map(|bytes| Shape::ALL.map(|shape| Self { shape, bytes }))
    }

    /// The length of an event's line in a file, its line break included: as the server sends it, but for the line
    /// breaks in it.
    pub(crate) fn line(self) -> u64 {
        u64::try_from(self.event().replace('\n', "").trim_start().len()).unwrap_or(u64::MAX) + 1
    }

    /// An event that has no number yet.
    pub(crate) fn event(self) -> String {
        let mut event = HEAD.to_owned();
        let length = usize::try_from(self.bytes).expect("an event is short");
        // The last field takes what is left for less than two.
        while length - event.len() - TAIL.len() >= 2 * (FIELD.len() + 1) {
            let number = event.matches("\"Note_").count();
            event = format!("{event},{}", FIELD.replace("00", &format!("{number:02}")));
        }
        let rest = length - event.len() - TAIL.len();
        if rest > 0 {
            event = format!(r#"{event},"Rest__c":"{}""#, "x".repeat(rest - r#","Rest__c":"""#.len()));
        }
        spelled(event + TAIL, self.shape)
    }

    /// The server's own reply at the end of a response; `id` is JSON.
    pub(crate) fn reply(self, id: &str) -> String {
        let reply = format!(r#"{{"channel":"/meta/connect","id":{id},"successful":true}}"#);
        spelled(reply, self.shape)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes", self.shape.name(), self.bytes)
    }
}

/// The object `text` with white space around its parts, where the shape wants that.
fn spelled(text: String, shape: Shape) -> String {
    if shape != Shape::Pretty {
        return text;
    }
    let object: serde_json::Value = serde_json::from_str(&text).expect("the bench writes JSON");
    format!("\n{object:#}").replace('\n', "\n  ")
}
