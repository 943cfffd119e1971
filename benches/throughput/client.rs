//! The measured programs as child processes, and what `/proc` knows of them.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Result, events};

/// The unit of processor time in `/proc/PID/stat`: `USER_HZ`, which is 100 a second on every Linux that Rust's
/// standard library runs on.
const TICK: Duration = Duration::from_millis(10);

/// Which program is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Floor,
    /// With everything in memory.
    Memory,
    /// As it is by default, with a journal.
    Cometail,
}

impl Side {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Memory => "memory",
            Self::Cometail => "cometail",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A running program with a directory of its own; dropped, both are gone.
pub(crate) struct Client {
    child: Child,
    dir: TempDir,
}

impl Client {
    /// Starts `side` against the server at `port`.
    pub(crate) fn start(side: Side, port: u16) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("throughput-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut command = match side {
            Side::Floor => floor(dir.path(), port)?,
            Side::Memory => cometail(dir.path(), port, "persist = false")?,
            Side::Cometail => cometail(dir.path(), port, &format!("dir = '{}'", dir.path().display()))?,
        };
        // Without the environment of the caller no proxy and no log level of theirs changes the figures.
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(File::create(stderr(dir.path()))?).spawn()?;
        Ok(Self { child, dir })
    }

    /// The file that the program writes events to.
    pub(crate) fn output(&self) -> PathBuf {
        output(self.dir.path())
    }

    /// What the program said on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(stderr(self.dir.path())).unwrap_or_else(|error| error.to_string())
    }

    /// An error where the program has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("it ended on its own: {status}").into()),
        }
    }

    /// The processor time used so far by all of its threads, to 10 ms.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field is the program's name in parentheses, which may hold anything; proc_pid_stat(5)
        // numbers utime and stime 14 and 15.
        let ticks = |field: usize| {
            let (_, rest) = stat.rsplit_once(')')?;
            rest.split_whitespace().nth(field - 3)?.parse::<u32>().ok()
        };
        let (user, system) = ticks(14).zip(ticks(15)).ok_or("no times in /proc/PID/stat")?;
        Ok(TICK * (user + system))
    }

    /// A line of `/proc/PID/status` in kibibytes, such as `VmRSS` or `VmHWM`.
    pub(crate) fn memory(&self, key: &str) -> Result<u32> {
        let status = self.proc("status")?;
        let value =
            status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.strip_suffix("kB"));
        let value = value.ok_or_else(|| format!("no {key} in /proc/PID/status"))?;
        Ok(value.trim().parse()?)
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only where the program has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn floor(dir: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--floor").arg(port.to_string()).arg(output(dir));
    Ok(command)
}

fn cometail(dir: &Path, port: u16, state: &str) -> Result<Command> {
    let config = format!(
        r#"[state]
{state}
[connection.bench]
url = "http://127.0.0.1:{port}/cometd/61.0"
channels = ["{channel}"]
[sink.out.file]
path = '{output}'
"#,
        channel = events::CHANNEL,
        output = output(dir).display(),
    );
    let path = dir.join("cometail.toml");
    fs::write(&path, config)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
    command.args(["run", "-c"]).arg(path);
    Ok(command)
}

fn output(dir: &Path) -> PathBuf {
    dir.join("out.jsonl")
}

fn stderr(dir: &Path) -> PathBuf {
    dir.join("stderr")
}
