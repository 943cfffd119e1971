//! Another filter while the process runs.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::Level;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::reload;

use super::{TelemetryError, parse_filter};

/// There is one log in a process, and so one filter.
static SWITCH: OnceLock<Switch> = OnceLock::new();

type Handle = reload::Handle<Targets, Registry>;

struct Switch {
    handle: Handle,
    texts: Mutex<Filter>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The filter in use.
    pub present: String,
    /// The one that the process started with.
    pub configured: String,
}

/// A filter that can be replaced.
pub(super) fn new(filter: Targets) -> (reload::Layer<Targets, Registry>, Handle) {
    reload::Layer::new(filter)
}

/// Keeps the way to the filter of this process's log, and its text.
pub(super) fn keep(handle: Handle, text: &str) {
    let texts = Mutex::new(Filter { present: text.to_owned(), configured: text.to_owned() });
    // The log itself is started once.
    drop(SWITCH.set(Switch { handle, texts }));
}

/// What is logged; none before the log was started.
pub fn filter() -> Option<Filter> {
    SWITCH.get().map(|switch| switch.lock().clone())
}

/// Logs by another filter, or again by the one that the process started with, and says so in the log, by whichever of
/// the two filters lets that through.
pub fn set_filter(text: Option<&str>) -> Result<(), TelemetryError> {
    let switch = SWITCH.get().ok_or(TelemetryError::NotStarted)?;
    let mut texts = switch.lock();
    let wanted = text.unwrap_or(&texts.configured).to_owned();
    let filter = parse_filter(&wanted)?;
    let told = tracing::enabled!(Level::WARN);
    if told {
        tell(&wanted);
    }
    switch.handle.reload(filter).map_err(|_| TelemetryError::NotStarted)?;
    if !told {
        tell(&wanted);
    }
    texts.present = wanted;
    Ok(())
}

fn tell(filter: &str) {
    tracing::warn!(filter, "the log's filter is another from now on");
}

impl Switch {
    fn lock(&self) -> MutexGuard<'_, Filter> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
