//! What is asked of the running daemon, by whichever way it came.
//!
//! Constraints: nothing here waits. Asking for what is so already is no mistake.

use std::sync::Arc;

use super::connection::Command;
use super::stop::Daemon;
use crate::admin::{Order, Refusal, Request, Target};
use crate::bayeux::Wanted;
use crate::event::Channel;

/// Orders that may wait.
pub(super) const ORDERS: usize = 64;

impl Daemon {
    /// Carries out an order, or begins to.
    pub(super) fn carry_out(&mut self, request: Request) {
        let Request { order, answer } = request;
        let done = match order {
            Order::Subscribe { connection, channel, replay } => {
                let wanted = Wanted { channel: channel.clone(), replay };
                self.ask(connection, &channel, Some(&wanted))
            }
            Order::Unsubscribe { connection, channel } => self.ask(connection, &channel, None),
            Order::Pause(target) => self.pause(target, true),
            Order::Resume(target) => self.pause(target, false),
            Order::Reload => return self.read_again(Some(answer)),
            Order::Capture(on) => self.means.capture.switch(on),
        };
        // Whoever asked may have gone.
        drop(answer.send(done));
    }

    fn ask(&mut self, name: Arc<str>, channel: &Channel, wanted: Option<&Wanted>) -> Result<(), Refusal> {
        if channel.is_meta() {
            return Err(Refusal::Invalid(vec![format!(
                "channel {channel}: those under /meta/ are the protocol's own"
            )]));
        }
        let Some(line) = self.fleet.line(&name) else {
            return Err(Refusal::Unknown(Target::Connection(name)));
        };
        line.ask(channel, wanted.cloned())?;
        let is_wanted = wanted.is_some();
        tracing::info!(connection = &*name, %channel, is_wanted, "whether a channel is wanted was changed by an order");
        Ok(())
    }

    fn pause(&mut self, target: Target, paused: bool) -> Result<(), Refusal> {
        if self.fleet.pause(&target, paused) { Ok(()) } else { Err(Refusal::Unknown(target)) }
    }

    /// What a person types while the daemon serves a command.
    pub(super) fn command(&mut self, name: &str, command: Command) {
        match self.fleet.line(name) {
            None => tracing::warn!(connection = name, "no such connection"),
            Some(line) if !line.tell(command) => {
                tracing::warn!(
                    connection = name,
                    "too many commands wait for this connection, or it has ended"
                );
            }
            Some(_) => {}
        }
    }
}
