//! What only Salesforce has: logins, the REST API of an org and the records in it that streaming needs.
//!
//! Constraints:
//! - No text of this room holds a token, a password or a key, whatever a server repeats in its answers.
//! - A token goes to the org alone, never where an answer of the org points.
//! - Every answer is bounded, and so is the number of pages of a query.
//!
//! Format: the REST API at `/services/data/vXX.X`, JSON both ways, UTF-8.
//!
//! Operations: [`login::Login`] gives a connection its token; [`api::Api`] asks an org.

pub mod api;
pub mod channel;
mod error;
pub mod id;
pub mod identity;
pub mod limits;
pub mod login;
pub mod topic;
pub mod version;
pub mod watch;

pub use error::{ApiError, Complaint};
