//! A server that restarts: what is asked of it meanwhile may fail.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Emulator, until};

impl Emulator {
    /// Lets it restart: it cuts every connection, forgets every session and refuses connections for this time. Comes
    /// back when it listens again.
    pub(crate) fn restart(&self, down: Duration) {
        let body = json!({"down_ms": u64::try_from(down.as_millis()).unwrap()});
        // The answer may be cut as well.
        drop(self.try_request("POST", "restart", &body.to_string()));
        self.state_when_up();
    }

    /// Publishes an event with the number `n`, unless a restart is in the way; whether it did may then be unknown.
    pub(crate) fn try_publish(&self, channel: &str, n: u64) -> io::Result<()> {
        let body = json!({"channel": channel, "data": {"sobject": {"n": n}}});
        self.try_request("POST", "publish", &body.to_string()).map(drop)
    }

    /// The state, as soon as it listens.
    pub(crate) fn state_when_up(&self) -> Value {
        until("the end of a restart", || self.try_request("GET", "state", "").ok())
    }
}
