//! PushTopics: the records that say which changes of an org's data come on which channel, `/topic/NAME`.
//!
//! Constraints: what the guide forbids is found before anything is sent, in the server's words where the guide has them;
//! what only the org can know (objects, fields and their types, permissions, how many topics) is left to it. Nothing here
//! prints a control character of a query or of an org.
//!
//! Format: guide, "`PushTopic`"; the sobject `PushTopic` of API version 21.0 and later. Up to API 28.0 one field says which
//! operations notify (`NotifyForOperations`), from 29.0 on there is one for each (`NotifyForOperationCreate` and so on).
//! It is the version that the org is spoken to with that counts, not the topic's own, which is that of its query.
//!
//! Operations: [`Change`] is what somebody wants of a topic, [`Stored`] what the org has; [`check()`] compares the one with
//! the guide, [`plan`] many of them with the org. [`list`], [`find`], [`create`], [`change`] and [`delete`] call the org.

mod check;
mod mark;
mod org;
mod plan;
pub mod query;
mod record;
#[cfg(test)]
mod tests;

pub use check::{Problem, check};
pub use mark::Marked;
pub use org::{change, create, delete, find, list};
pub use plan::{Plan, Step, plan};
pub use record::{Change, Difference, NotifyForFields, Operation, Operations, Stored};

use super::api::ApiVersion;

/// The first version with PushTopics (guide: "`PushTopic`").
pub const SINCE: ApiVersion = ApiVersion(21);
/// The first version with a field for each operation, and with delete and undelete (guide: "Events").
pub const EACH_OPERATION: ApiVersion = ApiVersion(29);
/// The longest name, in characters.
pub const NAME_MAX: usize = 25;
/// The longest query, in characters.
pub const QUERY_MAX: usize = 1300;
/// The longest description, in characters.
pub const DESCRIPTION_MAX: usize = 400;
