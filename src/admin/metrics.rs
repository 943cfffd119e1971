//! The daemon's figures for a monitoring system.

use std::fmt::{self, Write as _};

use crate::sinks::SinkStatus;
use crate::status::Snapshot;

/// Renders the figures: as `OpenMetrics` 1.0.0, or in the text format 0.0.4 of Prometheus.
pub fn render(snapshot: &Snapshot<SinkStatus>, openmetrics: bool) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let family = if openmetrics { "cometail_build" } else { "cometail_build_info" };
    let kind = if openmetrics { "info" } else { "gauge" };
    writeln!(text, "# HELP {family} The program.")?;
    writeln!(text, "# TYPE {family} {kind}")?;
    writeln!(text, "cometail_build_info{{version=\"{}\"}} 1", snapshot.version)?;
    if openmetrics {
        writeln!(text, "# EOF")?;
    }
    Ok(text)
}
