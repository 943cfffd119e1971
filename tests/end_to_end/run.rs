//! `cometail run`: a configuration with every kind of sink.

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use serde_json::json;

use crate::support::{A, Answer, Emulator, Place, Server, connection, json, numbers, wait};

const ORDER: &str = "/topic/Order";
const ORDERS: &str = "/topic/Order_Line";
const USER: &str = "/u/notifications/Example";

fn mode(place: &Place, name: &str) -> u32 {
    std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn each_sink_gets_what_its_filter_takes_in_its_own_form() {
    let (emulator, place, hook) = (Emulator::start(), Place::new(), Server::start(|_, _| Answer::OK));
    let url = emulator.url("61.0");
    let sinks = format!(
        "[sink.orders.file]\npath = {:?}\nchannels = [\"/topic/Order*\"]\n\
         [sink.all.stdout]\nformat = \"envelope\"\n\
         [sink.user.webhook]\nurl = {:?}\nchannels = [\"/u/**\"]\nformat = \"cloudevents\"\nproxy = \"direct\"\n\
         headers = {{ \"X-Team\" = \"billing\" }}\n",
        place.text("out/{connection}/{channel}.jsonl"),
        hook.url(),
    );
    let daemon = place.run(&(connection(&url, &[A, ORDER, ORDERS, USER], "") + &sinks));
    emulator.wait_polled(4);
    for n in 0..40 {
        emulator.publish([A, ORDER, ORDERS, USER][usize::try_from(n % 4).unwrap()], n);
    }
    wait("all events on stdout", || daemon.lines().len() == 40);
    place.wait_for("out/c/topic.Order.jsonl", (1..40).step_by(4));
    place.wait_for("out/c/topic.Order_Line.jsonl", (2..40).step_by(4));
    wait("all events at the webhook", || hook.seen().len() == 10);

    assert_eq!(numbers(&daemon.lines()), (0..40).collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(place.path("out/c")).unwrap().count(), 2, "no other channel has a file");
    let posted = hook.seen();
    let bodies: Vec<_> = posted.iter().map(|one| one.body.clone()).collect();
    assert_eq!(numbers(&bodies), (3..40).step_by(4).collect::<Vec<_>>());
    assert_eq!(posted[0].header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(posted[0].header("x-team"), Some("billing"));
    assert_eq!(json(&posted[0].body)["id"], json!(posted[0].header("webhook-id").unwrap()));
    // The same event has the same id on every sink.
    let line = daemon.lines().into_iter().find(|line| line.contains(r#""n":3}"#)).unwrap();
    assert_eq!(json(&line)["id"], json(&posted[0].body)["id"]);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(hook.seen().len(), 10, "nothing is posted twice");
}

#[test]
fn outputs_are_for_the_group_and_states_for_the_owner_alone() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = connection(&emulator.url("61.0"), &[A], "") + &crate::support::archive(&place);
    let _daemon = place.run(&config);
    emulator.wait_polled(1);
    emulator.publish(A, 0);
    place.wait_for(crate::support::ARCHIVE, [0]);
    wait("the status file", || place.status().is_some());
    // Whatever the umask of this process is, it is the daemon's too.
    let like = std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(place.path("like"));
    drop(like.unwrap());
    assert_eq!(mode(&place, crate::support::ARCHIVE), mode(&place, "like"));
    assert_eq!(mode(&place, crate::support::ARCHIVE) & !0o640, 0);
    for name in ["state/c.session.json", "state/status.json"] {
        assert_eq!(mode(&place, name), 0o600, "{name}");
    }
    assert_eq!(mode(&place, "state"), 0o700);
}

#[test]
fn events_leave_ordered_by_their_creation_where_that_is_asked_for() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let url = emulator.url("61.0");
    let channels = "channels = [{ name = \"/topic/A\", order = \"500ms\" }]";
    let config = connection(&url, &[], "").replace("channels = []", channels);
    let _daemon = place.run(&(config + &crate::support::archive(&place)));
    emulator.wait_polled(1);
    for (n, second) in [(2, 2), (0, 0), (3, 3), (1, 1)] {
        let text = format!(
            r#"{{"channel":"/topic/A","data":{{"event":{{"createdDate":"2016-03-29T16:40:0{second}.000Z","replayId":REPLAYID}},"sobject":{{"n":{n}}}}}}}"#
        );
        emulator.publish_raw(A, &text);
    }
    place.wait_for(crate::support::ARCHIVE, 0..4);
}
