//! The admin server's end in the daemon.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::report::Sources;
use super::{Ending, StartError};
use crate::admin::{self, Config, Port, Pulse, Request, Server, Tap};

/// Starts the server, where one is configured. Must be called on a tokio runtime.
pub(super) fn start(
    config: Option<&Config>,
    sources: &Sources,
    tap: &Arc<Tap>,
    orders: &mpsc::Sender<Request>,
) -> Result<Option<Server>, StartError> {
    let Some(config) = config else { return Ok(None) };
    let sources = sources.clone();
    let pulse = Arc::new(Pulse::default());
    tokio::spawn(beat(Arc::clone(&pulse)));
    let status = Arc::new(move || sources.snapshot());
    let port = Port { status, orders: orders.clone(), tap: Arc::clone(tap), pulse };
    let refuse =
        |error: admin::StartError| StartError { ending: Ending::Io, problems: vec![error.to_string()] };
    admin::start(config, port).map(Some).map_err(refuse)
}

/// Shows that this runtime turns, for as long as it does.
async fn beat(pulse: Arc<Pulse>) {
    loop {
        pulse.beat();
        tokio::time::sleep(Pulse::EVERY).await;
    }
}
