//! What the service tells of a connection and its mappings. Only what is named here is kept: it holds no password.

use serde::{Deserialize, Deserializer, Serialize};

use super::config::MappingConfig;

/// A link between one org and one database.
#[derive(Clone, Debug, Deserialize)]
pub struct Connection {
    /// What every other call names it by.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The app that it belongs to.
    pub app_name: Option<String>,
    /// What it does now, such as `IDLE` or `PAUSED`.
    pub state: Option<String>,
    /// Where the tables are.
    pub schema_name: Option<String>,
    /// The app's variable that says where the database is.
    pub db_key: Option<String>,
    /// The database.
    pub database: Option<Database>,
    /// Its mappings, where they were asked for.
    pub mappings: Option<Vec<Mapping>>,
}

/// Where the tables are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Database {
    /// The host name.
    pub host: Option<String>,
    /// The TCP port.
    pub port: Option<u16>,
    /// The name of the database.
    pub database: Option<String>,
}

/// One object and its table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Mapping {
    /// What the service names it by.
    pub id: String,
    /// The object in the org, such as `Contact`.
    pub object_name: String,
    /// What it does now, such as `SCHEMA_CHANGED` or `POLLING_SF_CHANGES`.
    pub state: Option<String>,
    /// What is mapped, and how.
    #[serde(default, deserialize_with = "or_none")]
    pub config: MappingConfig,
}

/// A config that is null says nothing.
fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MappingConfig, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// How far a mapping, or a connection, is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It will be in another state.
    Moving,
    /// It is where it should be.
    There,
    /// It will not get there on its own.
    Failed,
}

impl Connection {
    /// The mapping of this object, in any letter case, or of this id.
    pub fn mapping(&self, wanted: &str) -> Option<&Mapping> {
        let of = |one: &&Mapping| one.id == wanted || one.object_name.eq_ignore_ascii_case(wanted);
        self.mappings.iter().flatten().find(of)
    }

    /// Whether it is paused, where that is `wanted`, or goes on.
    pub fn stand(&self, wanted: bool) -> Stand {
        let state = self.state.as_deref();
        match (state == Some("PAUSED"), wanted) {
            (true, false) => Stand::Moving,
            (false, true) => stuck(state),
            (false, false) if stuck(state) == Stand::Failed => Stand::Failed,
            (true, true) | (false, false) => Stand::There,
        }
    }
}

impl Mapping {
    /// Whether what changed in Salesforce comes to the table.
    pub fn stand(&self) -> Stand {
        let state = self.state.as_deref();
        let in_step = |state: &str| state.starts_with("POLLING_");
        if state.is_some_and(in_step) { Stand::There } else { stuck(state) }
    }
}

/// The service has more states than it tells of; those of errors say so in their names.
fn stuck(state: Option<&str>) -> Stand {
    let bad = |state: &str| ["ERROR", "FAILED", "DENIED", "BAD_"].iter().any(|word| state.contains(word));
    if state.is_some_and(bad) { Stand::Failed } else { Stand::Moving }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn states_say_how_far_a_mapping_is() {
        for (state, wanted) in [
            (json!("SCHEMA_CHANGED"), Stand::Moving),
            (json!("POLLING_SF_CHANGES"), Stand::There),
            (json!("POLLING_DB_CHANGES"), Stand::There),
            (json!("SYSTEM_ERROR"), Stand::Failed),
            (json!("NOBODY_KNOWS"), Stand::Moving),
            (json!(null), Stand::Moving),
        ] {
            let mapping: Mapping =
                serde_json::from_value(json!({"id": "m", "object_name": "A", "state": state})).unwrap();
            assert_eq!(mapping.stand(), wanted, "{state}");
        }
    }

    #[test]
    fn a_connection_is_known_by_little_and_finds_its_mappings() {
        let text = json!({"id": "c", "_id": 7, "state": "PAUSED", "password": "hush",
            "mappings": [{"id": "m1", "object_name": "Contact"}]});
        let found: Connection = serde_json::from_value(text).unwrap();
        assert!(!format!("{found:?}").contains("hush"));
        assert_eq!((found.stand(true), found.stand(false)), (Stand::There, Stand::Moving));
        for (state, paused, gone_on) in [
            (Some("IDLE"), Stand::Moving, Stand::There),
            (None, Stand::Moving, Stand::There),
            (Some("SYSTEM_ERROR"), Stand::Failed, Stand::Failed),
        ] {
            let one = Connection { state: state.map(str::to_owned), ..found.clone() };
            assert_eq!((one.stand(true), one.stand(false)), (paused, gone_on), "{state:?}");
        }
        assert!(found.mapping("contact").is_some() && found.mapping("m1").is_some());
        assert!(found.mapping("m2").is_none());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            "[a-z_\u{1b}]{0,6}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("fields"),
            Just("indexes"),
            Just("access"),
            Just("revision"),
            Just("A"),
            Just("x y")
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let map =
                proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..5);
            let list = proptest::collection::vec(inner, 0..4);
            prop_oneof![map.prop_map(|map| json!(map)), list.prop_map(Value::from)]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_config_holds_it_can_be_changed_checked_and_compared(one in any_json(), other in any_json()) {
            let mapping = |config: &Value| -> Option<Mapping> {
                serde_json::from_value(json!({"id": "m", "object_name": "A", "config": config})).ok()
            };
            let (Some(one), Some(other)) = (mapping(&one), mapping(&other)) else { return Ok(()) };
            let mut laid = one.config.clone();
            laid.lay(&other.config);
            // Nothing of the second is missing, and nothing that it does not name is changed.
            let lacking = laid.differences(&other.config);
            let unnamed = |what: &str| other.config.get(what.split('.').next().unwrap()).is_none();
            prop_assert!(lacking.iter().all(|one| unnamed(&one.what)), "{lacking:?}");
            prop_assert!(laid.differences(&laid).is_empty());
            laid.add_field("B");
            laid.add_index("B", true);
            prop_assert!(!laid.problems(None).iter().any(|problem| problem.contains(".B:")));
            prop_assert!(laid.remove("fields", "B") && laid.remove("indexes", "B"));
            let drives = lacking.iter().any(|one| one.to_string().contains('\u{1b}'));
            prop_assert!(!drives);
        }
    }
}
