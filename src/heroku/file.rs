//! A mapping that was written down, in JSON or TOML, in the shape that the API has and `--json` shows.
//!
//! Constraints: a file is a regular one of at most 1 MiB. What [`MappingConfig::problems`] finds is not looked for here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::config::MappingConfig;

/// The largest file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The object that is mapped.
    pub object_name: Option<String>,
    /// What is mapped, and how.
    #[serde(deserialize_with = "expanded")]
    pub config: MappingConfig,
    /// The id of a mapping that the file was made from; the command says which is meant.
    #[serde(rename = "id")]
    _id: Option<Value>,
    /// Its state then.
    #[serde(rename = "state")]
    _state: Option<Value>,
}

fn expanded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MappingConfig, D::Error> {
    let mut config = MappingConfig::deserialize(deserializer)?;
    config.expand();
    Ok(config)
}

/// Reads a file: TOML where its name ends so, else JSON.
///
/// # Errors
/// It cannot be read, or not understood; for a person.
pub fn read(path: &Path) -> Result<Written, String> {
    let text = text(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    let written = if is_toml { of_toml(&text) } else { of_json(&text) };
    written.map_err(|error| format!("{}: {}", path.display(), error.trim_end()))
}

fn text(path: &Path) -> io::Result<String> {
    // To open a pipe would wait for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > FILE_MAX) {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

fn of_toml(text: &str) -> Result<Written, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn of_json(text: &str) -> Result<Written, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOML: &str = "object_name = \"Contact\"\n[config]\naccess = \"read_write\"\nsf_notify_enabled = true\n\
        sf_polling_seconds = 600\nfields = [\"Id\", \"LastName\"]\n[config.indexes]\nId = { unique = true }\n";

    #[test]
    fn both_formats_say_the_same() {
        let json = json!({"object_name": "Contact", "id": "m", "state": "SCHEMA_CHANGED", "config": {
            "access": "read_write", "sf_notify_enabled": true, "sf_polling_seconds": 600,
            "fields": {"Id": {}, "LastName": {}}, "indexes": {"Id": {"unique": true}}}});
        let (a, b) = (of_toml(TOML).unwrap(), of_json(&json.to_string()).unwrap());
        assert_eq!((&a.object_name, &a.config), (&b.object_name, &b.config));
        assert!(a.config.problems(None).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (error, wanted) in [
            (of_toml("[config]\nfields = [\n").unwrap_err(), "line 2"),
            (of_toml("[confg]\n").unwrap_err(), "confg"),
            (of_json("{\"config\": {},\n 7}").unwrap_err(), "line 2"),
            (of_json("{}").unwrap_err(), "config"),
            (of_json("{\"config\": 1}").unwrap_err(), "line 1"),
        ] {
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn only_a_regular_file_of_a_mappings_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("large.json");
        std::fs::write(&large, " ".repeat(1_048_577)).unwrap();
        for (path, why) in [
            (large, "larger than 1 MiB"),
            (dir.path().to_owned(), "not a regular file"),
            (dir.path().join("none"), "No such file"),
        ] {
            let error = read(&path).unwrap_err();
            assert!(error.contains(why) && error.contains(&path.display().to_string()), "{error}");
        }
    }
}
