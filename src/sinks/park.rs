//! The file for events that an endpoint refused for good.
//!
//! One JSON line each, on the disk before the event counts as parked:
//! `{"at":"2026-01-02T03:04:05.678Z","sink":"orders","reason":"HTTP status 410","id":"...","record":...}`, where
//! `record` is the record as it was sent. Only the owner may read it (0600).

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::format::{rfc3339, text, timestamp};
use super::output::Output;
use super::target::{Refused, Unfit};

/// The mode of a new file.
const MODE: u32 = 0o600;

/// The file of one sink.
#[derive(Debug)]
pub(super) struct Park(Output);

impl Park {
    /// Opens the file, and makes it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, Unfit> {
        let mut output = Output::new(Arc::from(path), MODE, Vec::new());
        output.open(Instant::now()).map_err(|found| Unfit {
            thing: path.display().to_string(),
            found,
            hint: "make `parked` a file that can be written".to_owned(),
        })?;
        Ok(Self(output))
    }

    /// Opens the path anew with the next line.
    pub(super) fn reopen(&mut self) {
        self.0.close();
    }

    /// Appends one line and waits until it is on the disk. After an error the same event is to be given again.
    pub(super) fn append(&mut self, sink: &str, refused: &Refused) -> Result<(), String> {
        if self.0.is_idle() {
            line(sink, refused, &mut self.0.buffer);
        }
        self.0.flush(Instant::now())?;
        self.0.sync()
    }
}

fn line(sink: &str, refused: &Refused, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"at":"#);
    text(&rfc3339(timestamp(SystemTime::now())), out);
    out.extend_from_slice(br#","sink":"#);
    text(sink, out);
    out.extend_from_slice(br#","reason":"#);
    text(&refused.reason, out);
    out.extend_from_slice(br#","id":"#);
    text(&refused.id, out);
    out.extend_from_slice(br#","record":"#);
    out.extend_from_slice(&refused.record);
    out.extend_from_slice(b"}\n");
}
