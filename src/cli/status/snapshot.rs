//! The status file, as far as a person is shown it. What a newer or older daemon does not tell is taken as nothing.

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Snapshot {
    #[serde(default)]
    pub(super) version: String,
    pub(super) pid: u32,
    #[serde(default)]
    pub(super) started_at: u64,
    pub(super) updated_at: u64,
    /// The file of the wire capture that is on.
    pub(super) capture: Option<String>,
    pub(super) reload: Option<Reload>,
    pub(super) journal: Option<Journal>,
    pub(super) connections: Vec<Connection>,
    pub(super) sinks: Vec<Sink>,
}

#[derive(Deserialize)]
pub(super) struct Reload {
    pub(super) at: u64,
    pub(super) ok: bool,
    #[serde(default)]
    pub(super) problems: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Journal {
    pub(super) path: String,
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) max_bytes: u64,
    pub(super) segments: u64,
    pub(super) next_sequence: u64,
    pub(super) durable: u64,
    pub(super) state: String,
    pub(super) since: u64,
    pub(super) last_error: Option<Trouble>,
    pub(super) lost: u64,
    pub(super) damaged: u64,
    pub(super) gaps: u64,
}

#[derive(Deserialize)]
pub(super) struct Sink {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) delivered: u64,
    pub(super) queued_events: u64,
    /// Behind the journal's end; none without a journal.
    pub(super) lag: Option<u64>,
    /// Whether the journal keeps events for it; none without a journal.
    pub(super) kept: Option<bool>,
    /// When the oldest event that is not dealt with arrived.
    pub(super) oldest: Option<u64>,
    #[serde(default)]
    pub(super) retried: u64,
    pub(super) parked: u64,
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) failing_since: Option<u64>,
    pub(super) last_error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) since: u64,
    pub(super) events: u64,
    pub(super) waiting: String,
    pub(super) paused_since: Option<u64>,
    pub(super) stalled: bool,
    pub(super) gaps: u64,
    pub(super) set_aside: u64,
    pub(super) repeats: u64,
    pub(super) late: u64,
    pub(super) last_event: Option<u64>,
    pub(super) channels: Vec<Channel>,
    pub(super) last_error: Option<Trouble>,
    pub(super) login: Option<Login>,
    #[serde(default)]
    pub(super) limits: Vec<Limit>,
}

#[derive(Deserialize)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) standing: String,
}

#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) what: String,
    pub(super) user: Option<String>,
    pub(super) token_since: Option<u64>,
    pub(super) logins: u64,
    pub(super) clock_skew_s: Option<i64>,
    pub(super) error: Option<Trouble>,
    pub(super) next_attempt: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Limit {
    pub(super) name: String,
    pub(super) max: u64,
    pub(super) used: u64,
    pub(super) left: u64,
    pub(super) percent: u64,
}

#[derive(Deserialize)]
pub(super) struct Trouble {
    pub(super) at: u64,
    pub(super) text: String,
}
