//! `[wire]`: the file of a capture that is switched on while the daemon runs.

use std::ops::RangeInclusive;
use std::path::Path;

use super::reader::Table;
use crate::http::WireConfig;

const SIZE: RangeInclusive<u64> = 64 << 10..=1 << 40;

/// The file's name in the state directory.
const NAME: &str = "wire.har";

/// Reads the table; `None` where there is no place for a capture.
pub(super) fn read(root: &mut Table<'_>, state_dir: Option<&Path>) -> Option<WireConfig> {
    let default = state_dir.map(|dir| dir.join(NAME));
    let Some(mut table) = root.table("wire") else { return default.map(WireConfig::new) };
    let path = table.get("path");
    if path.is_none() && default.is_none() {
        table.miss("path", "a path, as there is no state directory");
    }
    let max =
        table.get("max_size").and_then(|node| node.size(&SIZE)).and_then(|size| u64::try_from(size).ok());
    let payloads = table.get("payloads").and_then(|node| node.boolean()).unwrap_or(true);
    let path = path.and_then(|node| node.path()).or(default);
    table.end();
    Some(WireConfig { path: path?, max: max.unwrap_or(WireConfig::MAX), payloads })
}
