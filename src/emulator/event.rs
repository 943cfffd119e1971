//! An event and its JSON text, which depends on the API version of the session that receives it.
//!
//! Below 37 a message has the session's `clientId` and `createdDate` in the spelling of the guide's version
//! 35; from 37 it has `replayId` and the later spelling. A raw event is sent exactly as it was published.
//! Platform and change events (`/event/`, `/data/`) carry no `createdDate` beside the replay id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::users::{Access, User};
use super::version::Version;

/// What raw messages hold where the event's replay id goes.
pub(super) const REPLAY_ID: &str = "REPLAYID";

/// Members of a JSON object, their values as they were spelled.
type Members = BTreeMap<String, Box<RawValue>>;

/// One published event.
#[derive(Debug)]
pub(super) struct Event {
    /// Its channel, with the prefix.
    pub(super) channel: Arc<str>,
    /// Its number within the channel.
    pub(super) replay: i64,
    /// When it was published, for retention.
    pub(super) at: Instant,
    /// The name that a filtered subscription gives it.
    alias: Option<Arc<str>>,
    content: Content,
    audience: Audience,
}

/// Who is told of an event.
#[derive(Clone, Debug)]
pub(super) enum Audience {
    /// Every subscriber.
    Everybody,
    /// These users, by their ids.
    Users(BTreeSet<String>),
    /// Who may read this object, and sees every one of these fields of it.
    Readers {
        /// The object.
        object: String,
        /// The fields.
        filter: Vec<String>,
    },
    /// Of others, those whom a private record is shown to.
    Shared {
        /// Users, by their ids; besides them, who sees all data.
        with: BTreeSet<String>,
        /// The others.
        of: Box<Self>,
    },
}

impl Audience {
    /// Whether the user is told.
    pub(super) fn has(&self, user: &User) -> bool {
        match self {
            Self::Everybody => true,
            Self::Users(users) => users.contains(&user.id),
            Self::Readers { object, filter } => {
                user.access(object) > Access::None && filter.iter().all(|field| user.sees(object, field))
            }
            Self::Shared { with, of } => (with.contains(&user.id) || user.sees_all()) && of.has(user),
        }
    }
}

/// What an event says.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The text of the message; [`REPLAY_ID`] stands for the number.
    Raw(String),
    /// The parts of `data`.
    Data {
        /// The members of `data.event` that were given, as JSON text.
        event: String,
        /// `createdDate` where it is the server's to say.
        created: Option<Timestamp>,
        /// The other members of `data`, as JSON text.
        rest: String,
        /// Whether it tells of a deleted or undeleted record.
        deletion: bool,
    },
    /// A change of a record.
    Record {
        /// The members of `data.event` besides the server's own, as JSON text.
        event: String,
        /// When it was.
        created: Timestamp,
        /// The type of the record.
        object: String,
        /// The fields and their values as JSON text; a subscriber is told of those that the user sees.
        fields: Vec<(String, String)>,
        /// Whether it tells of a deleted or undeleted record.
        deletion: bool,
    },
}

impl Content {
    /// How much it weighs against the bounds of the store, in bytes.
    fn len(&self) -> usize {
        match self {
            Self::Raw(text) => text.len(),
            Self::Data { event, rest, .. } => event.len() + rest.len(),
            Self::Record { fields, .. } => {
                fields.iter().map(|(name, value)| name.len() + value.len() + 64).sum()
            }
        }
    }
}

impl Event {
    /// The event that `content` becomes under the number `replay`.
    pub(super) fn new(
        channel: Arc<str>,
        replay: i64,
        at: Instant,
        content: Content,
        audience: Audience,
    ) -> Self {
        let content = match content {
            Content::Raw(text) => Content::Raw(text.replace(REPLAY_ID, &replay.to_string())),
            other => other,
        };
        Self { channel, replay, at, alias: None, content, audience }
    }

    /// The event under the name of a filtered subscription to its channel.
    pub(super) fn under(&self, name: &Arc<str>) -> Self {
        Self {
            channel: Arc::clone(&self.channel),
            replay: self.replay,
            at: self.at,
            alias: Some(Arc::clone(name)),
            content: self.content.clone(),
            audience: self.audience.clone(),
        }
    }

    /// The name under which it was subscribed to: the channel's, unless there is a filter.
    pub(super) fn name(&self) -> &Arc<str> {
        self.alias.as_ref().unwrap_or(&self.channel)
    }

    /// The record's fields and their values; none where it tells of no record.
    pub(super) fn record(&self) -> Vec<(String, Value)> {
        let (text, place) = match &self.content {
            Content::Record { fields, .. } => {
                let value = |text: &str| serde_json::from_str(text).unwrap_or_default();
                return fields.iter().map(|(name, text)| (name.clone(), value(text))).collect();
            }
            Content::Data { rest, .. } => (format!("{{{rest}}}"), "/sobject"),
            Content::Raw(text) => (text.clone(), "/data/sobject"),
        };
        let mut whole: Value = serde_json::from_str(&text).unwrap_or_default();
        match whole.pointer_mut(place).map(Value::take) {
            Some(Value::Object(fields)) => fields.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What it weighs against bounds, in bytes.
    pub(super) fn size(&self) -> usize {
        self.content.len() + size_of::<Self>()
    }

    /// Whether a session of this version and user is told of it at all.
    pub(super) fn concerns(&self, version: Version, user: &User) -> bool {
        let deletion = matches!(
            self.content,
            Content::Data { deletion: true, .. } | Content::Record { deletion: true, .. }
        );
        (!deletion || version.hears_deletions()) && self.audience.has(user)
    }

    /// The message as the session `client` of this version and user receives it.
    pub(super) fn render(&self, version: Version, user: &User, client: &str, out: &mut String) {
        let (event, created, rest) = match &self.content {
            Content::Raw(text) => return out.push_str(text),
            Content::Data { event, created, rest, .. } => (event, *created, rest.clone()),
            Content::Record { event, created, object, fields, .. } => {
                (event, Some(*created), sobject(object, fields, user))
            }
        };
        out.push_str("{\"channel\":");
        out.push_str(&quoted(version.name(self.name())));
        if !version.replays() {
            out.push_str(",\"clientId\":");
            out.push_str(&quoted(client));
        }
        out.push_str(",\"data\":{\"event\":{");
        let date = created.map(|created| format!("\"createdDate\":\"{}\"", date(created, version)));
        let number = version.replays().then(|| format!("\"replayId\":{}", self.replay));
        let given = (!event.is_empty()).then(|| event.clone());
        let members: Vec<_> = [given, date, number].into_iter().flatten().collect();
        out.push_str(&members.join(","));
        out.push('}');
        if !rest.is_empty() {
            out.push(',');
            out.push_str(&rest);
        }
        out.push_str("}}");
    }
}

/// The member `sobject` with the fields that the user sees.
fn sobject(object: &str, fields: &[(String, String)], user: &User) -> String {
    let seen = fields.iter().filter(|(name, _)| user.sees(object, name));
    let members: Vec<_> = seen.map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("\"sobject\":{{{}}}", members.join(","))
}

/// `data` as a person or a test gave it, checked once and made into any number of events.
#[derive(Debug)]
pub(super) struct Draft {
    event: Members,
    rest: Members,
}

impl Draft {
    /// Reads `data`: an object, whose `event`, if any, is an object too.
    pub(super) fn parse(data: &RawValue) -> Result<Self, String> {
        let mut rest: Members = serde_json::from_str(data.get()).map_err(|error| format!("data: {error}"))?;
        let event = rest.remove("event");
        let event = event.map(|event| serde_json::from_str(event.get()));
        let mut event: Members =
            event.transpose().map_err(|error| format!("data.event: {error}"))?.unwrap_or_default();
        event.remove("replayId");
        if rest.get("sobject").is_some_and(|sobject| !sobject.get().starts_with('{')) {
            return Err("data.sobject: an object is wanted".to_owned());
        }
        Ok(Self { event, rest })
    }

    /// The content of one event of `channel` created now; `number` goes into `data.sobject` as `n`.
    pub(super) fn content(&self, channel: &str, number: Option<u64>) -> Content {
        let mut event = members(self.event.iter());
        let record = channel.starts_with("/topic/");
        if record && !self.event.contains_key("type") {
            let comma = if event.is_empty() { "" } else { "," };
            event = format!("\"type\":\"created\"{comma}{event}");
        }
        let dated = record || channel.starts_with("/u/");
        let created = (dated && !self.event.contains_key("createdDate")).then(now);
        let kind = self.event.get("type").map(|kind| kind.get());
        let deletion = matches!(kind, Some("\"deleted\"" | "\"undeleted\""));
        Content::Data { event, created, rest: self.rest(number), deletion }
    }

    fn rest(&self, number: Option<u64>) -> String {
        let Some(number) = number else {
            return members(self.rest.iter());
        };
        let others = members(self.rest.iter().filter(|(name, _)| *name != "sobject"));
        let sobject = self.rest.get("sobject").map_or("{}", |sobject| sobject.get());
        let open = sobject.strip_suffix('}').unwrap_or(sobject).trim_end();
        let comma = if open == "{" { "" } else { "," };
        let between = if others.is_empty() { "" } else { "," };
        format!("{others}{between}\"sobject\":{open}{comma}\"n\":{number}}}")
    }
}

/// Members as JSON text, without the braces.
fn members<'a>(members: impl Iterator<Item = (&'a String, &'a Box<RawValue>)>) -> String {
    let members: Vec<_> = members.map(|(name, value)| format!("{}:{}", quoted(name), value.get())).collect();
    members.join(",")
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The time by the wall clock; a clock that is out of any calendar counts as 1970.
pub(super) fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn date(created: Timestamp, version: Version) -> impl std::fmt::Display {
    created.strftime(if version.replays() { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f+0000" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::seed::Seed;
    use crate::emulator::users::Org;

    fn version(path: &str) -> Version {
        Version::of_path(path).unwrap().unwrap()
    }

    fn user() -> Arc<User> {
        Arc::clone(Org::new(&Seed::default()).anybody().unwrap())
    }

    fn rendered(content: Content, channel: &str, path: &str) -> String {
        let mut out = String::new();
        let event = Event::new(channel.into(), 7, Instant::now(), content, Audience::Everybody);
        event.render(version(path), &user(), "c1", &mut out);
        out
    }

    fn data(event: &str, created: &str) -> Content {
        Content::Data {
            event: event.to_owned(),
            created: Some(created.parse().unwrap()),
            rest: r#""sobject":{"Name":"INV-0001"}"#.to_owned(),
            deletion: false,
        }
    }

    fn draft(data: &str) -> Draft {
        Draft::parse(&RawValue::from_string(data.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn the_version_decides_the_shape() {
        let content = data(r#""type":"created""#, "2016-03-29T16:40:08.208Z");
        assert_eq!(
            rendered(content.clone(), "/topic/X", "/cometd/37.0"),
            r#"{"channel":"/topic/X","data":{"event":{"type":"created","createdDate":"2016-03-29T16:40:08.208Z","replayId":7},"sobject":{"Name":"INV-0001"}}}"#
        );
        assert_eq!(
            rendered(content.clone(), "/topic/X", "/cometd/36.0"),
            r#"{"channel":"/topic/X","clientId":"c1","data":{"event":{"type":"created","createdDate":"2016-03-29T16:40:08.208+0000"},"sobject":{"Name":"INV-0001"}}}"#
        );
        assert!(rendered(content, "/topic/X", "/cometd").starts_with(r#"{"channel":"/X","clientId""#));
        let whole = data("", "2011-11-14T17:33:45Z");
        assert!(rendered(whole, "/topic/X", "/cometd/35.0").contains("2011-11-14T17:33:45.000+0000"));
    }

    #[test]
    fn drafts_keep_what_was_given_and_add_what_is_missing() {
        let given = draft(r#"{"event":{"createdDate":"x","replayId":3},"sobject":{"b":1.0,"a":[ 2 ]}}"#);
        assert_eq!(
            rendered(given.content("/topic/X", Some(4)), "/topic/X", "/cometd/40.0"),
            r#"{"channel":"/topic/X","data":{"event":{"type":"created","createdDate":"x","replayId":7},"sobject":{"b":1.0,"a":[ 2 ],"n":4}}}"#
        );
        let bare = draft("{}").content("/event/X__e", Some(0));
        assert_eq!(
            rendered(bare, "/event/X__e", "/cometd/40.0"),
            r#"{"channel":"/event/X__e","data":{"event":{"replayId":7},"sobject":{"n":0}}}"#
        );
        let generic = draft(r#"{"payload":"hello"}"#).content("/u/x", None);
        let text = rendered(generic, "/u/x", "/cometd/40.0");
        assert!(text.ends_with(r#","replayId":7},"payload":"hello"}}"#), "{text}");
        assert!(text.contains(r#"{"event":{"createdDate":""#), "{text}");
    }

    #[test]
    fn data_that_is_no_object_is_refused() {
        for wrong in ["3", r#"{"event":1}"#, r#"{"sobject":[]}"#] {
            assert!(Draft::parse(&RawValue::from_string(wrong.to_owned()).unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn raw_text_is_sent_as_it_is() {
        let text =
            "{ \"channel\" : \"/topic/X\",\n\"data\":{\"event\":{\"replayId\":REPLAYID},\"n\":1.50e3}}";
        assert_eq!(
            rendered(Content::Raw(text.to_owned()), "/topic/X", "/cometd/36.0"),
            text.replace("REPLAYID", "7")
        );
    }

    #[test]
    fn deletions_reach_versions_that_know_them() {
        let gone = draft(r#"{"event":{"type":"deleted"}}"#).content("/topic/X", None);
        let event = Event::new("/topic/X".into(), 1, Instant::now(), gone, Audience::Everybody);
        let concerns = |path| event.concerns(version(path), &user());
        assert!(concerns("/cometd/29.0") && !concerns("/cometd/28.0"));
    }
}
