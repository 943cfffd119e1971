//! The figures of connections.

use std::time::SystemTime;

use super::family::{Count, Families, Gauge, Kind, Labels, Value, labels, states};
use super::seconds_between;
use crate::sinks::created_at;
use crate::status::{ChannelStatus, Connection, Limit};

/// The states of a session, and those of a connection that has none.
const STATES: [&str; 12] = [
    "new",
    "authenticating",
    "handshaking",
    "subscribing",
    "connecting",
    "live",
    "resting",
    "closing",
    "closed",
    "paused",
    "cannot start",
    "broken",
];

/// What makes handshakes necessary.
const CAUSES: [&str; 8] =
    ["start", "unknown_client", "advised", "token", "moved", "refused", "failed", "watchdog"];

/// What a channel can be; every meaning of a refusal is one.
const STANDINGS: [&str; 4] = ["live", "pending", "asked", "refused"];

const COUNTS: [Count<Connection>; 13] = [
    ("cometail_connection_handshakes_succeeded", "Handshakes that succeeded", |one| one.handshakes),
    ("cometail_connection_polls", "Connects (/meta/connect) sent", |one| one.polls),
    ("cometail_connection_responses", "Responses and frames of every kind", |one| one.responses),
    ("cometail_connection_events", "Events received, without repeats", |one| one.events),
    ("cometail_connection_repeats", "Events dropped because they had come before", |one| one.repeats),
    ("cometail_connection_late", "Events that came after later ones of their channel", |one| one.late),
    ("cometail_connection_set_aside", "Messages that could not be read", |one| one.set_aside),
    ("cometail_connection_received_bytes", "Bodies of responses after inflation", |one| one.bytes),
    ("cometail_connection_failures", "Failures, refusals and odd replies", |one| one.failures),
    ("cometail_connection_sessions_lost", "Sessions that the server no longer knew", |one| one.sessions_lost),
    ("cometail_connection_gaps", "Times that events of a channel may be missing for good", |one| one.gaps),
    (
        "cometail_connection_watchdog",
        "Times that everything began anew because no connect had succeeded for too long",
        |one| one.watchdog,
    ),
    ("cometail_connection_logins", "Logins begun", |one| one.login.as_ref().map_or(0, |login| login.logins)),
];

const GAUGES: [Gauge<Connection>; 14] = [
    ("cometail_connection_live", "Whether events are on their way", |one, _| Some(one.is_live().into())),
    (
        "cometail_connection_stalled",
        "Whether the watchdog acted and no connect has succeeded since",
        |one, _| Some(one.stalled.into()),
    ),
    ("cometail_connection_required", "Whether the daemon is ready only when it is live", |one, _| {
        Some(one.required.into())
    }),
    ("cometail_connection_paused", "Whether somebody paused it", |one, _| {
        Some((one.state == "paused").into())
    }),
    ("cometail_connection_held", "Whether nothing is asked for because the journal has no room", |one, _| {
        Some(one.paused_since.is_some().into())
    }),
    (
        "cometail_connection_seconds_without_poll",
        "Seconds that a session the server knows has had no poll open; the server forgets it after 40",
        |one, now| Some(one.without_poll_since.map_or(0.0, |since| seconds_between(since, now)).into()),
    ),
    (
        "cometail_connection_seconds_without_poll_longest",
        "The longest that a session has had no poll open, in seconds",
        |one, _| Some(seconds_between(0, one.longest_without_poll_ms).into()),
    ),
    ("cometail_connection_seconds_since_response", "Seconds since the last response", |one, now| {
        Some(seconds_between(one.last_response?, now).into())
    }),
    ("cometail_connection_seconds_since_event", "Seconds since the last event", |one, now| {
        Some(seconds_between(one.last_event?, now).into())
    }),
    (
        "cometail_connection_replay_lag_seconds",
        "From the creation of the last event, as it says, to its receipt",
        |one, _| replay_lag(one).map(Value::from),
    ),
    ("cometail_connection_logged_in", "Whether there is a good token", |one, _| {
        let login = one.login.as_ref()?;
        Some((login.token_since.is_some() && login.error.is_none()).into())
    }),
    ("cometail_connection_token_age_seconds", "Since when there is the token in use", |one, now| {
        Some(seconds_between(one.login.as_ref()?.token_since?, now).into())
    }),
    (
        "cometail_connection_clock_skew_seconds",
        "How far the login host's clock is ahead, where that stood in the way",
        |one, _| Some(signed_seconds(one.login.as_ref()?.clock_skew_s?).into()),
    ),
    ("cometail_connection_limits_age_seconds", "Since when the org's limits are known", |one, now| {
        Some(seconds_between(one.limits_at?, now).into())
    }),
];

/// Adds what there is of every connection.
pub(super) fn add(families: &mut Families, all: &[Connection], now: u64) {
    families.add(
        Kind::Gauge,
        "cometail_connection_state",
        "1 for the state it is in, 0 for the others",
        all.iter().flat_map(|one| {
            states(&STATES, one.state, |state| labels([("connection", &*one.name), ("state", state)]))
        }),
    );
    families.add(
        Kind::Counter,
        "cometail_connection_handshakes",
        "Handshakes sent, by what made them necessary",
        all.iter().flat_map(handshakes),
    );
    families.add_each((all, now), named, &COUNTS, &GAUGES);
    families.add(
        Kind::Gauge,
        "cometail_connection_channels",
        "Channels, by what the server said of them",
        all.iter().flat_map(channels),
    );
    add_limits(families, all);
}

fn named(one: &Connection) -> Labels {
    labels([("connection", &*one.name)])
}

/// A figure for each cause from the beginning, so that the first handshake of a cause is seen as a rise.
fn handshakes(one: &Connection) -> impl Iterator<Item = (Labels, Value)> {
    let others = one.handshake_causes.keys().copied().filter(|cause| !CAUSES.contains(cause));
    CAUSES.into_iter().chain(others).map(|cause| {
        let count = one.handshake_causes.get(cause).copied().unwrap_or_default();
        (labels([("connection", &*one.name), ("cause", cause)]), Value::from(count))
    })
}

fn channels(one: &Connection) -> impl Iterator<Item = (Labels, Value)> {
    STANDINGS.into_iter().map(|standing| {
        let count = one.channels.iter().filter(|channel| standing_of(channel) == standing).count();
        let value = Value::from(u64::try_from(count).unwrap_or(u64::MAX));
        (labels([("connection", &*one.name), ("standing", standing)]), value)
    })
}

fn standing_of(channel: &ChannelStatus) -> &'static str {
    STANDINGS.into_iter().find(|standing| *standing == channel.standing).unwrap_or("refused")
}

/// The names of limits are those of a fixed list: the watch keeps no others.
fn add_limits(families: &mut Families, all: &[Connection]) {
    let each = |value: fn(&Limit) -> u64| {
        all.iter().flat_map(move |one| {
            let of_limit = move |limit: &Limit| {
                (labels([("connection", &*one.name), ("limit", &*limit.name)]), Value::from(value(limit)))
            };
            one.limits.iter().map(of_limit)
        })
    };
    let (used, max) = ("cometail_connection_limit_used", "cometail_connection_limit_max");
    families.add(Kind::Gauge, used, "What is used of a limit of the org", each(|limit| limit.used));
    families.add(Kind::Gauge, max, "What may be used of a limit of the org", each(|limit| limit.max));
}

/// Negative where the server's clock is ahead of ours.
fn replay_lag(one: &Connection) -> Option<f64> {
    let batch = &one.last_batch.as_ref()?.0;
    let created = created_at(&batch.get(batch.len().checked_sub(1)?)?)?;
    Some(signed_between(created, batch.received()))
}

fn signed_between(then: SystemTime, now: SystemTime) -> f64 {
    match now.duration_since(then) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

fn signed_seconds(seconds: i64) -> f64 {
    let magnitude = std::time::Duration::from_secs(seconds.unsigned_abs()).as_secs_f64();
    if seconds < 0 { -magnitude } else { magnitude }
}
