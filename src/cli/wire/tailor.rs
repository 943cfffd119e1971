//! Recorded answers, made to fit the requests of the session that replays them.
//!
//! Constraints: events stay byte for byte, and so does what cannot be read; of the protocol's own messages only the ids
//! change, and those go that answer another message of the same request.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::asks::id_of;

/// The ids of the session's messages by those of the recorded ones.
pub(super) type Ids = HashMap<String, String>;

/// What of an answer is for one of several messages of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// The channel of the replies that are for it.
    pub(super) channel: &'static str,
    /// Whether all else is for it, too.
    pub(super) rest: bool,
}

/// An answer that fits.
pub(super) fn fit(body: &Bytes, ids: &Ids, share: Option<Share>) -> Bytes {
    if share.is_none() && ids.iter().all(|(recorded, own)| recorded == own) {
        return body.clone();
    }
    let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(body) else { return body.clone() };
    let fitted: Vec<_> = messages.into_iter().filter_map(|one| message(one.get(), ids, share)).collect();
    Bytes::from(format!("[{}]", fitted.join(",")))
}

fn message(text: &str, ids: &Ids, share: Option<Share>) -> Option<String> {
    let as_it_is = || share.is_none_or(|share| share.rest).then(|| text.to_owned());
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return as_it_is() };
    let channel =
        value.get("channel").and_then(Value::as_str).filter(|channel| channel.starts_with("/meta/"));
    let Some(channel) = channel else { return as_it_is() };
    if share.is_some_and(|share| share.channel != channel) {
        return None;
    }
    match value.get_mut("id") {
        Some(id) => match ids.get(&id_of(id)) {
            Some(own) => {
                *id = own.as_str().into();
                Some(value.to_string())
            }
            None => Some(text.to_owned()),
        },
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"[{"channel":"/topic/A","data":{"n":1.50}},{"id":"8","channel":"/meta/subscribe","successful":true},{"channel":"/meta/connect","id":9}]"#;

    fn fitted(ids: &[(&str, &str)], share: Option<Share>) -> String {
        let ids = ids.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
        String::from_utf8(fit(&Bytes::from_static(BODY.as_bytes()), &ids, share).to_vec()).unwrap()
    }

    #[test]
    fn ids_change_and_events_stay() {
        assert_eq!(fitted(&[("8", "8")], None), BODY);
        let own = fitted(&[("8", "2"), ("9", "3")], None);
        assert!(own.contains(r#"{"channel":"/topic/A","data":{"n":1.50}}"#), "{own}");
        assert!(own.contains(r#""id":"2""#) && own.contains(r#""id":"3""#), "{own}");
    }

    #[test]
    fn an_answer_to_two_messages_is_shared() {
        let connect = fitted(&[("9", "3")], Some(Share { channel: "/meta/connect", rest: false }));
        assert_eq!(connect, r#"[{"channel":"/meta/connect","id":"3"}]"#);
        let subscribe = fitted(&[], Some(Share { channel: "/meta/subscribe", rest: true }));
        assert!(subscribe.contains("/topic/A") && !subscribe.contains("/meta/connect"), "{subscribe}");
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        let cut = Bytes::from_static(b"[{\"channel\":\"/meta/connect\",\"id\":\"9\"");
        assert_eq!(fit(&cut, &HashMap::from([("9".to_owned(), "3".to_owned())]), None), cut);
    }
}
