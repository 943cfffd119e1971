//! `cometail journal replay`: a range once more, on standard output or to a sink.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::range::{Range, Source};
use super::{
    CONFIG, FAILED, IN_USE, IO, Outcome, Place, configured, dir_of, fail, is_written, printed, sink_of,
    unreadable, warn,
};
use crate::cli::tail::Form;
use crate::config::Config;
use crate::event::Batch;
use crate::journal::{Hold, Library, OpenError};
use crate::sinks::format::Format;
use crate::sinks::{self, Ended, Handle, Offer, Supply};
use crate::telemetry;

/// How often it is looked whether a sink has room again.
const LOOK: Duration = Duration::from_millis(2);

/// Print a range, or send it to a sink once more
#[derive(Debug, Args)]
#[command(after_help = "\
The range is what there is when the command starts; a daemon may be running. Events keep their ids, so that a
receiver can drop what it knows. A sink takes what its own channels and format say. A file sink gets them at the end
of its files, and only while no daemon runs, which would write there too: stop it first, or print into a file. Exit
code 1: something of the range is not there any more, or was refused.

Examples:
  cometail journal replay --from 2026-01-02T03:00:00Z --until 2026-01-02T04:00:00Z | jq .data
  cometail journal replay --channel '/topic/Order*' --after 4711 --count 10 --format envelope
  cometail journal replay --from 1200 --until 1300 --to orders")]
pub(super) struct Replay {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    range: Range,
    /// The form of a printed record
    #[arg(long, default_value = "message", conflicts_with = "to")]
    format: Form,
    /// Send to this sink of the configuration instead of printing
    #[arg(long, value_name = "SINK", conflicts_with = "dir")]
    to: Option<String>,
}

pub(super) fn main(replay: &Replay) -> Outcome<u8> {
    match &replay.to {
        Some(sink) => {
            let config = configured(replay.place.config.as_ref())?;
            send(&config, sink_of(&config, sink)?, replay.range.clone())
        }
        None => print(&replay.place.dir()?, replay.range.clone(), replay.format.into()),
    }
}

fn open(dir: &Path, range: Range) -> Outcome<Source> {
    is_written(dir)?;
    let library = Library::open(dir).map_err(unreadable(dir))?;
    Ok(Source::new(&library, range))
}

fn lost(dir: &Path) -> impl Fn(io::Error) -> u8 {
    move |error| fail(IO, &format!("journal {}: {error}", dir.display()))
}

fn print(dir: &Path, range: Range, format: Format) -> Outcome<u8> {
    let mut source = open(dir, range)?;
    // On one terminal the two would be mixed.
    if !io::stdout().is_terminal() {
        source.tell("printing, events");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    while let Some(batch) = source.next().map_err(lost(dir))? {
        for event in batch.iter() {
            line.clear();
            format.append(&event, &mut line);
            line.push(b'\n');
            if let Err(error) = out.write_all(&line) {
                return printed(Err(error)).map(|()| 0);
            }
        }
    }
    printed(out.flush())?;
    Ok(if source.has_holes { FAILED } else { 0 })
}

fn send(config: &Config, sink: sinks::Config, range: Range) -> Outcome<u8> {
    let dir = dir_of(config)?;
    let mut source = open(&dir, range)?;
    let is_file = matches!(sink.kind, sinks::Kind::File(_));
    let hold = is_file.then(|| hold(&dir, &sink.name)).transpose()?;
    let supply = hold.as_ref().map_or(Ok(Supply::Memory), |hold| supply(hold, &dir, &sink.name))?;
    let _logs = telemetry::start(&config.log).map_err(|error| fail(CONFIG, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(IO, &error))?;
    let queue = sink.queue;
    let handle = sinks::start(sink, supply).map_err(|error| fail(IO, &error))?;
    source.tell("sending, events");
    let delivery = Delivery { handle, queue, offered: 0 };
    let run = runtime.block_on(delivery.run(&mut source));
    source.tell_no_more();
    let (told, ended) = run.map_err(lost(&dir))?;
    warn(&told);
    Ok(if source.has_holes { FAILED } else { ended })
}

/// Keeps a daemon away from the files that it would write too.
fn hold(dir: &Path, sink: &str) -> Outcome<Hold> {
    Hold::take_alone(dir).map_err(|error| match error {
        OpenError::InUse(_) => {
            let (name, hint) = (sink.escape_debug(), "stop it first, or print into a file");
            fail(IN_USE, &format!("a daemon is running and writes the files of sink '{name}' itself; {hint}"))
        }
        error => unreadable(dir)(error),
    })
}

/// A daemon cuts files back to what the cursor has of them, so where there is one, it is to know what is added.
fn supply(hold: &Hold, dir: &Path, sink: &str) -> Outcome<Supply> {
    let library = hold.library().map_err(unreadable(dir))?;
    let cursors = library.cursors().map_err(lost(dir))?;
    let is_known = cursors.iter().any(|(cursor, _)| cursor == sink);
    Ok(if is_known { Supply::Again(library) } else { Supply::Memory })
}

/// One sink and what it is given.
struct Delivery {
    handle: Handle,
    /// How many bytes may wait for it.
    queue: usize,
    offered: u64,
}

impl Delivery {
    /// Offers everything and waits for the end: what is to be told, and the exit code.
    async fn run(mut self, source: &mut Source) -> io::Result<(String, u8)> {
        let mut interrupt = Stop::new()?;
        let ended = tokio::select! {
            ended = self.deliver(source) => ended?,
            () = interrupt.asked() => Ended::Aborted(self.handle.abort()),
        };
        Ok(self.tell(&ended))
    }

    async fn deliver(&mut self, source: &mut Source) -> io::Result<Ended> {
        while let Some(batch) = source.next()? {
            if !self.offer(&batch).await {
                break;
            }
        }
        self.handle.close();
        Ok(self.handle.ended().await)
    }

    /// Offers a batch when there is room for it; whether the sink goes on.
    async fn offer(&mut self, batch: &Arc<Batch>) -> bool {
        while !self.has_room(batch) {
            tokio::select! {
                _ = self.handle.ended() => return false,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.offered += batch.len() as u64;
        self.handle.offer(batch) != Offer::Closed
    }

    fn has_room(&self, batch: &Batch) -> bool {
        let queued = usize::try_from(self.handle.status().queued_bytes).unwrap_or(usize::MAX);
        queued == 0 || queued.saturating_add(batch.size()) <= self.queue
    }

    fn tell(&self, ended: &Ended) -> (String, u8) {
        let status = self.handle.status();
        let mut told = format!("{} events sent to {}", status.delivered, status.name.escape_debug());
        let refused = status.parked + status.refused;
        let open = self.offered.saturating_sub(status.delivered + refused + status.dropped);
        let counts = [
            (open, "not taken by it"),
            (status.parked, "parked"),
            (status.refused, "refused"),
            (status.dropped, "not sent"),
        ];
        for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
            told = format!("{told}, {count} {what}");
        }
        match ended {
            Ended::Failed(why) => (format!("{told}: {}", why.escape_debug()), IO),
            Ended::Aborted(_) => (format!("{told}: interrupted"), FAILED),
            _ if refused + status.dropped > 0 => (told, FAILED),
            _ => (told, 0),
        }
    }
}

/// The signals that ask for an end.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Must be called on a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until the end is asked for.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
