//! Sinks on a journal, in real processes that are killed at random instants.
//!
//! The process that is killed is this test binary, run again with the one test [`crashes::a_daemon`] or
//! [`holes::a_reader`].

#![cfg(target_os = "linux")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a panic is how a test fails"
)]

mod crashes;
mod holes;
mod live;
mod support;
mod webhooks;
