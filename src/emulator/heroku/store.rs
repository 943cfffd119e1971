//! Connections, their mappings, and the tokens that were given out.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::control::Wrong;
use super::Refusal;
use super::config::Wanted;
use crate::emulator::auth::random_name;

/// The most connections.
const CONNECTIONS_MAX: usize = 1_000;
/// The most mappings of one connection.
const MAPPINGS_MAX: usize = 1_000;
/// The most tokens; older ones are forgotten.
const TOKENS_MAX: usize = 1_000;
/// The state of a mapping that has just been made or changed, and the one that it comes to.
const NEW: &str = "SCHEMA_CHANGED";
const SETTLED: &str = "POLLING_SF_CHANGES";
/// The first revision.
const FIRST_REVISION: u64 = 111_334;

/// Everything of the service.
pub(in crate::emulator) struct Store {
    connections: Vec<Connection>,
    /// Each with the instant after which it is no good.
    tokens: VecDeque<(String, Option<Instant>)>,
    revision: u64,
}

/// A link between an org and a database.
pub(super) struct Connection {
    number: usize,
    id: String,
    app: String,
    paused: Option<Instant>,
    mappings: Vec<Mapping>,
}

/// One object and its table.
struct Mapping {
    number: usize,
    id: String,
    object: String,
    config: Map<String, Value>,
    /// Since when it settles; a pause moves it on.
    changed: Instant,
}

impl Default for Store {
    fn default() -> Self {
        let mut store = Self { connections: Vec::new(), tokens: VecDeque::new(), revision: FIRST_REVISION };
        store.connect("example");
        store
    }
}

impl Store {
    fn connect(&mut self, app: &str) -> String {
        let id = uuid();
        self.connections.push(Connection {
            number: self.connections.len() + 1,
            id: id.clone(),
            app: app.to_owned(),
            paused: None,
            mappings: Vec::new(),
        });
        id
    }

    /// Gives out a token.
    pub(super) fn issue(&mut self, life: Option<Duration>) -> String {
        let token = random_name(32);
        if self.tokens.len() == TOKENS_MAX {
            self.tokens.pop_front();
        }
        self.tokens.push_back((token.clone(), life.and_then(|life| Instant::now().checked_add(life))));
        token
    }

    /// Whether a token is good.
    pub(super) fn knows(&self, token: &str) -> bool {
        let now = Instant::now();
        self.tokens.iter().any(|(known, end)| known == token && end.is_none_or(|end| now < end))
    }

    /// The connections of an app, or all.
    pub(super) fn of_app(&self, app: Option<&str>) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(move |one| app.is_none_or(|app| one.app == app))
    }

    /// The connection of this id.
    pub(super) fn connection(&mut self, id: &str) -> Result<&mut Connection, Refusal> {
        self.connections.iter_mut().find(|one| one.id == id).ok_or_else(Refusal::missing)
    }

    /// Makes a mapping.
    pub(super) fn map(&mut self, connection: &str, wanted: Wanted) -> Result<Value, Refusal> {
        let revision = self.next_revision();
        let connection = self.connection(connection)?;
        if connection.mappings.iter().any(|one| one.object.eq_ignore_ascii_case(&wanted.object_name)) {
            return Err(Refusal::bad(format!("{} is already mapped.", wanted.object_name)));
        }
        if connection.mappings.len() == MAPPINGS_MAX {
            return Err(Refusal::bad("There are as many mappings as there may be."));
        }
        let number = connection.mappings.len() + 1;
        let mut mapping = Mapping {
            number,
            id: uuid(),
            object: wanted.object_name,
            config: Map::new(),
            changed: Instant::now(),
        };
        mapping.apply(wanted.config, revision);
        let shown = mapping.show(NEW);
        connection.mappings.push(mapping);
        Ok(shown)
    }

    /// Changes a mapping.
    pub(super) fn remap(&mut self, id: &str, wanted: Wanted) -> Result<Value, Refusal> {
        let revision = self.next_revision();
        let mut all = self.connections.iter_mut().flat_map(|one| &mut one.mappings);
        let mapping = all.find(|one| one.id == id).ok_or_else(Refusal::missing)?;
        if mapping.object != wanted.object_name {
            return Err(Refusal::bad("object_name: cannot be changed."));
        }
        match wanted.revision() {
            None => return Err(Refusal::bad("revision: This field is required.")),
            Some(from) if Some(from) != mapping.revision() => {
                let message = "The mapping has been changed since this revision.";
                return Err(Refusal(StatusCode::CONFLICT, message.into()));
            }
            Some(_) => mapping.apply(wanted.config, revision),
        }
        Ok(mapping.show(NEW))
    }

    /// Revisions grow, with gaps.
    fn next_revision(&mut self) -> u64 {
        self.revision += 3;
        self.revision
    }
}

impl Connection {
    /// Stops the states of its mappings, or lets them go on.
    pub(super) fn pause(&mut self, pause: bool) {
        match (self.paused, pause) {
            (None, true) => self.paused = Some(Instant::now()),
            (Some(since), false) => {
                for mapping in &mut self.mappings {
                    mapping.changed += since.max(mapping.changed).elapsed();
                }
                self.paused = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// It in JSON, with its mappings where it is told how long these settle.
    pub(super) fn show(&self, settling: Option<Duration>) -> Value {
        let settled = |settling| -> Vec<_> {
            self.mappings.iter().map(|one| one.show(self.state(one, settling))).collect()
        };
        let mut shown = json!({
            "_id": self.number,
            "id": self.id,
            "name": self.app,
            "app_name": self.app,
            "state": if self.paused.is_some() { "PAUSED" } else { "IDLE" },
            "schema_name": "salesforce",
            "db_key": "DATABASE_URL",
            "database": {"host": "localhost", "port": 5432, "database": self.app},
        });
        let mappings = settling.map(settled).zip(shown.as_object_mut());
        if let Some((mappings, shown)) = mappings {
            shown.insert("mappings".into(), mappings.into());
        }
        shown
    }

    fn state(&self, mapping: &Mapping, settling: Duration) -> &'static str {
        let until = self.paused.unwrap_or_else(Instant::now);
        let settled = until.saturating_duration_since(mapping.changed) >= settling;
        if settled { SETTLED } else { NEW }
    }
}

impl Serialize for Connection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.show(None).serialize(serializer)
    }
}

impl Mapping {
    fn revision(&self) -> Option<u64> {
        self.config.get("revision")?.as_u64()
    }

    fn apply(&mut self, config: Map<String, Value>, revision: u64) {
        self.config = config;
        self.config.insert("revision".into(), revision.into());
        self.config.insert("applied_at".into(), now().into());
        self.changed = Instant::now();
    }

    fn show(&self, state: &str) -> Value {
        json!({
            "_id": self.number,
            "id": self.id,
            "object_name": self.object,
            "state": state,
            "config": self.config,
        })
    }
}

/// The time as the service writes it.
pub(super) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// The time as an authorization says it: `2016/05/05 00:45:17 -0700`.
pub(super) fn authorized_at() -> String {
    jiff::Timestamp::now().strftime("%Y/%m/%d %H:%M:%S +0000").to_string()
}

/// A random name in the shape of a UUID.
pub(super) fn uuid() -> String {
    let digits =
        |len: usize| -> String { std::iter::repeat_with(|| fastrand::digit(16)).take(len).collect() };
    [8, 4, 4, 4, 12].map(digits).join("-")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    app: String,
    count: Option<usize>,
}

/// Adds connections to an app, as a control request asks.
pub(in crate::emulator) fn add(store: &mut Store, body: &[u8]) -> Result<Value, Wrong> {
    let Added { app, count } = super::super::control::parse(body)?;
    let count = count.unwrap_or(1);
    if store.connections.len().saturating_add(count) > CONNECTIONS_MAX {
        return Err(Wrong::new("there are as many connections as there may be"));
    }
    let ids: Vec<_> = std::iter::repeat_with(|| store.connect(&app)).take(count).collect();
    Ok(json!({ "ids": ids }))
}
