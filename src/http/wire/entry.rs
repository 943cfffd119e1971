//! One entry of a capture, as JSON, without secrets.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::http::response::Parts;
use serde_json::{Value, json};

use super::super::{payload, redact};
use super::{Came, Draft};
use crate::bayeux::border::Fault;

/// What stands in `_fault` of a request that nobody waits for any more.
const GIVEN_UP: &str = "given_up";

/// A request and what became of it.
pub(super) fn of_exchange(draft: &Draft, came: Came<'_>, payloads: bool) -> String {
    let mut entry = request_of(draft, payloads);
    let (response, error, fault) = match came {
        Came::Response(head, body) => (response_of(head, body, payloads), None, None),
        Came::Fault(fault) => (no_response(), Some(fault.detail.as_str()), Some(fault_of(fault))),
        Came::GivenUp => {
            let error = "given up by the client before the response was complete";
            (no_response(), Some(error), Some(json!({"kind": GIVEN_UP, "sent": true})))
        }
    };
    add(&mut entry, [("response", Some(response)), ("_error", error.map(Value::from)), ("_fault", fault)]);
    let head = match came {
        Came::Response(head, _) => Some(&head.headers),
        Came::Fault(_) | Came::GivenUp => None,
    };
    without_secrets(entry, draft, head)
}

/// A message of a socket.
pub(super) fn of_message(draft: &Draft, head: &Parts, sent: bool, text: &Bytes, payloads: bool) -> String {
    let message = json!({
        "type": if sent { "send" } else { "receive" },
        "time": jiff::Timestamp::now().as_duration().as_secs_f64(),
        "opcode": 1,
        "data": shown(text, "application/json", payloads),
    });
    let mut entry = of_socket(draft, head);
    add(&mut entry, [("_webSocketMessages", Some(json!([message])))]);
    without_secrets(entry, draft, Some(&head.headers))
}

/// The fault that ended a socket.
pub(super) fn of_end(draft: &Draft, head: &Parts, fault: &Fault) -> String {
    let mut entry = of_socket(draft, head);
    add(&mut entry, [("_error", Some(fault.detail.as_str().into())), ("_fault", Some(fault_of(fault)))]);
    without_secrets(entry, draft, Some(&head.headers))
}

fn of_socket(draft: &Draft, head: &Parts) -> Value {
    let mut entry = request_of(draft, true);
    let response = response_of(head, &Bytes::new(), true);
    add(&mut entry, [("response", Some(response)), ("_resourceType", Some("websocket".into()))]);
    entry
}

fn fault_of(fault: &Fault) -> Value {
    json!({"kind": fault.kind.name(), "sent": fault.sent})
}

fn add<const N: usize>(entry: &mut Value, fields: [(&str, Option<Value>); N]) {
    if let Value::Object(entry) = entry {
        let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        entry.extend(present);
    }
}

fn without_secrets(mut entry: Value, draft: &Draft, head: Option<&HeaderMap>) -> String {
    redact::Secrets::of(&draft.headers, head).hide_in(&mut entry);
    entry.to_string()
}

fn request_of(draft: &Draft, payloads: bool) -> Value {
    let elapsed = draft.clock.elapsed().as_secs_f64() * 1000.0;
    let started = jiff::Timestamp::try_from(draft.started).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let url = redact::url(&draft.url);
    let query: Vec<_> =
        url.query_pairs().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut request = json!({
        "method": draft.method.as_str(),
        "url": url.as_str(),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(&draft.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": draft.body.len(),
    });
    if !draft.body.is_empty() {
        let mime = mime(&draft.headers);
        let post = json!({"mimeType": mime, "params": [], "text": shown(&draft.body, &mime, payloads)});
        add(&mut request, [("postData", Some(post))]);
    }
    let mut entry = json!({
        "startedDateTime": started.to_string(),
        "time": elapsed,
        "request": request,
        "cache": {},
        "timings": {"send": 0, "wait": elapsed, "receive": 0},
    });
    add(&mut entry, [("_connection", draft.connection.as_deref().map(Value::from))]);
    entry
}

fn response_of(head: &Parts, body: &Bytes, payloads: bool) -> Value {
    let mime = mime(&head.headers);
    let location = head.headers.get(LOCATION).map(|value| redact::header(&LOCATION, value));
    json!({
        "status": head.status.as_u16(),
        "statusText": head.status.canonical_reason().unwrap_or_default(),
        "httpVersion": format!("{:?}", head.version),
        "cookies": [],
        "headers": headers(&head.headers),
        "content": {"size": body.len(), "mimeType": mime, "text": shown(body, &mime, payloads)},
        "redirectURL": location.unwrap_or_default(),
        "headersSize": -1,
        "bodySize": -1,
    })
}

fn no_response() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}

fn headers(headers: &HeaderMap) -> Vec<Value> {
    let shown = headers.iter();
    shown.map(|(name, value)| json!({"name": name.as_str(), "value": redact::header(name, value)})).collect()
}

fn mime(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_else(|| "x-unknown".into())
}

/// A body as it may be shown.
fn shown(body: &Bytes, mime: &str, payloads: bool) -> String {
    let text = String::from_utf8_lossy(body);
    if payloads || redact::is_form(mime) {
        return redact::body(&text, mime);
    }
    redact::body(&payload::hide(&text), mime)
}
