//! The measured programs as groups of processes, and what `/proc` knows of them.
//!
//! Constraints: a program may start others; what all of them use counts, and all of them end with the client. The
//! processor time of those that have ended is in their parent's account.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::Result;
use crate::arrivals::Arrivals;
use crate::events::Form;
use crate::receiver::Receiver;
use crate::side::{Side, Start};

/// The unit of processor time in `/proc/PID/stat`: `USER_HZ`, which is 100 a second on every Linux that Rust's
/// standard library runs on.
const TICK: Duration = Duration::from_millis(10);
/// Where `proc_pid_stat(5)` has the process group, and the times of the process and of those it has waited for.
const GROUP: usize = 5;
const TIMES: [usize; 4] = [14, 15, 16, 17];

/// A running program with a directory of its own; dropped, both are gone.
pub(crate) struct Client {
    child: Child,
    dir: TempDir,
    /// Whether it may have children of its own.
    several: bool,
    pub(crate) arrivals: Arrivals,
}

impl Client {
    /// Starts `side` against the server at `port`.
    pub(crate) fn start(side: &Side, port: u16, form: Form) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("throughput-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let receiver = if side.has_file() { None } else { Some(Receiver::start()?) };
        let start = Start {
            dir: dir.path(),
            port,
            shape: form.shape,
            receiver: receiver.as_ref().map(Receiver::port),
        };
        let arrivals = match receiver {
            Some(receiver) => Arrivals::posted(receiver),
            None if side.is_foreign() => Arrivals::last_line(start.output(), form),
            None => Arrivals::length(start.output(), form),
        };
        let mut command = side.command(&start)?;
        let child = command.stderr(File::create(dir.path().join("stderr"))?).process_group(0).spawn()?;
        Ok(Self { child, dir, several: side.is_foreign(), arrivals })
    }

    /// What the program said on stderr, the end of it where that is long.
    pub(crate) fn said(&self) -> String {
        let said = fs::read(self.dir.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(said.last_chunk::<4096>().map_or(said.as_slice(), |end| end.as_slice()))
            .into_owned()
    }

    /// An error where the program has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("it ended on its own: {status}").into()),
        }
    }

    /// The processor time used so far by all threads of all its processes, to 10 ms for each.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut ticks = 0;
        for stat in self.stats()? {
            for field in TIMES {
                ticks += stat.field(field)?;
            }
        }
        Ok(TICK * ticks)
    }

    /// A line of `/proc/PID/status` in kibibytes, such as `VmRSS` or `VmHWM`, for all processes together.
    pub(crate) fn memory(&self, key: &str) -> Result<u32> {
        self.stats()?.iter().map(|stat| memory(stat.process, key)).sum()
    }

    /// The processes of the client that run now.
    fn stats(&self) -> Result<Vec<Stat>> {
        if !self.several {
            return Ok(vec![Stat::read(self.child.id())?]);
        }
        let processes = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            // One that ended in between has nothing to tell.
            .filter_map(|process| Stat::read(process).ok());
        Ok(processes.filter(|stat| stat.field(GROUP).ok() == Some(self.child.id())).collect())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only where the program has ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        drop(self.child.wait());
    }
}

/// A process and its `/proc/PID/stat`.
struct Stat {
    process: u32,
    text: String,
}

impl Stat {
    fn read(process: u32) -> Result<Self> {
        Ok(Self { process, text: fs::read_to_string(format!("/proc/{process}/stat"))? })
    }

    /// A field by its number in `proc_pid_stat(5)`, from the third on.
    fn field(&self, number: usize) -> Result<u32> {
        // The second is the program's name in parentheses, which may hold anything.
        let (_, rest) = self.text.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
        Ok(rest.split_whitespace().nth(number - 3).ok_or("a short /proc/PID/stat")?.parse()?)
    }
}

fn memory(process: u32, key: &str) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.strip_suffix("kB"));
    let value = value.ok_or_else(|| format!("no {key} in /proc/PID/status"))?;
    Ok(value.trim().parse()?)
}
