//! From what a session has to say to log lines and status: the one place that does it.

use std::time::{Duration, SystemTime};

use super::redact::Redactor;
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::subscription::Standing;
use crate::status;

/// How much of a message that cannot be read is shown, in characters.
const SHOWN: usize = 200;

/// Logs a notice and counts it, without the secrets of the connection.
pub(super) fn tell(connection: &str, notice: &Notice, status: &mut status::Connection, secrets: &Redactor) {
    let notice = &*secrets.notice(notice);
    count(notice, status);
    match notice {
        Notice::Handshaking { cause } => tracing::debug!(connection, cause = cause.name(), "handshake"),
        Notice::Handshaken { replay } => tracing::info!(connection, replay, "handshake succeeded"),
        Notice::Fallback { reason } => {
            tracing::warn!(connection, reason, "no websocket: long polling instead");
        }
        Notice::Resuming => tracing::info!(connection, "resuming the saved session"),
        Notice::Live => tracing::info!(connection, "live: waiting for events"),
        Notice::SessionLost { reason } => {
            tracing::warn!(connection, reason, "session lost; a handshake and new subscriptions follow");
        }
        Notice::Subscribed { channel, replay } => {
            tracing::info!(connection, %channel, replay = replay.map(|id| id.0), "subscribed");
        }
        Notice::Unsubscribed { channel } => tracing::info!(connection, %channel, "unsubscribed"),
        Notice::Refused { .. }
        | Notice::Failed { .. }
        | Notice::Misbehaved { .. }
        | Notice::Malformed(_)
        | Notice::MoreMalformed(_)
        | Notice::Watchdog { .. } => tell_trouble(connection, notice, secrets),
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
        Notice::Sifted { repeats, late } => {
            tracing::debug!(
                connection,
                repeats,
                late,
                "events that had come before, and events out of order"
            );
        }
        Notice::Advice(what) => tracing::warn!(connection, "the server advises {what}"),
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

fn tell_trouble(connection: &str, notice: &Notice, secrets: &Redactor) {
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
        Notice::Malformed(bad) => tracing::error!(
            connection,
            reason = bad.reason,
            bytes = bad.bytes.len(),
            begin = %secrets.beginning(&bad.bytes, SHOWN),
            "a message that cannot be read was set aside"
        ),
        Notice::MoreMalformed(count) => {
            tracing::error!(connection, count, "more messages of this response cannot be read");
        }
        Notice::Watchdog { silent_for } => tracing::error!(
            connection,
            silent_for = seconds(*silent_for),
            "no connect has succeeded for too long; connections and session begin anew"
        ),
        _ => {}
    }
}

fn count(notice: &Notice, status: &mut status::Connection) {
    let now = SystemTime::now();
    match notice {
        Notice::Handshaking { cause } => *status.handshake_causes.entry(cause.name()).or_default() += 1,
        Notice::Handshaken { .. } => status.handshakes += 1,
        Notice::Sifted { repeats, late } => {
            status.repeats += repeats;
            status.late += late;
        }
        Notice::Watchdog { .. } => {
            status.watchdog += 1;
            status.failed(now, String::from("no connect has succeeded for too long"));
        }
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
        Notice::Malformed(bad) => {
            status.set_aside += 1;
            status.failed(now, format!("message set aside: {}", bad.reason));
        }
        Notice::MoreMalformed(count) => {
            status.set_aside += u64::try_from(*count).unwrap_or(u64::MAX);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::bayeux::border::{Fault, FaultKind};
    use crate::bayeux::decode::Bad;
    use crate::bayeux::refusal::Meaning;
    use crate::event::Channel;
    use crate::secret::Secret;
    use crate::sinks::testing::logged;

    const TOKEN: &str = "00Dxx0000001gPL!AQ4AQFakeTokenForTests";

    /// All the notices that carry words of a server.
    fn notices(text: &str) -> Vec<Notice> {
        let channel = Channel::parse("/topic/A").unwrap();
        let (wait, now) = (Duration::from_secs(1), SystemTime::now());
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let fault = Fault { kind: FaultKind::Redirect, sent: true, detail: text.to_owned() };
        let meaning = Meaning::Other;
        let refused =
            |channel| Notice::Refused { channel, text: text.to_owned(), meaning, retry_in: Some(wait) };
        vec![
            Notice::SessionLost { reason: text.to_owned() },
            Notice::Fallback { reason: text.to_owned() },
            refused(Some(channel.clone())),
            refused(None),
            Notice::Gap { channel, since: now, until: now, reason: text.to_owned() },
            Notice::Suspect { reason: text.to_owned() },
            Notice::Failed { fault, retry_in: wait },
            Notice::Misbehaved { what: text.to_owned(), retry_in: wait },
            Notice::Malformed(Bad { reason: text.to_owned(), bytes, event: None }),
            Notice::OddAdvice(text.to_owned()),
            Notice::Closed(Closed::Endpoint(text.to_owned())),
            Notice::Closed(Closed::Unauthenticated(text.to_owned())),
        ]
    }

    #[test]
    fn no_notice_tells_the_token_that_a_server_repeats() {
        let secrets = Redactor::new(vec![Arc::new(Secret::new(format!("Bearer {TOKEN}")))]);
        let mut status = status::Connection::new("c", "http://localhost/");
        let mut count = 0;
        let text = logged(|| {
            // Whole, and cut by a limit of the reader or of what is shown.
            for text in [
                format!("no right: {TOKEN}"),
                format!("no right: {}…", &TOKEN[..20]),
                format!("{}{TOKEN}", "no right ".repeat(20)),
            ] {
                for notice in notices(&text) {
                    tell("c", &notice, &mut status, &secrets);
                    count += 1;
                    let last = status.last_error.take().map(|error| error.text).unwrap_or_default();
                    assert!(!last.contains(&TOKEN[..16]), "{last}");
                }
            }
        });
        assert_eq!(text.lines().count(), count, "{text}");
        assert!(!text.contains(&TOKEN[..16]), "{text}");
        assert!(text.matches("no right").count() >= count && text.contains("***"), "{text}");
    }

    #[test]
    fn what_a_message_begins_with_is_short_and_on_one_line() {
        let secrets = Redactor::new(Vec::new());
        assert_eq!(secrets.beginning(b"a\n\xff\x1b", 200), "a\\n\u{fffd}\\u{1b}");
        assert_eq!(secrets.beginning(&[b'x'; 5000], 200), "x".repeat(200));
    }
}
