//! `cometail check`: all that is wrong with a configuration.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::{CONFIG, fail, load};

/// Show all problems of a configuration at once
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail check -c config/cometail.toml")]
pub(super) struct Check {
    /// The configuration [default: /etc/cometail/cometail.toml, else COMETAIL_* variables]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn main(check: &Check) -> u8 {
    match load(check.config.as_ref()) {
        Ok((config, warnings)) => {
            for warning in warnings {
                fail(0, &format!("warning: {warning}"));
            }
            let (connections, sinks) = (config.connections.len(), config.sinks.len());
            // A closed standard output leaves nobody to tell.
            drop(writeln!(io::stdout(), "ok: {connections} connection(s), {sinks} sink(s)"));
            0
        }
        Err(problems) => fail(CONFIG, &problems),
    }
}
