//! A `PushTopic` and the changes of records that it tells of (guide, "Event Notification Rules").

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::check::Check;
use super::kind::Kind;
use super::refused::Refused;
use super::row::{Row, View, shown};
use super::rules;
use crate::emulator::event::{Audience, Content};
use crate::emulator::soql::{Query, matches};

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Operation {
    /// It was made.
    Create,
    /// Some of its fields changed.
    Update,
    /// It went into the recycle bin.
    Delete,
    /// It came back from there.
    Undelete,
}

/// A change of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'c> {
    /// What happened.
    pub(super) operation: Operation,
    /// The type of the record.
    pub(super) kind: &'c Kind,
    /// The record as it is now.
    pub(super) row: &'c Row,
    /// The fields whose values are others than before, where it was updated.
    pub(super) changed: &'c BTreeSet<String>,
    /// When.
    pub(super) at: Timestamp,
}

/// Which changes of fields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// Of any field.
    All,
    /// Of those in `SELECT` or `WHERE`.
    Referenced,
    /// Of those in `SELECT`.
    Select,
    /// Of those in `WHERE`.
    Where,
}

/// A `PushTopic` that is in use.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    /// Its name, without `/topic/`.
    pub(super) name: String,
    /// Whether it tells of anything.
    pub(super) active: bool,
    /// The type of the records.
    pub(super) object: String,
    query: Query,
    fields: Fields,
    operations: Vec<Operation>,
    select: Vec<String>,
    filter: BTreeSet<String>,
}

/// What is published.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Notice {
    /// Where.
    pub(in crate::emulator) channel: String,
    /// What.
    pub(in crate::emulator) content: Content,
    /// To whom.
    pub(in crate::emulator) audience: Audience,
    /// Whether the channel is one that its topic had before, for those who have subscribed to it.
    pub(in crate::emulator) former: bool,
}

impl Topic {
    /// The topic of a `PushTopic` record, if it follows the rules; `kind` finds the types of records.
    pub(super) fn new<'k>(row: &Row, kind: impl Fn(&str) -> Option<&'k Kind>) -> Result<Self, Refused> {
        let text = row.text("Query");
        let version = rules::api_version(row)?;
        let query = rules::parse(text)?;
        let kind = rules::object(&query, kind(&query.from.name), version)?;
        let check = Check { text, kind, version, user: None };
        let select = rules::select(&check, &query)?;
        let filter = rules::filter(&check, &query)?;
        let fields = notify_for_fields(row);
        rules::fields(fields, &select, &filter)?;
        Ok(Self {
            name: row.text("Name").to_owned(),
            active: row.flag("IsActive"),
            object: kind.name.clone(),
            query,
            fields,
            operations: operations(row),
            select,
            filter,
        })
    }

    /// Where it publishes.
    pub(super) fn channel(&self) -> String {
        format!("/topic/{}", self.name)
    }

    /// Whether its query selects a field, which a filter may then name; case does not matter.
    pub(super) fn selects(&self, field: &str) -> bool {
        self.select.iter().any(|name| name.eq_ignore_ascii_case(field))
    }

    /// Who may hear of it.
    pub(super) fn audience(&self) -> Audience {
        let filter = self.filter.iter().cloned().collect();
        Audience::Readers { object: self.object.clone(), filter }
    }

    /// What it says of a change, if anything.
    pub(super) fn tell(&self, change: &Change<'_>) -> Option<Notice> {
        let concerned = self.active && change.kind.name == self.object;
        if !concerned || !self.operations.contains(&change.operation) || !self.counts(change) {
            return None;
        }
        let view = View { kind: change.kind, row: change.row };
        let met = self.query.filter.as_ref().is_none_or(|filter| matches(filter, &view, change.at));
        met.then(|| Notice {
            channel: self.channel(),
            content: self.content(change),
            audience: self.audience(),
            former: false,
        })
    }

    /// Whether the fields that changed count.
    fn counts(&self, change: &Change<'_>) -> bool {
        let changed = |field: &String| change.changed.contains(field);
        change.operation != Operation::Update
            || match self.fields {
                Fields::All => !change.changed.is_empty(),
                Fields::Referenced => self.select.iter().any(changed) || self.filter.iter().any(changed),
                Fields::Select => self.select.iter().any(changed),
                Fields::Where => self.filter.iter().any(changed),
            }
    }

    fn content(&self, change: &Change<'_>) -> Content {
        let (kind, only_id) = match change.operation {
            Operation::Create => ("created", false),
            Operation::Update => ("updated", false),
            Operation::Delete => ("deleted", true),
            Operation::Undelete => ("undeleted", false),
        };
        let fields = self.select.iter().filter(|name| !only_id || *name == "Id");
        let field = |name: &String| {
            let value = change.kind.field(name).map(|field| shown(field, change.row));
            (name.clone(), value.unwrap_or(Value::Null).to_string())
        };
        Content::Record {
            event: format!("\"type\":\"{kind}\""),
            created: change.at,
            object: self.object.clone(),
            fields: fields.map(field).collect(),
            deletion: matches!(change.operation, Operation::Delete | Operation::Undelete),
        }
    }
}

fn notify_for_fields(row: &Row) -> Fields {
    match row.text("NotifyForFields") {
        "All" => Fields::All,
        "Select" => Fields::Select,
        "Where" => Fields::Where,
        _ => Fields::Referenced,
    }
}

/// The operations and the fields that ask for them.
const OPERATIONS: [(Operation, &str); 4] = [
    (Operation::Create, "NotifyForOperationCreate"),
    (Operation::Update, "NotifyForOperationUpdate"),
    (Operation::Delete, "NotifyForOperationDelete"),
    (Operation::Undelete, "NotifyForOperationUndelete"),
];

fn operations(row: &Row) -> Vec<Operation> {
    let asked = OPERATIONS.into_iter().filter(|(_, field)| row.flag(field));
    asked.map(|(operation, _)| operation).collect()
}

/// Brings `NotifyForOperations` and the fields that follow it in later versions together. By API 28 and before,
/// the first decides, and nothing is told of deleted and undeleted records; from 29 on it follows the others.
pub(super) fn settle(row: &mut Row, version: u8, created: bool, given: bool) {
    if version <= 28 && (created || given) {
        let asked = row.text("NotifyForOperations").to_owned();
        row.set("NotifyForOperationCreate", matches!(asked.as_str(), "All" | "Create").into());
        row.set("NotifyForOperationUpdate", matches!(asked.as_str(), "All" | "Update").into());
    }
    if version <= 28 && created {
        row.set("NotifyForOperationDelete", false.into());
        row.set("NotifyForOperationUndelete", false.into());
    }
    let both = (row.flag("NotifyForOperationCreate"), row.flag("NotifyForOperationUpdate"));
    let name = match both {
        (true, true) => "All",
        (true, false) => "Create",
        (false, true) => "Update",
        (false, false) => "Extended",
    };
    row.set("NotifyForOperations", name.into());
}
