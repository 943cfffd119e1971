//! `/api/v1/log`: what is logged.

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::change::{invalid, parse};
use super::reply::{self, Reply};
use crate::telemetry::{self, TelemetryError};

/// `PUT /api/v1/log`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `null` is the configured one; the key has to be there.
    #[serde(deserialize_with = "there")]
    filter: Option<String>,
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// The filter in use, and the configured one.
pub(super) fn get() -> Reply {
    match telemetry::filter() {
        Some(filter) => {
            reply::json(StatusCode::OK, &json!({"filter": filter.present, "configured": filter.configured}))
        }
        None => none(),
    }
}

/// Another filter, or back to the configured one.
pub(super) fn set(body: &[u8]) -> Reply {
    let Wanted { filter } =
        match parse(body, r#"{"filter": "info,cometail::bayeux=debug"} or {"filter": null}"#) {
            Ok(wanted) => wanted,
            Err(refusal) => return refusal,
        };
    match telemetry::set_filter(filter.as_deref()) {
        Ok(()) => reply::json(StatusCode::ACCEPTED, &json!({"accepted": true, "done": true})),
        Err(TelemetryError::NotStarted) => none(),
        Err(error) => invalid(format!("filter: {error}")),
    }
}

fn none() -> Reply {
    reply::refuse(StatusCode::CONFLICT, "this process logs nothing", &[])
}
