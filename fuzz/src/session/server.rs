//! The server's replies, right or wrong, to requests as they stand on the wire.

use serde_json::{Value, json};

use super::tape::Tape;

/// Errors as servers spell them, and some that none would.
const ERRORS: [&str; 16] = [
    "402::Unknown client",
    "401::Authentication invalid",
    "403::Handshake denied",
    "503::Server is too busy",
    "400::The replayId {7} you provided was invalid.",
    "404::Unknown channel",
    "403:denied_by_security_policy:subscribe_denied",
    "403::Organization concurrent user limit exceeded",
    "413::Maximum Request Size Exceeded",
    "400::API version in the URI is mandatory",
    "403::Subscriber does not have access to the entity in this topic",
    "400::Channel name not specified",
    "408::",
    "",
    ":::",
    "something new",
];

/// The messages of a request.
pub(super) fn messages(body: &[u8]) -> Vec<Value> {
    let request: Value = serde_json::from_slice(body).expect("a request is JSON");
    let Value::Array(messages) = request else {
        panic!("a request is an array: {request}");
    };
    messages
}

/// What a server that means well answers; `client` names the session that a handshake makes.
pub(super) fn right(body: &[u8], client: &str) -> Vec<Value> {
    messages(body).iter().map(|message| one(message, client)).collect()
}

fn one(message: &Value, client: &str) -> Value {
    let mut reply = json!({"channel": message["channel"], "id": message["id"], "successful": true});
    match message["channel"].as_str() {
        Some("/meta/handshake") => {
            reply["clientId"] = json!(client);
            reply["ext"] = json!({"replay": true});
        }
        Some("/meta/subscribe" | "/meta/unsubscribe") => {
            reply["subscription"] = message["subscription"].clone();
        }
        _ => {}
    }
    reply
}

/// An answer that has something of what was asked, and is wrong where the tape says so.
pub(super) fn wrong(body: &[u8], client: &str, tape: &mut Tape<'_>) -> Vec<Value> {
    let mut replies = right(body, client);
    for _ in 0..tape.byte() % 8 {
        let at = usize::from(tape.byte());
        match tape.byte() {
            b'd' => replies.extend(replies.get(at % replies.len().max(1)).cloned()),
            b'r' => replies.reverse(),
            b'n' => replies.clear(),
            b'e' => replies.push(event(tape)),
            b'm' => replies.push(json!({"channel": "/meta/disconnect", "successful": true})),
            b'v' => replies.insert(0, event(tape)),
            how => {
                // The same in every reply, or in one.
                let all = at & 128 != 0;
                let count = replies.len().max(1);
                for (_, reply) in replies.iter_mut().enumerate().filter(|(n, _)| all || *n == at % count) {
                    spoil(reply, how, tape);
                }
            }
        }
    }
    replies
}

fn spoil(reply: &mut Value, how: u8, tape: &mut Tape<'_>) {
    let Some(fields) = reply.as_object_mut() else {
        return;
    };
    let (field, value) = match how {
        b'a' | 0..=63 => ("advice", advice(tape)),
        b'i' => (
            "id",
            tape.one_of(&[json!(1), json!(null), json!("x"), json!(-7), json!([]), json!("2")].each_ref())
                .clone(),
        ),
        b's' => {
            ("successful", tape.one_of(&[json!(null), json!("true"), json!(0), json!({})].each_ref()).clone())
        }
        b'c' => ("clientId", client_id(tape)),
        b'h' => {
            ("channel", tape.one_of(&[json!("/meta/connect"), json!("/meta/x"), json!(7)].each_ref()).clone())
        }
        b'u' => ("subscription", json!(super::tape::channel(tape.byte()).as_str())),
        b'o' => ("ext", json!({"replay": false})),
        b'x' => ("ext", json!({"sfdc": {"failureReason": tape.one_of(&ERRORS)}})),
        b'w' => ("data", json!({"event": {"replayId": 1}})),
        _ => {
            fields.insert("successful".into(), json!(false));
            ("error", json!(tape.one_of(&ERRORS)))
        }
    };
    if tape.byte() == b'0' {
        fields.remove(field)
    } else {
        fields.insert(field.into(), value)
    };
}

fn advice(tape: &mut Tape<'_>) -> Value {
    let reconnect = tape.one_of(&["retry", "handshake", "none", "", "maybe"]);
    let numbers = [0.0, 1.0, 500.0, 30_000.0, 110_000.0, -1.0, -5.0, 9e9, 1e300];
    json!({"reconnect": reconnect, "interval": tape.one_of(&numbers), "timeout": tape.one_of(&numbers)})
}

fn client_id(tape: &mut Tape<'_>) -> Value {
    match tape.byte() % 4 {
        0 => json!(""),
        1 => json!(7),
        2 => json!("\" \\ \u{1} \u{e9}"),
        _ => json!("c".repeat(usize::from(tape.byte()) * 8)),
    }
}

pub(super) fn event(tape: &mut Tape<'_>) -> Value {
    let channel = super::tape::channel(tape.byte());
    // Events name the channel without its filter.
    let name = channel.as_str().split('?').next().unwrap_or_default();
    let replay = match tape.byte() {
        0 => json!(null),
        255 => json!(i64::MAX),
        254 => json!(-1),
        number => json!(number),
    };
    json!({"channel": name, "data": {"event": {"replayId": replay}}})
}
