//! `cometail whoami`: the user and the org behind a token, and what the org speaks.

use clap::Args;
use serde_json::json;

use super::org::{Outcome, Place, print, print_json, refused};
use super::table::Table;
use crate::salesforce::api::Api;
use crate::salesforce::identity::{Identity, identity, versions};

/// Show the user and the org that the access token stands for
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  COMETAIL_TOKEN=00D... cometail whoami --url https://acme.my.salesforce.com
  cometail whoami -c /etc/cometail/cometail.toml --connection acme --json | jq -r .username")]
pub(super) struct Whoami {
    #[command(flatten)]
    place: Place,
}

pub(super) fn main(whoami: &Whoami) -> u8 {
    let json = whoami.place.json;
    whoami.place.run(async |api| show(api, json).await)
}

async fn show(api: &mut Api, json: bool) -> Outcome<()> {
    let identity = identity(api).await.map_err(|error| refused(&error))?;
    let versions = versions(api).await.map_err(|error| refused(&error))?;
    let instance = api.instance().origin().ascii_serialization();
    let version = api.org().version.to_string();
    if json {
        let mut all = json!(identity);
        let more = json!({"instance": instance, "api_version": version, "api_versions": versions});
        if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        return print_json(&all);
    }
    print(&table(identity, &instance, &version, &versions))
}

fn table(identity: Identity, instance: &str, version: &str, versions: &[String]) -> Table {
    let mut table = Table::of_pairs();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name, &value]);
        }
    };
    row("username", identity.username);
    row("name", identity.display_name);
    row("email", identity.email);
    row("user id", Some(identity.user_id));
    row("user type", identity.user_type);
    row("active", identity.active.map(|active| if active { "yes" } else { "no" }.to_owned()));
    row("org id", Some(identity.organization_id));
    row("instance", Some(instance.to_owned()));
    row("API version", Some(in_use(version, versions)));
    row("API versions", Some(range(versions)));
    row("language", identity.language);
    row("locale", identity.locale);
    row("time zone", identity.timezone);
    row("scopes", Some(identity.scopes.map_or("not told".into(), |scopes| scopes.join(" "))));
    table
}

fn in_use(version: &str, versions: &[String]) -> String {
    let known = versions.iter().any(|one| one == version);
    if known { version.to_owned() } else { format!("{version}, which this org does not speak") }
}

fn range(versions: &[String]) -> String {
    match (versions.first(), versions.last()) {
        (Some(first), Some(last)) if versions.len() > 1 => format!("{first} to {last}"),
        (Some(only), _) => only.clone(),
        (None, _) => "none".into(),
    }
}
