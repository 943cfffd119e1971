//! `cometail tail`: what comes out, where it begins and when it ends.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{A, Cometail, Emulator, cometail, json, number, numbers, run, stays};

/// Messages with what a parser and a printer would change between them.
const ODD: [&str; 5] = [
    r#"{"channel":"/topic/A","data":{"event":{"replayId":REPLAYID},"z":1.50e1,"a":-0.0,"m":1E+2,"z2":12345678901234567890123}}"#,
    r#"{ "data" : { "sobject" : { "b" : "\u00e9\/é\ud83d\ude00\n\u0000" , "a" : [ ] } , "event":{"replayId":REPLAYID} }, "channel" : "\/topic\/A" }"#,
    "{\n  \"data\": {\r\n    \"payload\": \"a\\nb\",\n    \"event\": {\n      \"replayId\": REPLAYID\n    }\n  },\n\t\"channel\": \"/topic/A\"\n}",
    r#"{"channel":"/topic/A","ext":{"x":[1,{"y":null}]},"clientId":"c","data":{"event":{"replayId":REPLAYID},"k":1,"k":2},"id":7}"#,
    r#"{"channel":"/topic/A","data":{"event":{"replayId":REPLAYID},"deep":[[[[[[[[{"x":"]}\"[{"}]]]]]]]]}}"#,
];

fn tail(emulator: &Emulator, version: &str, arguments: &[&str]) -> Cometail {
    let url = emulator.url(version);
    Cometail::start(cometail(&["tail", &url, A]).args(arguments))
}

#[test]
fn events_are_the_bytes_that_were_published_without_line_breaks() {
    for version in ["61.0", "36.0"] {
        let emulator = Emulator::start();
        let tail = tail(&emulator, version, &[]);
        emulator.wait_polled(1);
        let published = ODD.map(|text| {
            let id = emulator.publish_raw(A, text);
            text.replace("REPLAYID", &id.to_string()).replace(['\n', '\r'], "")
        });
        assert_eq!(tail.wait_lines(ODD.len()), published);
    }
}

#[test]
fn the_form_of_a_record_is_the_one_asked_for() {
    let emulator = Emulator::start();
    let text = r#"{"channel":"/topic/A","data":{"sobject":{"b":1.50e1,"a":"x"},"event":{"createdDate":"2016-03-29T16:40:08.208Z","replayId":REPLAYID}}}"#;
    let id = emulator.publish_raw(A, text);
    let data = text.replace("REPLAYID", &id.to_string());
    let data = data.strip_prefix(r#"{"channel":"/topic/A","data":"#).unwrap().strip_suffix('}').unwrap();
    let one = |form: &str| {
        let ended = tail(&emulator, "61.0", &["--replay", "all", "--count", "1", "--format", form]).end();
        assert_eq!(ended.code, Some(0), "{form}: {}", ended.stderr);
        ended.stdout
    };
    assert_eq!(one("data"), format!("{data}\n"));

    let (envelope, cloud) = (one("envelope"), one("cloudevents"));
    for text in [&envelope, &cloud] {
        assert!(text.contains(&format!(r#""data":{data}}}"#)), "{text}");
    }
    let (envelope, cloud) = (json(&envelope), json(&cloud));
    assert_eq!(
        (&envelope["connection"], &envelope["channel"], &envelope["replayId"]),
        (&json!("tail"), &json!(A), &json!(id))
    );
    assert!(envelope["receivedAt"].as_str().unwrap().ends_with('Z'), "{envelope}");
    assert_eq!(
        (&cloud["specversion"], &cloud["subject"], &cloud["replayid"], &cloud["time"]),
        (&json!("1.0"), &json!(A), &json!(id.to_string()), &json!("2016-03-29T16:40:08.208Z"))
    );
    assert_eq!(cloud["source"], "/tail/topic/A");
    assert_eq!(cloud["id"], envelope["id"], "an event has one id, whatever the form");
}

#[test]
fn pretty_is_the_same_json_over_several_lines() {
    let emulator = Emulator::start();
    emulator.publish_each(1..=2);
    let options = ["--replay", "all", "--count", "2"];
    let plain = tail(&emulator, "61.0", &options).end().stdout;
    let pretty = tail(&emulator, "61.0", &[&options[..], &["--pretty"]].concat()).end().stdout;
    assert!(pretty.lines().count() > 10, "{pretty}");
    assert!(!pretty.contains('\u{1b}'), "no colours where there is no terminal: {pretty:?}");
    let values = |text: &str| -> Vec<Value> {
        serde_json::Deserializer::from_str(text).into_iter().map(Result::unwrap).collect()
    };
    assert_eq!(values(&pretty), values(&plain));
}

#[test]
fn count_ends_after_exactly_so_many_lines_and_tells_the_server() {
    let emulator = Emulator::start();
    emulator.publish_many(A, 25);
    let ended = tail(&emulator, "61.0", &["--replay", "all", "--count", "7"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().map(number).collect();
    assert_eq!(lines, (0..7).collect::<Vec<_>>());
    assert!(ended.stdout.ends_with('\n'));
    let state = emulator.state();
    assert_eq!((&state["disconnects"], &state["sessions"]), (&json!(1), &json!([])), "{state}");
}

#[test]
fn replay_says_where_to_begin() {
    let emulator = Emulator::start();
    emulator.publish_each(1..=2);
    let third = emulator.publish(A, 3);
    emulator.publish(A, 4);
    let all = tail(&emulator, "61.0", &["--replay", "all"]);
    let after = tail(&emulator, "61.0", &["--replay", &third.to_string()]);
    let new = tail(&emulator, "61.0", &[]);
    let old = tail(&emulator, "36.0", &["--replay", "all"]);
    all.wait_lines(4);
    after.wait_lines(1);
    emulator.wait_sessions(4);
    emulator.publish(A, 5);
    assert_eq!(numbers(&all.wait_lines(5)), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&after.wait_lines(2)), [4, 5]);
    assert_eq!(numbers(&new.wait_lines(1)), [5]);
    assert_eq!(numbers(&old.wait_lines(1)), [5], "before API 37 events are not retained");
    old.wait_log("the server does not number its events");
}

/// More than the 64 MiB of the queue and what a pipe takes come while nobody reads.
#[test]
fn a_reader_that_stands_still_for_a_while_misses_nothing() {
    let emulator = Emulator::start();
    let (tail, stdout) = Cometail::start_unread(&mut cometail(&["tail", &emulator.url("61.0"), A]));
    emulator.wait_polled(1);
    let pad = "x".repeat(1 << 20);
    for round in 0..15 {
        emulator.post("publish", &json!({"channel": A, "count": 5, "data": {"round": round, "pad": pad}}));
        // The queue has room for twelve of these: what is asked for comes in as many responses.
        if round < 12 {
            emulator.wait_polled(1);
        }
    }
    emulator.wait_unpolled();
    stays("nothing is asked for while nobody reads", Duration::from_millis(300), || {
        emulator.state()["sessions"][0]["has_open_connect"] == false
    });
    let lines = BufReader::new(stdout).lines().take(75).map(|line| json(&line.unwrap()));
    let seen: Vec<_> = lines.map(|event| event["data"].clone()).collect();
    let ids: Vec<_> = seen.iter().map(|data| data["event"]["replayId"].as_i64()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let rounds: Vec<_> = seen.iter().filter_map(|data| data["round"].as_u64()).collect();
    assert_eq!(rounds, (0..75).map(|n| n / 5).collect::<Vec<_>>(), "each of five in each round");
    assert!(!tail.log().contains("the queue is full"), "{}", tail.log());
}

#[test]
fn several_channels_come_in_the_order_of_their_arrival() {
    let emulator = Emulator::start();
    let url = emulator.url("61.0");
    let channels = [A, "/u/notifications/B", "/event/C__e", A];
    let tail = Cometail::start(cometail(&["tail", &url]).args(channels));
    emulator.wait_polled(3);
    for n in 0..30 {
        emulator.publish(channels[usize::try_from(n % 3).unwrap()], n);
    }
    assert_eq!(numbers(&tail.wait_lines(30)), (0..30).collect::<Vec<_>>());
    let lines = tail.lines();
    assert_eq!(json(&lines[1])["channel"], "/u/notifications/B");
}

#[test]
fn help_has_examples_and_the_version_is_told() {
    let help = run(&["tail", "--help"]);
    assert_eq!(help.code, Some(0));
    assert!(
        help.stdout.contains("COMETAIL_TOKEN") && help.stdout.contains("--replay all"),
        "{}",
        help.stdout
    );
    let version = run(&["--version"]);
    let known = format!("cometail {}\ncommit: ", env!("CARGO_PKG_VERSION"));
    assert!(
        version.stdout.starts_with(&known) && version.stdout.contains("\nfeatures: "),
        "{}",
        version.stdout
    );
    assert_eq!(run(&["-V"]).stdout.lines().count(), 1);
}
