//! The id that a server gives an event: `event.EventUuid` in its data.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    event: Option<About<'a>>,
}

#[derive(Default, Deserialize)]
struct About<'a> {
    #[serde(borrow, default, rename = "EventUuid")]
    uuid: Option<Cow<'a, str>>,
}

/// The server's id in an event's `data`, which is parsed for it only where that name can be in it, as it is or with an
/// escape. It is used as it is only when it can be nothing but an id: it goes into headers and names.
pub(super) fn of_data(data: &[u8]) -> Option<String> {
    let has = |text: &[u8]| memmem::find(data, text).is_some();
    if !has(b"EventUuid") && !has(br"\u") {
        return None;
    }
    let uuid = serde_json::from_slice::<Data<'_>>(data).ok()?.event?.uuid?;
    is_uuid(&uuid).then(|| uuid.into_owned())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
