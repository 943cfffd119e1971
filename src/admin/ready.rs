//! `/healthz` and `/readyz`: for whoever restarts the daemon, and for whoever waits for it.
//!
//! Alive is what turns, whatever servers do: a server that is down is no reason to restart anything. Ready is what
//! receives.

use std::time::Duration;

use http::StatusCode;

use super::pulse::Pulse;
use super::reply::{self, Reply};
use super::shared::Shared;
use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// How long the daemon's runtime may stand still.
const STILL: Duration = Duration::from_secs(30);

/// Whether the daemon turns.
pub(super) fn health(pulse: &Pulse) -> Reply {
    match stuck(pulse) {
        None => reply::text(StatusCode::OK, "ok\n"),
        Some(line) => reply::text(StatusCode::SERVICE_UNAVAILABLE, line + "\n"),
    }
}

/// Whether everything that has to be is live; one line a reason.
pub(super) async fn ready(shared: &Shared) -> Reply {
    let mut reasons: Vec<_> = stuck(&shared.port.pulse).into_iter().collect();
    match shared.status().await {
        Some(status) => reasons.extend(reasons_of(&status)),
        None => reasons.push(String::from("daemon: does not tell its status in time")),
    }
    if reasons.is_empty() {
        return reply::text(StatusCode::OK, "ready\n");
    }
    reply::text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

fn stuck(pulse: &Pulse) -> Option<String> {
    still(pulse.age())
}

fn still(age: Duration) -> Option<String> {
    (age > STILL).then(|| format!("daemon: its runtime has not turned for {} s", age.as_secs()))
}

fn reasons_of(status: &Snapshot<SinkStatus>) -> Vec<String> {
    let connections = status.connections.iter().filter(|one| one.required && !one.is_live());
    let mut reasons: Vec<_> = connections
        .map(|one| {
            let stalled = if one.stalled { ", stalled" } else { "" };
            format!("connection {}: {}{stalled}, waiting {}", one.name, one.state, one.waiting)
        })
        .collect();
    let journal = status.journal.iter().filter(|journal| journal.state != "good");
    reasons.extend(journal.map(|journal| format!("journal: takes no events, {}", journal.state)));
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_stands_still_is_not_alive() {
        assert_eq!(still(STILL), None);
        assert_eq!(still(STILL * 2).unwrap(), "daemon: its runtime has not turned for 60 s");
        assert_eq!(health(&Pulse::default()).status(), StatusCode::OK);
    }
}
