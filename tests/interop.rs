//! The built binary against Bayeux servers that nobody here wrote: the CometD project's server for Node.js
//! and Faye.
//!
//! They run under Node.js from `tests/interop`, whose packages `npm ci` installs; without them the tests fail.
//! Neither server retains events, so whatever a test publishes is published while the session lives.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the processes logged")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);
const CHANNEL: &str = "/interop/events";

#[test]
fn cometd_delivers_ten_thousand_events_in_order() {
    delivers_ten_thousand_events_in_order("cometd.js");
}

#[test]
fn faye_delivers_ten_thousand_events_in_order() {
    delivers_ten_thousand_events_in_order("faye.js");
}

#[test]
fn a_restart_of_cometd_in_mid_poll_is_survived() {
    a_restart_in_mid_poll_is_survived("cometd.js");
}

#[test]
fn a_restart_of_faye_in_mid_poll_is_survived() {
    a_restart_in_mid_poll_is_survived("faye.js");
}

fn delivers_ten_thousand_events_in_order(script: &str) {
    let mut server = Server::start(script, 0);
    let mut tail = Tail::start(server.port, 10_000);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 10000"));
    tail.expect(1..=10_000);
    tail.expect_end();
    // The last event of a `--count` ends the session properly, instead of leaving it to time out.
    server.wait_for("left");
}

fn a_restart_in_mid_poll_is_survived(script: &str) {
    let mut server = Server::start(script, 0);
    let port = server.port;
    let mut tail = Tail::start(port, 1_000);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 1 500"));
    tail.expect(1..=500);
    server.send("poll");
    server.wait_for("polling");
    drop(server);

    let mut server = Server::start(script, port);
    server.wait_for(&format!("subscribed {CHANNEL}"));
    server.send(&format!("publish {CHANNEL} 501 1000"));
    tail.expect(501..=1_000);
    tail.expect_end();
    server.wait_for("left");
}

/// The lines of a pipe as they come, read on a thread so that waiting for one can have a deadline.
struct Lines {
    receiver: Receiver<String>,
    recent: VecDeque<String>,
}

impl Lines {
    fn of(pipe: impl std::io::Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { receiver, recent: VecDeque::new() }
    }

    /// The next line, or why there is none before `deadline`.
    fn next(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.recent.push_back(line.clone());
        if self.recent.len() > 5 {
            self.recent.pop_front();
        }
        Ok(line)
    }
}

/// A process that does not outlive its test, with its stderr in a file, which is shown when the test fails.
struct Process {
    name: String,
    child: Child,
    stderr: File,
}

impl Process {
    fn start(name: &str, command: &mut Command) -> Self {
        let stderr = tempfile::tempfile().expect("a temporary file");
        let theirs = stderr.try_clone().expect("a second handle");
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(theirs)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { name: name.to_owned(), child, stderr }
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let mut text = Vec::new();
            let read = self.stderr.rewind().and_then(|()| self.stderr.read_to_end(&mut text));
            eprintln!("stderr of {} ({read:?}):\n{}", self.name, String::from_utf8_lossy(&text));
        }
    }
}

/// A server; dropping it kills it in the middle of whatever it does.
struct Server {
    process: Process,
    stdin: ChildStdin,
    lines: Lines,
    port: u16,
}

impl Server {
    fn start(script: &str, port: u16) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        assert!(
            folder.join("node_modules").is_dir(),
            "the servers' packages are missing: run `npm ci` in {}",
            folder.display(),
        );
        let mut command = Command::new("node");
        command.arg(folder.join(script)).arg(port.to_string());
        let mut process = Process::start(&format!("node {script}"), &mut command);
        let stdin = process.child.stdin.take().expect("stdin is a pipe");
        let stdout = process.child.stdout.take().expect("stdout is a pipe");
        let mut server = Self { process, stdin, lines: Lines::of(stdout), port };
        let line = server.line("its port");
        server.port = line.parse().unwrap_or_else(|_| panic!("{script} printed no port but {line}"));
        server
    }

    fn line(&mut self, wanted: &str) -> String {
        self.lines.next(Instant::now() + DEADLINE).unwrap_or_else(|error| {
            panic!("no `{wanted}` from {}: {error}; before it: {:?}", self.process.name, self.lines.recent)
        })
    }

    fn wait_for(&mut self, wanted: &str) {
        while self.line(wanted) != wanted {}
    }

    fn send(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").expect("a server that runs takes commands");
    }
}

/// `cometail tail` on [`CHANNEL`].
struct Tail {
    process: Process,
    lines: Lines,
}

impl Tail {
    fn start(port: u16, count: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
        command
            .args(["tail", &format!("http://127.0.0.1:{port}/cometd"), CHANNEL])
            .args(["--count", &count.to_string()])
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("COMETAIL_TOKEN");
        let mut process = Process::start("cometail", &mut command);
        let stdout = process.child.stdout.take().expect("stdout is a pipe");
        Self { process, lines: Lines::of(stdout) }
    }

    /// The next lines are exactly the events with these numbers, in this order.
    fn expect(&mut self, numbers: std::ops::RangeInclusive<u32>) {
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

    /// Nothing more comes, and the exit code is 0.
    fn expect_end(&mut self) {
        let status = self.process.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        let more = self.lines.next(Instant::now() + DEADLINE);
        assert_eq!(more, Err(RecvTimeoutError::Disconnected), "nothing follows the last event");
    }
}
