//! What the system tells of this process, by the names that the client libraries of Prometheus give it.
//!
//! Linux only, from `/proc`; what cannot be read is left out.

use std::fs;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::family::{Families, Kind, Labels, Value};
use super::seconds_between;

/// Where fields stand in `/proc/self/stat` after the name of the program (`proc_pid_stat(5)`).
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// Adds what there is of the process, which began at `started` (milliseconds since 1970).
pub(super) fn add(families: &mut Families, started: u64) {
    let mut add = |kind, name, help, value: Option<Value>| {
        families.add(kind, name, help, value.map(|value| (Labels::new(), value)));
    };
    let stat = Stat::read();
    let stat = stat.as_ref();
    let cpu = stat.and_then(Stat::cpu).map(|time| Value::from(time.as_secs_f64()));
    add(Kind::Counter, "process_cpu_seconds", "Processor time of user and system", cpu);
    let resident = stat.and_then(Stat::resident).map(Value::from);
    add(Kind::Gauge, "process_resident_memory_bytes", "Memory in use", resident);
    let all = stat.and_then(|stat| stat.field(VIRTUAL_BYTES)).map(Value::from);
    add(Kind::Gauge, "process_virtual_memory_bytes", "Memory that is mapped", all);
    add(Kind::Gauge, "process_open_fds", "Open file descriptors", open_fds().map(Value::from));
    let most = getrlimit(Resource::Nofile).current.map(Value::from);
    add(Kind::Gauge, "process_max_fds", "The most file descriptors that may be open", most);
    let started = Value::from(seconds_between(0, started));
    add(Kind::Gauge, "process_start_time_seconds", "When it began, since 1970", Some(started));
}

/// `/proc/self/stat` after the name of the program, which may hold anything.
struct Stat(String);

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        text.rsplit_once(") ").map(|(_, fields)| Self(fields.to_owned()))
    }

    fn field(&self, at: usize) -> Option<u64> {
        self.0.split_ascii_whitespace().nth(at)?.parse().ok()
    }

    fn cpu(&self) -> Option<Duration> {
        let ticks = self.field(USER_TICKS)?.checked_add(self.field(SYSTEM_TICKS)?)?;
        Some(Duration::from_millis(ticks.checked_mul(1000)?.checked_div(clock_ticks_per_second())?))
    }

    fn resident(&self) -> Option<u64> {
        self.field(RESIDENT_PAGES)?.checked_mul(u64::try_from(page_size()).ok()?)
    }
}

/// Without the one that they are counted by.
fn open_fds() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count.saturating_sub(1)).ok()
}
