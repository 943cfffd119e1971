//! `--wait`: follows a state until it is the wanted one, with a line of progress.
//!
//! Constraints: it ends at its limit, whatever the service does. What may pass is waited out.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use super::super::org::Outcome;
use super::super::{FAILED, fail};
use super::place::refused;
use super::show::clean;
use crate::heroku::{Api, ApiError, Mapping, Stand};

/// The wait before the second look; it doubles with each.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait between two looks that the service does not ask for.
const LONGEST: Duration = Duration::from_secs(5);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(30);

/// What a look found.
pub(super) struct Look {
    pub(super) state: Option<String>,
    pub(super) stand: Stand,
}

/// A wait for a state.
pub(super) struct Watch {
    begun: Instant,
    limit: Duration,
}

impl Watch {
    /// A wait that begins now and ends after `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { begun: Instant::now(), limit }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.begun.elapsed())
    }

    /// Looks until the state, that of `name`, is the wanted one.
    pub(super) async fn follow(
        self,
        api: &mut Api,
        name: &str,
        look: impl AsyncFnMut(&mut Api) -> Result<Look, ApiError>,
    ) -> Outcome<()> {
        // One line of progress is enough, and the state tells more than the time.
        api.set_meanwhile(None);
        let mut progress = Progress::new(io::stderr(), io::stderr().is_terminal(), clean(name));
        let ended = self.looks(api, look, &mut progress).await;
        progress.end();
        ended.map_err(|why| match why {
            Why::Refused(error) => refused(&error),
            Why::Said(what) => fail(FAILED, &what),
        })
    }

    async fn looks<W: Write>(
        &self,
        api: &mut Api,
        mut look: impl AsyncFnMut(&mut Api) -> Result<Look, ApiError>,
        progress: &mut Progress<W>,
    ) -> Result<(), Why> {
        let mut pause = FIRST;
        loop {
            api.set_deadline(self.left().min(LOOK));
            let mut asked = Duration::ZERO;
            match look(api).await {
                Ok(Look { state, stand }) => {
                    progress.show(state.as_deref().unwrap_or("no state told"), self.begun.elapsed());
                    match stand {
                        Stand::There => return Ok(()),
                        Stand::Failed => {
                            return Err(Why::Said(format!("{} will not get on by itself", progress.told())));
                        }
                        Stand::Moving => {}
                    }
                }
                Err(error) if error.may_pass() && !self.left().is_zero() => {
                    asked = error.retry_after().unwrap_or_default();
                    progress.show(&error.to_string(), self.begun.elapsed());
                }
                Err(error) if error.may_pass() => {}
                Err(error) => return Err(Why::Refused(error)),
            }
            tokio::time::sleep(pause.max(asked).min(self.left())).await;
            if self.left().is_zero() {
                return Err(Why::Said(format!(
                    "{}, after {:?}; --timeout says how long to wait",
                    progress.told(),
                    self.limit
                )));
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Why a wait came to nothing.
enum Why {
    Refused(ApiError),
    Said(String),
}

/// Waits for a mapping to be in step; `mapping` is then as it was seen last.
pub(super) async fn for_mapping(
    watch: Watch,
    api: &mut Api,
    connection: &str,
    mapping: &mut Mapping,
) -> Outcome<()> {
    let name = mapping.object_name.clone();
    let look = async |api: &mut Api| {
        let found = api.connection(connection).await?;
        let Some(present) = found.mapping(&mapping.id) else {
            return Err(ApiError::Malformed(String::from("the mapping is gone")));
        };
        mapping.clone_from(present);
        Ok(Look { state: present.state.clone(), stand: present.stand() })
    };
    watch.follow(api, &name, look).await
}

/// The state so far: one line that is written over on a terminal, else a line for each new state.
struct Progress<W> {
    out: W,
    terminal: bool,
    name: String,
    shown: String,
}

impl<W: Write> Progress<W> {
    const fn new(out: W, terminal: bool, name: String) -> Self {
        Self { out, terminal, name, shown: String::new() }
    }

    fn show(&mut self, state: &str, elapsed: Duration) {
        let state = clean(state);
        // Nobody reads a closed standard error.
        if self.terminal {
            let _ = write!(self.out, "\r\x1b[K{}: {state} ({} s)", self.name, elapsed.as_secs());
            let _ = self.out.flush();
        } else if state != self.shown {
            let _ = writeln!(self.out, "{}: {state}", self.name);
        }
        self.shown = state;
    }

    /// The last state, for an error.
    fn told(&self) -> String {
        let state = if self.shown.is_empty() { "no answer came" } else { &self.shown };
        format!("{}: {state}", self.name)
    }

    /// Leaves the terminal's line empty.
    fn end(&mut self) {
        if self.terminal {
            let _ = write!(self.out, "\r\x1b[K");
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool) -> String {
        let mut progress = Progress::new(Vec::new(), terminal, String::from("Contact"));
        for (state, seconds) in [("SCHEMA_CHANGED", 0), ("SCHEMA_CHANGED", 1), ("POLLING\x1b[2J", 2)] {
            progress.show(state, Duration::from_secs(seconds));
        }
        progress.end();
        String::from_utf8(progress.out).unwrap()
    }

    #[test]
    fn a_terminal_has_one_line_that_changes() {
        let line = "\r\x1b[KContact: SCHEMA_CHANGED (0 s)\r\x1b[KContact: SCHEMA_CHANGED (1 s)\
            \r\x1b[KContact: POLLING\\u{1b}[2J (2 s)\r\x1b[K";
        assert_eq!(shown(true), line);
    }

    #[test]
    fn anything_else_has_a_line_for_each_new_state() {
        assert_eq!(shown(false), "Contact: SCHEMA_CHANGED\nContact: POLLING\\u{1b}[2J\n");
    }
}
