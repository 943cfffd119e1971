//! A thousand readers, half of whom do not read, and what they cost the poll and the memory.

#![cfg(target_os = "linux")]

use std::time::Duration;

use cometail::status::ChannelStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use super::address_of;
use super::client::Client;
use super::fake::Fake;
use super::polled::{Polled, Turns};
use super::support::{A, Place, archive, connection, wait};

const READERS: usize = 1000;
/// Rounds without and with the readers, and polls in each.
const ROUNDS: usize = 3;
const POLLS: usize = 300;

/// Readers of every event; they leave when this is dropped.
pub(crate) struct Crowd(Option<Runtime>);

impl Crowd {
    /// So many, of whom every other one never reads.
    pub(crate) fn come(client: &Client, count: usize) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let host = client.host().to_owned();
        runtime.block_on(async {
            for number in 0..count {
                let mut socket = open(&host).await;
                if number % 2 == 0 {
                    tokio::spawn(async move {
                        let mut buffer = vec![0; 16 << 10];
                        while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                    });
                } else {
                    tokio::spawn(async move {
                        std::future::pending::<()>().await;
                        drop(socket);
                    });
                }
            }
        });
        Self(Some(runtime))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// A stream past the first bytes of its head; its socket holds little.
async fn open(host: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(host.parse().unwrap()).await.unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    socket
}

/// What a process has open.
fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The resident memory of a process, in MiB.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

#[test]
fn the_poll_comes_as_soon_with_a_thousand_readers_as_without() {
    let (server, place) = (Polled::start(), Place::new());
    let config = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n{}{}",
        connection(&server.url(), &[A], ""),
        archive(&place)
    );
    let daemon = place.run(&config);
    let client = Client::new(&address_of(&daemon));
    server.turns(POLLS);
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.extend(server.turns(POLLS));
        let crowd = Crowd::come(&client, READERS);
        watched.extend(server.turns(POLLS));
        drop(crowd);
        wait("the readers to be gone", || open_files(daemon.id()) < READERS / 4);
    }
    let (alone, watched) = (Turns::of(alone), Turns::of(watched));
    eprintln!("turn-around alone {alone:?}, with {READERS} readers {watched:?}");
    // Of a machine that is busy with other things too; a poll that waited for the readers would take their time.
    let bound = |alone: Duration, times: u32, more: u64| alone * times + Duration::from_millis(more);
    assert!(watched.median < bound(alone.median, 5, 2), "{watched:?}, alone {alone:?}");
    assert!(watched.p99 < bound(alone.p99, 10, 20), "{watched:?}, alone {alone:?}");
}

/// Whoever reads gets what it wants, and what waits for the others is bounded, in whatever the server holds for them.
#[test]
fn large_events_and_a_large_status_for_many_who_do_not_read_take_bounded_memory() {
    const MANY: usize = 100;
    let fake = Fake::start(1);
    fake.status.lock().unwrap().connections[0].channels = channels(10_000);
    let before = resident(std::process::id());
    let mut crowd: Vec<_> =
        (0..MANY).map(|_| fake.client.events("?channel=/topic/A&snapshot_every=60s")).collect();
    let mut reader = fake.client.events("?snapshot_every=60s");
    assert_eq!(reader.next_of("status")["connections"][0]["channels"].as_array().unwrap().len(), 10_000);
    let mut most = 0;
    for n in 0..100_u64 {
        let message = format!("{{\"n\":{n},\"fill\":\"{}\"}}", "x".repeat(1_000_000));
        fake.offer("c", A, &[message]);
        while reader.next_of("message")["message"]["n"] != n {}
        // Each stops at another event.
        for slow in crowd.iter_mut().skip(usize::try_from(n).unwrap()) {
            slow.next_of("message");
        }
        most = most.max(resident(std::process::id()));
    }
    eprintln!("{before} MiB before, {most} MiB at most");
    assert!(most.saturating_sub(before) < 96, "{before} MiB before, {most} MiB at most");
}

fn channels(count: usize) -> Vec<ChannelStatus> {
    (0..count).map(|n| ChannelStatus { name: format!("/topic/{n:0>100}"), standing: "live" }).collect()
}
