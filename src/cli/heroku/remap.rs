//! `cometail heroku remap`: changes a mapping, from the revision that was read.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;

use super::super::org::{Outcome, REFUSED, print, print_json};
use super::super::{FAILED, USAGE, fail};
use super::place::{self, Place, refused};
use super::shape::{self, Shape};
use super::show;
use super::wait::{self, Watch};
use crate::heroku::file::Written;
use crate::heroku::{Api, ApiError, Difference, Mapping, MappingConfig};

/// Change a mapping
#[derive(Debug, Args)]
#[command(after_help = "\
A setting that neither the file nor an option names stays as it is. What `fields` or `indexes` of a file do not have is \
taken away. The change is made from the revision of --revision, of the file, or else the present one; where somebody has \
changed the mapping since, nothing is changed and what is different is shown.

Examples:
  COMETAIL_HEROKU_TOKEN=... cometail heroku remap 15d2306c-4567-47bf-bd0c-38989a00e7e6 Contact \\
      --field Email --wait
  cometail heroku connection 15d2306c-4567-47bf-bd0c-38989a00e7e6 --json \\
      | jq '.mappings[0]' > contact.json
  cometail heroku remap 15d2306c-4567-47bf-bd0c-38989a00e7e6 Contact --file contact.json")]
pub(in crate::cli) struct Remap {
    /// The connection's id
    #[arg(value_parser = place::id)]
    connection: String,
    /// The object, or the mapping's id
    mapping: String,
    #[command(flatten)]
    shape: Shape,
    /// Map this field no longer, nor index it
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    drop_field: Vec<String>,
    /// Index this field no longer
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    drop_index: Vec<String>,
    /// The revision that the change was made from
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// Wait until what changes in Salesforce comes to the table again
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    place: Place,
}

/// Why a change is not made: the mapping moved on.
struct Conflict<'a> {
    present: &'a Mapping,
    from: u64,
    /// What these changes are, for a person.
    what: &'static str,
    changes: Vec<Difference>,
}

pub(super) fn main(remap: &Remap) -> u8 {
    match remap.shape.written() {
        Ok(written) => remap.place.run(remap.wait, async |api| change(api, remap, written.as_ref()).await),
        Err(code) => code,
    }
}

async fn change(api: &mut Api, remap: &Remap, written: Option<&Written>) -> Outcome<()> {
    let watch = Watch::new(remap.place.limit(remap.wait));
    let present = read(api, remap).await?;
    let named = written.and_then(|written| written.object_name.as_ref());
    if let Some(named) = named.filter(|named| **named != present.object_name) {
        let what =
            format!("the mapping is one of {}, the file's of {named:?}", show::clean(&present.object_name));
        return Err(fail(USAGE, &what));
    }
    let config = remap.wanted(&present.config, written)?;
    let in_file = written.and_then(|written| written.config.revision());
    let from = remap.revision.or(in_file).or_else(|| present.config.revision());
    if let Some(from) = from.filter(|_| from != present.config.revision()) {
        let changes = present.config.differences(&config);
        let what = "This command would have changed it so:";
        return Err(remap.tell(&Conflict { present: &present, from, what, changes }));
    }
    if present.config.differences(&config).is_empty() {
        return settle(api, remap, watch, present, &[]).await;
    }
    put(api, remap, watch, &present, &config).await
}

async fn put(
    api: &mut Api,
    remap: &Remap,
    watch: Watch,
    before: &Mapping,
    config: &MappingConfig,
) -> Outcome<()> {
    match api.remap(&before.id, &before.object_name, config).await {
        Ok(made) => {
            let changes = before.config.differences(&made.config);
            settle(api, remap, watch, made, &changes).await
        }
        Err(error) if error.may_be_conflict() => Err(explain(api, remap, before, &error).await),
        Err(error) => Err(refused(&error)),
    }
}

/// Waits where that is asked for, and shows what came of it either way.
async fn settle(
    api: &mut Api,
    remap: &Remap,
    watch: Watch,
    mut mapping: Mapping,
    changes: &[Difference],
) -> Outcome<()> {
    let waited = if remap.wait {
        wait::for_mapping(watch, api, &remap.connection, &mut mapping).await
    } else {
        Ok(())
    };
    remap.done(&mapping, changes)?;
    waited
}

/// Tells why a change was refused: the service's words, or what somebody else did meanwhile; the exit code.
async fn explain(api: &mut Api, remap: &Remap, before: &Mapping, error: &ApiError) -> u8 {
    let Ok(connection) = api.connection(&remap.connection).await else { return refused(error) };
    let (Some(present), Some(from)) = (connection.mapping(&before.id), before.config.revision()) else {
        return refused(error);
    };
    if present.config.revision() == Some(from) {
        return refused(error);
    }
    let changes = before.config.differences(&present.config);
    remap.tell(&Conflict { present, from, what: "Since then:", changes })
}

async fn read(api: &mut Api, remap: &Remap) -> Outcome<Mapping> {
    let connection = api.connection(&remap.connection).await.map_err(|error| refused(&error))?;
    let none = || fail(REFUSED, &format!("the connection has no mapping {:?}", remap.mapping));
    connection.mapping(&remap.mapping).cloned().ok_or_else(none)
}

impl Remap {
    /// What the mapping shall be.
    fn wanted(&self, present: &MappingConfig, written: Option<&Written>) -> Outcome<MappingConfig> {
        let mut config = present.to_send();
        if let Some(written) = written {
            config.lay(&written.config);
        }
        for name in &self.drop_index {
            self.drop(&mut config, "--drop-index", "indexes", name)?;
        }
        for name in &self.drop_field {
            self.drop(&mut config, "--drop-field", "fields", name)?;
            config.remove("indexes", name);
        }
        self.shape.apply(&mut config)?;
        shape::check(&config, Some(present))?;
        Ok(config)
    }

    fn drop(&self, config: &mut MappingConfig, option: &str, key: &str, name: &str) -> Outcome<()> {
        shape::named(option, name)?;
        let mapping = &self.mapping;
        let none = || fail(USAGE, &format!("{option}: {name} is not among the {key} of {mapping:?}"));
        config.remove(key, name).then_some(()).ok_or_else(none)
    }

    fn done(&self, mapping: &Mapping, changes: &[Difference]) -> Outcome<()> {
        if self.place.json {
            return print_json(&json!({"mapping": mapping, "changes": changes}));
        }
        let verb = if changes.is_empty() { "nothing to change in" } else { "changed" };
        print(&format_args!("{verb} {}\n{}", show::line(mapping), list(changes)))
    }

    fn tell(&self, conflict: &Conflict<'_>) -> u8 {
        let Conflict { present, from, what, changes } = conflict;
        let now =
            present.config.revision().map_or_else(|| String::from("none"), |revision| revision.to_string());
        if self.place.json {
            let revision = json!({"from": from, "present": present.config.revision()});
            let document =
                json!({"error": "conflict", "revision": revision, "changes": changes, "mapping": present});
            if let Err(code) = print_json(&document) {
                return code;
            }
        }
        let name = show::clean(&present.object_name);
        fail(
            0,
            &format!(
                "conflict: the mapping of {name} is at revision {now}, the change was made from {from}; nothing was changed"
            ),
        );
        // A closed standard error leaves nobody to tell.
        drop(write!(io::stderr(), "{what}\n{}", list(changes)));
        fail(FAILED, &"look at the mapping again before you change it")
    }
}

fn list(changes: &[Difference]) -> String {
    changes.iter().fold(String::new(), |text, change| text + &format!("  {change}\n"))
}
