//! What every command that talks to an org shares: which org, with which token, and how it ends.
//!
//! Constraints: the URL is read here and not by the parser of arguments, whose errors repeat it with the password that a
//! URL may hold. A token comes from the environment or a file, never from an argument.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use url::{Host, Url};

use super::progress::{has_printed, waiting};
use super::table::is_odd;
use super::{CONFIG, FAILED, IO, USAGE, duration, fail, load, open_wire};
use crate::http::{self, Client};
use crate::salesforce::ApiError;
use crate::salesforce::api::{Api, ApiVersion, Org};
use crate::salesforce::login::{Config, Login, Options, SecretSource};

/// The variable that holds the access token.
pub(super) const TOKEN: &str = "COMETAIL_TOKEN";

/// What `--url` is.
const ORG: &str = "The org, such as https://acme.my.salesforce.com, or its CometD endpoint; the access token is taken \
                   from the environment variable COMETAIL_TOKEN or from --token-file";

/// Refused for good by the server.
pub(super) const REFUSED: u8 = 69;

/// Login or permission refused for good.
pub(super) const DENIED: u8 = 77;

/// What went well, or the exit code after the reason was told.
pub(super) type Outcome<T> = Result<T, u8>;

/// Which org is meant.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[arg(long, value_name = "ORG", help = ORG, conflicts_with_all = ["config", "connection"])]
    url: Option<String>,
    /// Read the access token from a file
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// The version of the org's API [default: that of the endpoint, else 61.0]
    #[arg(long, value_name = "VERSION")]
    api_version: Option<ApiVersion>,
    /// The daemon's configuration, in place of --url [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The connection in the configuration that says where the org is and how to log in
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Trust the certificates in this file (PEM) beside the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// Record every request and response, without secrets, as HAR
    #[arg(long, value_name = "FILE")]
    wire: Option<PathBuf>,
    /// How long each request may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The access token for commands without a configuration: the file, else the environment.
pub(super) fn token(file: Option<PathBuf>) -> Option<Config> {
    let from_environment = || std::env::var_os(TOKEN).map(|_| SecretSource::Env(TOKEN.to_owned()));
    file.map(SecretSource::File).or_else(from_environment).map(Config::Token)
}

impl Place {
    /// Does `work` with the org; the exit code.
    pub(super) fn run(&self, work: impl AsyncFnOnce(&mut Api) -> Outcome<()>) -> u8 {
        let ended = self.api().and_then(|mut api| block_on(work(&mut api)));
        ended.err().unwrap_or_default()
    }

    /// Whether the arguments say where the org is, and no configuration does.
    pub(super) const fn is_told(&self) -> bool {
        self.url.is_some()
    }

    /// The configuration, where its place is told.
    pub(super) const fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The connection of the configuration, where it is told.
    pub(super) fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    fn api(&self) -> Outcome<Api> {
        let (url, login, options, http) = match &self.url {
            Some(url) => self.told(url)?,
            None => self.configured()?,
        };
        let org = Org::of(&url, self.api_version).map_err(|error| fail(USAGE, &error))?;
        let wire = open_wire(self.wire.as_ref()).map_err(|error| fail(IO, &error))?;
        let mut client = Client::new(&http).map_err(|error| fail(CONFIG, &error))?;
        if let Some(wire) = wire {
            client = client.with_wire(wire);
        }
        let options = Options { one_shot: true, timeout: self.timeout, ..options };
        let login = Login::with(login, &http, options).map_err(|error| fail(CONFIG, &error))?;
        let mut api = Api::new(client, login, org, self.timeout);
        api.set_meanwhile(|| Box::pin(waiting("waiting for the org")));
        Ok(api)
    }

    fn told(&self, url: &str) -> Outcome<(Url, Option<Config>, Options, http::Config)> {
        let example = "https://acme.my.salesforce.com";
        let url = address("--url", url, example, TOKEN).map_err(|error| fail(USAGE, &error))?;
        let login = token(self.token_file.clone());
        if login.is_some() && url.scheme() == "http" && !is_local(&url) {
            fail(0, &"warning: --url is http; everybody on the way can read the access token");
        }
        let http = http::Config { ca_file: self.ca_file.clone(), ..http::Config::default() };
        Ok((url, login, Options::default(), http))
    }

    fn configured(&self) -> Outcome<(Url, Option<Config>, Options, http::Config)> {
        if self.config.is_none() && self.connection.is_none() {
            return Err(fail(USAGE, &"which org? Give --url ORG, or -c FILE and --connection NAME"));
        }
        let (config, _) = load(self.config.as_ref()).map_err(|problems| fail(CONFIG, &problems))?;
        let names: Vec<_> = config.connections.iter().map(|one| one.name.to_string()).collect();
        let mut connections = config.connections.into_iter();
        let found = match &self.connection {
            Some(name) => connections.find(|one| *one.name == **name),
            None if names.len() == 1 => connections.next(),
            None => None,
        };
        let one = found.ok_or_else(|| {
            fail(USAGE, &format!("--connection wants one of: {}", names.join(", ").escape_debug()))
        })?;
        Ok((one.url, one.login, one.login_options, one.http))
    }
}

/// The URL of `option`. What is wrong with it is told without it; `token` is the variable where a secret belongs.
pub(super) fn address(option: &str, text: &str, example: &str, token: &str) -> Result<Url, String> {
    let wanted = format!("wanted an http or https URL, such as {example}");
    let url = Url::parse(text).map_err(|error| format!("{option}: {error}; {wanted}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{option}: {wanted}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{option}: a URL is no place for secrets; put the access token into {token}"));
    }
    Ok(url)
}

/// Whether nobody is on the way to it.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Runs to the end on a runtime of one thread.
pub(super) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(IO, &error))?;
    let ended = runtime.block_on(work);
    // A blocked file system must not hold up the end.
    runtime.shutdown_background();
    ended
}

/// Tells why a call came to nothing; the exit code.
pub(super) fn refused(error: &ApiError) -> u8 {
    fail(exit_code(error), error)
}

/// How a command ends after such a call.
pub(super) fn exit_code(error: &ApiError) -> u8 {
    if error.is_permission() {
        DENIED
    } else if error.may_pass() || matches!(error, ApiError::Malformed(_)) {
        FAILED
    } else {
        REFUSED
    }
}

/// The end of a command that printed: a closed standard output leaves nobody to tell.
pub(super) fn printed(written: io::Result<()>) -> Outcome<()> {
    has_printed();
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(fail(IO, &format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON document and a line end.
pub(super) fn print_json(value: &impl Serialize) -> Outcome<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| fail(FAILED, &error))?;
    print(&(plain_json(&text) + "\n"))
}

/// JSON with every character escaped that might control a terminal; line ends, which stand between its strings, stay.
pub(super) fn plain_json(text: &str) -> String {
    let escaped = |c: char| match c {
        '\n' => vec![c],
        _ if is_odd(c) => format!("\\u{:04x}", u32::from(c)).chars().collect(),
        _ => vec![c],
    };
    text.chars().flat_map(escaped).collect()
}

/// Prints a text for a person.
pub(super) fn print(text: &impl Display) -> Outcome<()> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    printed(write!(out, "{text}").and_then(|()| out.flush()))
}
