//! Where the service is, who asks, and how a command ends.
//!
//! Constraints: URLs are read here and not by the parser of arguments, whose errors repeat them with the password that a
//! URL may hold. A token or a key comes from the environment or a file, never from an argument.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::org::{DENIED, Outcome, REFUSED, address, block_on, is_local};
use super::super::progress::waiting;
use super::super::{CONFIG, FAILED, IO, USAGE, duration, fail, open_wire};
use crate::heroku::{Api, ApiError, Credentials, Service, is_id};
use crate::http::{self, Client};
use crate::salesforce::login::{Config, Login, SecretSource};
use crate::secret::Secret;

/// The variable that holds a token.
const TOKEN: &str = "COMETAIL_HEROKU_TOKEN";
/// The variable that holds an API key; the platform's own tools read it too.
const API_KEY: &str = "HEROKU_API_KEY";
/// Where the service is, unless an option says otherwise.
const API: &str = "https://connect-us.heroku.com";
/// Where an API key gets a token.
const AUTHORITY: &str = "https://api.heroku.com";
/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long is waited for a state.
const WAIT: Duration = Duration::from_mins(10);

const KEY_FILE: &str = "Read an API key from a file, which gets a token for an hour [default: the environment variable \
                        HEROKU_API_KEY, where there is no token]";

/// Which service, and as whom.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[arg(long, value_name = "URL", help = format!("The region's URL [default: {API}]"))]
    url: Option<String>,
    #[arg(long, value_name = "URL", help = format!("Where an API key gets a token [default: {AUTHORITY}]"))]
    auth_url: Option<String>,
    #[arg(long, value_name = "FILE", help = format!("Read a token from a file [default: the environment variable {TOKEN}]"))]
    token_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", conflicts_with = "token_file", help = KEY_FILE)]
    api_key_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Record every request and response, without secrets, as HAR
    #[arg(long, value_name = "FILE")]
    wire: Option<PathBuf>,
    /// How long each request may take, and with --wait all of it [default: 30s, and 10m with --wait]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A secret's source, and what it is.
enum Given {
    Token(SecretSource),
    ApiKey(SecretSource),
}

impl Place {
    /// Does `work` with the service; the exit code. `wait` is whether it may take long.
    pub(super) fn run(&self, wait: bool, work: impl AsyncFnOnce(&mut Api) -> Outcome<()>) -> u8 {
        let done = block_on(async {
            let mut api = self.api(wait).await?;
            work(&mut api).await
        });
        done.err().unwrap_or_default()
    }

    /// How long a command may take, `wait` or each request of it.
    pub(super) fn limit(&self, wait: bool) -> Duration {
        self.timeout.unwrap_or(if wait { WAIT } else { REQUEST })
    }

    async fn api(&self, wait: bool) -> Outcome<Api> {
        let given = self.given()?;
        let service = self.service(matches!(given, Given::ApiKey(_)), wait)?;
        let http = http::Config { ca_file: self.ca_file.clone(), ..http::Config::default() };
        let mut client = Client::new(&http).map_err(|error| fail(CONFIG, &error))?;
        if let Some(wire) = open_wire(self.wire.as_ref()).map_err(|error| fail(IO, &error))? {
            client = client.with_wire(wire);
        }
        let credentials = match given {
            Given::Token(source) => Credentials::Token(read(source, &http).await?),
            Given::ApiKey(source) => Credentials::ApiKey(read(source, &http).await?),
        };
        let mut api = Api::new(client, credentials, service);
        api.set_meanwhile(Some(|| Box::pin(waiting("waiting for Heroku Connect"))));
        Ok(api)
    }

    fn given(&self) -> Outcome<Given> {
        let variable = |name: &str| std::env::var_os(name).map(|_| SecretSource::Env(name.into()));
        let token = self.token_file.clone().map(SecretSource::File).map(Given::Token);
        let key = || self.api_key_file.clone().map(SecretSource::File).map(Given::ApiKey);
        let given = token.or_else(key).or_else(|| variable(TOKEN).map(Given::Token));
        given.or_else(|| variable(API_KEY).map(Given::ApiKey)).ok_or_else(|| {
            let what =
                format!("no access token; set {TOKEN} or {API_KEY}, or give --token-file or --api-key-file");
            fail(DENIED, &what)
        })
    }

    fn service(&self, by_key: bool, wait: bool) -> Outcome<Service> {
        let read = |option: &str, text: Option<&String>, default: &str| {
            let text = text.map_or(default, String::as_str);
            address(option, text, default, TOKEN).map_err(|error| fail(USAGE, &error))
        };
        let api = read("--url", self.url.as_ref(), API)?;
        let authority = read("--auth-url", self.auth_url.as_ref(), AUTHORITY)?;
        for (option, url, used) in [("--url", &api, true), ("--auth-url", &authority, by_key)] {
            if used && url.scheme() == "http" && !is_local(url) {
                fail(
                    0,
                    &format!(
                        "warning: {option} is http; everybody on the way can read the secret sent there"
                    ),
                );
            }
        }
        let limit = self.limit(wait);
        Ok(Service { api, authority, deadline: if wait { limit.min(REQUEST) } else { limit } })
    }
}

/// Reads a secret as the logins of connections read a token.
async fn read(source: SecretSource, http: &http::Config) -> Outcome<Secret<String>> {
    let mut login =
        Login::new(Some(Config::Token(source)), http, true).map_err(|error| fail(CONFIG, &error))?;
    login.renew(false).await.map_err(|failure| fail(DENIED, &failure))?;
    let header = login.header();
    let text = header.as_ref().and_then(|header| header.expose().strip_prefix("Bearer ")).unwrap_or_default();
    Ok(Secret::new(text.to_owned()))
}

/// An id that may stand in a path.
pub(super) fn id(text: &str) -> Result<String, &'static str> {
    if is_id(text) { Ok(text.to_owned()) } else { Err("wanted letters, digits, '-' and '_'") }
}

/// Tells why a call came to nothing; the exit code.
pub(super) fn refused(error: &ApiError) -> u8 {
    let code = if error.is_permission() {
        DENIED
    } else if error.may_pass() || matches!(error, ApiError::Malformed(_)) {
        FAILED
    } else {
        REFUSED
    };
    fail(code, error)
}
