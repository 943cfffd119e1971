//! Requests that are too large, too many, cut or garbage.

use std::io::{Read as _, Write as _};

use super::Site;
use super::client::{Client, JSON, Reply};
use super::fake::Fake;
use super::support::wait;

/// As many connections as may ask.
const REQUESTS: usize = 64;

fn well(client: &Client) {
    assert_eq!(client.get("/healthz").body, "ok\n");
}

#[test]
fn bodies_and_heads_have_a_size() {
    let fake = Fake::start(1);
    let path = "/api/v1/connections/c/channels";
    let body = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    for (size, status) in [(64 << 10, 422), ((64 << 10) + 1, 413), (1 << 20, 413)] {
        assert_eq!(fake.client.post(path, &body(size)).status, status, "{size}");
    }
    let endless = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\n{}: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        fake.client.host(),
        JSON.0,
        JSON.1
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536)).repeat(40);
    let reply = fake.client.raw((endless + &chunk).as_bytes());
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 413"), "{reply}");
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n",
        fake.client.host(),
        "x".repeat(64 << 10)
    );
    let reply = fake.client.raw(long.as_bytes());
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 431"), "{reply}");
    let long = format!("/api/v1/connections/{}/pause", "x".repeat(20_000));
    let (order, reply) = {
        let mut fake = Fake::start(1);
        fake.meet(None, |client| client.post(&long, ""))
    };
    assert_eq!((reply.status, format!("{order:?}").len() > 20_000), (503, true));
    well(&fake.client);
}

#[test]
fn what_is_cut_or_no_request_at_all_leaves_the_server_well() {
    let fake = Fake::start(1);
    let host = fake.client.host().to_owned();
    let whole = format!(
        "POST /api/v1/reload HTTP/1.1\r\nHost: {host}\r\n{}: {}\r\nContent-Length: 40\r\n\r\n{{\"a\":",
        JSON.0, JSON.1
    );
    for end in (0..=whole.len()).step_by(7) {
        let mut socket = fake.client.open();
        socket.write_all(&whole.as_bytes()[..end]).unwrap();
    }
    let mut random = fastrand::Rng::with_seed(7);
    let read = format!(
        "GET /api/v1/events?channel=/a&snapshot_every=1s HTTP/1.1\r\nHost: {host}\r\nOrigin: http://x\r\n\r\n"
    );
    for round in 0..4000 {
        let mut bytes = if round % 2 == 0 { &whole } else { &read }.clone().into_bytes();
        for _ in 0..random.usize(1..12) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.insert(at, random.u8(..)),
                _ => drop(bytes.remove(at)),
            }
        }
        let mut socket = fake.client.open();
        // It may be refused before it is written whole.
        drop(socket.write_all(&bytes));
    }
    // Until there are, a connection may be closed without a word.
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    wait("places to ask", || fake.client.raw(request.as_bytes()).starts_with("HTTP/1.1 200"));
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let reply = fake.client.raw(garbage.as_bytes());
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{garbage:?}: {reply}");
    }
    well(&fake.client);
}

#[test]
fn there_are_only_so_many_connections_and_whoever_comes_next_is_told() {
    let site = Site::start("").live();
    let begun = || {
        let mut socket = site.client.open();
        // Not whole: it has a place until it is.
        socket.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
        socket
    };
    let mut idle: Vec<_> = (0..REQUESTS).map(|_| begun()).collect();
    let mut told = site.client.raw(b"");
    for _ in 0..REQUESTS {
        // One whose first byte had not been read yet counted as idle, and made room.
        if told.is_empty() {
            idle.push(begun());
            told = site.client.raw(b"");
        }
    }
    let told = Reply::read(&told);
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")));
    assert_eq!(told.error(), "too many connections: ");
    site.emulator.publish_each(0..10);
    site.place.wait_for(super::support::ARCHIVE, 0..10);
    let mut last = idle.pop().unwrap();
    last.write_all(format!("Host: {}\r\nConnection: close\r\n\r\n", site.client.host()).as_bytes()).unwrap();
    let mut text = String::new();
    last.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\nok\n"), "{text}");
    well(&site.client);
    drop(idle);
    well(&site.client);
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let fake = Fake::start(1);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", fake.client.host());
    let mut kept: Vec<_> = (0..REQUESTS).map(|_| fake.client.open()).collect();
    for socket in &mut kept {
        for _ in 0..2 {
            socket.write_all(request.as_bytes()).unwrap();
            let mut bytes = vec![0; 2048];
            let mut text = String::new();
            while !text.ends_with("ok\n") {
                let read = socket.read(&mut bytes).unwrap();
                assert!(read > 0, "{text}");
                text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
        }
    }
    well(&fake.client);
}
