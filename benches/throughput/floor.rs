//! The floor: the least work that turns the same responses into the same file.
//!
//! It knows no protocol and checks nothing: it splits a response with a scan that knows strings and braces only, and
//! writes the lines of a response with one write. Nothing but the standard library, and a decoder where responses are
//! compressed; one thread, blocking calls. It asks again before it writes, as every subscriber must that is to be
//! fast; a second floor writes first, as one must that is to know its events are kept when it asks again.

use std::fs::File;
use std::io::{self, Write as _};
use std::iter::Enumerate;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::slice::Iter;

use flate2::{Decompress, FlushDecompress};

use crate::Result;
use crate::events::Shape;
use crate::shared::messages::Messages;

const BODY: &str =
    r#"[{"channel":"/meta/connect","clientId":"1a2b3c4d5e6f7g8h","connectionType":"long-polling","id":"1"}]"#;
/// What a gzip member begins with.
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];
/// The head and the end of a gzip member (RFC 1952, 2.2).
const GZIP_HEAD: usize = 10;
const GZIP_END: usize = 8;

/// How the server's own reply begins.
const META: &[u8] = br#"{"channel":"/meta/"#;
const PRETTY_META: &[u8] = b"{\n    \"channel\": \"/meta/";

/// When it asks for the next response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    PollFirst,
    WriteFirst,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PollFirst => "poll-first",
            Self::WriteFirst => "write-first",
        }
    }
}

/// Runs as the command line says: the port of the server, the file for the events, the order, the shape of responses.
pub(crate) fn main(arguments: &[&str]) -> Result<()> {
    let [port, path, order, shape] = arguments else { return Err("four arguments wanted".into()) };
    let order = [Order::PollFirst, Order::WriteFirst].into_iter().find(|known| known.name() == *order);
    let shape = Shape::parse(shape).ok_or("no such shape")?;
    run(port, Path::new(path), order.ok_or("no such order")?, shape)
}

/// Polls the server at `port` and writes the events to a new file at `path`, until the server goes away.
fn run(port: &str, path: &Path, order: Order, shape: Shape) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse()?))?;
    stream.set_nodelay(true)?;
    let mut responses = Messages::new(stream.try_clone()?);
    let mut file = File::create(path)?;
    let request = format!(
        "POST /cometd/61.0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut splitter = Splitter {
        pretty: shape == Shape::Pretty,
        inflate: Decompress::new(false),
        plain: Vec::new(),
        lines: Vec::new(),
    };
    stream.write_all(request.as_bytes())?;
    while let Some((_, body)) = responses.next()? {
        if order == Order::PollFirst {
            stream.write_all(request.as_bytes())?;
        }
        file.write_all(splitter.lines(body)?)?;
        if order == Order::WriteFirst {
            stream.write_all(request.as_bytes())?;
        }
    }
    Ok(())
}

/// Makes lines of responses, in buffers that it keeps.
struct Splitter {
    pretty: bool,
    inflate: Decompress,
    plain: Vec<u8>,
    lines: Vec<u8>,
}

impl Splitter {
    /// The events of `body`, one a line.
    fn lines(&mut self, body: &[u8]) -> io::Result<&[u8]> {
        self.lines.clear();
        let body = if body.starts_with(&GZIP_MARK) {
            inflate(body, &mut self.inflate, &mut self.plain)?
        } else {
            body
        };
        split(body, self.pretty, &mut self.lines);
        Ok(&self.lines)
    }
}

/// What the gzip member `body` holds.
fn inflate<'a>(body: &[u8], inflate: &mut Decompress, plain: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    let end =
        body.len().checked_sub(GZIP_END).filter(|end| *end > GZIP_HEAD).ok_or(io::ErrorKind::InvalidData)?;
    let length = body.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    plain.clear();
    plain.reserve(usize::try_from(length).unwrap_or(0));
    inflate.reset(false);
    inflate.decompress_vec(&body[GZIP_HEAD..end], plain, FlushDecompress::Finish)?;
    Ok(plain)
}

/// Puts each event of the array `body` on a line; `pretty` where there is white space within it.
fn split(body: &[u8], pretty: bool, lines: &mut Vec<u8>) {
    let mut depth = 0_u32;
    let mut start = 0;
    let mut bytes = body.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    keep(&body[start..=at], pretty, lines);
                }
            }
            _ => {}
        }
    }
}

/// Moves past the end of a string whose opening quote has been read.
fn skip_string(bytes: &mut Enumerate<Iter<'_, u8>>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

fn keep(message: &[u8], pretty: bool, lines: &mut Vec<u8>) {
    if message.starts_with(META) || pretty && message.starts_with(PRETTY_META) {
        return;
    }
    if pretty {
        // A string holds no line break, so each stands between two parts.
        message.split(|byte| *byte == b'\n').for_each(|part| lines.extend_from_slice(part));
    } else {
        lines.extend_from_slice(message);
    }
    lines.push(b'\n');
}
