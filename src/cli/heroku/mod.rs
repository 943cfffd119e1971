//! `cometail heroku`: the mappings of Heroku Connect.
//!
//! Constraints: what is known to be wrong is refused before the service is asked; a mapping is changed from the revision
//! that was read, and never over somebody else's change.

mod place;
mod remap;
mod shape;
mod show;
mod wait;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::org::{Outcome, print, print_json};
use super::table::Table;
use super::{USAGE, fail};
use crate::heroku::{Api, MappingConfig, is_name};
use place::{Place, refused};
use shape::Shape;
use wait::{Look, Watch};

/// Manage the mappings of Heroku Connect
#[derive(Debug, Subcommand)]
pub(super) enum Heroku {
    Connections(Connections),
    Connection(Connection),
    Map(Map),
    Remap(remap::Remap),
    /// Stop the synchronization of a connection
    Pause(Action),
    /// Go on with the synchronization of a connection
    Resume(Action),
}

/// Show the connections of an app
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  HEROKU_API_KEY=... cometail heroku connections --app example
  COMETAIL_HEROKU_TOKEN=... cometail heroku connections --app example --json | jq -r '.connections[].id'")]
pub(super) struct Connections {
    /// The app's name
    #[arg(long, value_name = "APP")]
    app: String,
    #[command(flatten)]
    place: Place,
}

/// Show a connection and its mappings
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  COMETAIL_HEROKU_TOKEN=... cometail heroku connection 15d2306c-4567-47bf-bd0c-38989a00e7e6
  cometail heroku connection 15d2306c-4567-47bf-bd0c-38989a00e7e6 --json \\
      | jq '.mappings[0]' > contact.json")]
pub(super) struct Connection {
    /// Its id
    #[arg(value_parser = place::id)]
    id: String,
    #[command(flatten)]
    place: Place,
}

/// Map an object to a table
#[derive(Debug, Args)]
#[command(after_help = "\
A file has the shape of the API, in JSON, or in TOML where its name ends so:

  object_name = \"Contact\"
  [config]
  access = \"read_write\"
  sf_notify_enabled = true                # use the Streaming API too
  sf_polling_seconds = 600
  fields = [\"Id\", \"SystemModstamp\", \"LastName\"]
  [config.indexes]
  Id = { unique = true }

Examples:
  COMETAIL_HEROKU_TOKEN=... cometail heroku map 15d2306c-4567-47bf-bd0c-38989a00e7e6 Contact \\
      --field Id,SystemModstamp,LastName --index Id:unique --notify --wait
  cometail heroku map 15d2306c-4567-47bf-bd0c-38989a00e7e6 --file contact.toml")]
pub(super) struct Map {
    /// The connection's id
    #[arg(value_parser = place::id)]
    connection: String,
    /// The object in the org; the file may name it instead
    object: Option<String>,
    #[command(flatten)]
    shape: Shape,
    /// Wait until what changes in Salesforce comes to the table
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    place: Place,
}

/// Stop, or go on with, the synchronization of a connection
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  COMETAIL_HEROKU_TOKEN=... cometail heroku pause 15d2306c-4567-47bf-bd0c-38989a00e7e6 --wait
  COMETAIL_HEROKU_TOKEN=... cometail heroku resume 15d2306c-4567-47bf-bd0c-38989a00e7e6")]
pub(super) struct Action {
    /// The connection's id
    #[arg(value_parser = place::id)]
    connection: String,
    /// Wait until it is done
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn main(heroku: &Heroku) -> u8 {
    match heroku {
        Heroku::Connections(list) => list.place.run(false, async |api| list_all(api, list).await),
        Heroku::Connection(one) => one.place.run(false, async |api| show_one(api, one).await),
        Heroku::Map(map) => make(map),
        Heroku::Remap(remap) => remap::main(remap),
        Heroku::Pause(action) => action.place.run(action.wait, async |api| act(api, action, true).await),
        Heroku::Resume(action) => action.place.run(action.wait, async |api| act(api, action, false).await),
    }
}

async fn list_all(api: &mut Api, list: &Connections) -> Outcome<()> {
    let found = api.connections(&list.app).await.map_err(|error| refused(&error))?;
    if list.place.json {
        let all: Vec<_> = found.iter().map(show::entry).collect();
        return print_json(&json!({ "connections": all }));
    }
    let mut table = Table::new(&["NAME", "ID", "APP", "STATE"]);
    for one in &found {
        let [name, app, state] =
            [&one.name, &one.app_name, &one.state].map(|text| text.as_deref().unwrap_or("-"));
        table.row([name, &one.id, app, state]);
    }
    print(&table)
}

async fn show_one(api: &mut Api, one: &Connection) -> Outcome<()> {
    let found = api.connection(&one.id).await.map_err(|error| refused(&error))?;
    if one.place.json { print_json(&show::document(&found)) } else { print(&show::connection(&found)) }
}

fn make(map: &Map) -> u8 {
    match plan(map) {
        Ok((object, config)) => map.place.run(map.wait, async |api| create(api, map, &object, &config).await),
        Err(code) => code,
    }
}

/// What will be mapped, as far as it can be known to be right.
fn plan(map: &Map) -> Outcome<(String, MappingConfig)> {
    let written = map.shape.written()?;
    let object = match (&map.object, written.as_ref().and_then(|written| written.object_name.as_ref())) {
        (Some(told), Some(named)) if told != named => {
            return Err(fail(USAGE, &format!("which object? {told:?} is told, {named:?} is in the file")));
        }
        (Some(object), _) | (None, Some(object)) => object.clone(),
        (None, None) => return Err(fail(USAGE, &"which object? Name it, or give a file with object_name")),
    };
    if !is_name(&object) {
        return Err(fail(
            USAGE,
            &format!("{object:?} is no name of an object, such as Contact or Invoice_Statement__c"),
        ));
    }
    let mut config = MappingConfig::default();
    config.set("access", Value::from("read_only"));
    if let Some(written) = &written {
        config.lay(&written.config);
    }
    map.shape.apply(&mut config)?;
    shape::check(&config, None)?;
    Ok((object, config))
}

async fn create(api: &mut Api, map: &Map, object: &str, config: &MappingConfig) -> Outcome<()> {
    let watch = Watch::new(map.place.limit(map.wait));
    let mut made = api.map(&map.connection, object, config).await.map_err(|error| refused(&error))?;
    let waited =
        if map.wait { wait::for_mapping(watch, api, &map.connection, &mut made).await } else { Ok(()) };
    if map.place.json {
        print_json(&made)?;
    } else {
        print(&format_args!("mapped {}\n", show::line(&made)))?;
    }
    waited
}

async fn act(api: &mut Api, action: &Action, pause: bool) -> Outcome<()> {
    let id = &action.connection;
    let watch = Watch::new(action.place.limit(action.wait));
    let done = if pause { api.pause(id).await } else { api.resume(id).await };
    done.map_err(|error| refused(&error))?;
    let mut state = None;
    let mut waited = Ok(());
    if action.wait {
        let look = async |api: &mut Api| {
            let found = api.connection(id).await?;
            state.clone_from(&found.state);
            Ok(Look { stand: found.stand(pause), state: found.state })
        };
        waited = watch.follow(api, id, look).await;
    }
    let (name, told) = if pause { ("pause", "pausing") } else { ("resume", "resuming") };
    if action.place.json {
        print_json(&json!({"id": id, "action": name, "state": state}))?;
    } else {
        let state = state.map_or_else(|| String::from("accepted"), |state| show::clean(&state));
        print(&format_args!("{told} {id}: {state}\n"))?;
    }
    waited
}
