//! What a person, a probe or a page asks of a running daemon, and what it answers.
//!
//! Constraints
//! - Nothing here waits for the daemon, and the daemon for nothing here: an [`Order`] is handed over with a place for
//!   its answer, and a daemon that is busy answers later.
//! - An order that asks for what is so already is carried out: asking twice is asking once.
//!
//! Operations: [`order`]; [`metrics`] tells the figures.

pub mod metrics;
pub mod order;

pub use order::{Order, Refusal, Request, Target};
