//! Heroku Connect: mappings of Salesforce objects to tables, by its API v3.
//!
//! Constraints:
//! - No text of this room holds a token or a key, whatever a server repeats in its answers.
//! - An API key goes to the authorization service alone, a token to the API alone; page links are followed within the
//!   origin of the API only.
//! - Every answer is bounded, and so is the number of pages of a list.
//! - A mapping is changed from a known revision, so that nobody's change is undone unseen.
//!
//! Format: JSON both ways. `GET /api/v3/connections?app=APP` gives pages, `GET /api/v3/connections/ID?deep=true` one
//! connection with its mappings, `POST /api/v3/connections/ID/mappings` makes a mapping of `{"object_name","config"}`,
//! `PUT /api/v3/mappings/ID` changes it with `config.revision` as it was read, and
//! `POST /api/v3/connections/ID/actions/pause` or `.../resume` is accepted with 202. A token comes from
//! `POST /oauth/authorizations` with the API key as the password of Basic.
//!
//! Operations: [`Api`] with [`Credentials`]; [`MappingConfig`] is changed, checked and compared; [`file::read`] for one
//! that was written down.

mod access;
mod api;
mod config;
mod connection;
mod error;
pub mod file;

pub use access::Credentials;
pub use api::{Api, Service, is_id};
pub use config::{Difference, MappingConfig, is_name};
pub use connection::{Connection, Database, Mapping, Stand};
pub use error::ApiError;
