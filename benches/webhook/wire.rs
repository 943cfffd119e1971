//! HTTP/1.1 messages off a kept-alive connection, as the ends of the bench need them: a head, and a body as long as
//! `Content-Length` says.

use std::io::{self, Read};

/// The longest message; every end stays far below it.
const LEN_MAX: usize = 1 << 20;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The messages that a peer sends, one after the other.
pub(crate) struct Messages<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer holds bytes of the peer, and how much of that has been handed out.
    filled: usize,
    taken: usize,
}

/// A message.
pub(crate) struct Message<'a> {
    /// With its last empty line.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    /// The value of a header; `name` is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl<R: Read> Messages<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; 64 << 10], filled: 0, taken: 0 }
    }

    /// The next message; `None` where the peer closed the connection between two.
    pub(crate) fn next_message(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let head = loop {
            let found = self.buffer[..self.filled].windows(HEAD_END.len()).position(|four| four == HEAD_END);
            match found {
                Some(at) => break at + HEAD_END.len(),
                None if self.read()? == 0 => return Ok(None),
                None => {}
            }
        };
        let length = header(&self.buffer[..head], "content-length").and_then(|length| length.parse().ok());
        let end = head + length.unwrap_or(0_usize);
        if end > LEN_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.buffer.resize(self.buffer.len().max(end), 0);
        while self.filled < end {
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.taken = end;
        let (head, body) = self.buffer[..end].split_at(head);
        Ok(Some(Message { head, body }))
    }

    fn read(&mut self) -> io::Result<usize> {
        if self.filled == self.buffer.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += count;
        Ok(count)
    }
}

fn header<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    let is_it = |line: &&[u8]| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            && line.get(name.len()) == Some(&b':')
    };
    let line = lines.find(is_it)?;
    std::str::from_utf8(&line[name.len() + 1..]).ok().map(str::trim)
}
