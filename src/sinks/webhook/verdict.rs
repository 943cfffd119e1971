//! What an attempt came to: the table of statuses and faults.

use std::time::Duration;

use crate::bayeux::border::{Fault, FaultKind, Outcome, Reply};

/// The longest `Retry-After` that is obeyed.
const AFTER_MAX: Duration = Duration::from_hours(1);

/// What an attempt came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    Again(Again),
    Never(String),
}

/// An attempt failed and is to be repeated, not before `after` where it is given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) error: String,
    pub(super) after: Option<Duration>,
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(reply) => of_reply(&reply),
            Err(fault @ Fault { kind: FaultKind::Redirect, .. }) => Self::Never(fault.to_string()),
            Err(fault) => Self::Again(Again { error: fault.to_string(), after: None }),
        }
    }
}

fn of_reply(reply: &Reply) -> Verdict {
    let error = format!("HTTP status {}", reply.status);
    match reply.status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 => {
            Verdict::Again(Again { error, after: reply.retry_after.map(|after| after.min(AFTER_MAX)) })
        }
        _ => Verdict::Never(error),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn retry_after_is_capped() {
        let reply = Reply { status: 503, retry_after: Some(Duration::from_hours(24)), body: Bytes::new() };
        let wanted = Again { error: "HTTP status 503".to_owned(), after: Some(AFTER_MAX) };
        assert_eq!(Verdict::from(Ok(reply)), Verdict::Again(wanted));
    }
}
