//! Responses full of events, built once and numbered in place, so that the server costs next to nothing.
//!
//! Every event is the same 300 bytes but for its number, which stands in it twice: as the replay id and in
//! the record's name. Numbers start at 1,000,000,000, so that each has ten digits.

/// The number of a run's first event.
pub(crate) const FIRST: u32 = 1_000_000_000;
/// The length of an event's line in a file, its line break included.
pub(crate) const LINE_LEN: u64 = 301;
/// The channel of every event.
pub(crate) const CHANNEL: &str = "/topic/InvoiceStatementUpdates";

/// A PushTopic event as the Streaming API sends it; the escapes and braces in its text are there so that
/// nobody can split events without understanding strings.
const EVENT: &str = concat!(
    r#"{"channel":"/topic/InvoiceStatementUpdates","data":{"event":{"createdDate":"2016-03-29T16:40:08.208Z","#,
    r#""replayId":1000000000,"type":"created"},"sobject":{"Id":"a00D0000008oLi8IAE","Name":"INV-1000000000","#,
    r#""Status__c":"Negotiated","Description__c":"Fragile: keep \"this side up\" {dock 4}, in person"}}}"#
);
const LEN: usize = EVENT.len();
const _: () = assert!(LEN == 300, "the bars are about events of 300 bytes");

const DIGITS: usize = 10;
/// Room for the head, which is written last: only then is the length of the body known.
const HEAD_ROOM: usize = 128;

/// One response to `/meta/connect`, used again and again.
pub(crate) struct Response {
    buffer: Vec<u8>,
    /// Where the events end and the server's own reply begins.
    events_end: usize,
    /// Where the numbers stand in an event.
    places: Vec<usize>,
}

impl Response {
    /// A response of `count` events, not numbered yet.
    pub(crate) fn new(count: u32) -> Self {
        let mut buffer = vec![b' '; HEAD_ROOM];
        buffer.push(b'[');
        for _ in 0..count {
            buffer.extend_from_slice(EVENT.as_bytes());
            buffer.push(b',');
        }
        let places = EVENT.match_indices("1000000000").map(|(at, _)| at).collect();
        Self { events_end: buffer.len(), buffer, places }
    }

    /// Numbers the events from `first` on.
    pub(crate) fn number(&mut self, first: u32) {
        let mut digits = [b'0'; DIGITS];
        digits.copy_from_slice(format!("{first:010}").as_bytes());
        for event in self.buffer[HEAD_ROOM + 1..self.events_end].chunks_exact_mut(LEN + 1) {
            for place in &self.places {
                event[*place..*place + DIGITS].copy_from_slice(&digits);
            }
            increment(&mut digits);
        }
    }

    /// The whole HTTP response, with the reply to the request `id` (as JSON) after the events.
    pub(crate) fn to(&mut self, id: &str) -> &[u8] {
        self.buffer.truncate(self.events_end);
        let reply = format!(r#"{{"channel":"/meta/connect","id":{id},"successful":true}}]"#);
        self.buffer.extend_from_slice(reply.as_bytes());
        let head = head(self.buffer.len() - HEAD_ROOM, "");
        let start = HEAD_ROOM.saturating_sub(head.len());
        self.buffer[start..HEAD_ROOM].copy_from_slice(head.as_bytes());
        &self.buffer[start..]
    }
}

/// The head of a response; `more` is further header lines, each with its line end.
pub(crate) fn head(length: usize, more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n{more}Content-Length: {length}\r\n\r\n"
    )
}

fn increment(digits: &mut [u8; DIGITS]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}
