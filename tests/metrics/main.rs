//! The figures of the built binary, scraped from its admin server, and what is built on them: alerts, dashboard, docs;
//! and the status on a terminal and in a pipe.
//!
//! What is scraped here is left in the target directory, where parsers of other people read it (`.ci/run metrics`).

#![cfg(unix)]
#![cfg(test)]
#![allow(clippy::float_cmp, reason = "what is compared are whole numbers")]

mod figures;
mod names;
mod odd;
mod scrape;
mod watch;

#[path = "../logins/scene.rs"]
#[allow(dead_code, reason = "shared with the tests of logins, which use all of it")]
mod scene;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests from end to end, which use all of it")]
mod support;
