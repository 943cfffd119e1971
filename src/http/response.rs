//! What a response means to the transport: a redirect within the origin, or the answer itself.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};
use url::Url;

use super::call;
use super::trouble::Trouble;
use crate::bayeux::border::{FaultKind, Reply};

/// The most redirects that one request follows.
pub(super) const REDIRECTS_MAX: usize = 5;

/// A response, read to its end, with the headers that decide what follows.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status, 100 to 999.
    pub status: u16,
    /// The server's clock, `Date`, to the second.
    pub date: Option<SystemTime>,
    /// `Location` as it stands there; not visible text is none.
    pub location: Option<String>,
    /// `Retry-After`, seconds or a date, as a wait from now, at most a day.
    pub retry_after: Option<Duration>,
    /// `Content-Type` as it stands there; not visible text is none.
    pub content_type: Option<String>,
    /// The body after inflation.
    pub body: Bytes,
}

/// Head and body as they came.
pub(super) struct Whole {
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

impl From<Whole> for Reply {
    fn from(whole: Whole) -> Self {
        let Whole { head, body } = whole;
        Self { status: head.status.as_u16(), retry_after: call::retry_after(&head.headers), body }
    }
}

impl From<Whole> for Response {
    fn from(whole: Whole) -> Self {
        let Whole { head, body } = whole;
        Self {
            status: head.status.as_u16(),
            date: text(&head.headers, &DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok()),
            location: text(&head.headers, &LOCATION).map(str::to_owned),
            retry_after: call::retry_after(&head.headers),
            content_type: text(&head.headers, &CONTENT_TYPE).map(str::to_owned),
            body,
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What one request came to.
pub(super) enum Answer {
    Reply(Whole),
    Redirect(Url),
}

/// Reads the head of a response to a request of `method` for `url` at `authority`.
pub(super) fn judge(method: &Method, url: &Url, authority: &str, whole: Whole) -> Result<Answer, Trouble> {
    match whole.head.status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => redirect(url, authority, &whole.head).map(Answer::Redirect),
        StatusCode::SEE_OTHER if *method == Method::GET => {
            redirect(url, authority, &whole.head).map(Answer::Redirect)
        }
        StatusCode::SEE_OTHER => {
            let what = format!("{authority} wants a GET elsewhere (303)");
            Err(Trouble::new(FaultKind::Redirect, what + "; is the URL that of the endpoint itself?"))
        }
        _ => Ok(Answer::Reply(whole)),
    }
}

/// Where a redirect leads, as long as it stays within the origin.
fn redirect(url: &Url, authority: &str, head: &Parts) -> Result<Url, Trouble> {
    let refused = |what: String| Err(Trouble::new(FaultKind::Redirect, what));
    let status = head.status.as_u16();
    let location = text(&head.headers, &LOCATION);
    let Some(next) = location.and_then(|location| url.join(location).ok()) else {
        return refused(format!("{authority} redirects ({status}) without a usable Location"));
    };
    if next.origin() == url.origin() {
        return Ok(next);
    }
    let (from, to) = (url.origin().ascii_serialization(), next.origin().ascii_serialization());
    refused(format!(
        "{from} redirects ({status}) to another origin, {to}; nothing was sent there. \
         If that is where the endpoint is, put it in the URL"
    ))
}

/// One redirect more than is followed.
pub(super) fn endless(url: &Url) -> Trouble {
    let origin = url.origin().ascii_serialization();
    let what = format!("{origin} redirected {REDIRECTS_MAX} times and once more; is it a loop?");
    Trouble::new(FaultKind::Redirect, what)
}
