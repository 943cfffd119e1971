//! `cometail channel`: the channels of generic streaming, who listens to them, and events for them.
//!
//! Constraints: what the guide forbids is refused before the org is asked.

mod push;

use clap::{Args, Subcommand};
use serde_json::json;

use super::org::{Outcome, Place, REFUSED, print, print_json, refused};
use super::table::Table;
use super::{USAGE, fail};
use crate::salesforce::api::Api;
use crate::salesforce::channel::{self, StreamingChannel, Unfit};

/// Manage the channels of generic streaming
#[derive(Debug, Subcommand)]
pub(super) enum Channel {
    List(List),
    Create(Create),
    Delete(Delete),
    Push(push::Push),
    Subscribers(Subscribers),
}

/// Show the org's channels
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  COMETAIL_TOKEN=00D... cometail channel list \\
      --url https://acme.my.salesforce.com --json | jq -r '.channels[].name'")]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

/// Make a channel
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail channel create /u/notifications/Example --description 'To everybody' \\
      --url https://acme.my.salesforce.com")]
pub(super) struct Create {
    /// Its name: /u/ and letters, digits, '_' and '/', at most 80 characters
    name: String,
    /// What it is for, at most 255 characters
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Delete a channel; subscriptions to it get nothing any more
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail channel delete /u/notifications/Example --url https://acme.my.salesforce.com")]
pub(super) struct Delete {
    /// Its name or id
    channel: String,
    #[command(flatten)]
    place: Place,
}

/// Show whose subscriptions a channel has now
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail channel subscribers /u/notifications/Example --url https://acme.my.salesforce.com")]
pub(super) struct Subscribers {
    /// Its name or id
    channel: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn main(channel: Channel) -> u8 {
    match channel {
        Channel::List(list) => list.place.run(async |api| list_all(api, list.place.json).await),
        Channel::Create(create) => create.place.run(async |api| make(api, &create).await),
        Channel::Delete(delete) => delete.place.run(async |api| remove(api, &delete).await),
        Channel::Push(push) => push::main(&push),
        Channel::Subscribers(of) => of.place.run(async |api| show_subscribers(api, &of).await),
    }
}

async fn list_all(api: &mut Api, json: bool) -> Outcome<()> {
    check_version(api)?;
    let channels = channel::list(api).await.map_err(|error| refused(&error))?;
    if json {
        return print_json(&json!({ "channels": channels }));
    }
    let mut table = Table::new(&["NAME", "ID", "DYNAMIC", "DESCRIPTION"]);
    for one in channels {
        let dynamic = if one.is_dynamic == Some(true) { "yes" } else { "no" };
        table.row([&one.name, &one.id, dynamic, one.description.as_deref().unwrap_or_default()]);
    }
    print(&table)
}

async fn make(api: &mut Api, create: &Create) -> Outcome<()> {
    check_version(api)?;
    let (name, description) = (create.name.as_str(), create.description.as_deref());
    channel::check_name(name).map_err(unfit)?;
    channel::check_description(description.unwrap_or_default()).map_err(unfit)?;
    let id = channel::create(api, name, description).await.map_err(|error| refused(&error))?;
    if create.place.json {
        return print_json(&json!({"id": id, "name": name}));
    }
    print(&format_args!("created {name}, {}\n", id.escape_debug()))
}

async fn remove(api: &mut Api, delete: &Delete) -> Outcome<()> {
    let found = find(api, &delete.channel).await?;
    channel::delete(api, &found.id).await.map_err(|error| refused(&error))?;
    if delete.place.json {
        return print_json(&json!({"id": found.id, "name": found.name}));
    }
    print(&format_args!("deleted {}, {}\n", found.name.escape_debug(), found.id.escape_debug()))
}

async fn show_subscribers(api: &mut Api, of: &Subscribers) -> Outcome<()> {
    let found = find(api, &of.channel).await?;
    let told = channel::subscribers(api, &found.id).await.map_err(|error| refused(&error))?;
    if of.place.json {
        return print_json(
            &json!({"id": found.id, "name": told.channel_name, "users": told.online_user_ids}),
        );
    }
    let mut table = Table::new(&["USER"]);
    for user in &told.online_user_ids {
        table.row([user]);
    }
    print(&table)
}

/// The channel of this name or id; the command ends where the org has none.
async fn find(api: &mut Api, wanted: &str) -> Outcome<StreamingChannel> {
    check_version(api)?;
    channel::check_reference(wanted).map_err(unfit)?;
    let found = channel::find(api, wanted).await.map_err(|error| refused(&error))?;
    found.ok_or_else(|| {
        fail(REFUSED, &format!("the org has no channel {wanted}, or this user may not see it"))
    })
}

fn check_version(api: &Api) -> Outcome<()> {
    let version = api.org().version;
    if version < channel::SINCE { Err(unfit(Unfit::Version(version))) } else { Ok(()) }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain of results")]
fn unfit(why: Unfit) -> u8 {
    fail(USAGE, &why)
}
