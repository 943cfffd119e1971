//! `StreamingChannel`s: their rules, who may subscribe to what, and pushes (guide, "Streaming Channel Push").

use serde::Deserialize;
use serde_json::Map;

use super::refused::Refused;
use super::row::Row;
use super::topic::{Notice, Topic};
use super::{Call, Records};
use crate::emulator::event::{Audience, Content, quoted};
use crate::emulator::filter::Filter;
use crate::emulator::ids;
use crate::emulator::users::{Access, Permission, User};
use crate::emulator::version;

/// Who subscribes may not see the channel.
const NO_ACCESS: &str = "403::No access on channel";
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
    fn notice(&self, channel: &str, call: Call<'_>) -> Result<Notice, Refused> {
        if self.payload.len() > PAYLOAD_MAX {
            let shown: String = self.payload.chars().take(80).collect();
            let message = format!("payload: data value too large: {shown} (max length={PAYLOAD_MAX})");
            return Err(Refused::new("STRING_TOO_LONG", message).of(["payload"]));
        }
        let user = |id: &String| ids::canonical(id).filter(|id| ids::prefix(id) == "005");
        let users: Option<_> = self.users.iter().map(user).collect();
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
    /// Whether a user may subscribe to a channel, with a filter; the Bayeux error where not. `strict` says that only
    /// what there are records of exists; a `/u/` channel is then made by its first subscriber.
    pub(in crate::emulator) fn subscribe(
        &mut self,
        call: Call<'_>,
        channel: &str,
        filter: Option<&Filter>,
        strict: bool,
    ) -> Result<(), String> {
        if let Some(topic) = self.topics.find(channel) {
            check_reader(&topic.audience(), call)?;
            return filter.map_or(Ok(()), |filter| check_filter(topic, filter, call.user));
        }
        if self.topics.varies_by_case(channel) {
            return Err(version::VARIES_BY_CASE.to_owned());
        }
        if self.topics.is_former(channel) || (strict && channel.starts_with("/topic/")) {
            return Err(version::missing(call.version, channel));
        }
        if channel.starts_with("/data/") && !call.user.has(Permission::ViewAllData) {
            return Err("403::User not allowed to subscribe CDC without View All Data permissions".to_owned());
        }
        if channel.starts_with("/u/") { self.subscribe_generic(call, channel, strict) } else { Ok(()) }
    }

    fn subscribe_generic(&mut self, call: Call<'_>, channel: &str, strict: bool) -> Result<(), String> {
        if call.user.access("StreamingChannel") == Access::None {
            return Err(version::no_access(call.version, NO_ACCESS));
        }
        let known =
            self.live("StreamingChannel").find(|(_, row)| row.text("Name").eq_ignore_ascii_case(channel));
        match known {
            Some((id, row)) if row.text("Name") == channel => return self.check_listener(call, id, row),
            Some(_) => return Err(version::VARIES_BY_CASE.to_owned()),
            // Guide, "Generic Streaming": the org has to have it switched on.
            None if !self.dynamic_channels => return Err(version::missing(call.version, channel)),
            None if !strict => return Ok(()),
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

impl Records {
    /// Whether a user is shown a `StreamingChannel`.
    fn check_listener(&self, call: Call<'_>, id: &str, row: &Row) -> Result<(), String> {
        let kind = self.kind(call, "StreamingChannel").ok();
        let access = kind.map_or(Access::Read, |kind| self.sight(kind, call.user).of(id, row));
        if access > Access::None { Ok(()) } else { Err(version::no_access(call.version, NO_ACCESS)) }
    }

    /// What a push to the `StreamingChannel` of this id publishes. It takes the right to change the channel.
    pub(in crate::emulator) fn push(
        &self,
        call: Call<'_>,
        id: &str,
        events: &[PushEvent],
    ) -> Result<Vec<Notice>, Refused> {
        let (kind, id, row) = self.get(call, "StreamingChannel", id)?;
        if call.user.access(&kind.name) < Access::Edit {
            return Err(Refused::no_access());
        }
        self.check_edit(call, kind, &id, row)?;
        let notice = |event: &PushEvent| {
            let notice = event.notice(row.text("Name"), call)?;
            Ok(Notice { audience: self.shown_to(kind, &id, row, notice.audience), ..notice })
        };
        events.iter().map(notice).collect()
    }
}

fn check_reader(audience: &Audience, call: Call<'_>) -> Result<(), String> {
    let Audience::Readers { object, .. } = audience else {
        return Ok(());
    };
    let user = call.user;
    if user.access(object) == Access::None || user.access("PushTopic") == Access::None {
        let error = "403::Subscriber does not have access to the entity in this topic";
        return Err(version::no_access(call.version, error));
    }
    if !audience.has(user) {
        let error = "403::Subscriber does not have access to all fields referenced in the where clause of the PushTopic";
        return Err(version::no_access(call.version, error));
    }
    Ok(())
}

/// Whether a filter names only fields that the topic selects and the user sees.
fn check_filter(topic: &Topic, filter: &Filter, user: &User) -> Result<(), String> {
    let unknown = filter.unknown(|field| topic.selects(field) && user.sees(&topic.object, field));
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("400::Query fields {{{}}} do not exist on the topic entity", unknown.join(", ")))
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
