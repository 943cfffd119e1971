//! Health and readiness: what a probe hears of servers that are down, of a journal that is full, and of a daemon that
//! does not answer.

use std::time::{Duration, Instant};

use super::address_of;
use super::client::Client;
use super::fake::Fake;
use super::support::{A, Emulator, Place, archive, connection, wait};

#[test]
fn a_server_that_is_down_is_a_reason_not_to_be_ready_and_no_reason_to_be_restarted() {
    let emulator = Emulator::start();
    let (address, place) = (emulator.address().to_owned(), Place::new());
    drop(emulator);
    let connection = connection(&format!("http://{address}/cometd/61.0"), &[A], "");
    let daemon = place.run(&format!("[admin]\nlisten = \"127.0.0.1:0\"\n{connection}{}", archive(&place)));
    let client = Client::new(&address_of(&daemon));
    wait("an attempt that failed", || client.status()["connections"][0]["failures"].as_u64().unwrap() > 0);
    let ready = client.get("/readyz");
    assert_eq!((ready.status, ready.header("content-type")), (503, Some("text/plain; charset=utf-8")));
    assert!(ready.body.starts_with("connection c: ") && ready.body.lines().count() == 1, "{}", ready.body);
    assert_eq!((client.get("/healthz").status, client.get("/healthz").body.as_str()), (200, "ok\n"));

    let emulator = Emulator::start_on(&address);
    wait("ready", || client.get("/readyz").status == 200);
    assert_eq!(client.get("/readyz").body, "ready\n");
    drop(emulator);
    wait("no longer ready", || client.get("/readyz").status == 503);
}

#[test]
fn each_reason_has_a_line() {
    let fake = Fake::start(1);
    assert_eq!(fake.client.get("/readyz").body, "ready\n");
    {
        let mut status = fake.status.lock().unwrap();
        status.journal.as_mut().unwrap().state = "full";
        let mut other = status.connections[0].clone();
        other.name = String::from("d");
        other.enter(std::time::SystemTime::now(), "resting", "after a failure", None);
        status.connections.push(other);
        let mut stalled = status.connections[0].clone();
        (stalled.name, stalled.stalled) = (String::from("e"), true);
        status.connections.push(stalled);
    }
    let ready = fake.client.get("/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.body,
        "connection d: resting, waiting after a failure\nconnection e: live, stalled, waiting for events\n\
         journal: takes no events, full\n"
    );
}

#[test]
fn a_status_that_hangs_holds_up_nobody_else() {
    let fake = Fake::start(1);
    let held = fake.status.lock().unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| (fake.client.get("/readyz"), fake.client.get("/api/v1/status")));
        for _ in 0..20 {
            let asked = Instant::now();
            assert_eq!(fake.client.get("/healthz").status, 200);
            assert!(asked.elapsed() < Duration::from_secs(2));
            std::thread::sleep(Duration::from_millis(20));
        }
        let (ready, status) = slow.join().unwrap();
        assert_eq!((ready.status, ready.body.as_str()), (503, "daemon: does not tell its status in time\n"));
        assert_eq!((status.status, status.header("retry-after")), (503, Some("1")));
    });
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(held);
    assert_eq!(fake.client.get("/api/v1/status").status, 200);
    fake.pulse.beat();
    assert!(fake.pulse.age() < Duration::from_secs(5));
}
