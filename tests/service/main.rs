//! The built binary as a service: what it tells a service manager, how it ends and comes back, and how it is configured
//! by its environment.
//!
//! Every wait is for a condition, with a deadline, but where a time itself is what is tested.

#![cfg(unix)]
#![cfg(test)]

mod environment;
mod manager;
mod notify;
mod restart;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
