use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::bayeux::border::{Exchange, Reply};
use crate::bayeux::contract::{Credentials, Input, Now, Output, Snapshot};
use crate::bayeux::notice::{Closed, Notice};
use crate::bayeux::session::Session;
use crate::bayeux::{Config, ReplayLost, Wanted};
use crate::event::{Batch, Channel, ReplayId};
use crate::retry;

/// A session with its world: what it sent and said, and a clock that only the test moves.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) now: Now,
    pub(super) open: Vec<Exchange>,
    pub(super) heard: Vec<Output>,
    /// Whether what is delivered is committed at once.
    pub(super) commits: bool,
}

pub(super) fn config(channels: &[&str]) -> Config {
    Config {
        connection: Arc::from("acme"),
        positions: Vec::new(),
        channels: channels
            .iter()
            .map(|name| Wanted { channel: Channel::parse(name).unwrap(), replay: ReplayId::NEW })
            .collect(),
        poll_timeout: Duration::from_secs(110),
        poll_margin: Duration::from_secs(10),
        request_timeout: Duration::from_secs(30),
        retry: retry::Config { initial: Duration::from_millis(500), max: Duration::from_mins(1) },
        handshakes_per_minute: 6,
        replay_lost: ReplayLost::All,
        watchdog: 3,
        recheck: None,
        websocket: false,
        ack: true,
        connect_early: usize::MAX,
        one_shot: true,
    }
}

impl Bench {
    pub(super) fn new(config: Config, resume: Option<Snapshot>) -> Self {
        let now = Now { mono: Instant::now(), wall: std::time::UNIX_EPOCH };
        let session = Session::new(config, 7, now, resume);
        let mut bench = Self { session, now, open: Vec::new(), heard: Vec::new(), commits: true };
        bench.give(Input::Start);
        bench.give(Input::Credentials(Credentials::Ready));
        bench
    }

    /// A session that is live on `channels`, its poll open.
    pub(super) fn live(channels: &[&str]) -> Self {
        let mut bench = Self::new(config(channels), None);
        bench.handshake("c1");
        if !channels.is_empty() {
            bench.accept_subscriptions();
        }
        bench.connected();
        assert_eq!(bench.session.state(), "live");
        bench
    }

    pub(super) fn give(&mut self, input: Input) {
        self.session.handle(self.now, input);
        loop {
            match self.session.poll_output() {
                Output::Wait { .. } => break,
                Output::Send(exchange) => {
                    self.open.push(exchange.clone());
                    self.heard.push(Output::Send(exchange));
                }
                Output::Cancel(id) => {
                    self.open.retain(|one| one.id != id);
                    self.heard.push(Output::Cancel(id));
                }
                Output::Deliver(batch) => {
                    for (channel, replay) in batch.positions().filter(|_| self.commits) {
                        self.session.handle(self.now, Input::Committed(channel.clone(), replay));
                    }
                    self.heard.push(Output::Deliver(batch));
                }
                other => self.heard.push(other),
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.give(Input::Time);
    }

    /// Lets time pass to the end of the present wait, and tells how long that was.
    pub(super) fn pass_wait(&mut self) -> Duration {
        let Output::Wait { until: Some(until), .. } = self.session.poll_output() else {
            panic!("waits for no time in {}", self.session.state());
        };
        let wait = until - self.now.mono;
        self.pass(wait);
        wait
    }

    /// The messages of the last open request.
    pub(super) fn asked(&self) -> Vec<Value> {
        serde_json::from_slice(&self.open.last().expect("a request is open").body).unwrap()
    }

    pub(super) fn channel_asked(&self) -> String {
        self.asked()[0]["channel"].as_str().unwrap().to_owned()
    }

    pub(super) fn reply_with(&mut self, status: u16, body: &str) {
        let exchange = self.open.pop().expect("a request is open");
        let reply = Reply { status, retry_after: None, body: Bytes::copy_from_slice(body.as_bytes()) };
        self.give(Input::Outcome(exchange.id, Ok(reply)));
    }

    pub(super) fn reply(&mut self, messages: &Value) {
        self.reply_with(200, &messages.to_string());
    }

    pub(super) fn handshake(&mut self, client: &str) {
        assert_eq!(self.channel_asked(), "/meta/handshake");
        self.reply(&json!([{"channel": "/meta/handshake", "id": self.asked()[0]["id"], "successful": true, "clientId": client, "ext": {"replay": true}}]));
    }

    pub(super) fn accept_subscriptions(&mut self) {
        let replies: Vec<_> = self
            .asked()
            .iter()
            .map(|asked| {
                assert_eq!(asked["channel"], "/meta/subscribe");
                json!({"channel": "/meta/subscribe", "id": asked["id"], "subscription": asked["subscription"], "successful": true})
            })
            .collect();
        self.reply(&json!(replies));
    }

    pub(super) fn connected(&mut self) {
        assert_eq!(self.channel_asked(), "/meta/connect");
        self.reply(&json!([{"channel": "/meta/connect", "id": self.asked()[0]["id"], "successful": true}]));
    }

    pub(super) fn unknown_client(&mut self) {
        self.reply(&json!([{"channel": "/meta/connect", "successful": false, "error": "402::Unknown client", "advice": {"reconnect": "handshake", "interval": 500}}]));
    }

    pub(super) fn batches(&self) -> Vec<&Batch> {
        self.heard
            .iter()
            .filter_map(|output| if let Output::Deliver(batch) = output { Some(batch) } else { None })
            .collect()
    }

    pub(super) fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.heard
            .iter()
            .filter_map(|output| if let Output::Notice(notice) = output { Some(notice) } else { None })
    }

    pub(super) fn closed(&self) -> &Closed {
        assert!(self.session.is_closed(), "{}", self.session.state());
        let closed = self
            .notices()
            .filter_map(|notice| if let Notice::Closed(why) = notice { Some(why) } else { None });
        closed.last().expect("the end is told")
    }
}

pub(super) fn event(channel: &str, replay: i64) -> Value {
    json!({"channel": channel, "data": {"event": {"replayId": replay}, "sobject": {"Id": "a"}}})
}
