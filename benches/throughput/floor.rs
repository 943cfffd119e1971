//! The floor: the least work that turns the same responses into the same file.
//!
//! It knows no protocol and checks nothing: it asks again before it writes, as every subscriber must, splits
//! a response with a scan that knows strings and braces only, and writes the lines of a response with one
//! write. Nothing but the standard library, one thread, blocking calls.

use std::fs::File;
use std::io::Write as _;
use std::iter::Enumerate;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::slice::Iter;

use crate::Result;
use crate::messages::Messages;

const BODY: &str =
    r#"[{"channel":"/meta/connect","clientId":"1a2b3c4d5e6f7g8h","connectionType":"long-polling","id":"1"}]"#;

/// Polls the server at `port` and writes the events to a new file at `path`, until the server goes away.
pub(crate) fn run(port: &str, path: &Path) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse()?))?;
    stream.set_nodelay(true)?;
    let mut responses = Messages::new(stream.try_clone()?);
    let mut file = File::create(path)?;
    let request = format!(
        "POST /cometd/61.0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut lines = Vec::new();
    stream.write_all(request.as_bytes())?;
    while let Some(body) = responses.next_body()? {
        stream.write_all(request.as_bytes())?;
        lines.clear();
        split(body, &mut lines);
        file.write_all(&lines)?;
    }
    Ok(())
}

/// Puts each event of the array `body` on a line.
fn split(body: &[u8], lines: &mut Vec<u8>) {
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
                    keep(&body[start..=at], lines);
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

fn keep(message: &[u8], lines: &mut Vec<u8>) {
    if !message.starts_with(br#"{"channel":"/meta/"#) {
        lines.extend_from_slice(message);
        lines.push(b'\n');
    }
}
