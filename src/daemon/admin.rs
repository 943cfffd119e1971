//! The admin server's end in the daemon.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::capture::Capture;
use super::connection::Command;
use super::report::Sources;
use super::stop::Running;
use super::{Ending, StartError};
use crate::admin::{self, Config, Order, Port, Pulse, Refusal, Request, Server, Tap, Target};
use crate::bayeux::Wanted;

/// Orders that may wait for the daemon.
const ORDERS: usize = 64;

/// A server, and what is asked for by it.
pub(super) type Admin = (Server, mpsc::Receiver<Request>);

/// Starts the server, where one is configured. Must be called on a tokio runtime.
pub(super) fn start(
    config: Option<Config>,
    sources: &Sources,
    tap: &Arc<Tap>,
) -> Result<Option<Admin>, StartError> {
    let Some(config) = config else { return Ok(None) };
    let (orders, requests) = mpsc::channel(ORDERS);
    let sources = sources.clone();
    let pulse = Arc::new(Pulse::default());
    tokio::spawn(beat(Arc::clone(&pulse)));
    let status = Arc::new(move || sources.snapshot());
    let port = Port { status, orders, tap: Arc::clone(tap), pulse };
    let refuse =
        |error: admin::StartError| StartError { ending: Ending::Io, problems: vec![error.to_string()] };
    admin::start(&config, port).map(|server| Some((server, requests))).map_err(refuse)
}

/// Shows that this runtime turns, for as long as it does.
async fn beat(pulse: Arc<Pulse>) {
    loop {
        pulse.beat();
        tokio::time::sleep(Pulse::EVERY).await;
    }
}

/// The next order; never, where no server is.
pub(super) async fn next_order(orders: &mut Option<mpsc::Receiver<Request>>) -> Request {
    if let Some(receiver) = orders
        && let Some(request) = receiver.recv().await
    {
        return request;
    }
    *orders = None;
    std::future::pending().await
}

/// Carries out an order, and says what came of it.
pub(super) fn answer(running: &[Running], capture: &Capture, Request { order, answer }: Request) {
    let done = match order {
        Order::Subscribe { connection, channel, replay } => {
            command(running, connection, Command::Subscribe(Wanted { channel, replay }))
        }
        Order::Unsubscribe { connection, channel } => {
            command(running, connection, Command::Unsubscribe(channel))
        }
        Order::Capture(on) => capture.switch(on),
        _ => Err(Refusal::Impossible(String::from("this daemon cannot do that"))),
    };
    // Nobody may wait for it any more.
    drop(answer.send(done));
}

fn command(running: &[Running], name: Arc<str>, command: Command) -> Result<(), Refusal> {
    match running.iter().find(|one| one.name == name) {
        None => Err(Refusal::Unknown(Target::Connection(name))),
        Some(one) => match one.commands.try_send(command) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Refusal::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Err(Refusal::Impossible(format!("connection {name} has ended")))
            }
        },
    }
}
