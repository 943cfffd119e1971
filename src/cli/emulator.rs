//! `cometail emulator`: a stand-in for the Streaming API.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use tokio::net::TcpListener;

use super::{FAILED, IO, USAGE, duration, fail};
use crate::emulator::{Config, Edition, Generate, Seed, serve};
use crate::telemetry;

/// The guide's own topic.
pub(super) const CHANNEL: &str = "/topic/InvoiceStatementUpdates";

/// Run a stand-in for the Streaming API, to develop and test without an account
#[derive(Debug, Args)]
#[command(after_help = "\
The first line on standard output is the endpoint's URL.

Examples:
  cometail emulator
  cometail emulator --login --seed seed.toml
  cometail tail http://127.0.0.1:8080/cometd/61.0 /topic/InvoiceStatementUpdates --replay all
  curl -d '{\"channel\":\"/topic/Mine\",\"data\":{\"sobject\":{\"Id\":\"a00\"}}}' http://127.0.0.1:8080/_emulator/publish
  curl -d grant_type=password -d client_id=emulator -d client_secret=emulator-secret \\
      -d username=admin@example.com -d password=password \\
      http://127.0.0.1:8080/services/oauth2/token

Records: /services/data/v61.0/sobjects/TYPE[/ID], /query?q=, /limits; their changes are told to PushTopics, and
StreamingChannels take pushes, as in an org:
  curl -H 'Content-Type: application/json' -d '{\"Name\":\"Mine\",\"ApiVersion\":61.0,\"Query\":\"SELECT Id, Name FROM Account\"}' \\
      http://127.0.0.1:8080/services/data/v61.0/sobjects/PushTopic

Heroku Connect: the app \"example\" has one connection and the API key is \"emulator-api-key\"; cometail
heroku takes http://127.0.0.1:8080 as --url and as --auth-url.

Logins: the user admin@example.com has the password \"password\"; the connected app \"emulator\" has
the secret \"emulator-secret\" and runs as that user. A seed file has others, in TOML:

  [user.\"ada@example.com\"]
  password = \"secret\"
  security_token = \"T0k3n\"                    # demanded behind the password
  permissions = [\"ApiEnabled\", \"Streaming\"]  # ViewAllData, ModifyAllData, ViewSetup
  objects = { Account = \"none\", Contact = \"read\" }  # others: \"edit\"
  hidden_fields = [\"Invoice_Statement__c.Status__c\"]
  refresh_tokens = { \"my app\" = \"REFRESH\" }
  [client.\"my app\"]
  secret = \"app-secret\"
  certificate_file = \"app.crt\"                # for JWT assertions
  approved = [\"ada@example.com\"]              # default: everybody
  run_as = \"ada@example.com\"                  # for client credentials
  rotates = true                              # each refresh token works once and gives the next
  [object.Employee__c]                       # a custom object, or fields for one that there is
  fields = { Bonus__c = \"currency\", Team__c = { type = \"picklist\", values = [\"A\", \"B\"] } }
  [[record.Employee__c]]
  Name = \"Ada\"
  [org]
  id = \"00D000000000001EAA\"
  name = \"Example\"
  sandbox = false")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Emulator {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// Multiply the protocol's 110 s, 40 s and 24 h by this
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    time_scale: f64,
    /// How often to look for new events, as the real server does; 0s delivers at once
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    poll_interval: Duration,
    /// The time between two generated events
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    every: Duration,
    /// Where events are generated
    #[arg(long, default_value = CHANNEL, value_name = "CHANNEL")]
    generate: String,
    /// Generate no events
    #[arg(long)]
    quiet: bool,
    /// The only channels that exist; all may exist where none is given
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Confirm CometD's `ack` extension, which Salesforce lacks: what is not acknowledged comes again
    #[arg(long)]
    ack: bool,
    /// Demand the access token that is in this environment variable
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Users, connected apps and more that exist at the start
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Let only those channels exist that the org has records of: /topic/NAME and /u/NAME, of which the first
    /// subscription makes the latter
    #[arg(long)]
    strict: bool,
    /// The org's edition, which decides how much it may use of streaming
    #[arg(long, default_value = "enterprise", value_name = "EDITION")]
    edition: EditionName,
    /// Demand the token of a login
    #[arg(long)]
    login: bool,
    /// How long a login's token is good, before scaling
    #[arg(long, default_value = "2h", value_name = "TIME", value_parser = duration)]
    session_timeout: Duration,
    /// How far the server's clock is ahead, such as 10m or -10m
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = skew, allow_hyphen_values = true)]
    clock_skew: SignedDuration,
}

/// The editions by their names.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EditionName {
    Performance,
    Unlimited,
    Enterprise,
    Professional,
    Developer,
    Free,
}

impl From<EditionName> for Edition {
    fn from(name: EditionName) -> Self {
        match name {
            EditionName::Performance => Self::Performance,
            EditionName::Unlimited => Self::Unlimited,
            EditionName::Enterprise => Self::Enterprise,
            EditionName::Professional => Self::Professional,
            EditionName::Developer => Self::Developer,
            EditionName::Free => Self::Free,
        }
    }
}

pub(super) fn main(emulator: Emulator) -> u8 {
    let _logs = match telemetry::start(&telemetry::Config::default()) {
        Ok(guard) => guard,
        Err(error) => return fail(USAGE, &error),
    };
    let token = match emulator.token_env.as_deref().map(token).transpose() {
        Ok(token) => token,
        Err(error) => return fail(USAGE, &format!("--token-env: {error}")),
    };
    let seed = match emulator.seed.as_deref().map(Seed::load).transpose() {
        Ok(seed) => seed.unwrap_or_default(),
        Err(error) => return fail(USAGE, &format!("--seed: {error}")),
    };
    let config = Config {
        time_scale: emulator.time_scale,
        poll_interval: emulator.poll_interval,
        generate: (!emulator.quiet).then_some(Generate { channel: emulator.generate, every: emulator.every }),
        token,
        seed,
        strict: emulator.strict,
        edition: emulator.edition.into(),
        login: emulator.login,
        session_timeout: emulator.session_timeout,
        clock_skew: emulator.clock_skew,
        ack: emulator.ack,
        channels: Some(emulator.channels).filter(|channels| !channels.is_empty()),
        ..Config::default()
    };
    if let Err(error) = config.check() {
        return fail(USAGE, &error);
    }
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &error),
    };
    match runtime.block_on(listen(emulator.listen, config)) {
        Ok(()) => 0,
        Err(error) => fail(IO, &format!("emulator on {}: {error}", emulator.listen)),
    }
}

/// Takes as many open files as the hard limit allows: each client is one, and what a login shell gives is often 1,024.
/// Where that fails, clients beyond it wait.
#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(not(unix))]
fn raise_open_files() {}

/// A duration with or without a minus before it.
fn skew(text: &str) -> Result<SignedDuration, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let ahead = SignedDuration::try_from(duration(text)?);
    ahead.map(|ahead| ahead * sign).map_err(|_| String::from("wanted a duration such as 10m or -10m"))
}

/// The standard library's error is not shown: for a value that is not UTF-8 its text is the value.
fn token(name: &str) -> Result<String, &'static str> {
    let value = std::env::var_os(name).ok_or("this environment variable is not set")?;
    value.into_string().map_err(|_| "the value of this environment variable is not UTF-8")
}

async fn listen(address: SocketAddr, config: Config) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/cometd/61.0", listener.local_addr()?);
    // Whoever started it without reading its output still has the log.
    drop(writeln!(io::stdout(), "{url}"));
    tracing::info!(url, "emulator listens");
    serve(listener, config, stopped()).await
}

async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
