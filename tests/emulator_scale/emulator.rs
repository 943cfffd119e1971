//! The built emulator as a process of its own, and what the kernel says of it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A running emulator that publishes nothing by itself; killed when it is dropped.
pub(crate) struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Emulator {
    /// Starts with as few open files as a login shell may have, so that it has to raise that itself.
    pub(crate) fn start() -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -S -n 256 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cometail")])
            .args(["emulator", "--listen", "127.0.0.1:0", "--quiet", "--poll-interval", "0s"])
            .env_clear()
            .env("COMETAIL_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        Self { address: address.parse().unwrap_or_else(|_| panic!("no URL in {url:?}")), child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The processor time that it has used, in steps of 10 ms.
    pub(crate) fn processor_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name, in parentheses, may have spaces; user and system time are the fields 14 and 15 of the whole.
        let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The bytes in a line of `/proc/PID/status`, which has KiB.
    fn memory(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets this process and those that it starts have so many files open.
///
/// # Panics
/// Where the hard limit is lower, which only an administrator can raise.
pub(crate) fn raise_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < wanted) {
        panic!(
            "{wanted} open files are needed, and the hard limit is {maximum}: raise it (`ulimit -H -n {wanted}` as root)"
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}
