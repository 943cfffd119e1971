//! Many connections in one process, and many channels on one connection.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Cometail, Emulator, Place, Relay, connection, numbers, wait};

/// The largest request that a server takes (guide: "How the client connects").
const REQUEST_MAX: usize = 32_768;

/// A configuration of so many connections, each with a channel of its own.
fn many(emulator: &Emulator, count: usize) -> String {
    emulator.post("limits", &json!({"clients": count, "topic_clients": count}));
    let url = emulator.url("61.0");
    let one = |number: usize| {
        format!(
            "[connection.org{number}]\nurl = {url:?}\nchannels = [\"/topic/Org{number}\"]\nproxy = \"direct\"\n"
        )
    };
    (0..count).map(one).collect()
}

/// The daemon, with these limits of open files.
fn run_within(place: &Place, limits: &str, config: &str) -> Cometail {
    let file = place.config(config);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" run -c \"$1\"")]);
    Cometail::start(command.arg(env!("CARGO_BIN_EXE_cometail")).arg(file))
}

#[test]
fn more_connections_than_the_soft_limit_of_open_files_are_live_and_all_say_goodbye() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let sink = format!("[sink.out.file]\npath = {:?}\n", place.text("out.jsonl"));
    let daemon = run_within(&place, "ulimit -Sn 64", &(many(&emulator, 150) + &sink));
    emulator.wait_sessions(150);
    for number in 0..150 {
        emulator.publish(&format!("/topic/Org{number}"), number);
    }
    let came = || {
        let mut came = numbers(&place.lines("out.jsonl"));
        came.sort_unstable();
        came
    };
    wait("one event of each connection", || came() == (0..150).collect::<Vec<_>>());
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("open files"), "{}", ended.stderr);
    assert_eq!(emulator.state()["sessions"], json!([]), "every session was closed");
    assert_eq!(came(), (0..150).collect::<Vec<_>>());
}

#[test]
fn a_hard_limit_of_open_files_that_is_too_low_is_told() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = many(&emulator, 20) + "[sink.console.stdout]\n";
    let daemon = run_within(&place, "ulimit -Sn 60 && ulimit -Hn 100", &config);
    daemon.wait_log("too few open files are allowed for so many connections");
    emulator.wait_sessions(20);
    assert_eq!(daemon.stop().code, Some(0));
}

/// How many threads of the process do blocking work, or wait for some.
#[cfg(target_os = "linux")]
fn blocking_threads(daemon: &Cometail) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("tokio")).count()
}

#[test]
#[cfg(target_os = "linux")]
fn threads_of_a_busy_moment_do_not_stay() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let config = many(&emulator, 20) + "[sink.console.stdout]\n";
    let daemon = place.run(&config);
    emulator.wait_sessions(20);
    // A status each second keeps one or two of them busy; those that wrote the twenty sessions have nothing to do.
    wait("all but the threads that write the status to go", || (1..=2).contains(&blocking_threads(&daemon)));
    assert_eq!(daemon.stop().code, Some(0));
}

/// The bodies of the requests that subscribe, as they went over the wire.
fn subscriptions(relay: &Relay) -> Vec<String> {
    let text = relay.seen();
    let requests = text.split("POST /").skip(1).filter_map(|request| {
        let (head, rest) = request.split_once("\r\n\r\n")?;
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map(|(_, value)| value).next()?.parse().ok()?;
        rest.get(..length).map(str::to_owned)
    });
    requests.filter(|body| body.contains("/meta/subscribe")).collect()
}

#[test]
fn a_thousand_channels_are_subscribed_in_as_few_requests_as_their_size_allows() {
    let (emulator, place) = (Emulator::start(), Place::new());
    emulator.post("limits", &json!({"clients": 2000, "topic_clients": 2000}));
    let relay = Relay::to(emulator.address());
    let names: Vec<_> = (0..1000).map(|number| format!("/topic/Changes{number:04}")).collect();
    let channels: Vec<_> = names.iter().map(String::as_str).collect();
    let url = format!("http://{}/cometd/61.0", relay.address);
    let daemon = place.run(&(connection(&url, &channels, "") + "[sink.console.stdout]\n"));
    emulator.wait_polled(1000);
    let bodies = subscriptions(&relay);
    let messages: Vec<Vec<Value>> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let mut asked: Vec<_> =
        messages.iter().flatten().map(|message| message["subscription"].as_str().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, channels, "each of them once");
    assert!(bodies.iter().all(|body| body.len() <= REQUEST_MAX));
    // None of a request's messages would have found room in the one before it.
    for (body, next) in bodies.iter().zip(messages.iter().skip(1)) {
        let room = REQUEST_MAX - body.len();
        assert!(next[0].to_string().len() + ",".len() > room, "{room} bytes were left");
    }
    assert!(bodies.len() <= 6, "{} requests", bodies.len());
    let live = |status: Value| {
        let channels = status["connections"][0]["channels"].as_array().cloned().unwrap_or_default();
        channels.len() == 1000 && channels.iter().all(|channel| channel["standing"] == "live")
    };
    wait("a status of a thousand live channels", || place.status().is_some_and(live));
    emulator.publish("/topic/Changes0999", 7);
    assert_eq!(numbers(&daemon.wait_lines(1)), [7]);
    assert_eq!(daemon.stop().code, Some(0));
}
