//! `[journal]`: the durable log between the sessions and the sinks.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Table;
use super::units::show_size;
use crate::journal::{Config, SyncPolicy, WhenFull};

const DAY: Duration = Duration::from_hours(24);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);
const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 3650);
const SIZE: RangeInclusive<u64> = 1 << 20..=1 << 50;
const SEGMENT: RangeInclusive<u64> = 64 << 10..=4 << 30;

/// How many segments a journal of full size has at least: the fewer, the more goes with the oldest.
const SEGMENTS: u64 = 4;

/// When what was appended is made durable, without the time of an interval.
#[derive(Clone, Copy)]
enum Sync {
    Interval,
    Always,
    Never,
}

/// Reads the table; defaults where a problem is noted. There is no journal without a state directory.
pub(super) fn read(root: &mut Table<'_>, has_state: bool) -> Config {
    let defaults = Config::default();
    if let Some(node) = root.get("journal").filter(|_| !has_state) {
        let hint =
            "with state.persist = false events are in memory alone, and nothing in this table has an effect";
        node.warn("a journal without a state directory", "a state directory", Some(hint));
    }
    let Some(mut table) = root.table("journal") else { return defaults };
    let sync = sync(&mut table);
    let (max_bytes, segment_bytes) = sizes(&mut table, &defaults);
    let policies = [("pause", WhenFull::Pause), ("drop_oldest", WhenFull::DropOldest)];
    let when_full = table.get("when_full").and_then(|node| node.choice(&policies));
    let keep = table.get("keep").and_then(|node| node.duration(&(Duration::ZERO..=DAY * 3650)));
    let max_age = table.get("max_age").and_then(|node| node.duration(&AGE));
    table.end();
    Config {
        sync,
        max_bytes,
        segment_bytes,
        when_full: when_full.unwrap_or(defaults.when_full),
        keep: keep.unwrap_or(defaults.keep),
        max_age,
        ..defaults
    }
}

fn sync(table: &mut Table<'_>) -> SyncPolicy {
    const DEFAULT: Duration = Duration::from_millis(100);
    let policies = [("interval", Sync::Interval), ("always", Sync::Always), ("never", Sync::Never)];
    let policy = table.get("sync").and_then(|node| node.choice(&policies)).unwrap_or(Sync::Interval);
    let node = table.get("sync_interval");
    let interval = node.as_ref().and_then(|node| node.duration(&INTERVAL)).unwrap_or(DEFAULT);
    match (policy, node) {
        (Sync::Interval, _) => return SyncPolicy::Interval(interval),
        (_, Some(node)) => node.warn("an interval without effect", "sync = \"interval\" beside it", None),
        (_, None) => {}
    }
    if matches!(policy, Sync::Always) { SyncPolicy::Always } else { SyncPolicy::Never }
}

/// `max_size` and `segment_size`, in bytes.
fn sizes(table: &mut Table<'_>, defaults: &Config) -> (u64, u64) {
    let (whole, part) = (table.get("max_size"), table.get("segment_size"));
    let max = whole.and_then(|node| node.size(&SIZE)).and_then(|size| u64::try_from(size).ok());
    let max = max.unwrap_or(defaults.max_bytes);
    let fallback = defaults.segment_bytes.min(max / SEGMENTS);
    let Some(node) = part else { return (max, fallback) };
    let Some(size) = node.size(&SEGMENT).and_then(|size| u64::try_from(size).ok()) else {
        return (max, fallback);
    };
    if size > max / 2 {
        let wanted = format!("at most half of max_size, {:?}", show_size(max / 2));
        node.report(&format!("{:?}", show_size(size)), &wanted, None);
    }
    (max, size)
}
