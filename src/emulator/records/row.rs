//! One record: its values by the API names of their fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::kind::{ADDRESS, Field, Kind, Shape};
use super::value::datum;
use crate::emulator::soql::{self, Datum};

/// The values of a record; what is not there is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::emulator) struct Row(BTreeMap<String, Value>);

/// What a field without a value holds.
const NOTHING: &Value = &Value::Null;

impl Row {
    /// The value of a field, by its API name.
    pub(in crate::emulator) fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(NOTHING)
    }

    /// The text of a field; empty where there is none.
    pub(in crate::emulator) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    /// Whether a field is true.
    pub(in crate::emulator) fn flag(&self, name: &str) -> bool {
        *self.get(name) == Value::Bool(true)
    }

    /// Sets a field.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        if value.is_null() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// What it weighs against bounds, in bytes.
    pub(super) fn size(&self) -> usize {
        let size = |(name, value): (&String, &Value)| name.len() + value.as_str().map_or(16, str::len) + 64;
        self.0.iter().map(size).sum()
    }
}

/// A record as a query sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'v> {
    /// Its type.
    pub(super) kind: &'v Kind,
    /// Its values.
    pub(super) row: &'v Row,
}

impl soql::Row for View<'_> {
    fn get(&self, name: &str) -> Datum {
        let field = self.kind.field(name);
        field.map_or(Datum::Null, |field| datum(&field.shape, self.row.get(&field.name)))
    }
}

/// The value of a field as callers see it.
pub(super) fn shown(field: &Field, row: &Row) -> Value {
    let Shape::Address(prefix) = &field.shape else {
        return row.get(&field.name).clone();
    };
    let mut parts = Map::new();
    for part in ADDRESS {
        let mut name = part.to_owned();
        name.get_mut(..1).into_iter().for_each(str::make_ascii_lowercase);
        parts.insert(name, row.get(&format!("{prefix}{part}")).clone());
    }
    if parts.values().all(Value::is_null) { Value::Null } else { Value::Object(parts) }
}

/// Sets the fields that follow from others.
pub(super) fn derive(kind: &Kind, row: &mut Row) {
    match kind.name.as_str() {
        "Contact" | "Lead" => {
            let name = format!("{} {}", row.text("FirstName"), row.text("LastName"));
            row.set("Name", name.trim().into());
        }
        "Case" => row.set("IsClosed", (row.text("Status") == "Closed").into()),
        "Opportunity" => {
            let won = row.text("StageName") == "Closed Won";
            row.set("IsWon", won.into());
            row.set("IsClosed", (won || row.text("StageName") == "Closed Lost").into());
        }
        "Task" => {
            row.set("IsClosed", (row.text("Status") == "Completed").into());
            row.set("WhoCount", u8::from(!row.get("WhoId").is_null()).into());
            row.set("WhatCount", u8::from(!row.get("WhatId").is_null()).into());
        }
        _ => {}
    }
}
