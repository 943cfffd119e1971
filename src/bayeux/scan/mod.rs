//! A scan that finds the events of a response and proves that each is valid JSON, many bytes at a time.
//!
//! # Constraints
//!
//! - What is not taken at once is not taken at all: a [`Scanner`] says that a message is proved, or that it is not,
//!   and then `serde_json` reads it as if there were no scanner. Nothing is ever refused here.
//! - Proved is RFC 8259 whole (structure, strings, escapes, numbers, literals) and UTF-8. Less is taken than is
//!   valid: at most 64 levels, no escape in a name that matters, none of the names that matter twice.
//! - Nothing is allocated; what is kept of a body is one chunk of marks. Every level of [`Level`] marks the same.
//!
//! # Format
//!
//! A body is looked at in blocks of 64 bytes (`marks`): of each, by bit masks, which bytes are inside of strings and
//! which are worth a visit. A visit is due to an opening quote, a bracket, the first byte of a number or a literal,
//! and to a comma or a colon, but for those that stand between their neighbours without space (`"a":1,"b":"c"`): the
//! byte before the next visit tells of them. `walk` follows the grammar from visit to visit, and reads the scalars.
//!
//! # Operations
//!
//! [`Scanner::message`], for each message from the first to the last.

#![allow(
    clippy::inline_always,
    reason = "a call costs more than what is called does, and is paid for every visit"
)]

mod level;
mod marks;
mod scalar;
mod walk;

#[cfg(test)]
mod tests;

pub(super) use level::Level;
pub(super) use walk::{Found, Scanner};
