//! HTTP/1.1 requests off a kept-alive connection: a head, and a body as long as `Content-Length` says.

use std::io::{self, Read};

/// The longest request; those that are expected stay far below it.
const LEN_MAX: usize = 16 << 20;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// What a peer sends, one after the other.
pub(crate) struct Requests<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer belongs to the one handed out last.
    taken: usize,
}

impl<R: Read> Requests<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new(), taken: 0 }
    }

    /// The body of the next one; `None` where the peer closed the connection between two.
    pub(crate) fn next_body(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let body = loop {
            if let Some(at) = self.buffer.windows(HEAD_END.len()).position(|four| four == HEAD_END) {
                break at + HEAD_END.len();
            }
            if self.read()? == 0 {
                return Ok(None);
            }
        };
        let end = body + content_length(self.buffer.get(..body).unwrap_or_default());
        while self.buffer.len() < end {
            if self.read()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.taken = end;
        Ok(self.buffer.get(body..end))
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut some = [0; 16 << 10];
        let count = self.stream.read(&mut some)?;
        self.buffer.extend_from_slice(some.get(..count).unwrap_or_default());
        if self.buffer.len() > LEN_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(count) }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head);
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    value.unwrap_or_default()
}
