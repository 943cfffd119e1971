//! Records: create, read, update, delete, undelete.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, NO_CONTENT, Rest, describe, parameter};
use crate::emulator::records::{Records, Refused};

/// `sobjects/TYPE`
pub(super) fn kind(rest: &Rest<'_>, kind: &str) -> Answer {
    match rest.method {
        Method::POST => create(rest, kind),
        Method::GET | Method::HEAD => describe::short(rest, kind),
        _ => {
            rest.shared.lock().records.kind(rest.call(), kind)?;
            Err(rest.not_allowed("GET,HEAD,POST"))
        }
    }
}

/// `sobjects/TYPE/ID`
pub(super) fn record(rest: &Rest<'_>, kind: &str, id: &str) -> Answer {
    match rest.method {
        Method::GET | Method::HEAD => read(rest, kind, id),
        Method::PATCH => {
            let body: Map<String, Value> = rest.read()?;
            let mut state = rest.shared.lock();
            let notices = state.records.update(rest.call(), kind, id, &body)?;
            state.notify(notices);
            Ok(NO_CONTENT)
        }
        Method::DELETE => {
            let mut state = rest.shared.lock();
            let notices = state.records.delete(rest.call(), kind, id)?;
            state.notify(notices);
            Ok(NO_CONTENT)
        }
        _ => Err(rest.not_allowed("GET,HEAD,PATCH,DELETE")),
    }
}

fn create(rest: &Rest<'_>, kind: &str) -> Answer {
    rest.shared.lock().records.kind(rest.call(), kind)?;
    let body: Map<String, Value> = rest.read()?;
    let mut state = rest.shared.lock();
    let (id, notices) = state.records.create(rest.call(), kind, &body)?;
    state.notify(notices);
    Ok((StatusCode::CREATED, json!({"id": id, "success": true, "errors": []}).to_string()))
}

fn read(rest: &Rest<'_>, kind: &str, id: &str) -> Answer {
    let fields = parameter(rest.head, "fields");
    let state = rest.shared.lock();
    let call = rest.call();
    let (kind, id, row) = state.records.get(call, kind, id)?;
    let members = Records::show(call, kind, &id, row, fields.as_deref())?;
    let body = serde_json::to_string(&members);
    Ok((StatusCode::OK, body.map_err(|error| Refused::new("UNKNOWN_EXCEPTION", error.to_string()))?))
}

/// `sobjects/TYPE/ID/undelete`
pub(super) fn undelete(rest: &Rest<'_>, kind: &str, id: &str) -> Answer {
    if rest.method != Method::POST {
        return Err(rest.not_allowed("POST"));
    }
    let mut state = rest.shared.lock();
    let notices = state.records.undelete(rest.call(), kind, id)?;
    state.notify(notices);
    Ok(NO_CONTENT)
}
