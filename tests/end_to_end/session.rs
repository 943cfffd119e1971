//! What servers, proxies and networks do to a session, and how it goes on.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{A, ARCHIVE, Cometail, Emulator, Place, archive, connection, gaps, wait};

/// A daemon that has received the events 0 to 2 and polls.
struct Steady {
    emulator: Emulator,
    place: Place,
    daemon: Cometail,
}

impl Steady {
    fn start(version: &str) -> Self {
        Self::start_on(Emulator::start_with(&["--time-scale", "0.1"]), version, "")
    }

    fn start_on(emulator: Emulator, version: &str, more: &str) -> Self {
        let place = Place::new();
        let daemon = place.run(&(connection(&emulator.url(version), &[A], more) + &archive(&place)));
        emulator.wait_polled(1);
        emulator.publish_each(0..3);
        place.wait_for(ARCHIVE, 0..3);
        emulator.wait_polled(1);
        Self { emulator, place, daemon }
    }

    /// The next connects meet a fault, and events are published meanwhile; the session goes on.
    fn survives(self, fault: &Value, told: &str) {
        self.emulator.fault(fault);
        // It ends the poll that is held; the next one meets the fault.
        self.emulator.publish(A, 3);
        self.daemon.wait_log(told);
        self.emulator.publish(A, 4);
        self.place.wait_for(ARCHIVE, 0..5);
        self.emulator.wait_polled(1);
        self.emulator.publish(A, 5);
        self.place.wait_for(ARCHIVE, 0..6);
        assert_eq!(self.emulator.count("handshakes"), 1, "it is the same session");
        assert_eq!(self.daemon.stop().code, Some(0));
    }
}

#[test]
fn an_overloaded_server_is_left_alone_as_long_as_it_asks() {
    for version in ["36.0", "61.0"] {
        let fault = json!({"next": 1, "channel": "/meta/connect", "status": 503, "retry_after": 1});
        Steady::start(version).survives(&fault, r#""retry_in":"1."#);
    }
}

#[test]
fn a_connection_closed_without_a_reply_costs_a_connect() {
    for version in ["36.0", "61.0"] {
        let fault = json!({"next": 2, "channel": "/meta/connect", "close": true});
        Steady::start(version).survives(&fault, r#""kind":"broken""#);
    }
}

#[test]
fn a_page_in_the_place_of_a_reply_costs_a_connect() {
    let page = "<html><body>Welcome to the hotel's network</body></html>";
    for (version, status) in [("36.0", 200), ("61.0", 200), ("61.0", 502)] {
        let fault = json!({"next": 2, "channel": "/meta/connect", "status": status, "body": page});
        Steady::start(version).survives(&fault, "Welcome to the hotel's network");
    }
}

#[test]
fn faults_before_the_first_poll_delay_the_start_alone() {
    for channel in ["/meta/handshake", "/meta/subscribe"] {
        for fault in
            [json!({"close": true}), json!({"status": 503}), json!({"body": "<html>"}), json!({"body": ""})]
        {
            let (emulator, place) = (Emulator::start(), Place::new());
            let mut fault = fault;
            fault["channel"] = channel.into();
            fault["next"] = 2.into();
            emulator.fault(&fault);
            let _daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)));
            emulator.wait_polled(1);
            emulator.publish(A, 0);
            place.wait_for(ARCHIVE, [0]);
        }
    }
}

#[test]
fn a_session_that_the_server_forgot_is_replaced_without_loss_or_repetition() {
    let Steady { emulator, place, daemon } = Steady::start("61.0");
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| emulator.publish_each(3..300));
        for handshakes in 2..=4 {
            emulator.expire_sessions();
            wait("a new session", || emulator.count("handshakes") == handshakes);
            emulator.wait_polled(1);
        }
        publisher.join().unwrap();
    });
    emulator.expire_sessions();
    emulator.publish_each(300..310);
    wait("every event", || place.lines(ARCHIVE).len() >= 310);
    emulator.wait_polled(1);
    assert_eq!(daemon.stop().code, Some(0));
    let seen = place.numbers(ARCHIVE);
    assert_eq!(seen, (0..310).collect::<Vec<_>>(), "{}", gaps(&seen));
    assert_eq!((emulator.count("handshakes"), emulator.count("subscribes")), (5, 5));
}

#[test]
fn a_server_without_replay_that_forgot_the_session_is_subscribed_to_again() {
    let Steady { emulator, place, daemon } = Steady::start("36.0");
    emulator.expire_sessions();
    // The first connect of the new session is answered at once; a response that is lost then is lost with its event.
    wait("a new session that polls", || {
        let one = place.status().unwrap_or_default()["connections"][0].take();
        one["handshakes"] == 2 && one["state"] == "live"
    });
    emulator.wait_polled(1);
    emulator.publish(A, 3);
    place.wait_for(ARCHIVE, 0..4);
    assert!(daemon.log().contains("402::Unknown client"), "{}", daemon.log());
}

#[test]
fn a_refused_token_is_read_again_until_it_is_another() {
    for version in ["36.0", "61.0"] {
        let place = Place::new();
        let token = place.write("token", "the-first-token");
        let arguments = ["--time-scale", "0.1", "--token-env", "TOKEN"];
        let emulator = Emulator::start_in(&[("TOKEN", "the-first-token")], &arguments);
        let login = format!("login.token.file = {token:?}");
        let Steady { emulator, place: out, daemon } = Steady::start_on(emulator, version, &login);
        emulator.post("token", &json!({"token": "the-second-token"}));
        emulator.publish(A, 3);
        daemon
            .wait_log(&format!("the server refused the access token of the file {token}; it is read again"));
        wait("nothing that a server could hold", || {
            out.status().is_some_and(|status| status["connections"][0]["state"] != "live")
        });
        place.write("token", "the-second-token\n");
        emulator.wait_polled(1);
        emulator.publish(A, 4);
        out.wait_for(ARCHIVE, 0..5);
        let log = daemon.log();
        assert!(!log.contains("the-first-token") && !log.contains("the-second-token"), "{log}");
        assert_eq!(daemon.stop().code, Some(0));
    }
}

#[test]
fn what_is_published_while_a_token_is_refused_arrives_afterwards() {
    let place = Place::new();
    let token = place.write("token", "the-first-token");
    let emulator = Emulator::start_in(&[("TOKEN", "the-first-token")], &["--token-env", "TOKEN"]);
    let login = format!("login.token.file = {token:?}");
    let Steady { emulator, place: out, daemon } = Steady::start_on(emulator, "61.0", &login);
    emulator.post("token", &json!({"token": "the-second-token"}));
    emulator.publish(A, 3);
    daemon.wait_log("the server refused the access token");
    emulator.publish_each(4..20);
    place.write("token", "the-second-token");
    out.wait_for(ARCHIVE, 0..20);
    emulator.wait_polled(1);
    assert_eq!(daemon.stop().code, Some(0));
}

/// The poll's deadline is the server's advised timeout, 2.2 s here, and the margin.
#[test]
fn a_server_that_falls_silent_is_noticed_and_the_session_goes_on() {
    let emulator = Emulator::start_with(&["--time-scale", "0.02"]);
    let Steady { emulator, place, daemon } = Steady::start_on(emulator, "61.0", "poll_margin = \"100ms\"");
    emulator.pause();
    daemon.wait_log(r#""kind":"timeout""#);
    emulator.go_on();
    emulator.wait_polled(1);
    emulator.publish(A, 3);
    place.wait_for(ARCHIVE, 0..4);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

#[test]
fn a_server_that_is_gone_and_comes_back_is_found_again() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = connection(&emulator.url("61.0"), &[A], "") + &archive(&place);
    let daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(ARCHIVE, [0]);
    let address = emulator.address().to_owned();
    drop(emulator);
    daemon.wait_log(r#""kind":"connect""#);
    let emulator = Emulator::start_on(&address);
    emulator.wait_polled(1);
    emulator.publish(A, 1);
    place.wait_for(ARCHIVE, 0..2);
    assert!(daemon.log().contains("session lost"), "{}", daemon.log());
}
