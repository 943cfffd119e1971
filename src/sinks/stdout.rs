//! Records as lines on standard output.
//!
//! Whole lines only, as far as the reader takes them; a reader that has gone (EPIPE) ends the sink. A
//! descriptor that another process has set to non-blocking is waited for.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use super::format::Format;
use super::handle::Ended;
use super::pretty::{self, Style};
use super::queue::Run;
use super::target::Failure;
use crate::event::Event;

/// How records are written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Ends after this many events.
    pub limit: Option<u64>,
    /// Indented over several lines, for people.
    pub pretty: bool,
    /// With colours.
    pub color: bool,
}

/// The most bytes loaded before they are written, but for the last record.
const LOAD_MAX: usize = 1 << 18;
/// The largest buffer kept for the next load.
const KEEP_MAX: usize = 1 << 20;

/// Standard output.
pub(super) struct Sink {
    file: File,
    format: Format,
    style: Style,
    left: u64,
    record: Vec<u8>,
    buffer: Vec<u8>,
    written: usize,
}

impl Sink {
    /// A second handle on the process's standard output.
    pub(super) fn open(config: Config, format: Format) -> io::Result<Self> {
        let file = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(file.into(), config, format))
    }

    /// Any file in place of standard output.
    pub(super) fn new(file: File, config: Config, format: Format) -> Self {
        Self {
            file,
            format,
            style: Style { indent: config.pretty, color: config.color },
            left: config.limit.unwrap_or(u64::MAX),
            record: Vec::new(),
            buffer: Vec::new(),
            written: 0,
        }
    }

    /// Whether the limit is reached.
    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Takes events from the front of `run`: how many.
    pub(super) fn load(&mut self, run: &Run) -> usize {
        let mut taken = 0;
        for event in run.events.clone().map_while(|index| run.lease.batch().get(index)) {
            if self.buffer.len() >= LOAD_MAX || self.is_spent() {
                break;
            }
            self.append(&event);
            self.left -= 1;
            taken += 1;
        }
        taken
    }

    /// Writes what was loaded; after a failure the next call goes on where it stopped.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(failure(&io::ErrorKind::WriteZero.into())),
                Ok(more) => self.written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        self.written = 0;
        self.buffer.clear();
        self.buffer.shrink_to(KEEP_MAX);
        Ok(())
    }

    fn append(&mut self, event: &Event<'_>) {
        if self.style == Style::default() {
            self.format.append(event, &mut self.buffer);
        } else {
            self.record.clear();
            self.format.append(event, &mut self.record);
            pretty::append(&self.record, self.style, &mut self.buffer);
        }
        self.buffer.push(b'\n');
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Ended(Ended::Closed),
        io::ErrorKind::WouldBlock => Failure::Busy,
        _ => Failure::Retry { error: format!("standard output: cannot write: {error}"), after: None },
    }
}
