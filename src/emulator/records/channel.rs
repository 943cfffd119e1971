//! `StreamingChannel`s: their rules, who may subscribe to what, and pushes (guide, "Streaming Channel Push").

use serde::Deserialize;
use serde_json::Map;

use super::refused::Refused;
use super::topic::Notice;
use super::{Call, Records};
use crate::emulator::event::{Audience, Content, quoted};
use crate::emulator::users::{Access, User};

/// The longest payload of a push, in bytes.
const PAYLOAD_MAX: usize = 3000;

/// One event of a push, and whom it is for; everybody where nobody is named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::emulator) struct PushEvent {
    payload: String,
    /// Users.
    #[serde(default, rename = "userIds")]
    pub(in crate::emulator) users: Vec<String>,
}

impl PushEvent {
    /// What is published on `channel`.
    pub(in crate::emulator) fn notice(&self, channel: &str, call: Call<'_>) -> Result<Notice, Refused> {
        if self.payload.len() > PAYLOAD_MAX {
            let shown: String = self.payload.chars().take(80).collect();
            let message = format!("payload: data value too large: {shown} (max length={PAYLOAD_MAX})");
            return Err(Refused::new("STRING_TOO_LONG", message).of(["payload"]));
        }
        let users: Option<_> = self.users.iter().map(|id| crate::emulator::ids::canonical(id)).collect();
        let users = users.ok_or_else(|| Refused::new("MALFORMED_ID", "malformed id").of(["userIds"]))?;
        let content = Content::Data {
            event: String::new(),
            created: Some(call.now),
            rest: format!("\"payload\":{}", quoted(&self.payload)),
            deletion: false,
        };
        let audience = if self.users.is_empty() { Audience::Everybody } else { Audience::Users(users) };
        Ok(Notice { channel: channel.to_owned(), content, audience, former: false })
    }
}

/// Whether a channel may have this name: `/u/`, then letters, digits, `_` and `/`.
pub(super) fn check_name(name: &str) -> Result<(), Refused> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'/';
    let rest = name.strip_prefix("/u/").filter(|rest| !rest.split('/').any(str::is_empty));
    if rest.is_some_and(|rest| rest.bytes().all(allowed)) {
        return Ok(());
    }
    let message =
        "Streaming Channel Name: it has to start with /u/ and may have letters, digits, _ and / only";
    Err(Refused::new("INVALID_FIELD", message).of(["Name"]))
}

impl Records {
    /// Whether a user may subscribe to a channel; the Bayeux error where not. `strict` says that only what
    /// there are records of exists; a `/u/` channel is then made by its first subscriber.
    pub(in crate::emulator) fn subscribe(
        &mut self,
        call: Call<'_>,
        channel: &str,
        strict: bool,
    ) -> Result<(), String> {
        let missing =
            || format!("400::The channel you requested to subscribe to doesn't exist {{{channel}}}");
        if let Some(audience) = self.topics.audience(channel) {
            return check_reader(&audience, call.user);
        }
        if self.topics.is_former(channel) || (strict && channel.starts_with("/topic/")) {
            return Err(missing());
        }
        if channel.starts_with("/u/") && call.user.access("StreamingChannel") == Access::None {
            return Err("403::No access on channel".to_owned());
        }
        if strict && channel.starts_with("/u/") {
            return self.subscribe_generic(call, channel);
        }
        Ok(())
    }

    fn subscribe_generic(&mut self, call: Call<'_>, channel: &str) -> Result<(), String> {
        let known =
            self.live("StreamingChannel").find(|(_, row)| row.text("Name").eq_ignore_ascii_case(channel));
        match known {
            Some((_, row)) if row.text("Name") == channel => return Ok(()),
            Some(_) => return Err("404::channel names may not vary only by case".to_owned()),
            None => {}
        }
        let name = Map::from_iter([("Name".to_owned(), channel.into())]);
        let made = self.create(call, "StreamingChannel", &name);
        let (id, _) = made.map_err(|refused| match refused.code {
            "LIMIT_EXCEEDED" => {
                "403::Unable to create channel dynamically, maximum channel limit has been exceeded"
                    .to_owned()
            }
            _ => format!("403::Cannot create channel {{{channel}}}"),
        })?;
        if let Some(row) = self.rows.get_mut(&id) {
            row.set("IsDynamic", true.into());
        }
        Ok(())
    }
}

fn check_reader(audience: &Audience, user: &User) -> Result<(), String> {
    let Audience::Readers { object, .. } = audience else {
        return Ok(());
    };
    if user.access(object) == Access::None || user.access("PushTopic") == Access::None {
        return Err("403::Subscriber does not have access to the entity in this topic".to_owned());
    }
    if !audience.has(user) {
        let error = "403::Subscriber does not have access to all fields referenced in the where clause of the PushTopic";
        return Err(error.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_channels_follow_the_guide() {
        for good in ["/u/notifications/ExampleUserChannel", "/u/a_1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/u/", "/u", "u/a", "/topic/a", "/u/a b", "/u/a-b", "/u//a", "/u/a/", "/u/ä"] {
            assert_eq!(check_name(bad).unwrap_err().code, "INVALID_FIELD", "{bad}");
        }
    }
}
