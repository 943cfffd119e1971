//! `[connection.NAME.limits]`: how often the org's limits are read, and when a person hears of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Table;
use crate::salesforce::watch::{Config, THRESHOLDS};

const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const PERCENT: RangeInclusive<u32> = 1..=100;
const THRESHOLDS_MAX: usize = 10;

/// Reads the table; `None` where a problem is noted.
pub(super) fn read(mut table: Table<'_>) -> Option<Config> {
    let every = table.need("every", "a duration such as \"15m\"").and_then(|node| node.duration(&EVERY));
    let thresholds = match table.get("thresholds") {
        None => Some(THRESHOLDS.to_vec()),
        Some(node) => {
            let wanted = "an array of 1 to 10 percentages such as [80, 95]";
            node.list(wanted).map(|items| {
                if items.is_empty() || items.len() > THRESHOLDS_MAX {
                    node.report(&format!("{} of them", items.len()), wanted, None);
                }
                items.iter().take(THRESHOLDS_MAX).filter_map(|item| item.number(&PERCENT)).collect()
            })
        }
    };
    table.end();
    Some(Config { every: every?, thresholds: thresholds? })
}
