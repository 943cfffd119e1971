//! What the daemon tells a service manager.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::manager::Manager;
use crate::support::{
    A, Answer, Cometail, Emulator, Place, Server, archive, cometail, connection, json, stays, wait,
};

/// Starts the daemon as a service.
fn start(manager: &Manager, place: &Place, config: &str, watchdog: Option<u32>) -> Cometail {
    let file = place.config(config);
    let mut command = cometail(&["run", "-c", &file]);
    manager.adopt(&mut command, watchdog);
    Cometail::start(&mut command)
}

/// A connection by the name of `name` to a port where nobody listens, or to `url`.
fn named(name: &str, url: &str, more: &str) -> String {
    connection(url, &[A], more).replace("[connection.c]", &format!("[connection.{name}]"))
}

/// Where the admin server listens.
fn address(daemon: &Cometail) -> String {
    daemon.wait_log("the admin server listens");
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("the admin server listens")).unwrap();
    json(line)["address"].as_str().unwrap().to_owned()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

const NOBODY: &str = "http://127.0.0.1:9/cometd/61.0";

#[test]
fn it_is_ready_when_what_is_required_is_live_and_says_how_it_is_and_when_it_ends() {
    let (manager, place, emulator) = (Manager::start(), Place::new(), Emulator::start());
    let spare = named("spare", NOBODY, "required = false");
    let server = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let config = connection(&emulator.url("61.0"), &[A], "") + &spare + server + &archive(&place);
    let daemon = start(&manager, &place, &config, None);
    let ready = manager.wait("READY=1");
    wait("the same from the admin server", || get(&address(&daemon), "/readyz").ends_with("\r\n\r\nready\n"));
    assert!(ready.contains("\nSTATUS=1 of 2 connections live; spare: "), "{ready}");
    emulator.wait_polled(1);
    assert_eq!(manager.count("WATCHDOG=1"), 0, "nobody asked for it");
    daemon.signal(Signal::HUP);
    let reload = manager.wait("RELOADING=1");
    assert!(reload.contains("\nMONOTONIC_USEC="), "{reload}");
    wait("ready again", || manager.count("READY=1") == 2);
    assert_eq!(daemon.stop().code, Some(0));
    let last = manager.heard().into_iter().skip_while(|heard| !heard.starts_with("STOPPING=1"));
    assert!(last.count() > 0, "{:?}", manager.heard());
}

#[test]
fn it_is_ready_after_a_time_all_the_same_and_the_watchdog_is_no_judge_of_servers() {
    let (manager, place) = (Manager::start(), Place::new());
    let config = connection(NOBODY, &[A], "") + "[daemon]\nready_after = \"2s\"\n" + &archive(&place);
    let begun = Instant::now();
    let daemon = start(&manager, &place, &config, Some(1000));
    manager.wait("EXTEND_TIMEOUT_USEC=");
    let ready = manager.wait("READY=1");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(ready.contains("STATUS=ready after 2 s without c: 0 of 1 connections live; c: "), "{ready}");
    daemon.wait_log("ready without connections that are required");
    let fed = manager.count("WATCHDOG=1");
    assert!(fed >= 3, "twice in its second: {fed}");
    wait("more of it", || manager.count("WATCHDOG=1") >= fed + 6);
}

/// Waits until no thread of a process runs after `SIGSTOP`.
fn wait_stopped(process: u32) {
    let is_stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
    };
    let tasks = format!("/proc/{process}/task");
    let all = || std::fs::read_dir(&tasks).unwrap().map_while(Result::ok).all(is_stopped);
    wait("every thread to stop", all);
}

#[test]
fn a_daemon_that_stands_still_feeds_no_watchdog_and_one_whose_server_does_goes_on() {
    let (manager, place, emulator) = (Manager::start(), Place::new(), Emulator::start());
    let daemon =
        start(&manager, &place, &(connection(&emulator.url("61.0"), &[A], "") + &archive(&place)), Some(200));
    manager.wait("READY=1");
    emulator.pause();
    let fed = manager.count("WATCHDOG=1");
    wait("a watchdog that is fed beside a silent server", || manager.count("WATCHDOG=1") >= fed + 20);
    daemon.signal(Signal::STOP);
    wait_stopped(daemon.id());
    // What was on its way is heard before this.
    manager.hear("X-TEST=stopped");
    let fed = manager.count("WATCHDOG=1");
    stays("no food", Duration::from_secs(1), || manager.count("WATCHDOG=1") == fed);
    daemon.signal(Signal::CONT);
    wait("food again", || manager.count("WATCHDOG=1") > fed + 10);
    assert!(!daemon.log().contains("does not turn"), "nobody is blamed: {}", daemon.log());
}

#[test]
fn a_sink_that_is_behind_is_named() {
    let (manager, place, emulator) = (Manager::start(), Place::new(), Emulator::start());
    let hook = Server::start(|_, _| Answer::Status(503, "", ""));
    let config = connection(&emulator.url("61.0"), &[A], "")
        + &format!("[sink.orders.webhook]\nurl = {:?}\nproxy = \"direct\"\n", hook.url());
    let _daemon = start(&manager, &place, &config, None);
    manager.wait("READY=1");
    emulator.wait_polled(1);
    emulator.publish_many(A, 120);
    manager.wait("STATUS=1 of 1 connections live; sink orders 120 behind");
}

/// Container engines kill 10 seconds after SIGTERM; so the default grace must leave room for all that follows it.
#[test]
fn by_default_it_ends_within_ten_seconds_beside_a_silent_server_and_a_sink_that_hangs() {
    let (manager, place, emulator) = (Manager::start(), Place::new(), Emulator::start());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let config = connection(&emulator.url("61.0"), &[A], "")
        + &format!("[sink.hook.webhook]\nurl = {url:?}\nproxy = \"direct\"\ntimeout = \"1h\"\n");
    let daemon = start(&manager, &place, &config, None);
    manager.wait("READY=1");
    emulator.wait_polled(1);
    emulator.publish(A, 1);
    let _held = silent.accept().unwrap();
    emulator.pause();
    let begun = Instant::now();
    let ended = daemon.stop();
    let took = begun.elapsed();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(took < Duration::from_millis(9500), "{took:?}: {}", ended.stderr);
    eprintln!("ended after {took:?}");
    assert!(manager.count("EXTEND_TIMEOUT_USEC=") >= 3, "{:?}", manager.heard());
    emulator.go_on();
    let again = start(&manager, &place, &config, None);
    let _next = silent.accept().unwrap();
    drop(again);
}
