//! Logins of the daemon, on the built binary: from a configuration file to events, and what goes wrong between.
//!
//! The other end is the emulator, in a process of its own, or a few lines of TCP where a login host must misbehave.
//! Every scene looks for its secrets in all that its processes wrote, and in how they were called.

#![cfg(unix)]
#![cfg(test)]

mod channels;
mod flows;
mod hosts;
mod limits;
mod midstream;
mod places;
mod scene;
mod versions;

#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
