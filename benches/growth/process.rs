//! A measured program as a child process, and what `/proc` knows of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::shared::program;

/// A running program; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    stderr: PathBuf,
}

/// The measured program, without the environment of the caller: no proxy and no log level of theirs changes a figure.
pub(crate) fn cometail(arguments: &[&str]) -> Command {
    let mut command = Command::new(program::path());
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

impl Process {
    /// Starts `command`; what it says on stderr goes to a file named `name` in `dir`.
    pub(crate) fn start(mut command: Command, dir: &Path, name: &str) -> Result<Self> {
        let stderr = dir.join(name);
        let child = command.stderr(File::create(&stderr)?).spawn()?;
        Ok(Self { child, stderr })
    }

    /// The end of what it said on stderr.
    pub(crate) fn said(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_else(|error| error.to_string());
        let lines: Vec<_> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// The first line on its stdout.
    pub(crate) fn first_line(&mut self) -> Result<String> {
        let mut line = String::new();
        let stdout = self.child.stdout.take().ok_or("its stdout is not a pipe")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        Ok(line)
    }

    /// An error where it has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("it ended on its own: {status}\n{}", self.said()).into()),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if asked.elapsed() > limit {
                return Err(format!("it did not end in {limit:?}\n{}", self.said()).into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processor time used so far by the threads that there are.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut sum = 0;
        for task in fs::read_dir(self.proc("task"))? {
            // A thread may end between the listing and the look at it.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            sum += text
                .split_whitespace()
                .next()
                .and_then(|first| first.parse::<u64>().ok())
                .unwrap_or_default();
        }
        Ok(Duration::from_nanos(sum))
    }

    /// A number in `/proc/PID/status`, such as `VmRSS` or `VmHWM` (in KiB) or `Threads`.
    pub(crate) fn status(&self, key: &str) -> Result<u32> {
        let status = fs::read_to_string(self.proc("status"))?;
        let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let value = value.ok_or_else(|| format!("no {key} in /proc/PID/status"))?;
        Ok(value.trim().trim_end_matches(" kB").parse()?)
    }

    /// How many files, sockets among them, it has open.
    pub(crate) fn open_files(&self) -> Result<u32> {
        Ok(u32::try_from(fs::read_dir(self.proc("fd"))?.count())?)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The bytes of the files in a directory and below it; what goes away meanwhile does not count.
pub(crate) fn size_of(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
