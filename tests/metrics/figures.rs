//! The figures of a daemon that receives, delivers, and fails to deliver.

use serde_json::json;

use crate::scrape::{ADMIN, Scraped, names, samples};
use crate::support::{
    A, ARCHIVE, Answer, Cometail, Emulator, Place, Server, archive, connection, run, until,
};

fn webhook(url: &str) -> String {
    format!(
        "[sink.hook.webhook]\nurl = {url:?}\nproxy = \"direct\"\nretry_initial = \"20ms\"\nretry_max = \"50ms\"\n"
    )
}

fn start(place: &Place, emulator: &Emulator, more: &str) -> (Cometail, Scraped) {
    let daemon = place.run(&(connection(&emulator.url("61.0"), &[A], "") + &archive(place) + ADMIN + more));
    let scraped = Scraped::of(&daemon);
    scraped.wait(r#"cometail_connection_live{connection="c"}"#, |live| live == 1.0);
    emulator.wait_polled(1);
    (daemon, scraped)
}

#[test]
fn what_is_received_and_delivered_is_counted_and_timed() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (_daemon, scraped) = start(&place, &emulator, "");
    emulator.publish_each(0..20);
    place.wait_for(ARCHIVE, 0..20);
    scraped.wait(r#"cometail_sink_delivered_events_total{sink="archive"}"#, |events| events == 20.0);
    let of_connection =
        |name: &str| scraped.value(&format!("cometail_connection_{name}{{connection=\"c\"}}")).unwrap();
    scraped.wait(r#"cometail_connection_events_total{connection="c"}"#, |events| events == 20.0);
    assert!(
        of_connection("polls_total") >= 3.0
            && of_connection("responses_total") >= of_connection("polls_total")
    );
    assert!(of_connection("received_bytes_total") > 20.0 * 50.0);
    assert!((0.0..20.0).contains(&of_connection("seconds_since_event")));
    assert!((0.0..20.0).contains(&of_connection("seconds_without_poll_longest")));
    assert_eq!(of_connection("handshakes_succeeded_total"), 1.0);
    let of_sink = |name: &str| scraped.value(&format!("cometail_sink_{name}")).unwrap();
    assert_eq!(of_sink(r#"latency_seconds_count{sink="archive"}"#), 20.0);
    assert_eq!(of_sink(r#"latency_seconds_bucket{le="+Inf",sink="archive"}"#), 20.0);
    let sum = of_sink(r#"latency_seconds_sum{sink="archive"}"#);
    assert!(sum > 0.0 && sum < 20.0 * 20.0, "{sum}");
    scraped.wait(r#"cometail_sink_lag_seconds{sink="archive"}"#, |seconds| seconds == 0.0);
    assert_eq!(scraped.value("cometail_journal_next_sequence"), Some(20.0));
}

#[test]
fn each_handshake_has_its_cause_from_the_beginning() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (_daemon, scraped) = start(&place, &emulator, "");
    let handshakes = |cause: &str| {
        scraped.value(&format!("cometail_connection_handshakes_total{{connection=\"c\",cause=\"{cause}\"}}"))
    };
    assert_eq!((handshakes("start"), handshakes("unknown_client")), (Some(1.0), Some(0.0)));
    emulator.expire_sessions();
    until("another handshake", || (handshakes("unknown_client") == Some(1.0)).then_some(()));
    assert_eq!(scraped.value(r#"cometail_connection_sessions_lost_total{connection="c"}"#), Some(1.0));
}

#[test]
fn a_sink_that_fails_falls_behind_in_events_bytes_and_seconds_and_through_a_restart() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (daemon, scraped) = start(&place, &emulator, &webhook("http://127.0.0.1:9/"));
    emulator.publish_each(0..10);
    let figure = |name: &str| format!("cometail_sink_{name}{{sink=\"hook\"}}");
    scraped.wait(&figure("lag_events"), |events| events == 10.0);
    let size = scraped.value("cometail_journal_size_bytes").unwrap();
    assert_eq!(scraped.value(&figure("lag_bytes")), Some(size), "all of the one segment");
    scraped.wait(r#"cometail_sink_lag_bytes{sink="archive"}"#, |bytes| bytes == 0.0);
    let lag = scraped.wait(&figure("lag_seconds"), |seconds| seconds > 0.5);
    scraped.wait(&figure("failing_seconds"), |seconds| seconds > 0.0);
    assert_eq!(scraped.value(r#"cometail_sink_state{sink="hook",state="retrying"}"#), Some(1.0));
    daemon.kill();

    // What is left is read from the disk, and is as old as it was.
    let (daemon, scraped) = start(&place, &emulator, &webhook("http://127.0.0.1:9/"));
    scraped.wait(&figure("lag_seconds"), |seconds| seconds > lag);
    assert_eq!(scraped.value(&figure("lag_events")), Some(10.0));
    daemon.kill();

    // A server that takes them at last.
    let server = Server::start(|_, _| Answer::OK);
    let (_daemon, scraped) = start(&place, &emulator, &webhook(&server.url()));
    scraped.wait(&figure("lag_seconds"), |seconds| seconds == 0.0);
    scraped.wait(&figure("latency_seconds_count"), |events| events == 10.0);
    let fast = scraped.value(r#"cometail_sink_latency_seconds_bucket{le="0.5",sink="hook"}"#);
    assert!(fast.is_some_and(|fast| fast < 10.0), "the time in the journal counts: {fast:?}");
}

#[test]
fn the_replay_lag_is_the_age_of_the_last_event_that_has_a_date() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (_daemon, scraped) = start(&place, &emulator, "");
    let lag = r#"cometail_connection_replay_lag_seconds{connection="c"}"#;
    let publish = |date: &str| {
        let data = json!({"event": {"createdDate": date}});
        emulator.post("publish", &json!({"channel": A, "data": data}));
    };
    assert_eq!(scraped.value(lag), None);
    publish("2020-01-01T00:00:00.000Z");
    scraped.wait(lag, |seconds| seconds > 6.0 * 365.0 * 86_400.0);
    publish("2999-01-01T00:00:00.000Z");
    scraped.wait(lag, |seconds| seconds < 0.0);
    publish("soon");
    until("no lag", || scraped.value(lag).is_none().then_some(()));
}

#[test]
fn a_webhook_that_refuses_has_its_own_figures() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let server = Server::start(|place, _| Answer::Status([200, 410][place % 2], "", ""));
    let (_daemon, scraped) = start(&place, &emulator, &webhook(&server.url()));
    emulator.publish_each(0..6);
    let figure = |name: &str| format!("cometail_sink_{name}{{sink=\"hook\"}}");
    scraped.wait(&figure("parked_events_total"), |events| events == 3.0);
    scraped.wait(&figure("lag_events"), |events| events == 0.0);
    let counted = ["delivered", "refused", "dropped"];
    let counted = counted.map(|name| scraped.value(&figure(&format!("{name}_events_total"))).unwrap());
    assert_eq!(counted, [3.0, 0.0, 0.0]);
    assert_eq!(scraped.value(&figure("latency_seconds_count")), Some(3.0), "those that were delivered");
}

#[test]
fn the_process_tells_of_itself() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (daemon, scraped) = start(&place, &emulator, "");
    let process = |name: &str| scraped.value(&format!("process_{name}")).unwrap();
    let statm = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let resident = statm.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let share = process("resident_memory_bytes") / (resident * 1024.0);
    assert!((0.5..2.0).contains(&share), "{share}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
    assert!((process("open_fds") - f64::from(u32::try_from(open).unwrap())).abs() <= 4.0);
    assert!(process("max_fds") >= process("open_fds"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 60.0..=now).contains(&process("start_time_seconds")));
    let before = process("cpu_seconds_total");
    until("processor time", || {
        emulator.publish(A, 0);
        (process("cpu_seconds_total") > before).then_some(())
    });
}

#[test]
fn both_formats_tell_the_same_and_no_word_of_a_server() {
    let (emulator, place) = (Emulator::start_with(&["--channel", A]), Place::new());
    let channels = [A, "/topic/Nowhere"];
    let daemon = place.run(&(connection(&emulator.url("61.0"), &channels, "") + &archive(&place) + ADMIN));
    let scraped = Scraped::of(&daemon);
    scraped
        .wait(r#"cometail_connection_channels{connection="c",standing="refused"}"#, |refused| refused == 1.0);
    assert_eq!(scraped.value(r#"cometail_connection_channels{connection="c",standing="live"}"#), Some(1.0));
    let (plain, openmetrics) = (scraped.plain(), scraped.openmetrics());
    let series = |text: &str| samples(text).into_keys().collect::<Vec<_>>();
    assert_eq!(series(&plain), series(&openmetrics));
    assert!(openmetrics.ends_with("\n# EOF\n") && !plain.contains("# EOF") && !plain.contains("# UNIT"));
    for text in [&plain, &openmetrics] {
        assert!(
            !text.contains("/topic/") && !text.contains("Nowhere") && !text.contains(emulator.address()),
            "{text}"
        );
    }
    // Each family of 0.0.4 bears the name of its figures.
    for name in names(&plain) {
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        assert!(plain.contains(&format!("# TYPE {family} ")), "{name}");
        assert!(plain.contains(&format!("# HELP {family} ")), "{name}");
    }
}

#[test]
fn readings_of_the_configuration_are_counted_by_what_came_of_them() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let text = connection(&emulator.url("61.0"), &[A], "required = false\n") + &archive(&place) + ADMIN;
    let daemon = place.run(&text);
    let scraped = Scraped::of(&daemon);
    scraped.wait(r#"cometail_connection_required{connection="c"}"#, |required| required == 0.0);
    let value = |name: &str| scraped.value(name).unwrap();
    let (good, bad) =
        (r#"cometail_reloads_total{outcome="good"}"#, r#"cometail_reloads_total{outcome="bad"}"#);
    let (failed, at) = ("cometail_reload_failed", "cometail_reload_last_good_time_seconds");
    assert_eq!([good, bad, failed].map(value), [0.0, 0.0, 0.0]);
    assert_eq!(value(at), value("process_start_time_seconds"));
    for (config, counts) in [
        (text.replace("required = false\n", ""), [1.0, 0.0, 0.0]),
        (String::from("nonsense"), [1.0, 1.0, 1.0]),
        (text, [2.0, 1.0, 0.0]),
    ] {
        let before = value(at);
        place.config(&config);
        daemon.signal(rustix::process::Signal::HUP);
        scraped.wait(if config == "nonsense" { bad } else { good }, |count| {
            count == counts[usize::from(config == "nonsense")]
        });
        assert_eq!([good, bad, failed].map(value), counts);
        assert_eq!(value(at) > before, config != "nonsense");
    }
    assert_eq!(value(r#"cometail_connection_required{connection="c"}"#), 0.0);
    let build =
        scraped.plain().lines().find(|line| line.starts_with("cometail_build_info{")).unwrap().to_owned();
    let told = run(&["--version"]).stdout;
    let commit = told.lines().find_map(|line| line.strip_prefix("commit: ")).unwrap();
    let label = format!(",commit=\"{commit}\"");
    assert_eq!(build.contains(&label), commit != "not known", "{build} {told}");
    assert!(build.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))), "{build}");
    assert_eq!(daemon.stop().code, Some(0));
}
