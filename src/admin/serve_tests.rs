use std::sync::Mutex;

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::{Config, Listen, Port, Pulse, Tap};
use super::*;
use crate::status::Snapshot;

const WHOLE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
const STREAM: &[u8] = b"GET /api/v1/events HTTP/1.1\r\nHost: h\r\n\r\n";

fn shared() -> Arc<Shared> {
    let (orders, requests) = mpsc::channel(1);
    // The daemon's end stays open.
    std::mem::forget(requests);
    let seen = Mutex::new(0);
    let status = move || {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        Snapshot {
            commit: None,
            capture: None,
            version: "x".repeat(1000).leak(),
            pid: *seen,
            started_at: 0,
            updated_at: 0,
            reload: None,
            journal: None,
            connections: Vec::new(),
            sinks: Vec::new(),
        }
    };
    let (tap, pulse) = (Arc::new(Tap::default()), Arc::new(Pulse::default()));
    let port = Port { status: Arc::new(status), orders, tap, pulse };
    let config = Config { listen: Listen::Unix("/x".into()), token: None, hosts: Vec::new() };
    Shared::new(&config, port).unwrap()
}

/// A connection whose sockets hold so many bytes.
fn connect(shared: &Arc<Shared>, room: usize) -> DuplexStream {
    let (ours, theirs) = duplex(room);
    admit(shared, Box::new(theirs), None);
    ours
}

/// Reads to the end; how many seconds that took.
async fn ends(mut socket: DuplexStream) -> (u64, String) {
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    drop(socket.read_to_end(&mut bytes).await);
    (begun.elapsed().as_secs(), String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(start_paused = true)]
async fn a_request_has_ten_seconds_from_its_first_byte_and_the_first_from_the_beginning() {
    let shared = shared();
    assert_eq!(ends(connect(&shared, 1 << 16)).await, (10, String::new()));
    let mut slow = connect(&shared, 1 << 16);
    for byte in &WHOLE[..9] {
        slow.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(ends(slow).await, (1, String::new()), "a byte a second gains nothing");
    let mut slow = connect(&shared, 1 << 16);
    let head = "POST /api/v1/reload HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let (seconds, text) = ends(slow).await;
    assert!(seconds == 10 && text.starts_with("HTTP/1.1 408 "), "{seconds} s: {text}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_thirty_seconds_and_a_request_after_a_while_ten() {
    let shared = shared();
    let mut idle = connect(&shared, 1 << 16);
    for _ in 0..3 {
        idle.write_all(WHOLE).await.unwrap();
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    let (seconds, text) = ends(idle).await;
    assert_eq!((seconds, text.matches("\r\n\r\nok\n").count()), (5, 3));
    let mut late = connect(&shared, 1 << 16);
    late.write_all(WHOLE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    late.write_all(&WHOLE[..9]).await.unwrap();
    assert_eq!(ends(late).await.0, 10);
    let mut late = connect(&shared, 1 << 16);
    late.write_all(WHOLE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(25)).await;
    late.write_all(&WHOLE[..9]).await.unwrap();
    assert_eq!(ends(late).await.0, 10, "also beyond the end of the idle time");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_an_answer_or_a_stream_for_thirty_seconds_is_hung_up_on() {
    for request in [WHOLE, STREAM] {
        let shared = shared();
        tokio::spawn(watch::observe(Arc::clone(&shared)));
        let mut deaf = connect(&shared, 64);
        deaf.write_all(request).await.unwrap();
        let begun = Instant::now();
        while Arc::strong_count(&shared) > 2 || begun.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let seconds = begun.elapsed().as_secs();
        assert!((30..=62).contains(&seconds), "{seconds} s");
        drop(deaf);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_goes_on_for_ever_with_comments_between() {
    let shared = shared();
    let mut socket = connect(&shared, 1 << 16);
    socket.write_all(STREAM).await.unwrap();
    let (begun, mut text, mut buffer) = (Instant::now(), String::new(), [0; 4096]);
    while begun.elapsed() < Duration::from_secs(200) {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{} s", begun.elapsed().as_secs());
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    // Nobody looks at the status here, so it comes once.
    assert_eq!(text.matches("event: status\n").count(), 1);
    assert!((13..=14).contains(&text.matches(": \n\n").count()), "{text}");
}
