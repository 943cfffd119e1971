//! Logins: SOAP, the OAuth endpoints, and who a token stands for.

pub(super) mod jwt;

use http::request::Parts;

use super::http::Reply;
use super::state::Shared;

/// The largest request to any of these.
pub(super) const REQUEST_MAX: usize = 64 << 10;

/// Whether `path` is answered here.
pub(super) fn is_path(path: &str) -> bool {
    ["/services/oauth2/", "/services/Soap/", "/id/"].iter().any(|start| path.starts_with(start))
}

/// Answers.
pub(super) fn handle(_shared: &Shared, _head: &Parts, _body: &[u8]) -> Reply {
    super::http::text(http::StatusCode::NOT_FOUND, "no such page")
}
