//! Queries and their pages.

use http::StatusCode;
use serde::Serialize;

use super::{Answer, Rest, parameter};
use crate::emulator::records::{Found, Members, Page, Refused};

/// How many records a page has: by default, at least and at most.
const PAGE: (usize, usize, usize) = (2000, 200, 2000);

/// `GET query?q=` and `queryAll?q=`
pub(super) fn query(rest: &Rest<'_>, all: bool) -> Answer {
    let text = parameter(rest.head, "q")
        .ok_or_else(|| Refused::new("MALFORMED_QUERY", "SOQL statement is required in the parameter 'q'"))?;
    let found = rest.shared.lock().records.query(rest.call(), &text, page(rest, all))?;
    answer(rest, &found)
}

/// `GET query/LOCATOR`
pub(super) fn more(rest: &Rest<'_>, locator: &str) -> Answer {
    let found = rest.shared.lock().records.query_more(rest.call(), locator, page(rest, false))?;
    answer(rest, &found)
}

fn page(rest: &Rest<'_>, all: bool) -> Page {
    let asked = rest.head.headers.get("Sforce-Query-Options").and_then(|options| options.to_str().ok());
    let pairs =
        asked.into_iter().flat_map(|options| options.split(',')).filter_map(|pair| pair.split_once('='));
    let mut sizes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("batchSize"));
    let size = sizes.next().and_then(|(_, size)| size.trim().parse().ok()).unwrap_or(PAGE.0);
    Page { size: size.clamp(PAGE.1, PAGE.2), all }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'f> {
    total_size: usize,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_records_url: Option<String>,
    records: &'f [Members],
}

fn answer(rest: &Rest<'_>, found: &Found) -> Answer {
    let next = found.next.as_ref();
    let shown = Shown {
        total_size: found.total,
        done: next.is_none(),
        next_records_url: next.map(|locator| format!("/services/data/v{}/query/{locator}", rest.version)),
        records: &found.records,
    };
    let body = serde_json::to_string(&shown);
    Ok((StatusCode::OK, body.map_err(|error| Refused::new("UNKNOWN_EXCEPTION", error.to_string()))?))
}
