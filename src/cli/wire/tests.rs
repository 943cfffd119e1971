//! Replays of captures that tests write.
