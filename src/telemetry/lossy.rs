//! Lines to a reader that may be slow or asleep: a log never holds up what it reports on.
//!
//! Constraints: at most 4 MiB wait; a line for which there is no room is lost and counted, and the count is told when
//! there is room again. At the end what waits has one second.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What may wait, in bytes: some ten thousand lines.
const WAITING_MAX: usize = 4 << 20;

/// How long the end waits for the reader.
const FLUSH: Duration = Duration::from_secs(1);

/// Takes whole lines and never waits.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

/// Keeps the logs going; dropping it writes what waits, for at most a second.
#[must_use = "without it the last lines are lost"]
pub struct Guard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    closing: bool,
    ended: bool,
}

/// Writes lines to `out` on a thread of its own; `tell` is called there with the number of lines that were lost.
pub(super) fn start(
    out: impl Write + Send + 'static,
    tell: impl Fn(u64) + Send + 'static,
) -> io::Result<(Lines, Guard)> {
    let shared = Arc::new(Shared::default());
    let writer = shared.clone();
    std::thread::Builder::new().name(String::from("log")).spawn(move || writer.run(out, tell))?;
    Ok((Lines(shared.clone()), Guard(shared)))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut out: impl Write, tell: impl Fn(u64)) {
        while let Some((lines, lost)) = self.next() {
            // A closed reader leaves nobody to tell.
            drop(out.write_all(&lines).and_then(|()| out.flush()));
            if lost > 0 {
                tell(lost);
            }
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// What waits, and how many lines were lost; nothing at the end.
    fn next(&self) -> Option<(Vec<u8>, u64)> {
        let idle = |state: &mut State| state.waiting.is_empty() && state.lost == 0 && !state.closing;
        let mut state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let found = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.lost));
        (!found.0.is_empty() || found.1 > 0).then_some(found)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if line.len() > WAITING_MAX - state.waiting.len() {
            state.lost += 1;
        } else {
            state.waiting.extend_from_slice(line);
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing = true;
        self.0.changed.notify_all();
        drop(self.0.changed.wait_timeout_while(state, FLUSH, |state| !state.ended));
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Instant;

    use super::*;

    /// A reader that takes one write for each word it is given, and then everything.
    struct Reader {
        go: Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_sleeps_costs_lines_and_no_time_and_is_told_how_many() {
        let (wake, go) = channel::<()>();
        let read = Arc::new(Mutex::new(Vec::new()));
        let lost = Arc::new(Mutex::new(Vec::new()));
        let told = lost.clone();
        let reader = Reader { go, read: read.clone() };
        let (mut lines, guard) = start(reader, move |count| told.lock().unwrap().push(count)).unwrap();
        let line = [b'x'; 1024];
        let begun = Instant::now();
        for _ in 0..20_000 {
            lines.write_all(&line).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(wake);
        drop(guard);
        let (read, lost) = (read.lock().unwrap().len() / 1024, lost.lock().unwrap());
        assert!((4096..=2 * 4096).contains(&read), "{read}");
        assert_eq!(lost.iter().sum::<u64>() + u64::try_from(read).unwrap(), 20_000);
    }

    #[test]
    fn a_reader_that_never_wakes_holds_up_the_end_for_a_second() {
        let (_wake, go) = channel::<()>();
        let (mut lines, guard) = start(Reader { go, read: Arc::default() }, |_| {}).unwrap();
        lines.write_all(b"line\n").unwrap();
        let begun = Instant::now();
        drop(guard);
        assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&begun.elapsed()));
    }
}
