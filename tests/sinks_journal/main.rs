//! Sinks on a journal, in real processes that are killed at random instants.
//!
//! The process that is killed is this test binary, run again with the one test [`crashes::a_daemon`] or
//! [`holes::a_reader`].

#![cfg(target_os = "linux")]
#![cfg(test)]

mod crashes;
mod holes;
mod live;
mod support;
mod webhooks;
