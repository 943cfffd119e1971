//! Records as POST requests to an HTTP endpoint.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::secret::Secret;
use crate::{http, retry};

/// Where records are posted and how long that may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// The endpoint, `http` or `https`.
    pub url: Url,
    /// Additional headers, by name.
    pub headers: Vec<(String, Secret<String>)>,
    /// The deadline of one attempt.
    pub timeout: Duration,
    /// The waits between attempts.
    pub retry: retry::Config,
    /// How the endpoint is reached.
    pub http: http::Config,
    /// Where events that the endpoint refuses for good are put aside, one JSON line each with the reason.
    pub parked: Option<PathBuf>,
}
