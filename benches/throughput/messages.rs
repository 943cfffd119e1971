//! HTTP/1.1 messages off a kept-alive connection, as both ends of the bench need them: a head, and a body
//! as long as `Content-Length` says. Nothing else of HTTP, since each end knows what the other sends.

use std::io::{self, Read};

/// The longest message; both ends stay far below it.
const LEN_MAX: usize = 16 << 20;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The messages that a peer sends, one after the other.
pub(crate) struct Messages<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer holds bytes of the peer.
    filled: usize,
    /// How much of that belongs to the message handed out last.
    taken: usize,
}

impl<R: Read> Messages<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; 64 << 10], filled: 0, taken: 0 }
    }

    /// The body of the next message; `None` where the peer closed the connection between two messages.
    pub(crate) fn next_body(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let Some(head) = self.read_head()? else { return Ok(None) };
        let length = content_length(&self.buffer[..head]).ok_or_else(|| invalid("no Content-Length"))?;
        let end = head.saturating_add(length);
        if end > LEN_MAX {
            return Err(invalid("a message beyond the cap"));
        }
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        while self.filled < end {
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.taken = end;
        Ok(Some(&self.buffer[head..end]))
    }

    /// Reads until a head stands in the buffer; its length.
    fn read_head(&mut self) -> io::Result<Option<usize>> {
        loop {
            let head = self.buffer[..self.filled].windows(HEAD_END.len()).position(|four| four == HEAD_END);
            if let Some(at) = head {
                return Ok(Some(at + HEAD_END.len()));
            }
            if self.filled == self.buffer.len() {
                return Err(invalid("a head beyond the buffer"));
            }
            if self.read()? == 0 {
                return Ok(None);
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += count;
        Ok(count)
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let lines = std::str::from_utf8(head).ok()?.split("\r\n");
    lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    })
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
