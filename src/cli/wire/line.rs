//! A line of the timeline, for people and as JSON.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::super::org::plain_json;
use super::super::table::clean;

/// The most of a line's text, in characters.
const TEXT_MAX: usize = 600;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The session sends a request.
    Sent,
    /// Something came for it.
    Received,
    /// What it makes of that.
    Decided,
    /// It waits.
    Waits,
    /// What was recorded, and is not for the session to do.
    Note,
    /// The session decides otherwise than the recorded client did.
    Deviation,
    /// How it ended.
    End,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Decided => "decided",
            Self::Waits => "waits",
            Self::Note => "note",
            Self::Deviation => "deviation",
            Self::End => "end",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Sent => ">",
            Self::Received => "<",
            Self::Decided => "*",
            Self::Waits => ".",
            Self::Note => " ",
            Self::Deviation => "!",
            Self::End => "=",
        }
    }
}

/// One event of a replay.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Since the first recorded request.
    pub(super) after: Duration,
    pub(super) state: &'static str,
    pub(super) what: What,
    pub(super) text: String,
    /// The entry of the capture that it is about.
    pub(super) entry: Option<usize>,
}

impl Line {
    /// As one JSON object.
    pub(super) fn json(&self, connection: &str, began: Timestamp) -> String {
        let at = i64::try_from(self.after.as_millis()).ok();
        let at = at.and_then(|after| began.checked_add(jiff::SignedDuration::from_millis(after)).ok());
        let value = json!({
            "connection": connection,
            "at": at.map(|at| at.to_string()),
            "after_ms": u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX),
            "state": self.state,
            "what": self.what.name(),
            "text": self.text,
            "entry": self.entry,
        });
        plain_json(&value.to_string())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = format!("+{:.3}", self.after.as_secs_f64());
        let text: String = self.text.chars().take(TEXT_MAX).collect();
        let cut = if text.len() < self.text.len() { "..." } else { "" };
        write!(f, "{after:>11}  {:<14} {} {}{cut}", self.state, self.what.mark(), clean(&text))?;
        match self.entry {
            Some(entry) => write!(f, "  (entry {entry})"),
            None => Ok(()),
        }
    }
}
