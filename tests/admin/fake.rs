//! The server alone, with a daemon's end in the test.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use cometail::admin::{self, Config, Listen, Order, Port, Pulse, Refusal, Request, Server, Tap};
use cometail::event::{Batch, BatchBuilder, ReplayId};
use cometail::sinks::SinkStatus;
use cometail::status::{Connection, Journal, Snapshot};
use tokio::sync::mpsc;

use super::client::Client;

pub(crate) type Status = Snapshot<SinkStatus>;

/// A server and what a daemon has to do with it.
pub(crate) struct Fake {
    pub(crate) client: Client,
    pub(crate) tap: Arc<Tap>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) orders: mpsc::Receiver<Request>,
    pub(crate) server: Server,
}

impl Fake {
    /// With room for so many orders.
    pub(crate) fn start(room: usize) -> Self {
        let status = Arc::new(Mutex::new(snapshot()));
        let (tap, pulse) = (Arc::new(Tap::default()), Arc::new(Pulse::default()));
        let (sender, orders) = mpsc::channel(room);
        let told = Arc::clone(&status);
        let port = Port {
            status: Arc::new(move || told.lock().unwrap().clone()),
            orders: sender,
            tap: Arc::clone(&tap),
            pulse: Arc::clone(&pulse),
        };
        let listen = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let server = admin::start(&Config { listen, token: None, hosts: Vec::new() }, port).unwrap();
        let client = Client::new(&server.address().unwrap().to_string());
        Self { client, tap, pulse, status, orders, server }
    }

    /// Answers the next order with this, while `ask` asks; the order, and what `ask` got.
    pub(crate) fn meet<T: Send>(
        &mut self,
        answer: Option<Result<(), Refusal>>,
        ask: impl FnOnce(&Client) -> T + Send,
    ) -> (Order, T) {
        let client = self.client.clone();
        std::thread::scope(|scope| {
            let asking = scope.spawn(move || ask(&client));
            let request = self.orders.blocking_recv().unwrap();
            match answer {
                Some(answer) => request.answer.send(answer).unwrap(),
                None => drop(request.answer),
            }
            (request.order, asking.join().unwrap())
        })
    }

    /// Events of one response, as a connection hands them on.
    pub(crate) fn offer(&self, connection: &str, channel: &str, messages: &[String]) {
        let (mut body, mut builder) = (String::new(), BatchBuilder::default());
        for (message, id) in messages.iter().zip(1..) {
            let start = body.len();
            body.push_str(message);
            builder.push(channel, start, body.len(), Some(ReplayId(id))).unwrap();
        }
        let batch = Batch::new(Arc::from(connection), SystemTime::now(), Bytes::from(body), builder);
        self.tap.offer(&Arc::new(batch));
    }
}

/// A daemon with a journal and a connection that is live.
fn snapshot() -> Status {
    let mut connection = Connection::new("c", "http://127.0.0.1/cometd");
    connection.enter(SystemTime::now(), "live", "for events", None);
    let journal = Journal {
        path: String::from("/nowhere"),
        bytes: 0,
        max_bytes: 1,
        segments: 1,
        next_sequence: 0,
        durable: 0,
        state: "good",
        since: 0,
        last_error: None,
        lost: 0,
        damaged: 0,
        gaps: 0,
    };
    Snapshot {
        commit: None,
        capture: None,
        version: "1",
        pid: 1,
        started_at: 1,
        updated_at: 1,
        reload: None,
        journal: Some(journal),
        connections: vec![connection],
        sinks: Vec::new(),
    }
}
