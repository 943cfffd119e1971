//! Two loads: many clients that wait, and one that cannot get enough.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, Event};
use crate::emulator::{Emulator, raise_open_files};

pub(crate) const CHANNEL: &str = "/topic/Load";
/// The longest wait for anything.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// What each waiting client may cost: a share of 512 MiB for 10,000.
pub(crate) const BYTES_PER_CLIENT: u64 = (512 << 20) / 10_000;
/// How many clients begin at the same time: fewer than a listener keeps waiting.
const AT_ONCE: usize = 128;
/// The files that a process has open besides the connections of the clients.
const FILES: u64 = 64;
/// The most events that are published and not read yet: the server forgets a session for which too many wait.
const UNREAD_MAX: u32 = 400_000;
/// Fills an event up to about 320 bytes.
const FILL: usize = 130;

/// What many waiting clients cost.
pub(crate) struct Crowd {
    pub(crate) clients: u64,
    /// Resident memory without them and with them, and the most there was when both events had been sent, in bytes.
    pub(crate) before: u64,
    pub(crate) idle: u64,
    pub(crate) peak: u64,
    /// How long it took until all of them waited.
    pub(crate) arrival: Duration,
    /// From the publishing of an event until the last of them had read it.
    pub(crate) fan_out: Duration,
}

impl Crowd {
    /// What each of them costs while it waits, in bytes.
    pub(crate) fn each(&self) -> u64 {
        self.idle.saturating_sub(self.before) / self.clients
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, before, idle, peak, arrival, fan_out } = self;
        let each = self.each();
        let [before, idle, peak] = [before, idle, peak].map(|bytes| bytes >> 20);
        write!(
            f,
            "{clients} idle clients: {idle} MiB resident ({before} MiB without, {each} bytes each, peak {peak} MiB); \
             all there after {arrival:.2?}; an event reached all in {fan_out:.3?}"
        )
    }
}

/// Lets `count` clients wait, and then sends two events to all of them.
///
/// # Panics
/// Unless each of them gets each event exactly once.
pub(crate) async fn crowd(count: u64) -> Crowd {
    raise_open_files(count + FILES);
    let emulator = Emulator::start();
    let mut control = Client::open(emulator.address()).await;
    let limits = json!({"clients": count, "topic_clients": count});
    assert_eq!(control.control("POST", "limits", &limits).await["clients"], count);
    let (before, begin) = (emulator.resident(), Instant::now());
    let clients = gather(emulator.address(), count).await;
    let clients = wait_all(&mut control, clients).await;
    let (arrival, idle) = (begin.elapsed(), emulator.resident());
    let (clients, fan_out) = publish_to_all(&mut control, clients, 0).await;
    let clients = wait_all(&mut control, clients).await;
    // Whatever came twice would come before this one, or in the same response.
    publish_to_all(&mut control, clients, 1).await;
    let state = control.control("GET", "state", &Value::Null).await;
    assert_eq!(
        (&state["events_handed_out"], &state["events_written"]),
        (&json!(2 * count), &json!(2 * count))
    );
    Crowd { clients: count, before, idle, peak: emulator.peak(), arrival, fan_out }
}

/// `count` subscribed clients.
async fn gather(address: SocketAddr, count: u64) -> Vec<Client> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let _place = places.acquire().await.unwrap();
            Client::subscribed(address).await
        });
    }
    tasks.join_all().await
}

/// The clients, each with a connect that the server holds.
async fn wait_all(control: &mut Client, mut clients: Vec<Client>) -> Vec<Client> {
    for client in &mut clients {
        client.send_connect().await;
    }
    let deadline = Instant::now() + LONG;
    loop {
        let mut state = control.control("GET", "state", &Value::Null).await;
        let sessions = state["sessions"].take();
        let open = sessions.as_array().unwrap().iter().filter(|session| session["has_open_connect"] == true);
        let open = open.count();
        if open == clients.len() {
            return clients;
        }
        assert!(Instant::now() < deadline, "{open} of {} clients wait", clients.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Publishes one event with this number; each client has to get it and nothing else. How long that took.
async fn publish_to_all(control: &mut Client, clients: Vec<Client>, number: u64) -> (Vec<Client>, Duration) {
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let events = client.events().await;
            let read = Instant::now();
            assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), [number]);
            (client, read)
        });
    }
    let begin = Instant::now();
    let event = json!({"channel": CHANNEL, "data": {"sobject": {"n": number}}});
    assert_eq!(control.control("POST", "publish", &event).await["published"], 1);
    let (clients, read): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    let last = read.into_iter().max().unwrap_or(begin);
    (clients, last - begin)
}

/// How fast one subscriber is served.
pub(crate) struct Stream {
    pub(crate) events: u64,
    /// From the first publishing to the last event read.
    pub(crate) took: Duration,
    /// Processor time of the emulator over the same stretch.
    pub(crate) processor: Duration,
    /// The most resident memory, in bytes.
    pub(crate) peak: u64,
}

impl Stream {
    /// Events a second.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 events")]
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, took, processor, peak } = self;
        let (rate, peak) = (self.rate(), peak >> 20);
        write!(
            f,
            "{events} events in {took:.2?} ({processor:.2?} of a processor): {rate:.0} events/s, peak {peak} MiB"
        )
    }
}

/// Publishes `calls` times `count` events, at most 400,000, one call after the other, while one subscriber reads as fast
/// as it can. A call is made when what is unread leaves room for its events.
///
/// # Panics
/// Unless it gets every event exactly once and in order.
pub(crate) async fn stream(calls: u64, count: u32) -> Stream {
    let emulator = Emulator::start();
    let mut reader = Client::subscribed(emulator.address()).await;
    let publisher = Client::open(emulator.address()).await;
    let room = Arc::new(Semaphore::new(UNREAD_MAX as usize));
    let (processor, begin) = (emulator.processor_time(), Instant::now());
    let publishing = tokio::spawn(publish_all(publisher, calls, count, Arc::clone(&room)));
    let count = u64::from(count);
    let mut last = i64::MIN;
    let mut read = 0;
    while read < calls * count {
        let events = reader.connect().await;
        room.add_permits(events.len());
        for Event { replay, number } in events {
            assert!(number == read % count && replay > last, "{number} ({replay}) after {read} events");
            (last, read) = (replay, read + 1);
        }
    }
    let (took, processor) = (begin.elapsed(), emulator.processor_time().saturating_sub(processor));
    let mut publisher = publishing.await.unwrap();
    // What came twice would wait now.
    let state = publisher.control("GET", "state", &Value::Null).await;
    assert_eq!((&state["events_handed_out"], &state["sessions"][0]["queued"]), (&json!(read), &json!(0)));
    Stream { events: read, took, processor, peak: emulator.peak() }
}

/// Makes the calls, each when there is room for its events.
async fn publish_all(mut publisher: Client, calls: u64, count: u32, room: Arc<Semaphore>) -> Client {
    let data = json!({"sobject": {"Name": "INV-0001", "Description__c": "x".repeat(FILL)}});
    let call = json!({"channel": CHANNEL, "count": count, "data": data});
    for _ in 0..calls {
        room.acquire_many(count).await.unwrap().forget();
        assert_eq!(publisher.control("POST", "publish", &call).await["published"], count);
    }
    publisher
}
