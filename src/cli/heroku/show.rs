//! What is shown of connections and mappings.

use serde_json::{Value, json};

use super::super::table::Table;
pub(super) use super::super::table::clean;
use crate::heroku::{Connection, Mapping};

/// One connection of a list, as JSON.
pub(super) fn entry(one: &Connection) -> Value {
    json!({"id": one.id, "name": one.name, "app_name": one.app_name, "state": one.state})
}

/// A connection with its mappings, as JSON.
pub(super) fn document(one: &Connection) -> Value {
    json!({
        "id": one.id,
        "name": one.name,
        "app_name": one.app_name,
        "state": one.state,
        "schema_name": one.schema_name,
        "db_key": one.db_key,
        "database": one.database,
        "mappings": one.mappings.as_deref().unwrap_or_default(),
    })
}

/// A mapping in one line.
pub(super) fn line(one: &Mapping) -> String {
    let state = one.state.as_deref().unwrap_or("no state told");
    let revision = one.config.revision().map(|revision| format!(", revision {revision}")).unwrap_or_default();
    format!("{}, {}: {}{revision}", clean(&one.object_name), clean(&one.id), clean(state))
}

/// A connection and its mappings, for people.
pub(super) fn connection(one: &Connection) -> String {
    let database = one.database.as_ref().map(|database| {
        let port = database.port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}{port}/{}", text(&database.host), text(&database.database))
    });
    let mut pairs = Table::of_pairs();
    for (name, value) in [
        ("id", Some(&one.id)),
        ("name", one.name.as_ref()),
        ("app", one.app_name.as_ref()),
        ("state", one.state.as_ref()),
        ("schema", one.schema_name.as_ref()),
        ("database key", one.db_key.as_ref()),
        ("database", database.as_ref()),
    ] {
        pairs.row([name, value.map_or("not told", String::as_str)]);
    }
    format!("{pairs}\n{}", mappings(one.mappings.as_deref().unwrap_or_default()))
}

fn mappings(all: &[Mapping]) -> Table {
    let heads = ["OBJECT", "STATE", "ACCESS", "NOTIFY", "#POLLING", "#FIELDS", "#INDEXES", "#REVISION", "ID"];
    let mut table = Table::new(&heads);
    for one in all {
        let text = |key| match one.config.get(key) {
            None => String::from("-"),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(yes)) => String::from(if *yes { "yes" } else { "no" }),
            Some(other) => other.to_string(),
        };
        let count = |key| one.config.count(key).to_string();
        table.row([
            one.object_name.clone(),
            one.state.clone().unwrap_or_else(|| String::from("-")),
            text("access"),
            text("sf_notify_enabled"),
            text("sf_polling_seconds"),
            count("fields"),
            count("indexes"),
            text("revision"),
            one.id.clone(),
        ]);
    }
    table
}
