//! The figures of sinks.

use super::family::{Count, Families, Gauge, Kind, Labels, Value, labels, states};
use super::seconds_between;
use crate::sinks::{SinkStatus, State};

const COUNTS: [Count<SinkStatus>; 6] = [
    ("cometail_sink_delivered_events", "Events delivered", |one| one.delivered),
    ("cometail_sink_retries", "Attempts that failed and are repeated", |one| one.retried),
    ("cometail_sink_parked_events", "Events refused for good, now in the file for parked events", |one| {
        one.parked
    }),
    ("cometail_sink_refused_events", "Events refused for good and lost to this sink", |one| one.refused),
    ("cometail_sink_dropped_events", "Events that did not go to this sink", |one| one.dropped),
    (
        "cometail_sink_unordered_events",
        "Events that left their ordering window early for want of memory",
        |one| one.unordered,
    ),
];

const GAUGES: [Gauge<SinkStatus>; 6] = [
    ("cometail_sink_lag_events", "Events not yet dealt with", |one, _| {
        Some(one.lag.unwrap_or(one.queued_events).into())
    }),
    ("cometail_sink_lag_bytes", "About how many bytes these are", |one, _| {
        Some(one.lag_bytes.unwrap_or(one.queued_bytes).into())
    }),
    ("cometail_sink_lag_seconds", "The age of the oldest event not yet dealt with", |one, now| {
        Some(one.oldest.map_or(0.0, |oldest| seconds_between(oldest, now)).into())
    }),
    ("cometail_sink_queued_bytes", "What it has in memory", |one, _| Some(one.queued_bytes.into())),
    ("cometail_sink_failing_seconds", "For how long nothing could be delivered", |one, now| {
        Some(one.failing_since.map_or(0.0, |since| seconds_between(since, now)).into())
    }),
    ("cometail_sink_kept", "Whether the journal keeps events for it", |one, _| Some(one.kept?.into())),
];

/// Adds what there is of every sink.
pub(super) fn add(families: &mut Families, all: &[SinkStatus], now: u64) {
    let kinds = all.iter().map(|one| (labels([("sink", &*one.name), ("kind", one.kind)]), Value::One));
    families.add(Kind::Info, "cometail_sink", "The sinks and their kinds", kinds);
    families.add(
        Kind::Gauge,
        "cometail_sink_state",
        "1 for the state it is in, 0 for the others",
        all.iter().flat_map(|one| {
            let of_state = |state| labels([("sink", &*one.name), ("state", state)]);
            states(&State::NAMES, one.state.name(), of_state)
        }),
    );
    families.add_each((all, now), named, &COUNTS, &GAUGES);
    families.add(
        Kind::Histogram,
        "cometail_sink_latency_seconds",
        "From the receipt of an event to its delivery",
        all.iter().map(|one| (named(one), Value::Latency(one.latency.clone()))),
    );
}

fn named(one: &SinkStatus) -> Labels {
    labels([("sink", &*one.name)])
}
