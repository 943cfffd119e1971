//! A process of the built binary.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::{until, whole_lines};

/// The binary with nothing of this process's environment: no token, no proxy, no state directory.
pub(crate) fn cometail(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
    command.args(arguments).env_clear().env("NO_PROXY", "*").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Cometail::start(&mut cometail(arguments)).end()
}

/// How a process ended, and all that it wrote.
pub(crate) struct Ended {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a process has written so far.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

/// A running process; killed when it is dropped.
pub(crate) struct Cometail {
    child: Child,
    stdout: Option<Output>,
    stderr: Output,
}

impl Cometail {
    pub(crate) fn start(command: &mut Command) -> Self {
        let (mut this, stdout) = Self::start_unread(command);
        this.stdout = Some(Output::read(stdout));
        this
    }

    /// Leaves standard output to the caller.
    pub(crate) fn start_unread(command: &mut Command) -> (Self, ChildStdout) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = Output::read(child.stderr.take().unwrap());
        (Self { child, stdout: None, stderr }, stdout)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The whole lines on standard output so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        whole_lines(&self.stdout.as_ref().map(Output::text).unwrap_or_default())
    }

    /// Waits for so many lines on standard output.
    pub(crate) fn wait_lines(&self, count: usize) -> Vec<String> {
        until(&format!("{count} lines on stdout"), || Some(self.lines()).filter(|lines| lines.len() >= count))
    }

    /// What is on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a text on standard error.
    pub(crate) fn wait_log(&self, text: &str) {
        until(&format!("{text:?} on stderr"), || self.log().contains(text).then_some(()));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let status = until("the end of the process", || self.child.try_wait().unwrap());
        Ended {
            code: status.code(),
            stdout: self.stdout.as_mut().map(Output::finish).unwrap_or_default(),
            stderr: self.stderr.finish(),
        }
    }

    /// Asks it to end and waits for that.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Ends it without warning, as a crash does.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        self.end();
    }
}

impl Drop for Cometail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stderr of process {}:\n{}", self.child.id(), self.stderr.text());
        }
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
