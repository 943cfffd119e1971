//! The end of every tape: the server means well from here on.

use std::time::Duration;

use cometail::bayeux::contract::Input;
use cometail::bayeux::session::Session;
use cometail::bayeux::subscription::Standing;

use super::run::{Open, Run, reply};
use super::server;
use super::tape::Tape;

/// How long a poll is held (guide: 110 s).
const HOLD: Duration = Duration::from_secs(100);
/// Within this time all is well again: a few of the longest waits.
const HEALED: Duration = Duration::from_hours(1);
/// The most that can happen until then.
const STEPS: usize = 10_000;

impl Run<'_> {
    /// Answers everything as it should be until the session is live with every channel.
    pub(super) fn heal(&mut self) {
        self.tape = Tape::new(&[]).0;
        let end = self.now.mono + HEALED;
        for _ in 0..STEPS {
            if self.session.is_closed() || is_well(&self.session) {
                return;
            }
            assert!(
                self.now.mono < end,
                "not well after {HEALED:?} in {}: {}",
                self.session.state(),
                self.ill()
            );
            match self.open.iter().position(|open| !is_held(open)) {
                Some(at) => self.answer_rightly(at),
                None => self.hold(),
            }
        }
        panic!("not well after {STEPS} steps in {}: {}", self.session.state(), self.ill());
    }

    fn answer_rightly(&mut self, at: usize) {
        let Open { exchange, .. } = self.open.remove(at);
        self.clients += 1;
        let replies = server::right(&exchange.body, &format!("client{}", self.clients));
        let outcome = Ok(reply(200, serde_json::Value::from(replies).to_string()));
        self.give(Input::Outcome(exchange.id, outcome));
    }

    /// Nothing but a poll is open, if that.
    fn hold(&mut self) {
        // The poll's answer comes before its deadline.
        let before = |open: &Open| open.deadline.checked_sub(Duration::from_millis(1));
        let answered = self.open.iter().filter_map(before).chain([self.now.mono + HOLD]).min();
        let end = answered.unwrap_or(self.now.mono).max(self.now.mono);
        if let Some(due) = self.until.filter(|due| *due <= end) {
            return self.pass_until(Some(due));
        }
        self.pass_until(Some(end));
        if !self.open.is_empty() {
            self.answer_rightly(0);
        }
    }

    fn ill(&self) -> String {
        let ill = self.session.standings().filter(|(_, standing)| *standing != Standing::Live);
        let names = ill.map(|(channel, standing)| (channel.as_str().chars().take(30).collect(), standing));
        format!("{:?}, {}", names.collect::<Vec<(String, _)>>(), self.reason)
    }
}

fn is_well(session: &Session) -> bool {
    let is_settled = |standing| matches!(standing, Standing::Live | Standing::Refused(_, None));
    session.state() == "live" && session.standings().all(|(_, standing)| is_settled(standing))
}

/// A connect that asks for no answer at once.
fn is_held(open: &Open) -> bool {
    open.kind == "/meta/connect" && server::messages(&open.exchange.body)[0]["advice"]["timeout"] != 0
}
