//! The command line: one file per command.
//!
//! Constraints: standard output is for results, standard error for logs and errors. No secret is taken from an
//! argument: other users of a machine can read those.
//!
//! Format: exit codes are those of `sysexits.h` where one fits: 0 done, 1 failed, 2 usage, 69 refused for good by
//! the server, 74 input or output, 75 state directory in use, 77 login or permission refused for good, 78 bad
//! configuration.
//!
//! Operations: [`main`].

mod channel;
mod check;
mod completions;
mod demo;
mod emulator;
mod heroku;
mod journal;
mod limits;
mod man;
mod org;
mod progress;
mod reload;
mod run;
mod status;
mod table;
mod tail;
mod topic;
mod version;
mod whoami;
mod wire;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Source};
use crate::daemon::{self, Options};
use crate::http::{Wire, WireConfig};
use crate::sinks::format::Format;
use crate::sinks::{self, stdout};
use crate::telemetry;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const IO: u8 = 74;
const CONFIG: u8 = 78;

/// Streams the events of a Bayeux/CometD server, such as the Streaming API of Salesforce.
#[derive(Debug, Parser)]
#[command(
    name = "cometail",
    version = version::short(),
    long_version = version::long(),
    after_help = EXAMPLES,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Tail(tail::Tail),
    Run(run::Run),
    Check(check::Check),
    Reload(reload::Reload),
    Status(status::Status),
    Emulator(emulator::Emulator),
    Journal(journal::Journal),
    Wire(wire::Wire),
    Whoami(whoami::Whoami),
    Limits(limits::Limits),
    #[command(subcommand)]
    Channel(channel::Channel),
    #[command(subcommand)]
    Topic(topic::Topic),
    #[command(subcommand)]
    Heroku(heroku::Heroku),
    Completions(completions::Completions),
    Man(man::Man),
}

const EXAMPLES: &str = "\
Examples:
  cometail demo
      Events on the screen, without an account or a configuration.
  COMETAIL_TOKEN=00D... cometail tail https://acme.my.salesforce.com/cometd/61.0 /topic/InvoiceStatementUpdates
      The events of one topic, one JSON object a line.
  cometail run -c /etc/cometail/cometail.toml
      The daemon.";

/// Parses the arguments of this process and runs the command they name.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // A closed standard output or error leaves nobody to tell.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    ExitCode::from(match arguments.command {
        Command::Demo(demo) => demo::main(&demo),
        Command::Tail(tail) => tail::main(tail),
        Command::Run(run) => run::main(&run),
        Command::Check(check) => check::main(&check),
        Command::Reload(reload) => reload::main(&reload),
        Command::Status(status) => status::main(&status),
        Command::Emulator(emulator) => emulator::main(emulator),
        Command::Journal(journal) => journal::main(&journal),
        Command::Wire(wire) => wire::main(&wire),
        Command::Whoami(whoami) => whoami::main(&whoami),
        Command::Limits(limits) => limits::main(&limits),
        Command::Channel(channel) => channel::main(channel),
        Command::Topic(topic) => topic::main(topic),
        Command::Heroku(heroku) => heroku::main(&heroku),
        Command::Completions(completions) => completions::main(&completions),
        Command::Man(man) => man::main(&man),
    })
}

/// Says what is wrong on standard error and gives the exit code back.
fn fail(code: u8, error: &impl Display) -> u8 {
    // A closed standard error leaves nobody to tell.
    let odd = |c: char| table::is_odd(c) && !matches!(c, '\n' | '\t');
    let text = error.to_string().replace(odd, " ");
    drop(writeln!(io::stderr().lock(), "cometail: {text}"));
    code
}

/// Where the configuration is when the arguments do not say.
const DEFAULT_CONFIG: &str = "/etc/cometail/cometail.toml";

/// A configuration, and its warnings, logged later by whoever uses it.
type Loaded = (Config, Vec<String>);

/// Reads a configuration.
fn load(path: Option<&PathBuf>) -> Result<Loaded, config::Problems> {
    load_source(path).map(|(_, loaded)| loaded)
}

/// The state directory that is told, else that of the configuration, which is not looked at otherwise; none where the
/// daemon has none.
fn state_dir(told: Option<&PathBuf>, config: Option<&PathBuf>) -> Result<Option<PathBuf>, config::Problems> {
    match told {
        Some(dir) => Ok(Some(dir.clone())),
        None => load(config).map(|(config, _)| config.state_dir),
    }
}

/// The configuration, with the file as it was read, where there is one.
fn load_source(path: Option<&PathBuf>) -> Result<(Option<Source>, Loaded), config::Problems> {
    let (source, config, warnings) = match path {
        Some(path) => {
            let source = Source::read(path)?;
            let (config, warnings) = source.resolve(&|name| std::env::var_os(name))?;
            (Some(source), config, warnings)
        }
        None => config::find(Path::new(DEFAULT_CONFIG), std::env::vars_os())?,
    };
    Ok((source, (config, warnings.as_slice().iter().map(ToString::to_string).collect())))
}

/// Whether and how exchanges are recorded from the start.
#[derive(Debug, Args)]
struct Recording {
    /// Record every request and response, without secrets, as HAR
    #[arg(long, value_name = "FILE")]
    wire: Option<PathBuf>,
    /// Whether the data of events is in the record
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no, requires = "wire")]
    wire_payloads: Option<bool>,
}

impl Recording {
    /// Begins the record; what is not told is as in `config`.
    fn open(&self, config: Option<&WireConfig>) -> Result<Option<Arc<Wire>>, String> {
        let Some(path) = &self.wire else { return Ok(None) };
        let mut wanted = config.cloned().unwrap_or_else(|| WireConfig::new(path.clone()));
        wanted.path.clone_from(path);
        wanted.payloads = self.wire_payloads.unwrap_or(wanted.payloads);
        begin(wanted).map(Some)
    }
}

/// Opens the file that every request and response is recorded in.
fn open_wire(path: Option<&PathBuf>) -> Result<Option<Arc<Wire>>, String> {
    path.map(|path| begin(WireConfig::new(path.clone()))).transpose()
}

fn begin(config: WireConfig) -> Result<Arc<Wire>, String> {
    let wire = Wire::new(config);
    let started = wire.start().map_err(|error| format!("--wire {}: {error}", wire.config().path.display()));
    started.map(|()| Arc::new(wire))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(String::from("wanted yes or no")),
    }
}

/// What may wait for a slow reader of standard output, in bytes.
const QUEUE: usize = 64 << 20;

/// A daemon for a person who watches: one connection, its events on standard output, nothing kept.
fn on_screen(mut connection: config::Connection, format: Format, pretty: bool, limit: Option<u64>) -> Config {
    connection.session.one_shot = true;
    let color = pretty && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let sink = sinks::Config {
        name: Arc::from("stdout"),
        channels: Vec::new(),
        format,
        queue: QUEUE,
        // Its reader counts events, and reads of gaps on stderr.
        gap_records: false,
        order: Vec::new(),
        kind: sinks::Kind::Stdout(stdout::Config { limit, pretty, color }),
    };
    Config {
        state_dir: None,
        journal: crate::journal::Config::default(),
        grace: Duration::from_secs(5),
        ready_after: Duration::ZERO,
        log: telemetry::Config::default(),
        admin: None,
        connections: vec![connection],
        sinks: vec![sink],
        topics: Vec::new(),
        files: Vec::new(),
        wire: None,
    }
}

/// How long a thread for blocking work is kept while it has nothing to do. Some comes each second, and goes round among
/// those that wait: with the runtime's own ten seconds, up to ten of them would stay for good after one busy moment.
const BLOCKING_KEPT: Duration = Duration::from_secs(2);

/// Runs a daemon to its end on a runtime of one thread: sinks have threads of their own.
fn run_daemon(config: Config, options: Options, warnings: &[String]) -> u8 {
    let _logs = match telemetry::start(&config.log) {
        Ok(guard) => guard,
        Err(error) => return fail(CONFIG, &error),
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_all().thread_keep_alive(BLOCKING_KEPT).build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(IO, &error),
    };
    let ending = runtime.block_on(async {
        match daemon::start(config, options) {
            Ok(daemon) => daemon.run().await,
            Err(error) => {
                for problem in &error.problems {
                    fail(0, problem);
                }
                error.ending
            }
        }
    });
    // A blocked file system must not hold up the end.
    runtime.shutdown_background();
    ending as u8
}

/// A duration such as `10s` or `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| String::from("wanted a duration such as 10s or 500ms"))
}
