//! A topic as it is wanted, and as an org has it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::api::ApiVersion;
use super::mark::tidy;
use super::{EACH_OPERATION, query};

/// Which changed fields notify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotifyForFields {
    /// Any.
    All,
    /// Those of SELECT and WHERE.
    #[default]
    Referenced,
    /// Those of SELECT.
    Select,
    /// Those of WHERE.
    Where,
}

impl NotifyForFields {
    /// Each by its name.
    pub const NAMES: [(&str, Self); 4] = [
        ("All", Self::All),
        ("Referenced", Self::Referenced),
        ("Select", Self::Select),
        ("Where", Self::Where),
    ];
}

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It goes into the recycle bin.
    Delete,
    /// It comes back from there.
    Undelete,
}

impl Operation {
    /// Each by its name.
    pub const NAMES: [(&str, Self); 4] = [
        ("create", Self::Create),
        ("update", Self::Update),
        ("delete", Self::Delete),
        ("undelete", Self::Undelete),
    ];

    /// The field of a topic that is its own.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Create => "NotifyForOperationCreate",
            Self::Update => "NotifyForOperationUpdate",
            Self::Delete => "NotifyForOperationDelete",
            Self::Undelete => "NotifyForOperationUndelete",
        }
    }
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, one)| one == value).map_or("", |(name, _)| name)
}

fn of_name<T: Copy>(names: &[(&'static str, T)], text: &str) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let all = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.map(|(_, value)| *value).ok_or_else(|| format!("wanted one of {}", all()))
}

impl fmt::Display for NotifyForFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Self::NAMES, self))
    }
}

impl FromStr for NotifyForFields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        of_name(&Self::NAMES, text)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Self::NAMES, self))
    }
}

/// The operations that notify; perhaps none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations(pub BTreeSet<Operation>);

impl Operations {
    /// Whether this one notifies.
    pub fn has(&self, operation: Operation) -> bool {
        self.0.contains(&operation)
    }

    /// Whether they are more than API 28.0 knows.
    fn is_late(&self) -> bool {
        self.has(Operation::Delete) || self.has(Operation::Undelete)
    }

    /// The one field of API 28.0 and earlier (guide: "Events").
    fn at_once(&self) -> &'static str {
        match (self.has(Operation::Create), self.has(Operation::Update)) {
            (true, true) => "All",
            (true, false) => "Create",
            (false, true) => "Update",
            (false, false) => "Extended",
        }
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl FromStr for Operations {
    type Err = String;

    /// Takes names with commas between them, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::default());
        }
        text.split(',')
            .map(|name| of_name(&Operation::NAMES, name.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// What somebody wants of a topic; what is not said is left as it is, and is the org's default in a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The name: the channel is `/topic/NAME`.
    pub name: Option<String>,
    /// The query.
    pub query: Option<String>,
    /// The version of the API that the query is written for.
    pub api_version: Option<ApiVersion>,
    /// What it is for; empty for none.
    pub description: Option<String>,
    /// Whether it notifies at all.
    pub is_active: Option<bool>,
    /// Which changed fields notify.
    pub notify_for_fields: Option<NotifyForFields>,
    /// Which operations notify.
    pub operations: Option<Operations>,
}

impl Change {
    /// The fields of the record, as an org at this version of the API takes them.
    pub(super) fn fields(&self, api: ApiVersion) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("Name", self.name.clone().map(Value::from));
        set("Query", self.query.as_deref().map(|query| query.trim().into()));
        set("ApiVersion", self.api_version.map(|ApiVersion(number)| f64::from(number).into()));
        set("Description", self.description.clone().map(Value::from));
        set("IsActive", self.is_active.map(Value::from));
        set("NotifyForFields", self.notify_for_fields.map(|fields| fields.to_string().into()));
        if let Some(operations) = &self.operations {
            // What the one field cannot say is asked for all the same, so that the org refuses it aloud.
            if api < EACH_OPERATION && !operations.is_late() {
                set("NotifyForOperations", Some(operations.at_once().into()));
            } else {
                let all = Operation::NAMES.into_iter().map(|(_, operation)| operation);
                all.for_each(|one| set(one.field(), Some(operations.has(one).into())));
            }
        }
        fields
    }

    /// What of the wanted is not so in the org.
    pub fn differences(&self, stored: &Stored, api: ApiVersion) -> Vec<Difference> {
        let mut present = stored.0.clone();
        let differs = |(field, to): (String, Value)| {
            let from = present.remove(&field).unwrap_or(Value::Null);
            (!is_same(&field, &from, &to)).then_some(Difference { field, from, to })
        };
        self.fields(api).into_iter().filter_map(differs).collect()
    }
}

/// Whether two values of a field mean the same.
fn is_same(field: &str, one: &Value, other: &Value) -> bool {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    match field {
        "Query" => query::is_same(&text(one), &text(other)),
        "Description" => text(one) == text(other),
        "ApiVersion" => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// One field that is to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field, by the server's name.
    pub field: String,
    /// What the org has.
    pub from: Value,
    /// What it is to have.
    pub to: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Value| tidy(&value.to_string());
        write!(f, "{}: {} -> {}", self.field, shown(&self.from), shown(&self.to))
    }
}

/// A topic as an org has it: its fields by the server's names, for no version of the API has all of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Stored(pub(super) Map<String, Value>);

impl Stored {
    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The record's id.
    pub fn id(&self) -> &str {
        self.text("Id")
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text("Name")
    }

    /// The channel.
    pub fn channel(&self) -> String {
        format!("/topic/{}", self.name())
    }

    /// The query.
    pub fn query(&self) -> &str {
        self.text("Query")
    }

    /// What it is for.
    pub fn description(&self) -> &str {
        self.text("Description")
    }

    /// The version of the API that the query is written for.
    pub fn api_version(&self) -> Option<f64> {
        self.0.get("ApiVersion")?.as_f64()
    }

    /// Whether it notifies at all.
    pub fn is_active(&self) -> bool {
        self.0.get("IsActive").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Which changed fields notify, in the org's word.
    pub fn notify_for_fields(&self) -> &str {
        self.text("NotifyForFields")
    }

    /// Which operations notify, as far as this version of the API tells.
    pub fn operations(&self) -> Operations {
        let of_all = match self.text("NotifyForOperations") {
            "All" => "create,update",
            "Create" => "create",
            "Update" => "update",
            _ => "none",
        };
        let each = Operation::NAMES.into_iter().map(|(_, operation)| operation);
        let told = each.clone().any(|one| self.0.contains_key(one.field()));
        let on = |one: &Operation| self.0.get(one.field()).and_then(Value::as_bool).unwrap_or_default();
        if told { Operations(each.filter(on).collect()) } else { of_all.parse().unwrap_or_default() }
    }
}
