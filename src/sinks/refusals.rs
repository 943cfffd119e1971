//! The log lines about events that are refused for good.
//!
//! The first is logged as it is. As long as more follow, they are counted and logged together: after one minute, two,
//! four and so on up to an hour, and at the end. A whole such time without any makes the next one a first one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::target::Refused;

const QUIET_FIRST: Duration = Duration::from_mins(1);
const QUIET_MAX: Duration = Duration::from_hours(1);

/// What one sink's log is to say of refused events.
pub(super) struct Refusals {
    sink: Arc<str>,
    /// The file that they are in; without one they are lost.
    parked: Option<Arc<Path>>,
    quiet: Duration,
    /// When more are logged; none while the next one is a first one.
    next: Option<Instant>,
    /// How many are not logged yet.
    events: u64,
    /// Why, the last time.
    reason: String,
}

impl Refusals {
    pub(super) const fn new(sink: Arc<str>, parked: Option<Arc<Path>>) -> Self {
        Self { sink, parked, quiet: Duration::ZERO, next: None, events: 0, reason: String::new() }
    }

    /// One more.
    pub(super) fn add(&mut self, refused: &Refused, now: Instant) {
        self.look(now);
        if self.next.is_some() {
            self.events += 1;
            self.reason.clone_from(&refused.reason);
            return;
        }
        self.quieten(now);
        let (sink, id, reason) = (&self.sink, &refused.id, &refused.reason);
        match &self.parked {
            Some(path) => {
                warn!(%sink, %id, %reason, parked = %path.display(), "an event was refused for good and is parked");
            }
            None => {
                error!(%sink, %id, %reason, "an event was refused for good and is lost to this sink; `parked` names a file for such events");
            }
        }
    }

    /// Logs what is due.
    pub(super) fn look(&mut self, now: Instant) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        if self.events == 0 {
            (self.next, self.quiet) = (None, Duration::ZERO);
            return;
        }
        self.quieten(now);
        self.say();
    }

    /// When to look, if there is anything to log.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next.filter(|_| self.events > 0)
    }

    /// Logs what is not logged yet.
    pub(super) fn say(&mut self) {
        let (sink, events, reason) = (&self.sink, std::mem::take(&mut self.events), &self.reason);
        if events == 0 {
            return;
        }
        match &self.parked {
            Some(path) => {
                warn!(%sink, events, %reason, parked = %path.display(), "more events were refused for good and are parked");
            }
            None => {
                error!(%sink, events, %reason, "more events were refused for good and are lost to this sink");
            }
        }
    }

    fn quieten(&mut self, now: Instant) {
        self.quiet = (self.quiet * 2).clamp(QUIET_FIRST, QUIET_MAX);
        self.next = now.checked_add(self.quiet);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::logged;
    use super::*;

    /// The log of a sink that has refusals in these seconds, with a look in each of the first 500.
    fn log(parked: Option<&str>, seconds: &[u64]) -> Vec<String> {
        let start = Instant::now();
        let text = logged(|| {
            let mut refusals =
                Refusals::new(Arc::from("hook"), parked.map(|path| Arc::from(Path::new(path))));
            for second in 0..500 {
                let now = start + Duration::from_secs(second);
                for _ in seconds.iter().filter(|at| **at == second) {
                    let (id, reason) = (format!("id-{second}"), "HTTP status 410".to_owned());
                    refusals.add(&Refused { id, reason, record: (&b"1"[..]).into() }, now);
                }
                if refusals.deadline().is_some_and(|deadline| deadline <= now) {
                    refusals.look(now);
                }
            }
            refusals.say();
        });
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_flood_is_a_first_line_and_then_few_with_counts_and_the_file() {
        let every: Vec<_> = (0..500).flat_map(|second| [second; 10]).collect();
        let lines = log(Some("/p/hook.jsonl"), &every);
        // At once, after 60, 180 and 420 seconds, and at the end.
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(lines[0].contains("id-0") && lines[0].contains("an event was refused"), "{lines:#?}");
        for (line, events) in lines[1..].iter().zip([599, 1200, 2400, 800]) {
            assert!(
                line.contains(&format!("events={events} ")) && line.contains("HTTP status 410"),
                "{lines:#?}"
            );
        }
        assert!(
            lines.iter().all(|line| line.contains("WARN") && line.contains("/p/hook.jsonl")),
            "{lines:#?}"
        );
    }

    #[test]
    fn what_is_rare_is_a_first_line_each_time_and_a_count_waits_for_no_other_refusal() {
        let lines = log(None, &[0, 100, 101, 400]);
        assert_eq!(lines.len(), 4, "{lines:#?}");
        for (line, what) in lines.iter().zip(["id-0", "id-100", "events=1 ", "id-400"]) {
            assert!(line.contains(what) && line.contains("ERROR") && line.contains("lost"), "{lines:#?}");
        }
    }
}
