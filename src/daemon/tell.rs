//! From what a session has to say to log lines and status: the one place that does it.

use std::time::{Duration, SystemTime};

use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::subscription::Standing;
use crate::status;

/// Logs a notice and counts it.
pub(super) fn tell(connection: &str, notice: &Notice, status: &mut status::Connection) {
    count(notice, status);
    match notice {
        Notice::Handshaken { replay } => tracing::info!(connection, replay, "handshake succeeded"),
        Notice::Resuming => tracing::info!(connection, "resuming the saved session"),
        Notice::Live => tracing::info!(connection, "live: waiting for events"),
        Notice::SessionLost { reason } => {
            tracing::warn!(connection, reason, "session lost; a handshake and new subscriptions follow");
        }
        Notice::Subscribed { channel, replay } => {
            tracing::info!(connection, %channel, replay = replay.map(|id| id.0), "subscribed");
        }
        Notice::Unsubscribed { channel } => tracing::info!(connection, %channel, "unsubscribed"),
        Notice::Refused { .. } | Notice::Failed { .. } | Notice::Misbehaved { .. } => {
            tell_trouble(connection, notice);
        }
        Notice::ReplayLost { channel, asked, then } => tracing::error!(
            connection, %channel, asked = asked.0, then = then.map(|id| id.0),
            "the stored position is no longer retained; events may be missing or come again"
        ),
        Notice::Gap { channel, since, until, reason } => tracing::error!(
            connection, %channel, since = status::millis(*since), until = status::millis(*until), reason,
            "gap: events of this channel may be missing and cannot be asked for again"
        ),
        Notice::Suspect { reason } => tracing::warn!(
            connection,
            reason,
            "a response may have been lost with events in it; channels are subscribed again from their positions"
        ),
        Notice::Malformed(bad) => tracing::error!(
            connection,
            reason = bad.reason,
            bytes = bad.bytes.len(),
            begin = %String::from_utf8_lossy(bad.bytes.get(..200.min(bad.bytes.len())).unwrap_or_default()).escape_debug(),
            "a message that cannot be read was set aside"
        ),
        Notice::OddAdvice(what) => tracing::warn!(connection, what, "advice that makes no sense"),
        Notice::NoReplay => tracing::warn!(
            connection,
            "the server does not number its events; a position cannot be asked for, only new events arrive"
        ),
        Notice::Closed(Closed::Requested) => tracing::info!(connection, "closed"),
        Notice::Closed(why) => {
            tracing::error!(connection, reason = text_of(why), "closed for good: {}", meaning_of(why));
        }
    }
}

fn tell_trouble(connection: &str, notice: &Notice) {
    match notice {
        Notice::Refused { channel, text, meaning, retry_in } => {
            let (channel, retry_in) = (channel.as_ref().map(tracing::field::display), retry_in.map(seconds));
            tracing::warn!(
                connection,
                channel,
                error = text,
                code = meaning.name(),
                retry_in,
                "refused: {meaning}"
            );
        }
        Notice::Failed { fault, retry_in } => {
            tracing::warn!(
                connection,
                kind = fault.kind.name(),
                retry_in = seconds(*retry_in),
                "{}",
                fault.detail
            );
        }
        Notice::Misbehaved { what, retry_in } => {
            tracing::warn!(connection, retry_in = seconds(*retry_in), "odd reply: {what}");
        }
        _ => {}
    }
}

fn count(notice: &Notice, status: &mut status::Connection) {
    let now = SystemTime::now();
    match notice {
        Notice::Handshaken { .. } => status.handshakes += 1,
        Notice::SessionLost { .. } => status.sessions_lost += 1,
        Notice::Refused { channel: Some(channel), text, .. } => {
            status.failed(now, format!("{channel}: {text}"));
        }
        Notice::Refused { text, .. } | Notice::Misbehaved { what: text, .. } => {
            status.failed(now, text.clone());
        }
        Notice::Failed { fault, .. } => status.failed(now, fault.to_string()),
        Notice::ReplayLost { channel, asked, .. } => {
            status.failed(now, format!("{channel}: position {asked} is no longer retained"));
        }
        Notice::Gap { channel, reason, .. } => {
            status.gaps += 1;
            status.failed(now, format!("{channel}: gap: {reason}"));
        }
        Notice::Malformed(bad) => status.failed(now, format!("message set aside: {}", bad.reason)),
        Notice::Closed(why) if *why != Closed::Requested => status.failed(now, text_of(why).to_owned()),
        _ => {}
    }
}

/// What a person reads when a session has ended by itself.
pub(super) const fn meaning_of(why: &Closed) -> &'static str {
    match why {
        Closed::Requested => "as asked",
        Closed::Endpoint(_) => {
            "this URL is no CometD endpoint; it looks like https://HOST/cometd/61.0, check host and API version"
        }
        Closed::Unauthenticated(_) => "no access token that the server takes",
    }
}

/// The server's words.
pub(super) fn text_of(why: &Closed) -> &str {
    match why {
        Closed::Requested => "",
        Closed::Endpoint(text) | Closed::Unauthenticated(text) => text,
    }
}

/// A standing's name in status and logs.
pub(super) const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Pending => "pending",
        Standing::Asked(_) => "asked",
        Standing::Live => "live",
        Standing::Refused(meaning, _) => meaning.name(),
    }
}

fn seconds(wait: Duration) -> String {
    format!("{:.1}s", wait.as_secs_f64())
}
