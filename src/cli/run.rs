//! `cometail run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{CONFIG, IO, Recording, fail, load_source, run_daemon};
use crate::daemon::Options;

/// Run the daemon
#[derive(Debug, Args)]
#[command(after_help = "\
SIGTERM and SIGINT end it in order: servers are told, queues are drained, within [daemon] grace. A second one
ends it at once. SIGHUP reads the configuration again, as `cometail reload` does, and opens output files anew.

Without a configuration file, environment variables describe one connection and one sink: COMETAIL_URL and
COMETAIL_CHANNELS at least, COMETAIL_TOKEN_FILE or COMETAIL_LOGIN where the server wants a login; docs/container.md has
them all.

Example:
  cometail run -c config/demo.toml")]
pub(super) struct Run {
    /// The configuration [default: /etc/cometail/cometail.toml, else COMETAIL_* variables]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    recording: Recording,
}

pub(super) fn main(run: &Run) -> u8 {
    let (source, (config, warnings)) = match load_source(run.config.as_ref()) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(CONFIG, &problems),
    };
    let wire = match run.recording.open(config.wire.as_ref()) {
        Ok(wire) => wire,
        Err(error) => return fail(IO, &error),
    };
    run_daemon(config, Options { wire, source, ..Options::default() }, &warnings)
}
