//! A capture that is switched on and off while the daemon runs.

use std::sync::mpsc::channel;

use cometail::admin::{Order, Request};
use cometail::config;
use cometail::daemon::{self, Command, Ending, Options};
use tokio::sync::{mpsc, oneshot};

use crate::support::{A, ARCHIVE, Emulator, Place, archive, connection};
use crate::{assert_told, entries, kept, wire};

/// A daemon in a thread of this process.
struct Daemon {
    orders: mpsc::Sender<Request>,
    commands: mpsc::Sender<(std::sync::Arc<str>, Command)>,
    thread: std::thread::JoinHandle<Ending>,
}

impl Daemon {
    fn start(place: &Place, config: &str) -> Self {
        let config = config::load(place.config(config).as_ref()).unwrap();
        let (commands, receiver) = mpsc::channel(8);
        let (told, orders) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let options = Options { commands: Some(receiver), ..Options::default() };
                let daemon = daemon::start(config, options).unwrap();
                told.send(daemon.orders()).unwrap();
                daemon.run().await
            })
        });
        Self { orders: orders.recv().unwrap(), commands, thread }
    }

    fn capture(&self, on: bool) {
        let (answer, came) = oneshot::channel();
        self.orders.blocking_send(Request { order: Order::Capture(on), answer }).unwrap();
        came.blocking_recv().unwrap().unwrap();
    }

    fn end(self) {
        let close = ("c".into(), Command::Close { disconnect: true });
        self.commands.blocking_send(close).unwrap();
        assert_eq!(self.thread.join().unwrap(), Ending::Done);
    }
}

#[test]
fn a_capture_of_the_middle_of_a_session_is_replayed() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let har = place.text("wire.har");
    let table = format!("[wire]\npath = {har:?}\n");
    let daemon =
        Daemon::start(&place, &(connection(&emulator.url("61.0"), &[A], "") + &archive(&place) + &table));
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, 0..1);
    assert!(!place.path("wire.har").exists(), "it is off at the start");
    daemon.capture(true);
    daemon.capture(true);
    emulator.publish_each(1..4);
    place.wait_for(ARCHIVE, 0..4);
    emulator.wait_polled(1);
    emulator.expire_sessions();
    emulator.publish_each(4..6);
    place.wait_for(ARCHIVE, 0..6);
    emulator.wait_polled(1);
    daemon.capture(false);
    emulator.publish_each(6..9);
    place.wait_for(ARCHIVE, 0..9);
    let har = kept("middle", &place);
    assert!(
        !har.contains("{\\\"n\\\":0}") && har.contains("{\\\"n\\\":4}") && !har.contains("{\\\"n\\\":7}"),
        "{har}"
    );
    assert!(entries(&har).iter().all(|entry| entry["_connection"] == "c"));
    assert_told(
        &wire(&place, &[]),
        0,
        &[
            "goes on with a session that the server knows",
            "the session is lost",
            "> handshake",
            "0 deviation(s)",
        ],
    );
    daemon.capture(true);
    emulator.publish(A, 9);
    place.wait_for(ARCHIVE, 0..10);
    let again = kept("again", &place);
    assert!(!again.contains("{\\\"n\\\":4}"), "a new capture takes the place of the old one: {again}");
    daemon.end();
}
