//! `cometail tail` as a process.

use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Lines, Process};
use crate::{CHANNEL, DEADLINE};

/// `cometail tail` on [`CHANNEL`].
pub(crate) struct Tail {
    process: Process,
    lines: Lines,
}

impl Tail {
    pub(crate) fn start(port: u16, count: u32) -> Self {
        Self::start_with(port, count, &[])
    }

    pub(crate) fn start_with(port: u16, count: u32, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
        command
            .args(["tail", &format!("http://127.0.0.1:{port}/cometd"), CHANNEL])
            .args(["--count", &count.to_string()])
            .args(more)
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("COMETAIL_TOKEN");
        let mut process = Process::start("cometail", &mut command);
        let stdout = process.child.stdout.take().expect("stdout is a pipe");
        Self { process, lines: Lines::of(stdout) }
    }

    /// The next lines are exactly the events with these numbers, in this order.
    pub(crate) fn expect(&mut self, numbers: RangeInclusive<u32>) {
        let deadline = Instant::now() + DEADLINE;
        for number in numbers {
            let line = self.lines.next(deadline).unwrap_or_else(|error| {
                panic!("event {number} does not come: {error}; before it: {:?}", self.lines.recent)
            });
            let event: serde_json::Value = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("a line is one JSON message: {error}: {line}"));
            assert_eq!(event["channel"], CHANNEL, "{line}");
            assert_eq!(event["data"]["n"], number, "before it: {:?}", self.lines.recent);
        }
    }

    /// Stops or continues it, as a laptop's lid does.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process.child);
        kill_process(pid, signal).expect("a process of ours takes signals");
    }

    /// It has logged this; to be asked when it has ended.
    pub(crate) fn expect_log(&mut self, text: &str) {
        let log = self.process.log();
        assert!(log.contains(text), "{text:?} is not in the log: {log}");
    }

    /// It has not logged this; to be asked when it has ended.
    pub(crate) fn expect_no(&mut self, text: &str) {
        let log = self.process.log();
        assert!(!log.contains(text), "{text:?} is in the log: {log}");
    }

    /// It has told no gap; to be asked when it has ended.
    pub(crate) fn expect_no_gap(&mut self) {
        let log = self.process.log();
        assert!(log.contains("live: waiting for events"), "the log is not what it was: {log}");
        assert!(!log.contains("gap: "), "{log}");
    }

    /// Nothing more comes, and the exit code is 0.
    pub(crate) fn expect_end(&mut self) {
        let status = self.process.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        let more = self.lines.next(Instant::now() + DEADLINE);
        assert_eq!(more, Err(RecvTimeoutError::Disconnected), "nothing follows the last event");
    }
}
