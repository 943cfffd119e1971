//! HTTP/1.1 messages off a kept-alive connection, as the ends of a bench need them: a head, and a body as long as
//! `Content-Length` says or in chunks. Nothing else of HTTP, since each end knows what the other sends.
#![expect(clippy::indexing_slicing, reason = "where the bench itself is wrong, it stops")]

use std::io::{self, Read};

/// The longest message; every end stays far below it.
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

/// One message, in the buffer that the next one will use: its request or status line with the headers, and its body.
pub(crate) type Message<'a> = (&'a [u8], &'a [u8]);

impl<R: Read> Messages<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; 64 << 10], filled: 0, taken: 0 }
    }

    /// The next message; `None` where the peer closed the connection between two messages.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let Some(head) = self.read_head()? else { return Ok(None) };
        let length = content_length(&self.buffer[..head]);
        let end = match length {
            Some(length) => self.read_length(head, length)?,
            None if is_chunked(&self.buffer[..head]) => self.read_chunks(head)?,
            None => return Err(invalid("a body of unknown length")),
        };
        Ok(Some((&self.buffer[..head], &self.buffer[head..end])))
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

    /// Reads a body of `length` bytes; where it ends.
    fn read_length(&mut self, head: usize, length: usize) -> io::Result<usize> {
        self.taken = head.saturating_add(length);
        self.fill(self.taken)?;
        Ok(self.taken)
    }

    /// Reads a body in chunks and moves them together; where it ends.
    fn read_chunks(&mut self, head: usize) -> io::Result<usize> {
        let (mut end, mut next) = (head, head);
        loop {
            let (size, start) = self.read_size(next)?;
            next = start.saturating_add(size).saturating_add(2);
            self.fill(next)?;
            if size == 0 {
                self.taken = next;
                return Ok(end);
            }
            self.buffer.copy_within(start..start + size, end);
            end += size;
        }
    }

    /// Reads the line at `start`, which tells the size of a chunk; the size, and where the chunk begins.
    fn read_size(&mut self, start: usize) -> io::Result<(usize, usize)> {
        let mut end = start + 1;
        loop {
            self.fill(end + 1)?;
            if self.buffer[end] == b'\n' {
                break;
            }
            end += 1;
        }
        let text = std::str::from_utf8(&self.buffer[start..end]).ok();
        let size = text.and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        Ok((size.ok_or_else(|| invalid("no size of a chunk"))?, end + 1))
    }

    /// Reads until the buffer is filled up to `end`.
    fn fill(&mut self, end: usize) -> io::Result<()> {
        if end > LEN_MAX {
            return Err(invalid("a message beyond the cap"));
        }
        if end > self.buffer.len() {
            self.buffer.resize(end.next_power_of_two(), 0);
        }
        while self.filled < end {
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += count;
        Ok(count)
    }
}

/// The head of a good response with these further header lines, each with its line end.
pub(crate) fn response_head(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n{lines}\r\n")
}

fn content_length(head: &[u8]) -> Option<usize> {
    header(head, "content-length")?.parse().ok()
}

fn is_chunked(head: &[u8]) -> bool {
    header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
}

/// The value of a header, where the head has it.
pub(crate) fn header<'a>(head: &'a [u8], wanted: &str) -> Option<&'a str> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
