//! `cometail demo`: the emulator inside, in front of the daemon's own code.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use url::Url;

use super::emulator::CHANNEL;
use super::{IO, duration, fail, on_screen, run_daemon};
use crate::bayeux::Wanted;
use crate::config::{Config, Connection};
use crate::daemon::Options;
use crate::emulator::{self, Generate};
use crate::event::{Channel, ReplayId};
use crate::sinks::format::Format;

/// See events on the screen: an emulator and a subscriber in one process
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cometail demo --pretty --count 3")]
pub(super) struct Demo {
    /// The time between two events
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    every: Duration,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Indent, with colours on a terminal
    #[arg(long)]
    pretty: bool,
}

pub(super) fn main(demo: &Demo) -> u8 {
    let generate = Generate { channel: CHANNEL.to_owned(), every: demo.every };
    let emulator = emulator::Config { generate: Some(generate), ..emulator::Config::default() };
    match start_emulator(emulator).and_then(|url| config(demo, &url)) {
        Ok(config) => run_daemon(config, Options { one_shot: true, ..Options::default() }, &[]),
        Err(error) => fail(IO, &format!("emulator: {error}")),
    }
}

/// The emulator has a thread to itself, as a server of its own would have a process; it ends with this one.
fn start_emulator(config: emulator::Config) -> io::Result<String> {
    config.check().map_err(io::Error::other)?;
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}/cometd/61.0", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(String::from("emulator")).spawn(move || {
        runtime.block_on(async {
            let served = async {
                emulator::serve(TcpListener::from_std(listener)?, config, std::future::pending()).await
            };
            if let Err(error) = served.await {
                tracing::error!(%error, "the emulator stopped");
            }
        });
    })?;
    Ok(url)
}

fn config(demo: &Demo, url: &str) -> io::Result<Config> {
    let url = Url::parse(url).map_err(io::Error::other)?;
    let channel = Channel::parse(CHANNEL).map_err(io::Error::other)?;
    let mut connection = Connection::new("demo", url, vec![Wanted { channel, replay: ReplayId::ALL }]);
    connection.http.proxy = crate::http::Proxy::Direct;
    Ok(on_screen(connection, Format::Message, demo.pretty, demo.count))
}
