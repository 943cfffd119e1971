//! What is asked of a connection while the daemon runs.

use super::{Line, Stage};
use crate::admin::Refusal;
use crate::bayeux::Wanted;
use crate::daemon::connection::Command;
use crate::daemon::prepare::COMMANDS;
use crate::event::Channel;

/// Commands that there is always room for: to retire, and to close.
const RESERVED: usize = 2;

const _: () = assert!(COMMANDS > RESERVED, "there is room for what is asked besides");

impl Line {
    /// Wants a channel, or with none wants it no more, until it is configured otherwise.
    ///
    /// # Errors
    /// There is no room for that, or it is over with this connection.
    pub(in crate::daemon) fn ask(
        &mut self,
        channel: &Channel,
        wanted: Option<Wanted>,
    ) -> Result<(), Refusal> {
        self.why_over().map_or(Ok(()), |why| Err(Refusal::Impossible(why)))?;
        let command = match wanted.clone() {
            Some(wanted) => Command::Subscribe(Box::new(wanted)),
            None => Command::Unsubscribe(channel.clone()),
        };
        if !self.asked.has_room(channel) || !self.tell(command) {
            return Err(Refusal::Busy);
        }
        self.asked.put(channel, wanted);
        Ok(())
    }

    /// Why nothing comes of an order, where nothing does until somebody else acts.
    fn why_over(&self) -> Option<String> {
        let what = match self.stage {
            Stage::Over => "has ended, and starts again when it is resumed or the configuration is reloaded",
            Stage::Broken => "is broken until the daemon is restarted",
            _ => return None,
        };
        let status = self.status();
        let login = status.login.as_ref().and_then(|login| login.error.as_ref());
        let why = login.or(status.last_error.as_ref()).map(|error| format!(": {}", error.text));
        Some(format!("connection {} {what}{}", self.name, why.unwrap_or_default()))
    }

    /// Passes a command on to the session; whether there was room for it, or there is no session that could hear it.
    pub(in crate::daemon) fn tell(&self, command: Command) -> bool {
        match &self.stage {
            Stage::Running(commands) => commands.capacity() > RESERVED && commands.try_send(command).is_ok(),
            // It has been prepared without it, perhaps.
            Stage::Starting => false,
            _ => true,
        }
    }
}
