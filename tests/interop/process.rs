//! Processes that end with their test, and the lines that they print.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::DEADLINE;

/// The lines of a pipe as they come, read on a thread so that waiting for one can have a deadline.
pub(crate) struct Lines {
    receiver: Receiver<String>,
    pub(crate) recent: VecDeque<String>,
}

impl Lines {
    pub(crate) fn of(pipe: impl std::io::Read + Send + 'static) -> Self {
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
    pub(crate) fn next(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.recent.push_back(line.clone());
        if self.recent.len() > 5 {
            self.recent.pop_front();
        }
        Ok(line)
    }
}

/// A process that does not outlive its test, with its stderr in a file, which is shown when the test fails.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) child: Child,
    stderr: File,
}

impl Process {
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
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

    /// What it wrote to stderr. It has ended: it would go on where this leaves the file's position.
    pub(crate) fn log(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.stderr.rewind().and_then(|()| self.stderr.read_to_end(&mut bytes));
        read.expect("a file of ours can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
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
            let log = self.log();
            eprintln!("stderr of {}:\n{log}", self.name);
        }
    }
}
