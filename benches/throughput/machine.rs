//! When and on what is measured: a figure without it says nothing.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;

use serde::Serialize;

/// A machine at the start of a run; what cannot be found out is `unknown`.
#[derive(Serialize)]
pub(crate) struct Machine {
    date: String,
    processors: usize,
    model: String,
    memory: String,
    kernel: String,
    rustc: String,
    load_before: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let memory = line("/proc/meminfo", "MemTotal").and_then(|text| {
            let kib: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
            Some(format!("{} MiB", kib >> 10))
        });
        let first_word = |text: String| text.split(' ').next().map(str::to_owned);
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            processors: thread::available_parallelism().map_or(0, NonZero::get),
            model: known(line("/proc/cpuinfo", "model name")),
            memory: known(memory),
            kernel: known(read("/proc/sys/kernel/osrelease")),
            rustc: known(rustc()),
            // A busy machine widens every figure.
            load_before: known(read("/proc/loadavg").and_then(first_word)),
        }
    }

    /// Everything in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let Self { date, processors, model, memory, kernel, rustc, load_before } = self;
        format!(
            "{date}; {processors} processors ({model}), {memory}, Linux {kernel}, {rustc}; load average before the start {load_before}"
        )
    }
}

fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "unknown".to_owned())
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// What follows `key` and a colon in a line of a file of `/proc`.
fn line(path: &str, key: &str) -> Option<String> {
    let text = read(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// The version of the compiler, by its own word.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("-V").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split(" (").next().filter(|text| !text.is_empty()).map(|text| text.trim().to_owned())
}
