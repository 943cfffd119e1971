//! The body of a response, read to its end, inflated, and never larger than its caps.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::inflation::{Failure, Inflation};
use super::spare;
use super::trouble::Trouble;
use crate::bayeux::border::FaultKind;

/// The most that is set aside for a body before any of it is there: a length is only a claim.
const RESERVED_MAX: usize = 1 << 20;
/// How many times as long as its gzip a body of JSON is at least, as a rule.
const USUAL_RATIO: usize = 4;
/// Pieces below this are copied: they would otherwise keep the whole read buffer, of 8 KiB and more, in memory.
const COPIED_BELOW: usize = 16 << 10;
/// The most that is read of a body that nobody wants, in bytes, and for how long: more costs more than a new connection.
const SKIPPED_MAX: usize = 64 << 10;
const SKIPPED_FOR: Duration = Duration::from_secs(1);

/// The caps of a body, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// As read from the network.
    pub(super) read: usize,
    /// After inflation.
    pub(super) inflated: usize,
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// Reads a body to its end.
pub(super) async fn read(
    body: Incoming,
    encoding: Encoding,
    limits: Limits,
    authority: &str,
) -> Result<Bytes, Trouble> {
    let max = if encoding == Encoding::Gzip { limits.read } else { limits.read.min(limits.inflated) };
    let announced = body.size_hint().exact();
    if let Some(length) =
        announced.filter(|length| usize::try_from(*length).map_or(true, |length| length > max))
    {
        return Err(too_large(authority, &format!("{length} bytes announced, at most {max} are accepted")));
    }
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut frames = Frames { body, seen: 0, max, authority };
    match encoding {
        Encoding::Identity => plain(&mut frames, announced).await,
        // Boxed, so that what a decoder takes is not set aside in every exchange.
        Encoding::Gzip => Box::pin(gzip(&mut frames, announced, limits.inflated)).await,
    }
}

/// Reads a body that nobody wants, within its own limits and not beyond `deadline`; tells whether its end was reached,
/// that is whether its connection can carry another request.
pub(super) async fn skip(body: Incoming, deadline: Option<Instant>) -> bool {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |length| length > SKIPPED_MAX) {
        return false;
    }
    let mut frames = Frames { body, seen: 0, max: SKIPPED_MAX, authority: "" };
    let ended = async {
        while frames.next().await?.is_some() {}
        Ok::<(), Trouble>(())
    };
    let soon = Instant::now() + SKIPPED_FOR;
    let until = deadline.map_or(soon, |deadline| deadline.min(soon));
    matches!(tokio::time::timeout_at(until, ended).await, Ok(Ok(())))
}

/// The pieces of a body as they come, up to a cap.
struct Frames<'a> {
    body: Incoming,
    seen: usize,
    max: usize,
    authority: &'a str,
}

impl Frames<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        while !self.body.is_end_stream() {
            let Some(frame) = self.body.frame().await else { break };
            let frame = frame
                .map_err(|error| Trouble::of_connection(&error, self.authority, "the response broke off"))?;
            // Anything else is a trailer, and no trailer means anything here.
            let Ok(data) = frame.into_data() else { continue };
            self.seen = self.seen.saturating_add(data.len());
            if self.seen > self.max {
                let what = format!("more than the {} bytes that are accepted", self.max);
                return Err(too_large(self.authority, &what));
            }
            return Ok(Some(data));
        }
        Ok(None)
    }
}

async fn plain(frames: &mut Frames<'_>, announced: Option<usize>) -> Result<Bytes, Trouble> {
    let Some(first) = frames.next().await? else { return Ok(Bytes::new()) };
    if announced == Some(first.len()) {
        return Ok(own(first));
    }
    let reserved = announced.unwrap_or_default().min(RESERVED_MAX).max(first.len());
    let mut whole = spare::buffer(reserved);
    whole.extend_from_slice(&first);
    // Each piece is let go before the next is asked for, so that the read buffer it stands in can be used again.
    drop(first);
    while let Some(frame) = frames.next().await? {
        whole.extend_from_slice(&frame);
    }
    Ok(spare::body(whole))
}

/// A small piece without the read buffer that it stands in.
pub(super) fn own(piece: Bytes) -> Bytes {
    if piece.len() < COPIED_BELOW { Bytes::copy_from_slice(&piece) } else { piece }
}

async fn gzip(frames: &mut Frames<'_>, announced: Option<usize>, max: usize) -> Result<Bytes, Trouble> {
    let expected = announced.unwrap_or_default().saturating_mul(USUAL_RATIO).min(RESERVED_MAX).min(max);
    let mut inflation = Inflation::new(spare::buffer(expected), max);
    while let Some(frame) = frames.next().await? {
        inflation.take(&frame).map_err(|failure| failure.trouble(max, frames.authority))?;
    }
    // Some servers announce gzip and then have nothing to say.
    if frames.seen == 0 {
        return Ok(Bytes::new());
    }
    inflation.finish().map(spare::body).map_err(|failure| failure.trouble(max, frames.authority))
}

impl Failure {
    fn trouble(self, max: usize, authority: &str) -> Trouble {
        match self {
            Self::Full => {
                too_large(authority, &format!("more than the {max} bytes accepted after inflation"))
            }
            Self::Broken(error) => {
                let what = format!("{authority}: the body is not the gzip that it claims to be: {error}");
                Trouble::new(FaultKind::Malformed, what)
            }
        }
    }
}

fn too_large(authority: &str, what: &str) -> Trouble {
    Trouble::new(FaultKind::TooLarge, format!("{authority}: the body is too large: {what}"))
}
