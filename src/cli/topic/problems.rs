//! What is wrong with a topic, told on standard error.

use std::fmt::Write as _;

use super::super::fail;
use crate::salesforce::api::ApiVersion;
use crate::salesforce::topic::{self, Change, Marked, Problem, Stored};

/// Tells all that is wrong with a topic; whether an org would refuse it.
pub(super) fn tell(change: &Change, present: Option<&Stored>, api: ApiVersion) -> bool {
    let problems = topic::check(change, present, api);
    let name = change.name.as_deref().or_else(|| Some(present?.name())).unwrap_or_default();
    for problem in &problems {
        fail(0, &text(name, change.query.as_deref().unwrap_or_default().trim(), problem));
    }
    problems.iter().any(|problem| problem.refused)
}

/// `NAME: Query:1:20: what is wrong`, and the place marked under it.
fn text(name: &str, query: &str, problem: &Problem) -> String {
    let kind = if problem.refused { "" } else { "warning: " };
    let mut text = format!("{kind}{}: {}", name.escape_debug(), problem.field);
    let marked = problem.mark.clone().map(|span| Marked { query, span });
    // Writing into a String cannot fail.
    if let Some((line, column)) = marked.as_ref().map(Marked::place) {
        let _ = write!(text, ":{line}:{column}");
    }
    let _ = write!(text, ": {}", problem.text);
    if let Some(hint) = problem.hint {
        let _ = write!(text, " ({hint})");
    }
    if let Some(marked) = marked {
        let _ = write!(text, "\n{}", marked.to_string().trim_end_matches('\n'));
    }
    text
}
