//! What holds for every input from outside, as functions of any bytes.
//!
//! Constraints: a check panics when something does not hold, and for no other reason; it needs no file, socket or
//! clock, and the same bytes give the same run (only cookies know the present time).
//!
//! Format: one module per kind of input, whose docs say how its bytes are read. `seeds/NAME/` has small inputs
//! written by hand and every input that once found something; `wire.dict` has words that inputs are made of.
//!
//! Operations: `check` in each module. Two engines run them: libFuzzer by the targets in `fuzz_targets/`, and
//! proptest by `cargo test --no-default-features`, on any toolchain. The emulator and the interop tests check what
//! is right for servers that mean well; here no server does.

pub mod advice;
pub mod cookies;
pub mod created;
pub mod decode;
pub mod json;
pub mod refusal;
pub mod session;
pub mod soql;

/// A check by its name, which is also that of its target and of its folder of seeds.
pub type Check = (&'static str, fn(&[u8]));

/// Every check.
pub const CHECKS: [Check; 7] = [
    ("decode", decode::check),
    ("refusal", refusal::check),
    ("advice", advice::check),
    ("cookies", cookies::check),
    ("created", created::check),
    ("session", session::check),
    ("soql", soql::check),
];

#[cfg(test)]
mod tests;
