//! The figures of reading the configuration again.

use super::family::{Families, Kind, Labels, Value, labels};
use super::seconds_between;
use crate::status::Reload;

/// Adds what there is; the daemon began at `started` (milliseconds since 1970), with a configuration that was good.
pub(super) fn add(families: &mut Families, last: Option<&Reload>, started: u64) {
    let (good, bad) = last.map_or((0, 0), |last| (last.good, last.bad));
    let outcomes = [("good", good), ("bad", bad)];
    families.add(
        Kind::Counter,
        "cometail_reloads",
        "Readings of the configuration while it runs, by what came of them",
        outcomes.map(|(outcome, count)| (labels([("outcome", outcome)]), count.into())),
    );
    let mut add = |name, help, value: Value| {
        families.add(Kind::Gauge, name, help, [(Labels::new(), value)]);
    };
    let failed = last.is_some_and(|last| !last.ok);
    add("cometail_reload_failed", "Whether the last reading was bad, so that nothing changed", failed.into());
    let good_at = last.and_then(|last| last.good_at).unwrap_or(started);
    let help = "When the configuration in use was read, since 1970";
    add("cometail_reload_last_good_time_seconds", help, seconds_between(0, good_at).into());
}
