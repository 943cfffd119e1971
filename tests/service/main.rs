//! The built binary as a service: what it tells a service manager, how it ends and comes back, and how it is configured
//! by its environment.
//!
//! Every wait is for a condition, with a deadline, but where a time itself is what is tested.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    unused_imports,
    reason = "a test fails by panicking, in its helpers too, and says why; the helpers are those of the end-to-end tests"
)]

mod environment;
mod manager;
mod notify;
mod restart;
#[path = "../end_to_end/support/mod.rs"]
mod support;
