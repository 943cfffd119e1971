//! `cometail channel push`: events for a channel, from an argument, a file or the lines of standard input.
//!
//! Constraints: a line of any length and an input without end need a bounded memory. Lines that are there together go
//! out together, in their order; each counts for the org as one event.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver};

use super::super::org::{Outcome, Place, plain_json, printed, refused};
use super::super::{FAILED, IO, fail};
use super::{find, unfit};
use crate::salesforce::ApiError;
use crate::salesforce::api::Api;
use crate::salesforce::channel::{self, PAYLOAD_MAX, Push as Event, Pushed, StreamingChannel};

/// The most events in one request.
const EVENTS_MAX: usize = 100;

/// Push events into a channel
#[derive(Debug, Args)]
#[command(after_help = "\
Without PAYLOAD and --file each line of standard input is an event, sent when it comes; empty lines are left out.

Examples:
  cometail channel push /u/notifications/Example 'hello world' --url https://acme.my.salesforce.com
  cometail channel push /u/notifications/Example --user 005D0000001QXi1IAG --file note.json \\
      --url https://acme.my.salesforce.com
  tail -f app.log | cometail channel push /u/notifications/Example \\
      --url https://acme.my.salesforce.com")]
pub(in crate::cli) struct Push {
    /// The channel's name or id
    channel: String,
    /// What subscribers get, at most 3,000 single-byte characters
    payload: Option<String>,
    /// Push what is in this file as one event
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    file: Option<PathBuf>,
    /// Only to this user's subscriptions; may be given more than once
    #[arg(long, value_name = "ID")]
    user: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// A line, or why there is none.
type Line = Result<String, String>;

pub(super) fn main(push: &Push) -> u8 {
    push.place.run(async |api| send_all(api, push).await)
}

async fn send_all(api: &mut Api, push: &Push) -> Outcome<()> {
    let one = match (&push.payload, &push.file) {
        (Some(payload), _) => Some(payload.clone()),
        (None, Some(path)) => Some(read_file(path)?),
        (None, None) => None,
    };
    let event = |text: String| Event::new(text, &push.user).map_err(unfit);
    // What is wrong with the arguments is told before the org is asked.
    let one = one.map(event).transpose()?;
    event(String::new())?;
    let channel = find(api, &push.channel).await?;
    let mut out = Report::begin(push.place.json, channel)?;
    let ended = match one {
        Some(one) => out.send(api, &[one]).await,
        None => send_lines(api, &mut out, &push.user).await,
    };
    let closed = out.end();
    ended.and(closed)
}

/// Sends what comes on standard input until it ends or something fails.
async fn send_lines(api: &mut Api, out: &mut Report, users: &[String]) -> Outcome<()> {
    let mut lines = read_lines();
    let mut waiting = Vec::with_capacity(EVENTS_MAX);
    while lines.recv_many(&mut waiting, EVENTS_MAX).await > 0 {
        let mut events = Vec::new();
        let mut bad = None;
        for line in waiting.drain(..) {
            match line.and_then(|line| Event::new(line, users).map_err(|why| why.to_string())) {
                Ok(event) => events.push(event),
                Err(why) => {
                    bad = Some(why);
                    break;
                }
            }
        }
        if !events.is_empty() {
            out.send(api, &events).await?;
        }
        if let Some(why) = bad {
            let what =
                format!("standard input, after {} event(s): {why}; nothing after it was sent", out.sent);
            return Err(fail(FAILED, &what));
        }
    }
    Ok(())
}

/// Reads in a thread of its own, which ends with the process: nobody can end the reading of a terminal.
fn read_lines() -> Receiver<Line> {
    let (sender, lines) = mpsc::channel(EVENTS_MAX);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input).transpose() {
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    lines
}

/// The next line that is not empty.
fn next_line(input: &mut impl BufRead) -> Result<Option<String>, String> {
    let room = u64::try_from(PAYLOAD_MAX + 3).unwrap_or(u64::MAX);
    loop {
        let mut line = Vec::new();
        let read = input.take(room).read_until(b'\n', &mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > PAYLOAD_MAX {
            return Err(format!("a line has more than {PAYLOAD_MAX} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "a line is not UTF-8")?;
        if !text.is_empty() {
            return Ok(Some(text.to_owned()));
        }
    }
}

fn read_file(path: &Path) -> Outcome<String> {
    let unreadable = |why: &dyn std::fmt::Display| fail(IO, &format!("--file {}: {why}", path.display()));
    let mut text = Vec::new();
    // One byte more than is allowed, so that too long a file is told as such.
    let room = u64::try_from(PAYLOAD_MAX + 1).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    BufReader::new(file).take(room).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() > PAYLOAD_MAX {
        let what = format!("--file {}: more than the {PAYLOAD_MAX} bytes of a payload", path.display());
        return Err(fail(super::USAGE, &what));
    }
    String::from_utf8(text).map_err(|_| unreadable(&"it is not UTF-8"))
}

/// An answer that did not come tells nothing of what the org did before.
fn lost(error: &ApiError, events: usize) -> u8 {
    let code = refused(error);
    if matches!(error, ApiError::Fault(fault) if fault.sent) {
        fail(0, &format!("the org may have taken the last {events} event(s) all the same"));
    }
    code
}

/// What became of each event, told as it is known: a line each, or one JSON document that is closed at the end.
struct Report {
    json: bool,
    channel: StreamingChannel,
    /// Events that the org took.
    sent: u64,
}

impl Report {
    fn begin(json: bool, channel: StreamingChannel) -> Outcome<Self> {
        let this = Self { json, channel, sent: 0 };
        if json {
            let [id, name] =
                [&this.channel.id, &this.channel.name].map(|text| plain_json(&json!(text).to_string()));
            this.write(&format!("{{\"id\":{id},\"name\":{name},\"events\":["))?;
        }
        Ok(this)
    }

    async fn send(&mut self, api: &mut Api, events: &[Event]) -> Outcome<()> {
        let pushed = channel::push(api, &self.channel.id, events).await;
        for one in pushed.map_err(|error| lost(&error, events.len()))? {
            self.sent += 1;
            let text = if self.json { self.element(&one) } else { self.line(&one) };
            self.write(&text)?;
        }
        Ok(())
    }

    fn element(&self, one: &Pushed) -> String {
        format!("{}\n{}", if self.sent > 1 { "," } else { "" }, plain_json(&json!(one).to_string()))
    }

    fn line(&self, one: &Pushed) -> String {
        let whom = match one.fanout_count {
            -1 => "sent to all subscribers (fanoutCount -1)".into(),
            0 => "nobody listens (fanoutCount 0)".into(),
            count => format!("sent to {count} (fanoutCount {count})"),
        };
        let begin = format!("{} event {}: {whom}", self.channel.name.escape_debug(), self.sent);
        let users = one.user_online_status.iter().map(|(user, online)| {
            format!(", {} {}", user.escape_debug(), if *online { "online" } else { "offline" })
        });
        std::iter::once(begin).chain(users).chain(["\n".to_owned()]).collect()
    }

    fn end(&self) -> Outcome<()> {
        if self.json { self.write(&format!("\n],\"sent\":{}}}\n", self.sent)) } else { Ok(()) }
    }

    #[expect(clippy::unused_self, reason = "it reads as what it does")]
    fn write(&self, text: &str) -> Outcome<()> {
        let mut out = io::stdout().lock();
        printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<Line> {
        let mut all = Vec::new();
        while let Some(line) = next_line(&mut input).transpose() {
            let last = line.is_err();
            all.push(line);
            if last {
                break;
            }
        }
        all
    }

    #[test]
    fn lines_lose_their_ends_and_no_more() {
        let read = lines(b"one\n\n two \r\n\r\nthree");
        assert_eq!(read, ["one", " two ", "three"].map(|line| Ok(line.to_owned())));
        assert!(lines(b"").is_empty() && lines(b"\n\n").is_empty());
    }

    #[test]
    fn a_line_is_bounded() {
        let longest = "x".repeat(PAYLOAD_MAX);
        assert_eq!(
            lines(format!("{longest}\r\n{longest}").as_bytes()),
            [Ok(longest.clone()), Ok(longest.clone())]
        );
        let read = lines(format!("a\n{longest}x\nb").as_bytes());
        assert!(matches!(read.as_slice(), [Ok(_), Err(why)] if why.contains("3000 bytes")), "{read:?}");
        assert!(matches!(lines(b"a\n\xff\n").as_slice(), [Ok(_), Err(why)] if why.contains("UTF-8")));
    }
}
