//! From `OpenMetrics` to the text format 0.0.4, which Prometheus reads too and older tools read alone.
//!
//! The lines of figures are the same in both. In 0.0.4 a family bears the name of its figures, there is no kind `info`,
//! and neither units nor an end are told.

use std::fmt::{Error, Write as _};

/// The same figures in the other format.
pub(super) fn of(openmetrics: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            let help = help.take().unwrap_or_default();
            writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")?;
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}
