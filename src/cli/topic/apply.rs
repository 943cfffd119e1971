//! `cometail topic apply`: the org's topics are made those of a file.
//!
//! Constraints: the plan is told before anything changes, and nothing changes where any topic of the file would be refused.
//! A topic that the org refuses all the same keeps none of the others from being done; an org that is not reached, does
//! not know the user, or wants to be left alone for a while, does. Deletions come last.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::org::{Outcome, Place, exit_code, print, print_json, refused};
use super::super::{CONFIG, USAGE, fail, load};
use super::{lines, problems};
use crate::config;
use crate::salesforce::ApiError;
use crate::salesforce::api::Api;
use crate::salesforce::topic::{self, Change, Step};

/// Make the org's topics those of a file
#[derive(Debug, Args)]
#[command(after_help = "\
The file has a table for each topic; what a table does not say is left as it is, and is the org's default in a new topic:
  [topic.InvoiceStatementUpdates]
  query = \"SELECT Id, Name, Status__c FROM Invoice_Statement__c\"
  api_version = \"61.0\"
  description = \"for the ledger\"
  active = true
  notify_for_fields = \"Referenced\"                         # All, Referenced, Select, Where
  operations = [\"create\", \"update\", \"delete\", \"undelete\"]

Examples:
  cometail topic apply -f topics.toml --dry-run --url https://acme.my.salesforce.com
  cometail topic apply -c /etc/cometail/cometail.toml --connection acme")]
pub(in crate::cli) struct Apply {
    /// The file [default: the [topic.NAME] tables of the configuration]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Delete the topics that only the org has
    #[arg(long)]
    delete: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Send also what the guide says that the org refuses
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    place: Place,
}

/// What became of a step.
#[derive(Debug)]
enum Done {
    /// There was nothing to do, or it was not to be done.
    Not,
    /// It is done; the id of the topic.
    Yes(String),
    /// The org refused it.
    Refused(ApiError),
}

pub(super) fn main(apply: &Apply) -> u8 {
    apply.place.run(async |api| run(api, apply).await)
}

async fn run(api: &mut Api, apply: &Apply) -> Outcome<()> {
    let wanted = apply.wanted()?;
    apply.check(api, &wanted)?;
    let present = topic::list(api).await.map_err(|error| refused(&error))?;
    let steps = topic::plan(&wanted, present, api.org().version);
    if !apply.place.json {
        print(&apply.shown(&steps))?;
    }
    let (done, ended) = apply.carry_out(api, &steps).await;
    if apply.place.json {
        print_json(&apply.as_json(&steps, &done))?;
    }
    ended
}

impl Apply {
    /// The topics of the file, or of the configuration for this connection.
    fn wanted(&self) -> Outcome<Vec<Change>> {
        if let Some(file) = &self.file {
            return config::load_topics(file).map_err(|problems| fail(CONFIG, &problems));
        }
        if self.place.is_told() {
            return Err(fail(USAGE, &"which topics? Give -f FILE, or -c FILE with [topic.NAME] tables"));
        }
        let (config, _) = load(self.place.config()).map_err(|problems| fail(CONFIG, &problems))?;
        let connection = self.place.connection();
        let here = |topic: &config::Topic| match (&topic.connection, connection) {
            (Some(of), Some(name)) => **of == *name,
            // With no name given there is one connection, whose name was checked.
            (None, _) | (_, None) => true,
        };
        let wanted: Vec<_> = config.topics.into_iter().filter(here).map(|topic| topic.wanted).collect();
        // With --delete, no topic at all would be the end of all of them.
        if wanted.is_empty() {
            Err(fail(CONFIG, &"the configuration has no [topic.NAME] here"))
        } else {
            Ok(wanted)
        }
    }

    fn check(&self, api: &Api, wanted: &[Change]) -> Outcome<()> {
        // All are told, not only the first.
        let told = |one: &Change| !self.no_check && problems::tell(one, None, api.org().version);
        match wanted.iter().filter(|one| told(one)).count() {
            0 => Ok(()),
            _ => Err(fail(CONFIG, &"nothing was sent; --no-check leaves the judgement to the org")),
        }
    }

    /// Does what is to be done; what became of each step, and how it ended.
    async fn carry_out(&self, api: &mut Api, steps: &[Step]) -> (Vec<Done>, Outcome<()>) {
        let (mut all, mut ended) = (Vec::new(), Ok(()));
        for step in steps {
            if self.dry_run || matches!(ended, Err((_, true))) {
                all.push(Done::Not);
                continue;
            }
            let done = self.carry_out_one(api, step).await.unwrap_or_else(Done::Refused);
            if let Done::Refused(error) = &done {
                let code = fail(exit_code(error), &format!("{}: {error}", step.name().escape_debug()));
                let waits = matches!(error, ApiError::Refused { retry_after: Some(_), .. });
                let last = waits || matches!(error, ApiError::Fault(_) | ApiError::Login(_));
                let first = ended.err().map_or(code, |(first, _)| first);
                ended = Err((first, last));
            }
            all.push(done);
        }
        (all, ended.map_err(|(code, _)| code))
    }

    async fn carry_out_one(&self, api: &mut Api, step: &Step) -> Result<Done, ApiError> {
        let (verb, id) = match step {
            Step::Create(wanted) => ("created", topic::create(api, wanted).await?),
            Step::Change(stored, differences) => {
                topic::change(api, stored, differences).await?;
                ("changed", stored.id().to_owned())
            }
            Step::Extra(stored) if self.delete => {
                topic::delete(api, stored).await?;
                ("deleted", stored.id().to_owned())
            }
            Step::Same(_) | Step::Extra(_) => return Ok(Done::Not),
        };
        if !self.place.json {
            // Where nobody reads, the rest is still to be done.
            let _ = print(&format_args!("{verb} {}, {}\n", step.name().escape_debug(), id.escape_debug()));
        }
        Ok(Done::Yes(id))
    }

    /// What is to be done about a topic, in a word.
    const fn action(&self, step: &Step) -> &'static str {
        match step {
            Step::Create(_) => "create",
            Step::Change(..) => "change",
            Step::Same(_) => "same",
            Step::Extra(_) if self.delete => "delete",
            Step::Extra(_) => "extra",
        }
    }

    fn count(&self, steps: &[Step], action: &str) -> usize {
        steps.iter().filter(|step| self.action(step) == action).count()
    }

    /// The plan for a person.
    fn shown(&self, steps: &[Step]) -> String {
        let line = |step: &Step| {
            let name = step.name().escape_debug().to_string();
            match (self.action(step), step) {
                ("extra", _) => format!("extra   {name}: only in the org; --delete deletes it\n"),
                (action, Step::Change(_, all)) => format!("{action:<8}{name}\n{}", lines(all, "        ")),
                (action, Step::Create(wanted)) => {
                    let query = wanted.query.as_deref().unwrap_or_default();
                    format!("{action:<8}{name}\n        {}\n", super::short(query).escape_debug())
                }
                (action, _) => format!("{action:<8}{name}\n"),
            }
        };
        let count = |action| format!("{} {action}", self.count(steps, action));
        let counts = ["create", "change", "delete", "same", "extra"].map(count).join(", ");
        let dry = if self.dry_run { "; nothing is done (--dry-run)" } else { "" };
        steps.iter().map(line).collect::<String>() + &format!("plan: {counts}{dry}\n")
    }

    /// The plan, and what became of it, for a machine.
    fn as_json(&self, steps: &[Step], done: &[Done]) -> Value {
        let topics = steps.iter().zip(done).map(|(step, done)| {
            let differences = if let Step::Change(_, all) = step { all.as_slice() } else { &[] };
            let (id, error) = match done {
                Done::Yes(id) => (Some(id.as_str()), None),
                Done::Refused(error) => (step.id(), Some(error.to_string())),
                Done::Not => (step.id(), None),
            };
            json!({
                "name": step.name(), "id": id, "action": self.action(step), "differences": differences,
                "done": matches!(done, Done::Yes(_)), "error": error,
            })
        });
        json!({"dry_run": self.dry_run, "topics": topics.collect::<Vec<_>>()})
    }
}
