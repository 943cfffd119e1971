//! The figures of the journal.

use super::family::{Families, Kind, Labels, Value, labels, states};
use crate::status::Journal;

/// The states of a journal.
const STATES: [&str; 4] = ["good", "full", "no space", "failing"];

/// Kind, name, help and where it is found.
type Figure = (Kind, &'static str, &'static str, fn(&Journal) -> u64);

const FIGURES: [Figure; 9] = [
    (Kind::Gauge, "cometail_journal_size_bytes", "What it has on disk", |one| one.bytes),
    (Kind::Gauge, "cometail_journal_max_bytes", "What it may have on disk", |one| one.max_bytes),
    (Kind::Gauge, "cometail_journal_room_bytes", "How much more it may have on disk", |one| {
        one.max_bytes.saturating_sub(one.bytes)
    }),
    (Kind::Gauge, "cometail_journal_segments", "Its files", |one| {
        u64::try_from(one.segments).unwrap_or(u64::MAX)
    }),
    (Kind::Gauge, "cometail_journal_next_sequence", "The sequence number of the next event", |one| {
        one.next_sequence
    }),
    (Kind::Gauge, "cometail_journal_unsynced_events", "Events that a loss of power may take", |one| {
        one.next_sequence.saturating_sub(one.durable)
    }),
    (
        Kind::Counter,
        "cometail_journal_lost_events",
        "Events that left it before every sink had them",
        |one| one.lost,
    ),
    (Kind::Gauge, "cometail_journal_damaged_places", "Places found damaged at the start", |one| one.damaged),
    (
        Kind::Counter,
        "cometail_journal_gap_records",
        "Gap records that it got for lost and damaged events",
        |one| one.gaps,
    ),
];

/// Adds what there is of the journal, where there is one.
pub(super) fn add(families: &mut Families, journal: Option<&Journal>) {
    let Some(one) = journal else { return };
    families.add(
        Kind::Gauge,
        "cometail_journal_state",
        "1 for the state it is in, 0 for the others",
        states(&STATES, one.state, |state| labels([("state", state)])),
    );
    for (kind, name, help, figure) in FIGURES {
        families.add(kind, name, help, [(Labels::new(), Value::from(figure(one)))]);
    }
}
