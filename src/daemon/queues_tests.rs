//! A connection whose only sink has room for one event, against a server that counts what it is asked for. The clock of
//! the runtime stands still while nothing is under way, and so moves on to the next thing that waits for a time.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::thread;

use tokio::time::{pause, resume, sleep};

use super::*;
use crate::admin;
use crate::config::{Config, Source};
use crate::daemon::capture::Capture;
use crate::daemon::outlet::Tap;
use crate::daemon::prepare::{Means, Past, prepare};
use crate::sinks::{self, Supply};
use crate::status::Connection;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);

/// A server whose threads go with their connections. It answers the first connect at once, and each later one with the
/// next event, as soon as that may go.
#[derive(Default)]
struct Server {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    connects: usize,
    sent: usize,
    may: usize,
}

impl Server {
    fn start() -> (Arc<Self>, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::<Self>::default();
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || while serving.answer(&stream).is_some() {});
            }
        });
        (server, port)
    }

    fn answer(&self, mut stream: &TcpStream) -> Option<()> {
        let request = request(stream)?;
        let body = if request.contains("/meta/connect") {
            self.event() + r#"{"channel":"/meta/connect","successful":true}"#
        } else if request.contains("/meta/subscribe") {
            r#"{"channel":"/meta/subscribe","subscription":"/topic/A","successful":true}"#.to_owned()
        } else {
            r#"{"channel":"/meta/handshake","clientId":"c","version":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"replay":true},"successful":true}"#.to_owned()
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n[{body}]", body.len() + 2).ok()
    }

    fn event(&self) -> String {
        let mut counts = self.counts.lock().unwrap();
        counts.connects += 1;
        self.changed.notify_all();
        if counts.connects == 1 {
            return String::new();
        }
        let mut counts = self.changed.wait_while(counts, |counts| counts.sent == counts.may).unwrap();
        counts.sent += 1;
        format!(r#"{{"channel":"/topic/A","data":{{"event":{{"replayId":{}}}}}}},"#, counts.sent)
    }

    /// Lets so many more events go.
    fn send(&self, more: usize) {
        self.counts.lock().unwrap().may += more;
        self.changed.notify_all();
    }

    fn connects(&self) -> usize {
        self.counts.lock().unwrap().connects
    }
}

fn request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn config(dir: &Path, port: u16) -> Config {
    let path = dir.join("cometail.toml");
    let url = format!("url = 'http://127.0.0.1:{port}/cometd/61.0'\nchannels = ['/topic/A']");
    let out = dir.join("out.jsonl");
    let sink = format!("[state]\npersist = false\n[sink.out.file]\npath = '{}'\n", out.display());
    fs::write(&path, format!("[connection.c]\n{url}\n{sink}")).unwrap();
    let mut config = Source::read(&path).unwrap().resolve(&|_| None).unwrap().0;
    // What is larger than the queue is taken when nothing else waits.
    config.sinks[0].queue = 1;
    config
}

/// The connection, running, and its sink, which stands still.
fn start(dir: &Path, port: u16) -> (Arc<Mutex<Connection>>, Arc<Tap>) {
    let mut config = config(dir, port);
    let sink = sinks::start_paused(config.sinks.remove(0), Supply::Memory).unwrap();
    let outlet = Arc::new(Outlet::new(vec![sink]));
    let tap = Arc::clone(&outlet.taps()[0]);
    let means = Means {
        store: None,
        outlet,
        journal: None,
        capture: Capture::new(None, None),
        tap: Arc::<admin::Tap>::default(),
        one_shot: false,
    };
    let status = Arc::new(Mutex::new(Connection::new("c", "")));
    let prepared = prepare(config.connections.remove(0), &means, &status, &mut Past::default());
    let (commands, connection) = prepared.unwrap();
    tokio::spawn(async move {
        Box::new(connection).run().await;
        drop(commands);
    });
    (status, tap)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "not in time: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_sink_without_room_loses_events_after_half_a_minute_and_is_waited_for_anew_once_it_has_had_some() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(File::create(&log).unwrap()));
    let _guard = tracing::subscriber::set_default(lines.finish());
    let logged = |text: &str| fs::read_to_string(&log).unwrap().matches(text).count();
    let (server, port) = Server::start();
    let (status, tap) = start(dir.path(), port);
    let received = || status.lock().unwrap().events;
    let lost = || tap.handle.status().dropped;

    server.send(2);
    until("two events", || received() == 2).await;
    pause();
    sleep(29 * SECOND).await;
    assert_eq!((server.connects(), lost(), logged("the queue is full")), (3, 0, 0), "it is waited for");
    assert_eq!(status.lock().unwrap().waiting, "for room in the sinks' queues");
    sleep(SECOND + LOOK * 2).await;
    resume();
    until("a connect", || server.connects() == 4).await;
    assert_eq!((lost(), logged("the queue is full")), (1, 1), "{}", fs::read_to_string(&log).unwrap());
    assert_eq!(logged("first=\"c /topic/A replay 2\""), 1, "{}", fs::read_to_string(&log).unwrap());

    server.send(1);
    until("a connect", || server.connects() == 5).await;
    assert_eq!((lost(), logged("the queue is full")), (2, 1), "nothing is waited for until there was room");

    tap.handle.resume();
    until("the first event", || tap.handle.status().delivered == 1).await;
    tap.handle.pause();
    server.send(2);
    until("two more events", || received() == 5).await;
    assert_eq!(logged("the queue has room again; these events are lost for this sink"), 1);
    assert_eq!(logged("events=2"), 1, "{}", fs::read_to_string(&log).unwrap());
    pause();
    sleep(29 * SECOND).await;
    assert_eq!((server.connects(), lost()), (6, 2), "it is waited for anew");
    resume();
    tap.handle.resume();
    until("the others", || tap.handle.status().delivered == 3).await;
    let text = fs::read_to_string(dir.path().join("out.jsonl")).unwrap();
    let ids: Vec<&str> = text.lines().filter_map(|line| line.split(['{', '}']).nth(3)).collect();
    assert_eq!(ids, [r#""replayId":1"#, r#""replayId":4"#, r#""replayId":5"#]);
    until("a connect", || server.connects() == 7).await;
}
