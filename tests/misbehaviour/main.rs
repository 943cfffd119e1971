//! Everything that a server or a network can do wrong on the wire, played against the built binary.
//!
//! Constraints: each row of misbehaviour is a test of its own name. Each shows that no well-formed event that stood
//! beside the bad thing is lost, that events published after it arrive, each once where they are numbered, and that
//! this takes no longer than a stated bound.
//!
//! Format: [`server`] speaks the protocol as it should be spoken, until an act of a test takes the place of an answer.
//!
//! Operations: [`scene::Scene`] ties one daemon to one server. All times are scaled: polls are held for half a second.

#![cfg(target_os = "linux")]
#![cfg(test)]

mod acts;
mod advice;
mod beginnings;
mod bodies;
mod framing;
mod replies;
mod scene;
mod server;
mod sizes;
mod statuses;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests' helpers, of which these need some")]
mod support;
mod tls;
mod transport;
mod ways;
