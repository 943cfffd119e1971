//! What is mapped, and how: changed, checked, compared.
//!
//! Constraints: what is not known here is kept as the service has it, so that a change of one setting undoes no other.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Which way data goes.
const ACCESS: [&str; 2] = ["read_only", "read_write"];
/// Every setting that may be written down; the last two are the service's, and are not sent as they stand there.
const KEYS: [&str; 9] = [
    "access",
    "fields",
    "indexes",
    "sf_max_daily_api_calls",
    "sf_notify_enabled",
    "sf_polling_seconds",
    "upsert_field",
    REVISION,
    APPLIED_AT,
];
const REVISION: &str = "revision";
const APPLIED_AT: &str = "applied_at";
/// The longest name of an object or a field, in bytes.
const NAME_MAX: usize = 80;
/// How alike two words are of which one is taken for a slip of the other.
const ALIKE: f64 = 0.8;

/// The `config` of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MappingConfig(Map<String, Value>);

/// One setting that two configs do not have alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which, such as `access` or `fields.Name`.
    pub what: String,
    /// Its value in the first.
    pub before: Option<Value>,
    /// Its value in the second.
    pub after: Option<Value>,
}

/// A setting, what holds for it, and how that is said.
type Rule<'a> = (&'a str, &'a dyn Fn(&Value) -> bool, &'a str);

/// Whether `name` may be that of an object or a field.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= NAME_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.bytes().all(plain)
}

impl MappingConfig {
    /// The setting `key`, unless it is null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Changes one setting.
    pub fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// The number that changes with every change.
    pub fn revision(&self) -> Option<u64> {
        self.get(REVISION)?.as_u64()
    }

    /// How many entries `fields` or `indexes` has.
    pub fn count(&self, key: &str) -> usize {
        self.get(key).and_then(Value::as_object).map_or(0, Map::len)
    }

    /// Takes every setting of `other`, but for what the service itself writes.
    pub fn lay(&mut self, other: &Self) {
        let own = other.0.iter().filter(|(key, _)| !matches!(key.as_str(), REVISION | APPLIED_AT));
        self.0.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    }

    /// Maps a field; one that is mapped keeps its settings.
    pub fn add_field(&mut self, name: &str) {
        self.entries("fields").entry(name).or_insert_with(|| json!({}));
    }

    /// Indexes a field.
    pub fn add_index(&mut self, name: &str, unique: bool) {
        self.entries("indexes").insert(name.into(), json!({"unique": unique}));
    }

    /// Takes `name` out of `fields` or `indexes`; whether it was there.
    pub fn remove(&mut self, key: &str, name: &str) -> bool {
        self.entries(key).remove(name).is_some()
    }

    /// Without the time of its last change, which the service alone knows.
    #[must_use]
    pub fn to_send(&self) -> Self {
        let mut sent = self.clone();
        sent.0.remove(APPLIED_AT);
        sent
    }

    fn entries(&mut self, key: &str) -> &mut Map<String, Value> {
        let value = self.0.entry(key).or_insert_with(|| json!({}));
        if !value.is_object() {
            *value = json!({});
        }
        value.as_object_mut().expect("made an object above")
    }

    /// A list of names for `fields` means those fields without settings.
    pub(super) fn expand(&mut self) {
        let Some(Value::Array(names)) = self.0.get("fields") else { return };
        let names: Option<Vec<_>> = names.iter().map(Value::as_str).collect();
        if let Some(names) = names {
            let fields = names.into_iter().map(|name| (name.to_owned(), json!({})));
            let fields: Map<_, _> = fields.collect();
            self.set("fields", fields.into());
        }
    }

    /// Everything that is wrong with what a person wrote; a setting that the service has already, in `present`, is none.
    pub fn problems(&self, present: Option<&Self>) -> Vec<String> {
        let mut found = Vec::new();
        for key in self.0.keys() {
            if !KEYS.contains(&key.as_str()) && present.is_none_or(|present| present.get(key).is_none()) {
                found.push(format!("{}: there is no such setting{}", escaped(key), slip(key)));
            }
        }
        found.extend(self.wrong_values());
        found.extend(self.wrong_fields());
        found.extend(self.wrong_indexes());
        found
    }

    fn wrong_values(&self) -> Vec<String> {
        let access = |value: &Value| value.as_str().is_some_and(|text| ACCESS.contains(&text));
        let seconds = |value: &Value| value.as_u64().is_some_and(|seconds| seconds > 0);
        let rules: [Rule<'_>; 5] = [
            ("access", &access, "\"read_only\" or \"read_write\""),
            ("sf_notify_enabled", &Value::is_boolean, "true or false"),
            ("sf_polling_seconds", &seconds, "a whole number of seconds above 0"),
            ("sf_max_daily_api_calls", &Value::is_u64, "a whole number"),
            (REVISION, &Value::is_u64, "the number that the service gave"),
        ];
        let broken = |(key, holds, wanted): &Rule<'_>| {
            let value = self.get(key).filter(|value| !holds(value))?;
            Some(format!("{key}: found {value}, wanted {wanted}"))
        };
        rules.iter().filter_map(broken).collect()
    }

    fn wrong_fields(&self) -> Vec<String> {
        match self.get("fields") {
            Some(Value::Object(fields)) if !fields.is_empty() => {
                let wrong = fields.iter().filter(|(name, value)| !is_name(name) || !value.is_object());
                wrong
                    .map(|(name, value)| {
                        format!("fields.{}: found {value}, wanted {{}} for a field's name", escaped(name))
                    })
                    .collect()
            }
            _ => vec![String::from("fields: at least one is wanted")],
        }
    }

    fn wrong_indexes(&self) -> Vec<String> {
        let indexes = match self.get("indexes") {
            None => return Vec::new(),
            Some(Value::Object(indexes)) => indexes,
            Some(other) => return vec![format!("indexes: found {other}, wanted a table")],
        };
        let fields = self.get("fields").and_then(Value::as_object);
        let shape = |value: &Value| {
            let table = value.as_object();
            table.is_some_and(|table| table.iter().all(|(key, value)| key == "unique" && value.is_boolean()))
        };
        let wrong = indexes.iter().filter_map(|(name, value)| {
            if fields.is_none_or(|fields| !fields.contains_key(name)) {
                return Some(format!("indexes.{}: there is no such field in the mapping", escaped(name)));
            }
            let wanted = "wanted { unique = true } or { unique = false }";
            (!shape(value)).then(|| format!("indexes.{}: found {value}, {wanted}", escaped(name)))
        });
        wrong.collect()
    }

    /// What `other` has otherwise, without what every change moves.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (before, after) = (self.flat(), other.flat());
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let pairs = names.into_iter().map(|name| (name, before.get(name).copied(), after.get(name).copied()));
        let changed = pairs.filter(|(_, before, after)| before != after);
        changed
            .map(|(what, before, after)| Difference {
                what: what.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
            .collect()
    }

    /// Every setting by its name, those of `fields` and `indexes` one by one.
    fn flat(&self) -> BTreeMap<String, &Value> {
        let mut flat = BTreeMap::new();
        for (key, value) in &self.0 {
            match value {
                Value::Null => {}
                _ if matches!(key.as_str(), REVISION | APPLIED_AT) => {}
                Value::Object(entries) if matches!(key.as_str(), "fields" | "indexes") => {
                    flat.extend(entries.iter().map(|(name, value)| (format!("{key}.{name}"), value)));
                }
                _ => {
                    flat.insert(key.clone(), value);
                }
            }
        }
        flat
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, plain) = (escaped(&self.what), json!({}));
        let shown = |value: &Value| escaped(&value.to_string());
        match (&self.before, &self.after) {
            (None, None) => Ok(()),
            (None, Some(value)) if *value == plain => write!(f, "+ {what}"),
            (None, Some(value)) => write!(f, "+ {what}: {}", shown(value)),
            (Some(_), None) => write!(f, "- {what}"),
            (Some(before), Some(after)) => write!(f, "~ {what}: {} -> {}", shown(before), shown(after)),
        }
    }
}

/// A text without what would control a terminal.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}

/// What was meant, if that can be told.
fn slip(key: &str) -> String {
    let likeness = |known: &&&str| strsim::jaro_winkler(known, key);
    let best = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let best = best.filter(|known| likeness(known) > ALIKE);
    best.map(|known| format!("; is it {known}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(value: Value) -> MappingConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn changes_leave_everything_else_as_it_is() {
        let mut one =
            config(json!({"fields": {"Id": {"x": 1}}, "upsert_field": "E", "odd": [1], "revision": 7,
            "applied_at": "then"}));
        one.add_field("Id");
        one.add_field("Name");
        one.add_index("Id", true);
        one.lay(&config(json!({"access": "read_only", "revision": 1, "applied_at": "now"})));
        assert!(one.remove("fields", "Name") && !one.remove("indexes", "Name"));
        let wanted = json!({"fields": {"Id": {"x": 1}}, "indexes": {"Id": {"unique": true}}, "upsert_field": "E",
            "odd": [1], "access": "read_only", "revision": 7});
        assert_eq!(serde_json::to_value(one.to_send()).unwrap(), wanted);
        assert_eq!((one.revision(), one.count("fields"), one.count("none")), (Some(7), 1, 0));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = config(json!({"acess": "read_only", "access": "write", "sf_notify_enabled": "yes",
            "sf_polling_seconds": 0, "fields": {"A": {}, "b c": {}, "D": 1}, "indexes": {"A": {"uniq": true}, "E": {}},
            "odd": 1, "revision": -1}));
        let found = bad.problems(Some(&config(json!({"odd": 2}))));
        let wanted = [
            "acess: there is no such setting; is it access?",
            "access: found \"write\", wanted \"read_only\" or \"read_write\"",
            "sf_notify_enabled: found \"yes\", wanted true or false",
            "sf_polling_seconds: found 0, wanted a whole number of seconds above 0",
            "revision: found -1, wanted the number that the service gave",
            "fields.D: found 1, wanted {} for a field's name",
            "fields.b c: found {}, wanted {} for a field's name",
            "indexes.A: found {\"uniq\":true}, wanted { unique = true } or { unique = false }",
            "indexes.E: there is no such field in the mapping",
        ];
        assert_eq!(found, wanted);
        for none in [json!({}), json!({"fields": {}}), json!({"fields": ["A", 1]}), json!({"fields": null})] {
            let mut none = config(none);
            none.expand();
            assert_eq!(none.problems(None), ["fields: at least one is wanted"]);
        }
        assert_eq!(
            config(json!({"odd": 1, "fields": {"A": {}}})).problems(None),
            ["odd: there is no such setting"]
        );
    }

    #[test]
    fn differences_are_named_one_by_one() {
        let before = config(json!({"access": "read_only", "fields": {"A": {}, "B": {}}, "revision": 1,
            "indexes": {"A": {"unique": false}}, "sf_polling_seconds": null}));
        let after = config(json!({"access": "read_write", "fields": {"A": {}, "C\u{1b}": {}}, "revision": 2,
            "indexes": {"A": {"unique": true}}, "sf_polling_seconds": 60}));
        let told: Vec<_> = before.differences(&after).iter().map(ToString::to_string).collect();
        let wanted = [
            "~ access: \"read_only\" -> \"read_write\"",
            "- fields.B",
            "+ fields.C\\u{1b}",
            "~ indexes.A: {\"unique\":false} -> {\"unique\":true}",
            "+ sf_polling_seconds: 60",
        ];
        assert_eq!(told, wanted);
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn names_are_those_of_objects_and_fields() {
        for good in ["Contact", "Invoice_Statement__c", "a1", "Xx__r"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "_a", "a b", "a.b", "a/b", "\u{e9}", &"x".repeat(81)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
