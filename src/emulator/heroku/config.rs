//! What a mapping is asked to be.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Refusal;

/// The body of a request that makes or changes a mapping.
#[derive(Deserialize)]
pub(super) struct Wanted {
    pub(super) object_name: String,
    pub(super) config: Map<String, Value>,
}

impl Wanted {
    /// Reads a body and fills in what may be left out.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut wanted: Self =
            serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
        wanted.check()?;
        wanted.fill();
        Ok(wanted)
    }

    /// The revision that it was made from.
    pub(super) fn revision(&self) -> Option<u64> {
        self.config.get("revision")?.as_u64()
    }

    fn check(&self) -> Result<(), Refusal> {
        let is = |key: &str, holds: &dyn Fn(&Value) -> bool| self.config.get(key).is_none_or(holds);
        let direction = |value: &Value| value == "read_only" || value == "read_write";
        let tables = |value: &Value| value.as_object().is_some_and(|all| all.values().all(Value::is_object));
        for (holds, what) in [
            (!self.object_name.is_empty(), "object_name: This field is required."),
            (is("access", &direction), "access: not a valid choice."),
            (is("sf_notify_enabled", &Value::is_boolean), "sf_notify_enabled: not a valid boolean."),
            (
                is("sf_polling_seconds", &|v| v.as_u64().is_some_and(|n| n > 0)),
                "sf_polling_seconds: not a valid integer.",
            ),
            (self.config.contains_key("fields") && is("fields", &tables), "fields: This field is required."),
            (is("indexes", &tables), "indexes: not a valid value."),
        ] {
            if !holds {
                return Err(Refusal::bad(what));
            }
        }
        Ok(())
    }

    /// The index of `Id` is unique whatever was asked for.
    fn fill(&mut self) {
        for (key, value) in [
            ("access", json!("read_only")),
            ("sf_notify_enabled", json!(false)),
            ("sf_polling_seconds", json!(600)),
            ("indexes", json!({})),
        ] {
            self.config.entry(key).or_insert(value);
        }
        if let Some(index) = self.config.get_mut("indexes").and_then(|indexes| indexes.get_mut("Id")) {
            *index = json!({"unique": true});
        }
    }
}
