//! Where somebody waits: how far it is, on standard error.
//!
//! Constraints: what is soon done tells nothing, standard output gets nothing, and a standard error that is closed or
//! full changes nothing. Who waits is told nothing between two pieces of standard output: a terminal shows both, and a
//! line that is taken away would take half a line of output with it.
//!
//! Format: on a terminal one line that is drawn again, and taken away at the end; elsewhere a line every ten seconds.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What it takes until the first line, and from one to the next.
const TERMINAL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(200));
const ELSEWHERE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));

/// What waits tells of itself so often.
const TICK: Duration = Duration::from_millis(100);

/// Whether something is on standard output, of which more may follow.
static HAS_PRINTED: AtomicBool = AtomicBool::new(false);

/// How far something is.
pub(super) struct Progress {
    what: &'static str,
    since: Instant,
    next: Instant,
    pause: Duration,
    is_terminal: bool,
    is_drawn: bool,
    out: Box<dyn Write + Send>,
}

impl Progress {
    /// Tells of `what`, such as "reading the journal".
    pub(super) fn new(what: &'static str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let pace = if is_terminal { TERMINAL } else { ELSEWHERE };
        Self::on(Box::new(io::stderr()), is_terminal, pace, what)
    }

    fn on(
        out: Box<dyn Write + Send>,
        is_terminal: bool,
        (first, pause): (Duration, Duration),
        what: &'static str,
    ) -> Self {
        let since = Instant::now();
        Self { what, since, next: since + first, pause, is_terminal, is_drawn: false, out }
    }

    /// So much of it is done.
    pub(super) fn at(&mut self, done: u64, all: u64) {
        if Instant::now() >= self.next {
            self.tell(&format!("{} of {all}, {} %", done.min(all), percent(done, all)));
        }
    }

    /// It goes on.
    fn wait(&mut self) {
        if Instant::now() >= self.next && !HAS_PRINTED.load(Ordering::Relaxed) {
            self.tell(&format!("{} s", self.since.elapsed().as_secs()));
        }
    }

    fn tell(&mut self, how_far: &str) {
        let (before, behind) = if self.is_terminal { ("\r\x1b[K", "\r") } else { ("", "\n") };
        // The cursor goes back, so that a log line is not written behind it. A closed standard error leaves nobody to
        // tell.
        drop(
            write!(self.out, "{before}cometail: {}: {how_far}{behind}", self.what)
                .and_then(|()| self.out.flush()),
        );
        self.is_drawn = self.is_terminal;
        self.next = Instant::now() + self.pause;
    }

    /// Takes its line away, before something else is written to the terminal.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            drop(self.out.write_all(b"\r\x1b[K").and_then(|()| self.out.flush()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whole percent, 100 where there is nothing to do.
fn percent(done: u64, all: u64) -> u64 {
    let percent = u128::from(done.min(all)) * 100 / u128::from(all.max(1));
    if all == 0 { 100 } else { u64::try_from(percent).unwrap_or(100) }
}

/// Something is on standard output: from now on nobody who waits is told so.
pub(super) fn has_printed() {
    HAS_PRINTED.store(true, Ordering::Relaxed);
}

/// Tells how long somebody has waited for something, such as "waiting for the org", until it is dropped.
pub(super) async fn waiting(what: &'static str) -> Infallible {
    let mut progress = Progress::new(what);
    loop {
        tokio::time::sleep(TICK).await;
        progress.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(is_terminal: bool, first: Duration) -> String {
        let screen = Screen::default();
        let pace = (first, Duration::ZERO);
        let mut progress = Progress::on(Box::new(screen.clone()), is_terminal, pace, "reading, bytes");
        progress.at(1, 4);
        progress.at(4, 4);
        drop(progress);
        String::from_utf8(screen.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_terminal_has_one_line_that_goes_and_a_file_has_whole_ones() {
        let (one, two) =
            ("cometail: reading, bytes: 1 of 4, 25 %", "cometail: reading, bytes: 4 of 4, 100 %");
        assert_eq!(told(true, Duration::ZERO), format!("\r\x1b[K{one}\r\r\x1b[K{two}\r\r\x1b[K"));
        assert_eq!(told(false, Duration::ZERO), format!("{one}\n{two}\n"));
        assert_eq!(told(true, Duration::from_mins(1)) + &told(false, Duration::from_mins(1)), "");
    }

    #[test]
    fn percent_is_whole_and_never_beyond_its_ends() {
        assert_eq!([percent(0, 3), percent(1, 3), percent(3, 3), percent(9, 3)], [0, 33, 100, 100]);
        assert_eq!([percent(0, 0), percent(u64::MAX - 1, u64::MAX)], [100, 99]);
    }
}
