//! `cometail run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{CONFIG, IO, Recording, fail, load, run_daemon};
use crate::daemon::Options;

/// Run the daemon
#[derive(Debug, Args)]
#[command(after_help = "\
SIGTERM and SIGINT end it in order: servers are told, queues are drained, within [daemon] grace. A second one
ends it at once. SIGHUP opens output files anew.

Example:
  cometail run -c config/demo.toml")]
pub(super) struct Run {
    /// The configuration [default: /etc/cometail/cometail.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    recording: Recording,
}

pub(super) fn main(run: &Run) -> u8 {
    let (config, warnings) = match load(run.config.as_ref()) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(CONFIG, &problems),
    };
    let wire = match run.recording.open(config.wire.as_ref()) {
        Ok(wire) => wire,
        Err(error) => return fail(IO, &error),
    };
    run_daemon(config, Options { wire, ..Options::default() }, &warnings)
}
