//! The org's records: types, values, the recycle bin, and what their changes tell to subscribers.
//!
//! # Constraints
//!
//! - Bounded: types, fields, records, bytes, open queries, `PushTopic` records and `StreamingChannel` records.
//! - A call does all of what it asks or nothing.
//! - It publishes nothing itself: a change gives [`Notice`]s, which the caller publishes under the same lock,
//!   so that events are in the order of the changes.
//! - Days begin at midnight UTC. There is one currency and one language.
//!
//! Where the guide says nothing:
//!
//! - A deleted or undeleted record is told of where it meets the topic's conditions, as a created one is.
//! - An update that changes no value is told to nobody. `IsClosed`, `WhoCount` and `WhatCount` of a task follow
//!   other fields, and are heard of by those; the stamps of an update count where anything else changed.
//! - An inactive topic can be subscribed to, and says nothing; only active ones count against the allowance.
//! - A renamed topic can be subscribed to by its new name alone, while its present subscribers go on to hear of
//!   it by the old one.
//! - By API 28 and before a topic is created without notifications of deleted and undeleted records.
//! - Events beyond the day's allowance are dropped, and a push beyond it is refused with `LIMIT_EXCEEDED`.
//!
//! # Format
//!
//! Records keep moments as `2011-11-14T17:33:45.000+0000`, days as `2011-11-14`, ids with 18 characters, and
//! no empty text. What the REST API refuses is a [`Refused`], in the words of Salesforce.
//!
//! # Operations
//!
//! [`Records::create`], [`Records::update`], [`Records::delete`], [`Records::undelete`], [`Records::get`],
//! [`Records::query`]; [`Records::define`] for types; what subscribers and pushes ask is in `channel`, who
//! sees the records of a private type in `sharing`.

mod bounds;
mod channel;
mod check;
mod custom;
mod kind;
mod refused;
mod row;
mod rules;
mod save;
mod select;
mod sharing;
mod standard;
#[cfg(test)]
mod tests;
mod topic;
mod topics;
mod value;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ids;
use super::users::{Access, User};

pub use bounds::Edition;
pub(super) use bounds::{Allowances, SERVER_CLIENTS_MAX, Usage};
pub(super) use channel::PushEvent;
pub(super) use custom::{ObjectSeed, RecordSeeds};
pub(super) use kind::{Field, Kind, Shape};
pub(super) use refused::Refused;
pub(super) use row::Row;
pub(super) use select::{Found, Members, Page};
pub(super) use topic::Notice;

use bounds::Bounds;
use select::Cursors;
use topics::Topics;

/// Who makes a call, by which API version and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    /// Whose call it is.
    pub(super) user: &'c User,
    /// The API version, without the point.
    pub(super) version: u8,
    /// The moment.
    pub(super) now: Timestamp,
}

/// All records of the org.
#[derive(Debug)]
pub(super) struct Records {
    /// By their names in small letters.
    kinds: BTreeMap<String, Kind>,
    /// By their ids.
    rows: BTreeMap<String, Row>,
    /// How many records there were of each prefix of ids.
    made: BTreeMap<String, u64>,
    bounds: Bounds,
    topics: Topics,
    cursors: Cursors,
    allowances: Allowances,
    /// Whether the first subscriber to a `/u/` channel makes it.
    pub(super) dynamic_channels: bool,
}

impl Records {
    /// The standard types, and no record but the users.
    pub(super) fn new(edition: Edition, users: &[std::sync::Arc<User>], now: Timestamp) -> Self {
        let kinds = standard::kinds().into_iter().map(|kind| (kind.name.to_lowercase(), kind));
        let mut records = Self {
            kinds: kinds.collect(),
            rows: BTreeMap::new(),
            made: BTreeMap::new(),
            bounds: Bounds::default(),
            topics: Topics::default(),
            cursors: Cursors::default(),
            allowances: edition.allowances(),
            dynamic_channels: true,
        };
        for user in users {
            records.add_user(user, now);
        }
        records
    }

    /// What the org's edition allows.
    pub(super) fn allowances(&self) -> Allowances {
        self.allowances
    }

    /// The same, to be changed.
    pub(super) fn allowances_mut(&mut self) -> &mut Allowances {
        &mut self.allowances
    }

    /// Every type that the caller sees.
    pub(super) fn kinds(&self, call: Call<'_>) -> impl Iterator<Item = &Kind> {
        self.kinds
            .values()
            .filter(move |kind| kind.since <= call.version && call.user.access(&kind.name) > Access::None)
    }

    /// The type of this name; case does not matter.
    pub(super) fn kind(&self, call: Call<'_>, name: &str) -> Result<&Kind, Refused> {
        let found = self.kinds.get(&name.to_lowercase()).filter(|kind| kind.since <= call.version);
        found.filter(|kind| call.user.access(&kind.name) > Access::None).ok_or_else(Refused::not_found)
    }

    /// The type of this name, whose records the caller may change.
    fn changeable(&self, call: Call<'_>, name: &str) -> Result<&Kind, Refused> {
        let kind = self.kind(call, name)?;
        if kind.fixed || call.user.access(&kind.name) < Access::Edit {
            return Err(Refused::no_access());
        }
        Ok(kind)
    }

    /// The record of this type and id that is not deleted, with its id of 18 characters.
    pub(super) fn get(&self, call: Call<'_>, kind: &str, id: &str) -> Result<(&Kind, String, &Row), Refused> {
        let kind = self.kind(call, kind)?;
        let (id, row) = self.find(call, kind, id)?;
        if row.flag("IsDeleted") {
            return Err(Refused::new("ENTITY_IS_DELETED", "entity is deleted")
                .of::<String>([])
                .with(http::StatusCode::NOT_FOUND));
        }
        Ok((kind, id, row))
    }

    /// The record of this type and id that the caller sees, deleted or not.
    fn find(&self, call: Call<'_>, kind: &Kind, id: &str) -> Result<(String, &Row), Refused> {
        let gone = || {
            let message = "Provided external ID field does not exist or is not accessible: ".to_owned() + id;
            Refused::new("NOT_FOUND", message).with(http::StatusCode::NOT_FOUND)
        };
        let id = ids::canonical(id).filter(|id| ids::prefix(id) == kind.prefix).ok_or_else(gone)?;
        let row = self.rows.get(&id).ok_or_else(gone)?;
        if self.sight(kind, call.user).of(&id, row) == Access::None {
            return Err(gone());
        }
        Ok((id, row))
    }

    /// The records of a type, deleted ones too, in the order of their making.
    fn rows_of(&self, kind: &Kind) -> impl Iterator<Item = (&String, &Row)> {
        let prefix = kind.prefix.clone();
        self.rows.range(prefix.clone()..).take_while(move |(id, _)| id.starts_with(&prefix))
    }

    /// The records of the type `name` that are not deleted.
    fn live<'s>(&'s self, name: &str) -> impl Iterator<Item = (&'s String, &'s Row)> + use<'s> {
        let rows = self.kinds.get(&name.to_lowercase()).map(|kind| self.rows_of(kind));
        rows.into_iter().flatten().filter(|(_, row)| !row.flag("IsDeleted"))
    }

    /// Says in the record of a user whether logins are taken.
    pub(super) fn refresh_user(&mut self, user: &User) {
        if let Some(row) = self.rows.get_mut(&user.id) {
            row.set("IsActive", user.is_active().into());
        }
    }

    fn add_user(&mut self, user: &User, now: Timestamp) {
        let mut row = Row::default();
        for (name, text) in [
            ("Id", &user.id),
            ("Username", &user.username),
            ("FirstName", &user.first_name),
            ("LastName", &user.last_name),
            ("Name", &user.display_name()),
            ("Email", &user.email),
        ] {
            row.set(name, if text.is_empty() { serde_json::Value::Null } else { text.as_str().into() });
        }
        row.set("IsActive", user.is_active().into());
        save::stamp_new(&mut row, &user.id, now);
        self.rows.insert(user.id.clone(), row);
    }
}
