//! Generic streaming: `StreamingChannel` records and what is pushed into them.
//!
//! Constraints: what the guide forbids is refused before anything is sent, in [`Unfit`]'s words; what only the org can
//! know (permissions, how many channels) is left to it.
//!
//! Format: guide, `StreamingChannel` and "Streaming Channel Push"; API version 29.0 and later.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::api::{Api, ApiVersion};
use super::error::ApiError;
use super::id::{is_id, is_same};

/// The first version with generic streaming.
pub const SINCE: ApiVersion = ApiVersion(29);
/// The longest name, in characters.
pub const NAME_MAX: usize = 80;
/// The longest description, in characters.
pub const DESCRIPTION_MAX: usize = 255;
/// The longest payload, in bytes (the guide: 3,000 single-byte characters).
pub const PAYLOAD_MAX: usize = 3_000;
/// What the ids of channels begin with.
const PREFIX: &str = "0M6";
/// What the ids of users begin with.
const USER: &str = "005";
const FIELDS: &str = "SELECT Id, Name, Description, IsDynamic, OwnerId FROM StreamingChannel";

/// Why something is not sent at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The name of a channel.
    Name(&'static str),
    /// The description has more characters than [`DESCRIPTION_MAX`].
    Description(usize),
    /// The payload has more bytes than [`PAYLOAD_MAX`].
    Payload(usize),
    /// No id of a user.
    User(String),
    /// The version of the API is too old.
    Version(ApiVersion),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(why) => write!(f, "the channel's name {why}; wanted such as /u/notifications/Example"),
            Self::Description(length) => {
                write!(f, "the description has {length} characters; at most {DESCRIPTION_MAX} are allowed")
            }
            Self::Payload(length) => {
                write!(
                    f,
                    "the payload has {length} bytes; at most {PAYLOAD_MAX} single-byte characters are allowed"
                )
            }
            Self::User(text) => write!(
                f,
                "'{}' is no user id; wanted 15 or 18 letters and digits such as 005D0000001QXi1IAG",
                text.escape_debug()
            ),
            Self::Version(version) => {
                write!(f, "generic streaming needs API version {SINCE} or later, and this is {version}")
            }
        }
    }
}

impl std::error::Error for Unfit {}

/// Checks a name: `/u/` and more, at most 80 letters, digits, `_` and `/`.
///
/// # Errors
/// [`Unfit::Name`]; an empty part between slashes too, for no channel can be subscribed to by such a name.
pub fn check_name(name: &str) -> Result<(), Unfit> {
    let Some(rest) = name.strip_prefix("/u/") else { return Err(Unfit::Name("does not start with /u/")) };
    if name.len() > NAME_MAX && name.chars().count() > NAME_MAX {
        return Err(Unfit::Name("has more than 80 characters"));
    }
    if !rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/')) {
        return Err(Unfit::Name("has another character than letters, digits, '_' and '/'"));
    }
    if rest.split('/').any(str::is_empty) {
        return Err(Unfit::Name("has nothing before, between or after slashes"));
    }
    Ok(())
}

/// Checks a description.
///
/// # Errors
/// [`Unfit::Description`].
pub fn check_description(text: &str) -> Result<(), Unfit> {
    match text.chars().count() {
        length if length > DESCRIPTION_MAX => Err(Unfit::Description(length)),
        _ => Ok(()),
    }
}

/// A channel's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub struct StreamingChannel {
    /// The record's id.
    pub id: String,
    /// The channel's name, `/u/...`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether a subscriber made it by subscribing.
    pub is_dynamic: Option<bool>,
    /// The id of its owner.
    pub owner_id: Option<String>,
}

/// All channels, by name.
pub async fn list(api: &mut Api) -> Result<Vec<StreamingChannel>, ApiError> {
    api.query(&format!("{FIELDS} ORDER BY Name")).await
}

/// The channel of this name or id; none where the org has none.
pub async fn find(api: &mut Api, wanted: &str) -> Result<Option<StreamingChannel>, ApiError> {
    let field = if is_channel_id(wanted) { "Id" } else { "Name" };
    let quoted = wanted.replace('\\', "\\\\").replace('\'', "\\'");
    let found: Vec<StreamingChannel> = api.query(&format!("{FIELDS} WHERE {field} = '{quoted}'")).await?;
    // Whatever else came is not what was named, and may be about to be deleted.
    let named = |one: &StreamingChannel| one.name.eq_ignore_ascii_case(wanted) || is_same(&one.id, wanted);
    Ok(found.into_iter().find(named))
}

/// Whether a text may name a channel: an id, or a name that is allowed.
///
/// # Errors
/// [`Unfit::Name`].
pub fn check_reference(text: &str) -> Result<(), Unfit> {
    if is_channel_id(text) { Ok(()) } else { check_name(text) }
}

/// Without a look at its last three characters: they are wrong in the guide's own example, and a channel is looked up
/// before anything is done with it.
fn is_channel_id(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain && text.starts_with(PREFIX) && matches!(text.len(), 15 | 18)
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

/// Makes a channel; its id. Name and description are those that the checks here let through.
pub async fn create(api: &mut Api, name: &str, description: Option<&str>) -> Result<String, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct New<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
    }
    let created: Created = api.post("sobjects/StreamingChannel", &New { name, description }).await?;
    Ok(created.id)
}

/// Deletes the channel of this id.
pub async fn delete(api: &mut Api, id: &str) -> Result<(), ApiError> {
    let _: Option<serde::de::IgnoredAny> = api.delete(&path(id, "")?).await?;
    Ok(())
}

/// An event to be pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// What subscribers get.
    payload: String,
    /// Whose subscriptions get it; those of all users where there is none.
    user_ids: Vec<String>,
}

impl Push {
    /// An event for `users`, or for everybody.
    ///
    /// # Errors
    /// [`Unfit::Payload`] and [`Unfit::User`].
    pub fn new(payload: String, users: &[String]) -> Result<Self, Unfit> {
        if payload.len() > PAYLOAD_MAX {
            return Err(Unfit::Payload(payload.len()));
        }
        match users.iter().find(|user| !is_id(user, USER)) {
            Some(user) => Err(Unfit::User(user.clone())),
            None => Ok(Self { payload, user_ids: users.to_vec() }),
        }
    }
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Pushed {
    /// How many subscribers it was sent to; -1 for all of them, 0 where nobody listens.
    pub fanout_count: i64,
    /// The users it was for, and whether each was listening.
    #[serde(default, deserialize_with = "or_none")]
    pub user_online_status: BTreeMap<String, bool>,
}

/// Null is none.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Pushes events into the channel of this id; what became of each.
pub async fn push(api: &mut Api, id: &str, events: &[Push]) -> Result<Vec<Pushed>, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Events<'a> {
        push_events: &'a [Push],
    }
    let pushed: Vec<Pushed> = api.post(&path(id, "/push")?, &Events { push_events: events }).await?;
    if pushed.len() == events.len() {
        return Ok(pushed);
    }
    let (sent, told) = (events.len(), pushed.len());
    Err(ApiError::Malformed(format!("{sent} event(s) were pushed, and the org tells of {told}")))
}

/// Who listens to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub struct Subscribers {
    /// The channel's name.
    pub channel_name: String,
    /// The ids of the users with a subscription.
    #[serde(default, deserialize_with = "or_none")]
    pub online_user_ids: Vec<String>,
}

/// Asks who listens to the channel of this id.
pub async fn subscribers(api: &mut Api, id: &str) -> Result<Subscribers, ApiError> {
    api.get(&path(id, "/push")?).await
}

/// The id is the org's word, and must not lead elsewhere.
fn path(id: &str, rest: &str) -> Result<String, ApiError> {
    if is_channel_id(id) {
        return Ok(format!("sobjects/StreamingChannel/{id}{rest}"));
    }
    let shown: String = id.chars().take(50).flat_map(char::escape_debug).collect();
    Err(ApiError::Malformed(format!("the org gave a channel an id that is none: '{shown}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_guide() {
        let longest = format!("/u/{}", "x".repeat(77));
        for good in ["/u/a", "/u/notifications/ExampleUserChannel", "/u/A_1/2", &longest] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "start with /u/"),
            ("u/a", "start with /u/"),
            ("/topic/a", "start with /u/"),
            ("/U/a", "start with /u/"),
            ("/u/", "nothing before"),
            ("/u/a/", "nothing before"),
            ("/u/a//b", "nothing before"),
            ("/u/a-b", "another character"),
            ("/u/a b", "another character"),
            ("/u/\u{e9}", "another character"),
            ("/u/*", "another character"),
            ("/u/a'", "another character"),
            (&format!("{longest}x"), "more than 80"),
        ] {
            let text = check_name(bad).unwrap_err().to_string();
            assert!(text.contains(why), "{bad}: {text}");
        }
    }

    #[test]
    fn an_event_is_checked_before_it_is_sent() {
        let users = |id: &str| vec![id.to_owned()];
        assert!(Push::new("x".repeat(3_000), &[]).is_ok());
        assert_eq!(Push::new("x".repeat(3_001), &[]), Err(Unfit::Payload(3_001)));
        assert_eq!(Push::new("\u{e9}".repeat(1_501), &[]), Err(Unfit::Payload(3_002)));
        assert!(Push::new(String::new(), &users("005xx000001Svq3AAC")).is_ok());
        for bad in ["005xx000001Svq3AAB", "0M6D000000000g7KXA", "me", ""] {
            assert_eq!(Push::new(String::new(), &users(bad)), Err(Unfit::User(bad.into())));
        }
        assert_eq!(check_description(&"\u{e9}".repeat(255)), Ok(()));
        assert_eq!(check_description(&"x".repeat(256)), Err(Unfit::Description(256)));
    }

    #[test]
    fn a_channel_is_meant_by_name_or_id() {
        for good in ["/u/a", "0M6D000000000g7KXA", "0M6D000000000g7"] {
            assert_eq!(check_reference(good), Ok(()), "{good}");
        }
        for bad in ["0M6D000000000g7K", "005D0000001QXi1IAG", "a"] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
    }
}
