//! The built program as a child process, and what `/proc` knows of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{IDLE, LIMIT, LOOK, Result, Server, program};

/// The unit of processor time in `/proc/PID/stat`: `USER_HZ`, which is 100 a second on every Linux that Rust's
/// standard library runs on.
const TICK: Duration = Duration::from_millis(10);

/// A running program with a directory of its own; dropped, both are gone.
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
    started: Instant,
}

impl Process {
    /// Starts the program with so many connections to `server`.
    pub(crate) fn start(server: &Server, connections: u32) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("scale-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let ca = dir.path().join("ca.pem");
        if let Some(pem) = server.certificate() {
            fs::write(&ca, pem)?;
        }
        let config = dir.path().join("cometail.toml");
        fs::write(&config, settings(server, connections, &dir))?;
        // The limit that a service manager gives, whatever the bench itself has.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"ulimit -Sn 1024 && exec "$0" run -c "$1""#]).arg(program::path());
        // Without the environment of the caller no proxy and no log level of theirs changes the figures.
        command.arg(config).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let started = Instant::now();
        let child = command.stderr(File::create(dir.path().join("stderr"))?).spawn()?;
        Ok(Self { child, dir, started })
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The file that the program writes events to.
    pub(crate) fn output(&self) -> PathBuf {
        self.dir.path().join("out.jsonl")
    }

    /// What the program said on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_else(|error| error.to_string())
    }

    /// Waits until something is so; an error where the program ends, or it takes too long.
    pub(crate) fn wait(&mut self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !is_so() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended on its own: {status}\n{}", self.said()).into());
            }
            if begun.elapsed() > LIMIT {
                return Err(format!("not within {LIMIT:?}: {what}").into());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Resident memory and the peak of it after a while of waiting, in bytes.
    pub(crate) fn idle(&self) -> Result<(f64, f64)> {
        thread::sleep(IDLE);
        Ok((self.memory()?, self.status("VmHWM")?))
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.status("VmRSS")
    }

    fn status(&self, key: &str) -> Result<f64> {
        let status = self.proc("status")?;
        let value =
            status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.strip_suffix("kB"));
        let value = value.ok_or_else(|| format!("no {key} in /proc/PID/status"))?;
        Ok(value.trim().parse::<f64>()? * 1024.0)
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

    fn proc(&self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?)
    }

    /// Sends SIGTERM and waits for the end in order; how long that took.
    pub(crate) fn stop(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(begun.elapsed()),
                Some(status) => return Err(format!("after SIGTERM: {status}").into()),
                None if begun.elapsed() > LIMIT => return Err("it does not end after SIGTERM".into()),
                None => thread::sleep(LOOK),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the program has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn settings(server: &Server, connections: u32, dir: &TempDir) -> String {
    let (url, dir) = (server.url(), dir.path().display());
    let ca = server.certificate().map_or_else(String::new, |_| format!("ca_file = '{dir}/ca.pem'\n"));
    let mut text = format!("[state]\ndir = '{dir}/state'\n\n[sink.out.file]\npath = '{dir}/out.jsonl'\n\n");
    for number in 0..connections {
        // Nothing can fail in writing to a string.
        let _ = writeln!(
            text,
            "[connection.org{number:04}]\nurl = \"{url}\"\nchannels = [\"/topic/Changes{number:04}\"]\n{ca}"
        );
    }
    text
}
