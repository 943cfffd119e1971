//! The durable log between the sessions and the sinks.
//!
//! # Constraints
//!
//! * Synchronous: it blocks on the disk, so its owner gives it a thread of its own ([`Writer`]).
//! * **What was appended survives the death of the process; what is [durable](Journal::durable) survives a loss
//!   of power.** A channel's [position](Journal::positions) moves only when its event is durable as the
//!   [`SyncPolicy`] defines it.
//! * Sequence numbers count events, in one row for the whole journal, and are never used twice for different
//!   events that a cursor could have passed: where the furthest cursor is ahead of what a crash left, numbers
//!   go on from there.
//! * **A sync that failed is never tried again on the same file**: the kernel may have dropped the pages. What
//!   was not durable is still in memory, and is written to a new segment.
//! * A write that failed leaves nothing that could be taken for a record; it can be tried again.
//! * Whatever is damaged costs itself alone. Every record that is whole is read, in order, and every number
//!   that is not there is told as a hole. Damaged bytes are copied to `quarantine/`.
//! * A journal of a newer version is refused and not touched. One process writes a directory.
//! * Memory is bounded: the recent records for readers ([`Config::tail_bytes`]), 64 MiB that wait for a sync,
//!   and the queue of the [`Writer`], each plus one batch; and one position per channel that ever had a number.
//! * What cannot be read, or not to its end, is no damage but an error of the file system: opening fails with the
//!   place, before anything is changed, and a reader stays where it is and goes on when that is over.
//!
//! # Format, version 1
//!
//! Integers are little endian; sums are CRC-32 (IEEE). The directory holds `NUMBER.segment` (20 digits),
//! `cursors/`, `quarantine/` and `lock`. A file that ends in `.unfinished` was not finished, and is removed.
//!
//! A segment's header has 44 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic, `cometail` |
//! | 4, 4 | version, and its bitwise complement: these three fields stand here in every version |
//! | 8 | number of this segment |
//! | 8 | number of the segment before, its own for the first |
//! | 8 | sequence number that its first event has |
//! | 4 | sum of the number (8 bytes) and of the header so far |
//!
//! Records follow, each with a header of 40 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | marker `F5 00 72 1E`, which no text contains |
//! | 4 | sum of the segment's number (8 bytes) and of the header after this field |
//! | 4 | length of the body |
//! | 4 | number of events |
//! | 8 | sequence number of the first of them |
//! | 8 | events below this sequence number were durable when the record was written |
//! | 4 | sum of the body |
//! | 1, 3 | kind: 1 events, 2 gap, 3 positions; zeros |
//!
//! Body of kinds 1 and 2, the events of one response: time of its arrival (8 bytes, nanoseconds since 1970);
//! connection; number of channels (4), channels; for each event its channel's place in that table with the
//! highest bit set when it has a replay id (4), its length (4) and its replay id (8); the events' bytes, one
//! after the other. Body of kind 3: connection, channel and replay id (8) of each position. Names have their
//! length (4) before them.
//!
//! The first record of a segment has the positions as they were before its first event, so that only the last
//! segment is read at the start. A segment is written under another name, synced and renamed before anything
//! is appended to it. Where the next segment begins at a lower number than this one ends, a sync of this
//! one had failed, and the next one has the same events again.
//!
//! # Operations
//!
//! * [`Journal::append`], [`Journal::sync`]; [`Writer`] does both on a thread, with a bounded queue.
//! * [`Reader`] reads in order, from memory or from disk. [`Cursor`] keeps how far a sink has come. A [`Library`]
//!   makes both, on any thread; without a writer it reads alone. [`Library::recent`] has the latest events, by
//!   which those that a server repeats are recognised. [`inspect`] reads everything there is. A [`Hold`] keeps
//!   writers away.
//! * When [`Config::max_bytes`] is reached, segments go that every cursor has passed. If there is none, appends
//!   are refused ([`WhenFull::Pause`]) or the oldest segment goes ([`WhenFull::DropOldest`], a [`Loss`]).
//! * On opening, the torn end of the last segment is cut off. Events of a hole in it that were not known to be
//!   durable are worth asking the server for again, so the positions are then the ones before the hole.

mod cursor;
mod disk;
mod inbox;
mod inspect;
mod lock;
mod positions;
mod quarantine;
mod reader;
mod record;
mod recover;
mod room;
mod scan;
mod segment;
mod shared;
mod store;
mod terms;
#[cfg(test)]
mod tests;
mod writer;

pub use cursor::{Committed, Cursor, NOTE_MAX};
pub use inspect::{Inspection, SegmentReport, inspect, inspect_telling, segment_file};
pub use lock::{Hold, is_written};
pub use positions::Positions;
pub use reader::{Read, Reader};
pub use record::BODY_MAX;
pub use shared::Behind;
pub use store::{Journal, SyncJob};
pub use terms::{
    ChannelLoss, Config, Hole, Kind, Library, Loss, OpenError, Reason, Record, Recovery, SyncPolicy, Trouble,
    WhenFull,
};
pub use writer::{Progress, Refused, Writer};
