//! Who is measured, and how each is started.

use std::fmt;
use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use crate::events::{self, Shape};
use crate::floor::Order;
use crate::shared::program;
use crate::{FLOOR, Result};

/// Which program is measured, in which way.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Side {
    Floor(Order),
    /// `cometail tail` with its standard output in a file.
    Tail,
    /// `cometail run` with everything in memory.
    Memory,
    /// `cometail run` as it is by default, with a journal.
    Journal,
    /// The same with a webhook, with this many events a request at most.
    Webhook(u32),
    /// A program of somebody else's.
    Foreign(Rc<Foreign>),
}

/// A public client, brought into the form that the bench wants.
#[derive(PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    /// A program and its leading arguments, with spaces between them.
    pub(crate) command: String,
}

/// What a program needs to know.
pub(crate) struct Start<'a> {
    pub(crate) dir: &'a Path,
    /// The server's port.
    pub(crate) port: u16,
    pub(crate) shape: Shape,
    /// The port of the webhook's receiver.
    pub(crate) receiver: Option<u16>,
}

impl Side {
    /// What the others are compared with.
    pub(crate) const FLOOR: Self = Self::Floor(Order::PollFirst);
    /// What the side with a journal is compared with besides.
    pub(crate) const FLOOR_AFTER: Self = Self::Floor(Order::WriteFirst);
    /// The sides that the bench brings along.
    pub(crate) const OWN: [Self; 7] = [
        Self::FLOOR,
        Self::FLOOR_AFTER,
        Self::Tail,
        Self::Memory,
        Self::Journal,
        Self::Webhook(1),
        Self::Webhook(100),
    ];

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Floor(Order::PollFirst) => "floor",
            Self::Floor(Order::WriteFirst) => "floor-after",
            Self::Tail => "tail",
            Self::Memory => "memory",
            Self::Journal => "cometail",
            Self::Webhook(1) => "webhook-1",
            Self::Webhook(_) => "webhook-100",
            Self::Foreign(foreign) => &foreign.name,
        }
    }

    pub(crate) const fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }

    /// Whether it writes its events to a file, and so has latencies.
    pub(crate) const fn has_file(&self) -> bool {
        !matches!(self, Self::Webhook(_))
    }

    /// The command that starts it; no environment of the caller's changes the figures, and no proxy or log level.
    pub(crate) fn command(&self, start: &Start<'_>) -> Result<Command> {
        let mut command = match self {
            Self::Floor(order) => floor(start, *order)?,
            Self::Tail => tail(start)?,
            Self::Memory => run(start, "persist = false", &file_sink(start))?,
            Self::Journal => run(start, &state_dir(start), &file_sink(start))?,
            Self::Webhook(batch) => run(start, &state_dir(start), &webhook(start, *batch)?)?,
            Self::Foreign(foreign) => public(foreign, start)?,
        };
        let kept = ["PATH", "HOME"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().stdin(Stdio::null());
        if self.is_foreign() {
            command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        }
        if *self != Self::Tail {
            command.stdout(Stdio::null());
        }
        Ok(command)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Start<'_> {
    /// The file for the events.
    pub(crate) fn output(&self) -> PathBuf {
        self.dir.join("out.jsonl")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/cometd/61.0", self.port)
    }
}

fn floor(start: &Start<'_>, order: Order) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([FLOOR, &start.port.to_string()]).arg(start.output());
    command.args([order.name(), start.shape.name()]);
    Ok(command)
}

fn tail(start: &Start<'_>) -> Result<Command> {
    let mut command = Command::new(program::path());
    command.args(["tail", &start.url(), events::CHANNEL]).stdout(File::create(start.output())?);
    Ok(command)
}

fn run(start: &Start<'_>, state: &str, sink: &str) -> Result<Command> {
    let config = format!(
        "[state]\n{state}\n[connection.bench]\nurl = \"{}\"\nchannels = [\"{}\"]\n[sink.out{sink}",
        start.url(),
        events::CHANNEL,
    );
    let path = start.dir.join("cometail.toml");
    fs::write(&path, config)?;
    let mut command = Command::new(program::path());
    command.args(["run", "-c"]).arg(path);
    Ok(command)
}

fn state_dir(start: &Start<'_>) -> String {
    format!("dir = '{}'", start.dir.display())
}

fn file_sink(start: &Start<'_>) -> String {
    format!(".file]\npath = '{}'\n", start.output().display())
}

fn webhook(start: &Start<'_>, batch: u32) -> Result<String> {
    let port = start.receiver.ok_or("a webhook without a receiver")?;
    Ok(format!(".webhook]\nurl = 'http://127.0.0.1:{port}/'\nbatch = {batch}\n"))
}

fn public(foreign: &Foreign, start: &Start<'_>) -> Result<Command> {
    let mut words = foreign.command.split_whitespace();
    let mut command = Command::new(words.next().ok_or("a client without a command")?);
    command.args(words).args([&start.url(), events::CHANNEL]).arg(start.output());
    Ok(command)
}
