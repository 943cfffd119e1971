//! `[connection.NAME.login.KIND]`: how a connection gets its token, exactly one kind.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use url::Url;

use super::connection::TIMEOUT;
use super::load::Environment;
use super::reader::{Node, Table};
use super::secrets::{self, Shape};
use super::{connection, urls};
use crate::salesforce::api::ApiVersion;
use crate::salesforce::login::{Config, Options, SecretSource};

const KINDS: [&str; 7] = ["token", "soap", "password", "refresh", "client_credentials", "jwt", "sf_cli"];
const WANTED: &str = "one of the tables token, soap, password, refresh, client_credentials, jwt and sf_cli";

/// Where users of production orgs and of sandboxes log in.
const PRODUCTION: &str = "https://login.salesforce.com";
const SANDBOX: &str = "https://test.salesforce.com";

const LOGINS: RangeInclusive<u32> = 1..=1000;

/// What a login's configuration depends on.
pub(super) struct Around<'a> {
    pub(super) environment: Environment<'a>,
    pub(super) state_dir: Option<&'a Path>,
    /// The connection.
    pub(super) name: &'a str,
    /// Its URL, where one is configured.
    pub(super) url: Option<&'a Url>,
    /// The version of its API.
    pub(super) version: ApiVersion,
}

/// Reads a login and how it goes about it; `None` where a problem is noted.
pub(super) fn read(mut table: Table<'_>, around: &Around<'_>) -> Option<(Config, Options)> {
    let kinds = KINDS.map(|kind| Some((kind, table.get(kind)?)));
    let options = options(&mut table, around);
    let mut kinds = kinds.into_iter().flatten();
    let config = match (kinds.next(), kinds.next()) {
        (Some((kind, node)), None) => one_kind(kind, &node, around),
        (None, _) => {
            table.absent("", WANTED, None);
            None
        }
        (Some(_), Some((_, second))) => {
            second.report_key("a second kind", WANTED, None);
            None
        }
    };
    table.end();
    Some((config?, options))
}

fn options(table: &mut Table<'_>, around: &Around<'_>) -> Options {
    let defaults = Options::default();
    let timeout = table.get("timeout").and_then(|node| node.duration(&TIMEOUT));
    let logins = table.get("logins_per_hour").and_then(|node| node.number(&LOGINS));
    let retry = connection::waits(table, defaults.retry);
    let cache = table.get("cache").and_then(|node| {
        let wanted = node.boolean()?;
        if wanted && around.state_dir.is_none() {
            node.warn("true without a state directory", "a [state] dir to keep tokens in", None);
        }
        Some(wanted)
    });
    let cache = around.state_dir.filter(|_| cache == Some(true)).map(Path::to_owned);
    Options {
        org: around.url.cloned(),
        timeout: timeout.unwrap_or(defaults.timeout),
        logins_per_hour: logins.unwrap_or(defaults.logins_per_hour),
        retry,
        cache,
        ..defaults
    }
}

fn one_kind(kind: &str, node: &Node<'_>, around: &Around<'_>) -> Option<Config> {
    if kind == "token" {
        return token(node, around);
    }
    let mut table = node.table("a table")?;
    let config = match kind {
        "soap" => soap(&mut table, around),
        "password" => password(&mut table, around),
        "refresh" => refresh(&mut table, around),
        "client_credentials" => client_credentials(&mut table, around),
        "jwt" => jwt(&mut table, around),
        _ => sf_cli(&mut table),
    };
    table.end();
    config
}

fn token(node: &Node<'_>, around: &Around<'_>) -> Option<Config> {
    let wanted = "a table with file or env";
    if node.is_table() {
        let source = secrets::source(node.table(wanted)?, around.environment, Shape::Line);
        return source.map(|(source, _)| Config::Token(source));
    }
    let hint = "token = { file = \"PATH\" } or { env = \"VARIABLE\" }";
    node.report("a value here", wanted, Some(hint));
    None
}

fn soap(table: &mut Table<'_>, around: &Around<'_>) -> Option<Config> {
    let host = host(table);
    let username = word(table, "username", "the name of a user");
    let password = secret(table, "password", Shape::Text, around);
    let security_token = optional(table, "security_token", around);
    let version = table.get("api_version").map_or(Some(around.version.min(ApiVersion::DEFAULT)), |node| {
        let wanted = "a version of the partner API such as \"61.0\"";
        let version = node.text(wanted)?.parse();
        version.map_err(|_| node.report("no version", wanted, None)).ok()
    });
    Some(Config::Soap {
        host: host?,
        username: username?,
        password: password?,
        security_token: security_token.ok()?,
        api_version: version?,
    })
}

fn password(table: &mut Table<'_>, around: &Around<'_>) -> Option<Config> {
    let host = host(table);
    let client_id = word(table, "client_id", "the consumer key of a connected app");
    let client_secret = secret(table, "client_secret", Shape::Text, around);
    let username = word(table, "username", "the name of a user");
    let password = secret(table, "password", Shape::Text, around);
    let security_token = optional(table, "security_token", around);
    Some(Config::Password {
        host: host?,
        client_id: client_id?,
        client_secret: client_secret?,
        username: username?,
        password: password?,
        security_token: security_token.ok()?,
    })
}

fn refresh(table: &mut Table<'_>, around: &Around<'_>) -> Option<Config> {
    let host = host(table);
    let client_id = word(table, "client_id", "the consumer key of a connected app");
    let client_secret = optional(table, "client_secret", around);
    let refresh_token = secret(table, "refresh_token", Shape::Line, around);
    let store = match table.get("store") {
        Some(node) => node.path().map(Some),
        None => Some(around.state_dir.map(|dir| dir.join(format!("{}.refresh-token.json", around.name)))),
    };
    Some(Config::Refresh {
        host: host?,
        client_id: client_id?,
        client_secret: client_secret.ok()?,
        refresh_token: refresh_token?,
        store: store?,
    })
}

/// This one is of the org itself: where the connection's URL names it, that is its host.
fn client_credentials(table: &mut Table<'_>, around: &Around<'_>) -> Option<Config> {
    let origin = around.url.and_then(|url| Url::parse(&url.origin().ascii_serialization()).ok());
    let host = match (table.get("host"), origin) {
        (Some(node), _) => login_host(&node),
        (None, Some(origin)) => Some(origin),
        (None, None) => {
            table.miss("host", "the org's own host, such as \"https://acme.my.salesforce.com\"");
            None
        }
    };
    let client_id = word(table, "client_id", "the consumer key of a connected app");
    let client_secret = secret(table, "client_secret", Shape::Text, around);
    Some(Config::ClientCredentials { host: host?, client_id: client_id?, client_secret: client_secret? })
}

fn jwt(table: &mut Table<'_>, around: &Around<'_>) -> Option<Config> {
    let host = host(table);
    let issuer = word(table, "issuer", "the consumer key of a connected app");
    let subject = word(table, "subject", "the name of a user");
    let key = secret(table, "key", Shape::Key, around);
    let audience =
        table.get("audience").map_or(Some(None), |node| filled(&node, "a login host as text").map(Some));
    Some(Config::Jwt { host: host?, issuer: issuer?, subject: subject?, key: key?, audience: audience? })
}

fn sf_cli(table: &mut Table<'_>) -> Option<Config> {
    let org = word(table, "org", "the alias or user name of an org that the CLI is logged in to");
    let program = table.get("program").map_or_else(|| Some(PathBuf::from("sf")), |node| node.path());
    Some(Config::SfCli { org: org?, program: program? })
}

/// `host`, or the one that `sandbox` stands for.
fn host(table: &mut Table<'_>) -> Option<Url> {
    let (host, sandbox) = (table.get("host"), table.get("sandbox"));
    let is_sandbox = sandbox.as_ref().map_or(Some(false), Node::boolean);
    match (&host, &sandbox) {
        (Some(host), Some(sandbox)) => {
            sandbox.report_key("a sandbox beside a host", "one of them", None);
            login_host(host)
        }
        (Some(host), None) => login_host(host),
        (None, _) => Url::parse(if is_sandbox? { SANDBOX } else { PRODUCTION }).ok(),
    }
}

fn login_host(node: &Node<'_>) -> Option<Url> {
    let url = urls::endpoint(node)?;
    if url.scheme() == "http" && !urls::is_local(&url) {
        node.warn("http", "https", Some("everybody on the way can read what logs in"));
    }
    Some(url)
}

/// A text that must be there and is no secret.
fn word(table: &mut Table<'_>, name: &'static str, wanted: &str) -> Option<String> {
    filled(&table.need(name, wanted)?, wanted)
}

fn filled(node: &Node<'_>, wanted: &str) -> Option<String> {
    let text = node.text(wanted)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        node.report("an empty text, or one of several lines", wanted, None);
        return None;
    }
    Some(text.to_owned())
}

const PLACE: &str = "a table with file or env";

/// A secret that must be there.
fn secret(
    table: &mut Table<'_>,
    name: &'static str,
    shape: Shape,
    around: &Around<'_>,
) -> Option<SecretSource> {
    place(&table.need(name, PLACE)?, shape, around)
}

/// A secret that need not be there.
fn optional(
    table: &mut Table<'_>,
    name: &'static str,
    around: &Around<'_>,
) -> Result<Option<SecretSource>, Noted> {
    table.get(name).map(|node| place(&node, Shape::Text, around).ok_or(Noted)).transpose()
}

/// A problem was noted.
struct Noted;

fn place(node: &Node<'_>, shape: Shape, around: &Around<'_>) -> Option<SecretSource> {
    if node.is_text() {
        let hint = "{ file = \"PATH\" } or { env = \"VARIABLE\" }; the secret itself has no place here";
        node.report("a value here", PLACE, Some(hint));
        return None;
    }
    secrets::source(node.table(PLACE)?, around.environment, shape).map(|(source, _)| source)
}

/// Whether a login says where the org is.
pub(super) const fn tells_instance(config: &Config) -> bool {
    !matches!(config, Config::Token(_))
}
