//! The daemon's figures, as Prometheus and whatever else scrapes read them.
//!
//! Constraints
//! - A snapshot alone is read, besides what the system tells of this process: whoever scrapes costs the daemon nothing
//!   but that snapshot. Of payloads one event of each connection is looked into, for its date of creation.
//! - Label values are bounded: names of connections and sinks come from the configuration, all others are fixed sets.
//!   A channel's name is never one, nor any other word of a server.
//! - A family of which there is nothing to tell is left out. No secret is in a snapshot, so none is here.
//!
//! Format: `OpenMetrics` 1.0.0, or Prometheus text 0.0.4; names, units and meanings are in `docs/metrics.md`.
//!
//! Operations: [`render`].

mod connections;
mod family;
mod journal;
mod plain;
mod process;
mod reload;
mod sinks;

use std::fmt;
use std::time::Duration;

use family::{Families, Kind, Value};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// The figures of a snapshot: `openmetrics` as `OpenMetrics` 1.0.0, else as Prometheus text 0.0.4.
///
/// # Errors
/// None but what the encoder of the figures reports.
pub fn render(snapshot: &Snapshot<SinkStatus>, openmetrics: bool) -> Result<String, fmt::Error> {
    let mut families = Families::default();
    let build = [("version", snapshot.version)].into_iter().chain(snapshot.commit.map(|it| ("commit", it)));
    families.add(Kind::Info, "cometail_build", "The program", [(family::labels(build), Value::One)]);
    reload::add(&mut families, snapshot.reload.as_ref(), snapshot.started_at);
    connections::add(&mut families, &snapshot.connections, snapshot.updated_at);
    journal::add(&mut families, snapshot.journal.as_ref());
    sinks::add(&mut families, &snapshot.sinks, snapshot.updated_at);
    process::add(&mut families, snapshot.started_at);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(families));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    if openmetrics { Ok(text) } else { plain::of(&text) }
}

/// The seconds from `then` to `now`, both in milliseconds; none for a clock that was set back.
fn seconds_between(then: u64, now: u64) -> f64 {
    Duration::from_millis(now.saturating_sub(then)).as_secs_f64()
}
