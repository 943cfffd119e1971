//! `/api/v1/log`: what is logged.

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::change::{accepted, parse};
use super::reply::{self, Answer, Denial, invalid};
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
pub(super) fn get() -> Answer {
    let filter = telemetry::filter().ok_or_else(none)?;
    Ok(reply::json(StatusCode::OK, &json!({"filter": filter.present, "configured": filter.configured})))
}

/// Another filter, or back to the configured one.
pub(super) fn set(body: &[u8]) -> Answer {
    let Wanted { filter } = parse(body, r#"{"filter": "info,cometail::bayeux=debug"} or {"filter": null}"#)?;
    match telemetry::set_filter(filter.as_deref()) {
        Ok(()) => Ok(accepted(true)),
        Err(TelemetryError::NotStarted) => Err(none()),
        Err(error) => Err(invalid(format!("filter: {error}"))),
    }
}

fn none() -> Denial {
    reply::refuse(StatusCode::CONFLICT, "this process logs nothing")
}
