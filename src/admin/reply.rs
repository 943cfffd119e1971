//! Answers: their bodies, and the headers that every one has.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;

/// What is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
pub(super) type Reply = Response<Body>;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What a browser may do with an answer: show the page with what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SAFETY: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

#[derive(Serialize)]
struct Trouble<'t> {
    error: &'t str,
    problems: &'t [String],
}

/// An answer with a body of this type, which nobody stores.
pub(super) fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    of(status, TEXT, body)
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => of(status, JSON, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) struct Denial {
    status: StatusCode,
    error: String,
    problems: Vec<String>,
    header: Option<(HeaderName, &'static str)>,
}

/// An answer, or why there is none.
pub(super) type Answer = Result<Reply, Denial>;

/// A refusal with these words.
pub(super) fn refuse(status: StatusCode, error: impl Into<String>) -> Denial {
    Denial { status, error: error.into(), problems: Vec::new(), header: None }
}

/// A request that is wrong in itself.
pub(super) fn invalid(problem: impl Into<String>) -> Denial {
    wrong("the request is wrong", vec![problem.into()])
}

/// Something is wrong, for each of these reasons.
pub(super) fn wrong(error: &str, problems: Vec<String>) -> Denial {
    Denial { problems, ..refuse(StatusCode::UNPROCESSABLE_ENTITY, error) }
}

/// What is asked for does not go now.
pub(super) fn busy(error: impl Into<String>) -> Denial {
    Denial { header: Some((RETRY_AFTER, "1")), ..refuse(StatusCode::SERVICE_UNAVAILABLE, error) }
}

/// The path has other methods.
pub(super) fn method(allow: &'static str) -> Denial {
    let error = format!("this path takes {allow}");
    Denial { header: Some((ALLOW, allow)), ..refuse(StatusCode::METHOD_NOT_ALLOWED, error) }
}

/// The token is missing or wrong.
pub(super) fn unauthorized() -> Denial {
    let error = "this needs the server's token: Authorization: Bearer TOKEN";
    Denial { header: Some((WWW_AUTHENTICATE, "Bearer")), ..refuse(StatusCode::UNAUTHORIZED, error) }
}

impl From<Denial> for Reply {
    fn from(denial: Denial) -> Self {
        let Denial { status, error, problems, header } = denial;
        let reply = json(status, &Trouble { error: &error, problems: &problems });
        match header {
            Some((name, value)) => with(reply, name, value),
            None => reply,
        }
    }
}

/// The answer with one more header.
pub(super) fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// The answer with the headers that keep a browser to this server.
pub(super) fn safe(mut reply: Reply) -> Reply {
    for (name, value) in SAFETY {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// One event of an event stream: its name, and its data on one line.
pub(super) fn frame(name: &str, data: &impl Serialize) -> Option<Bytes> {
    let data = serde_json::to_string(data).ok()?;
    // A carriage return ends a line as well; JSON has either between its values only.
    let data = data.replace(['\r', '\n'], " ");
    Some(format!("event: {name}\ndata: {data}\n\n").into())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn an_events_data_is_one_line() {
        let raw: &RawValue = serde_json::from_str("{\"a\":\r\n1.0}").unwrap();
        assert_eq!(frame("message", &raw).unwrap(), "event: message\ndata: {\"a\":  1.0}\n\n");
    }
}
