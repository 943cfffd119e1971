//! The servers, by the line protocol that `control.js` describes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Instant;

use crate::DEADLINE;
use crate::process::{Lines, Process};

/// What a server is made of.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// A script of `tests/interop` under Node.js.
    Node(&'static str),
    /// CometD for Java with these options, which `InteropServer.java` lists.
    Java(&'static [&'static str]),
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Node(script) => {
                let folder = built("", "node_modules", "npm ci");
                let mut command = Command::new("node");
                command.arg(folder.join(script));
                command
            }
            Self::Java(_) => {
                let folder = built("java", "target/lib", "mvn -q -B package");
                let mut command = Command::new("java");
                // A server of a test lives for seconds: the time to its first answer is what counts.
                command.args(["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"]);
                command.arg(folder.join("target/lib/*")).arg("InteropServer");
                command
            }
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Node(_) => &[],
            Self::Java(options) => options,
        }
    }
}

/// A folder of `tests/interop` in which `made` exists once `how` was run there.
pub(crate) fn built(folder: &str, made: &str, how: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(folder);
    assert!(folder.join(made).is_dir(), "{made} is missing: run `{how}` in {}", folder.display());
    folder
}

/// A server; dropping it kills it in the middle of whatever it does.
pub(crate) struct Server {
    process: Process,
    stdin: ChildStdin,
    lines: Lines,
    pub(crate) port: u16,
}

impl Server {
    /// Starts it on a port, 0 for any free one.
    pub(crate) fn start(program: Program, port: u16) -> Self {
        let mut command = program.command();
        command.arg(port.to_string()).args(program.options());
        let mut process = Process::start(&format!("{command:?}"), &mut command);
        let stdin = process.child.stdin.take().expect("stdin is a pipe");
        let stdout = process.child.stdout.take().expect("stdout is a pipe");
        let mut server = Self { process, stdin, lines: Lines::of(stdout), port };
        let line = server.line("its port");
        server.port = line.parse().unwrap_or_else(|_| panic!("{command:?} printed no port but {line}"));
        server
    }

    fn line(&mut self, wanted: &str) -> String {
        self.lines.next(Instant::now() + DEADLINE).unwrap_or_else(|error| {
            panic!("no `{wanted}` from {}: {error}; before it: {:?}", self.process.name, self.lines.recent)
        })
    }

    pub(crate) fn wait_for(&mut self, wanted: &str) {
        while self.line(wanted) != wanted {}
    }

    /// Returns while a poll is held.
    pub(crate) fn wait_for_poll(&mut self) {
        self.send("poll");
        self.wait_for("polling");
    }

    /// What it answers to a command that asks; only CometD for Java has any.
    pub(crate) fn ask(&mut self, question: &str) -> String {
        self.send(question);
        loop {
            let line = self.line(question);
            if let Some(answer) = line.strip_prefix(question) {
                return answer.trim().to_owned();
            }
        }
    }

    pub(crate) fn send(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").expect("a server that runs takes commands");
    }
}
