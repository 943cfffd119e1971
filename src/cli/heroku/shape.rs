//! What is mapped, as options and files say it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::super::org::Outcome;
use super::super::{USAGE, duration, fail};
use crate::heroku::file::{self, Written};
use crate::heroku::{MappingConfig, is_name};

/// What is mapped, and how; options come on top of the file.
#[derive(Debug, Args)]
pub(super) struct Shape {
    /// Read the mapping from a file, in JSON or TOML
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Map this field; may be given more than once, or with commas
    #[arg(long = "field", value_name = "NAME", value_delimiter = ',')]
    fields: Vec<String>,
    /// Index this field, uniquely with ':unique' behind it
    #[arg(long = "index", value_name = "NAME", value_delimiter = ',')]
    indexes: Vec<String>,
    /// From Salesforce to the table, or both ways [a new mapping: from Salesforce]
    #[arg(long, value_name = "WAY", value_parser = ["read_only", "read_write"])]
    access: Option<String>,
    /// Have the Streaming API tell of changes, besides polling
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    notify: Option<bool>,
    /// How often Salesforce is asked for changes, such as 10m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    polling: Option<Duration>,
}

/// A duration of whole seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let whole = time.subsec_nanos() == 0 && !time.is_zero();
    whole.then_some(time).ok_or_else(|| String::from("wanted whole seconds, such as 60s or 10m"))
}

impl Shape {
    /// What the file says, if there is one.
    pub(super) fn written(&self) -> Outcome<Option<Written>> {
        let read = self.file.as_deref().map(file::read).transpose();
        read.map_err(|error| fail(USAGE, &format!("--file {error}")))
    }

    /// Lays the options over `config`.
    pub(super) fn apply(&self, config: &mut MappingConfig) -> Outcome<()> {
        for name in &self.fields {
            named("--field", name)?;
            config.add_field(name);
        }
        for index in &self.indexes {
            let (name, unique) =
                index.strip_suffix(":unique").map_or((index.as_str(), false), |name| (name, true));
            named("--index", name)?;
            config.add_index(name, unique);
        }
        let access = self.access.as_deref().map(Value::from);
        let polling = self.polling.map(|time| Value::from(time.as_secs()));
        let told = [
            ("access", access),
            ("sf_notify_enabled", self.notify.map(Value::from)),
            ("sf_polling_seconds", polling),
        ];
        for (key, value) in told {
            if let Some(value) = value {
                config.set(key, value);
            }
        }
        Ok(())
    }
}

/// Whether an option's value is a field's name.
pub(super) fn named(option: &str, name: &str) -> Outcome<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(fail(USAGE, &format!("{option}: {name:?} is no name of a field, such as LastName or Status__c")))
}

/// Tells everything that is wrong; `present` is what the service has.
pub(super) fn check(config: &MappingConfig, present: Option<&MappingConfig>) -> Outcome<()> {
    let problems = config.problems(present);
    for problem in &problems {
        fail(USAGE, problem);
    }
    if problems.is_empty() { Ok(()) } else { Err(USAGE) }
}
