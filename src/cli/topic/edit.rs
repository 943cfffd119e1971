//! `cometail topic create` and `update`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::super::org::{Outcome, Place, print, print_json, refused};
use super::super::{IO, USAGE, fail};
use super::{change_to, find, problems};
use crate::salesforce::api::{Api, ApiVersion};
use crate::salesforce::topic::{self, Change, NotifyForFields, Operations};

/// The most that is read of a file with a query, in bytes; queries have at most 1,300 characters.
const FILE_MAX: u64 = 64 << 10;

/// Make a topic; its events come on the channel /topic/NAME
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail topic create InvoiceStatementUpdates --query 'SELECT Id, Name FROM Invoice_Statement__c' \\
      --url https://acme.my.salesforce.com
  cometail topic create NewCases --query-file new-cases.soql --operations create \\
      --url https://acme.my.salesforce.com")]
pub(in crate::cli) struct Create {
    /// Its name, at most 25 characters
    name: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    place: Place,
}

/// Change a topic; what is not named stays as it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail topic update NewCases --query 'SELECT Id, Subject FROM Case' \\
      --url https://acme.my.salesforce.com
  cometail topic update NewCases --operations create,delete --notify-for-fields All \\
      --url https://acme.my.salesforce.com")]
pub(in crate::cli) struct Update {
    /// Its name or id
    topic: String,
    /// A new name; subscriptions to the old one stay on the old channel
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    place: Place,
}

/// The fields of a topic.
#[derive(Debug, Args)]
struct Fields {
    /// Which records notify, and which of their fields are in an event: SOQL, at most 1,300 characters
    #[arg(long, value_name = "SOQL")]
    query: Option<String>,
    /// Read the query from a file
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    query_file: Option<PathBuf>,
    /// The version of the API that the query is written for [default: --api-version]
    #[arg(long, value_name = "VERSION")]
    query_version: Option<ApiVersion>,
    /// What it is for, at most 400 characters
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Which changed fields notify: All, Referenced, Select or Where [default: Referenced]
    #[arg(long = "notify-for-fields", value_name = "FIELDS")]
    notify: Option<NotifyForFields>,
    /// What notifies: create, update, delete, undelete with commas between them, or none [default: all of them]
    #[arg(long, value_name = "LIST")]
    operations: Option<Operations>,
    /// Whether it notifies at all [default: true]
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
    /// Send it also where the guide says that the org refuses it
    #[arg(long)]
    no_check: bool,
}

pub(super) fn create(create: &Create) -> u8 {
    create.place.run(async |api| make(api, create).await)
}

pub(super) fn update(update: &Update) -> u8 {
    update.place.run(async |api| alter(api, update).await)
}

async fn make(api: &mut Api, create: &Create) -> Outcome<()> {
    let wanted = Change { name: Some(create.name.clone()), ..create.fields.change()? };
    if !create.fields.no_check && problems::tell(&wanted, None, api.org().version) {
        return Err(unsent());
    }
    let id = topic::create(api, &wanted).await.map_err(|error| refused(&error))?;
    let channel = format!("/topic/{}", create.name);
    if create.place.json {
        return print_json(&json!({"id": id, "name": create.name, "channel": channel}));
    }
    let (name, id, channel) = (create.name.escape_debug(), id.escape_debug(), channel.escape_debug());
    print(&format_args!("created {name}, {id}; its channel is {channel}\n"))
}

async fn alter(api: &mut Api, update: &Update) -> Outcome<()> {
    let wanted = Change { name: update.rename.clone(), ..update.fields.change()? };
    if wanted == Change::default() {
        return Err(fail(USAGE, &"nothing to change was named; see --help"));
    }
    let found = find(api, &update.topic).await?;
    let version = api.org().version;
    if !update.fields.no_check && problems::tell(&wanted, Some(&found), version) {
        return Err(unsent());
    }
    let differences = wanted.differences(&found, version);
    change_to(api, &found, &differences, update.place.json).await?;
    if differences.iter().any(|one| one.field == "Name") {
        fail(0, &"note: subscriptions that exist stay on the old channel; new ones need the new name");
    }
    Ok(())
}

fn unsent() -> u8 {
    fail(USAGE, &"nothing was sent; --no-check leaves the judgement to the org")
}

impl Fields {
    fn change(&self) -> Outcome<Change> {
        let query = match (&self.query, &self.query_file) {
            (None, Some(path)) => Some(read(path)?),
            (query, _) => query.clone(),
        };
        Ok(Change {
            name: None,
            query,
            api_version: self.query_version,
            description: self.description.clone(),
            is_active: self.active,
            notify_for_fields: self.notify,
            operations: self.operations.clone(),
        })
    }
}

fn read(path: &Path) -> Outcome<String> {
    let unreadable =
        |why: &dyn std::fmt::Display| fail(IO, &format!("--query-file {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    let length = opened.map_err(|error| unreadable(&error))?;
    if u64::try_from(length).is_ok_and(|length| length > FILE_MAX) {
        return Err(unreadable(&"more than 64 KiB"));
    }
    String::from_utf8(bytes).map_err(|_| unreadable(&"no UTF-8 text"))
}
