//! What sessions and servers say, in words for a person.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::asks::Asks;
use crate::bayeux::advice::{Advice, Reconnect};
use crate::bayeux::border::Outcome;
use crate::bayeux::decode::{Decoded, Kind, Meta, decode};
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::refusal::Meaning;
use crate::event::ReplayId;

/// The most channels that a line names.
const CHANNELS_MAX: usize = 8;
/// The most replies of one response that a line names.
const REPLIES_MAX: usize = 8;
/// How much of a body that cannot be read is shown, in characters.
const BODY_MAX: usize = 120;

/// A request.
pub(super) fn asks(asks: &Asks) -> String {
    match asks {
        Asks::Handshake { .. } => String::from("handshake"),
        Asks::Connect { ack: Some(ack), .. } => format!("connect, acknowledging {ack}"),
        Asks::Connect { ack: None, .. } => String::from("connect"),
        Asks::Subscribe(channels) => {
            let shown = channels.iter().take(CHANNELS_MAX);
            let shown: Vec<_> = shown.map(|(name, replay)| format!("{name}{}", from(*replay))).collect();
            format!("subscribe {}{}", shown.join(", "), more(channels.len(), CHANNELS_MAX))
        }
        Asks::Unsubscribe(channel) => format!("unsubscribe {channel}"),
        Asks::Disconnect => String::from("disconnect"),
    }
}

fn from(replay: Option<i64>) -> String {
    match replay {
        None => String::new(),
        Some(-1) => String::from(" from new events"),
        Some(-2) => String::from(" from all retained"),
        Some(id) => format!(" from after {id}"),
    }
}

fn more(count: usize, most: usize) -> String {
    if count > most { format!(" and {} more", count - most) } else { String::new() }
}

/// What came for a request.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Err(fault) => {
            let sent = if fault.sent { "the request may have arrived" } else { "nothing was sent" };
            format!("no response: {fault} ({sent})")
        }
        Ok(reply) => {
            let mut text = format!("{}, {} bytes: ", reply.status, reply.body.len());
            let decoded = decode(&reply.body);
            text.push_str(&body(&decoded));
            if decoded.metas.is_empty() && decoded.events.is_empty() {
                let shown: String =
                    String::from_utf8_lossy(&reply.body).trim().chars().take(BODY_MAX).collect();
                match shown.as_str() {
                    "" => text.push_str(", empty"),
                    shown => add(&mut text, format_args!(": {shown}")),
                }
            }
            if let Some(wait) = reply.retry_after {
                add(&mut text, format_args!("; Retry-After {}", seconds(wait)));
            }
            text
        }
    }
}

/// What stands in a body.
pub(super) fn body(decoded: &Decoded) -> String {
    let mut parts: Vec<_> = decoded.metas.iter().take(REPLIES_MAX).map(meta).collect();
    if decoded.metas.len() > REPLIES_MAX {
        parts.push(format!("{} more replies", decoded.metas.len() - REPLIES_MAX));
    }
    if !decoded.events.is_empty() {
        let channels: Vec<_> =
            decoded.events.channels().iter().take(CHANNELS_MAX).map(ToString::to_string).collect();
        let more = more(decoded.events.channels().len(), CHANNELS_MAX);
        parts.push(format!("{} ({}{more})", events(decoded.events.len()), channels.join(", ")));
    }
    if decoded.bad_count > 0 {
        parts.push(format!("{} that cannot be read", decoded.bad_count));
    }
    if !decoded.whole {
        parts.push(String::from("not whole"));
    }
    if parts.is_empty() { String::from("no message") } else { parts.join("; ") }
}

fn events(count: usize) -> String {
    if count == 1 { String::from("1 event") } else { format!("{count} events") }
}

fn meta(meta: &Meta) -> String {
    let kind = match meta.kind {
        Kind::Handshake => "handshake",
        Kind::Connect => "connect",
        Kind::Subscribe => "subscribe",
        Kind::Unsubscribe => "unsubscribe",
        Kind::Disconnect => "disconnect",
        Kind::Unknown => "another reply",
    };
    let mut text = String::from(kind);
    for channel in meta.subscriptions.iter().take(CHANNELS_MAX) {
        add(&mut text, format_args!(" {channel}"));
    }
    text.push_str(match meta.successful {
        Some(true) => " ok",
        Some(false) => " refused",
        None => " without a result",
    });
    for words in [&meta.error, &meta.failure_reason].into_iter().flatten() {
        add(&mut text, format_args!(": {words}"));
    }
    if let Some(id) = meta.client_id.as_ref().filter(|_| meta.kind == Kind::Handshake) {
        add(&mut text, format_args!(", session {id}"));
    }
    if let Some(advice) = &meta.advice {
        text.push_str(&advised(advice));
    }
    text
}

fn advised(advice: &Advice) -> String {
    let reconnect = advice.reconnect.map(|reconnect| match reconnect {
        Reconnect::Retry => "retry",
        Reconnect::Handshake => "handshake",
        Reconnect::None => "none",
    });
    let parts = [
        reconnect.map(str::to_owned),
        advice.interval.map(|wait| format!("interval {}", seconds(wait))),
        advice.timeout.map(|wait| format!("timeout {}", seconds(wait))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" (advice: {})", parts.join(", ")) }
}

/// What a session has to say.
pub(super) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Handshaking { cause } => format!("handshakes, cause: {}", cause.name()),
        Notice::Handshaken { replay: true } => "the handshake succeeded; events are numbered".into(),
        Notice::Handshaken { replay: false } => "the handshake succeeded; events are not numbered".into(),
        Notice::Fallback { reason } => format!("no websocket, long polling instead: {reason}"),
        Notice::Resuming => "goes on with a session that the server knows".into(),
        Notice::Live => "live: waits for events".into(),
        Notice::SessionLost { reason } => {
            format!("the session is lost, a handshake and new subscriptions follow: {reason}")
        }
        Notice::Subscribed { channel, replay } => {
            format!("subscribed to {channel}{}", from(replay.map(|ReplayId(id)| id)))
        }
        Notice::Unsubscribed { channel } => format!("no longer subscribed to {channel}"),
        Notice::Refused { channel, text, meaning, retry_in } => {
            let about = channel.as_ref().map(|channel| format!(" {channel}")).unwrap_or_default();
            format!("refused{about}: {}: {text}{}", why(*meaning), again(*retry_in))
        }
        Notice::ReplayLost { channel, asked, then } => {
            let then = then.map_or_else(
                || ", stays unsubscribed".into(),
                |then| format!(", goes on{}", from(Some(then.0))),
            );
            format!("position {asked} of {channel} is no longer retained{then}")
        }
        Notice::Gap { channel, reason, .. } => {
            format!("gap: events of {channel} may be missing and cannot be asked for: {reason}")
        }
        Notice::Suspect { reason } => {
            format!(
                "a response with events may be lost, channels are subscribed again from their positions: {reason}"
            )
        }
        Notice::Failed { fault, retry_in } => format!("failed: {fault}{}", again(Some(*retry_in))),
        Notice::Misbehaved { what, retry_in } => format!("odd reply: {what}{}", again(Some(*retry_in))),
        Notice::Malformed(bad) => {
            format!("a message of {} bytes cannot be read and is set aside: {}", bad.bytes.len(), bad.reason)
        }
        Notice::MoreMalformed(count) => format!("{count} more messages cannot be read"),
        Notice::Sifted { repeats, late } => {
            format!("{repeats} events had come before, {late} came out of order")
        }
        Notice::Watchdog { silent_for } => {
            format!("no connect has succeeded for {}: everything begins anew", seconds(*silent_for))
        }
        Notice::OddAdvice(what) => format!("advice that makes no sense: {what}"),
        Notice::Advice(what) => format!("the server advises {what}"),
        Notice::NoReplay => "the server does not number its events: only new ones arrive".into(),
        Notice::Closed(Closed::Requested) => "closed as asked".into(),
        Notice::Closed(Closed::Endpoint(text)) => {
            format!("closed for good, this is no CometD endpoint: {text}")
        }
        Notice::Closed(Closed::Unauthenticated(text)) => {
            format!("closed for good, no token that the server takes: {text}")
        }
    }
}

/// A meaning with its name.
fn why(meaning: Meaning) -> String {
    format!("{meaning} ({})", meaning.name())
}

fn again(retry_in: Option<Duration>) -> String {
    match retry_in {
        Some(Duration::ZERO) | None => String::new(),
        Some(wait) => format!("; again in {}", seconds(wait)),
    }
}

fn add(text: &mut String, more: fmt::Arguments<'_>) {
    // Writing to a string never fails.
    let _ = text.write_fmt(more);
}

/// A wait.
pub(super) fn seconds(wait: Duration) -> String {
    format!("{:.1} s", wait.as_secs_f64())
}
