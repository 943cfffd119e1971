//! Real datagrams, and the line that says how the daemon is.

use std::sync::{Arc, Mutex, RwLock};
use std::time::SystemTime;

use tempfile::TempDir;

use super::super::capture::Capture;
use super::super::outlet::Outlet;
use super::super::reload::Report;
use super::super::report::Sources;
use super::*;
use crate::status;

const HOUR: Duration = Duration::from_hours(1);

struct Listener {
    socket: UnixDatagram,
    _dir: TempDir,
    place: OsString,
}

impl Listener {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("notify");
        let socket = UnixDatagram::bind(&place).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, _dir: dir, place: place.into_os_string() }
    }

    /// Every datagram that has come.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next =
            || self.socket.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into());
        std::iter::from_fn(next).collect()
    }
}

fn snapshot(connections: Vec<Connection>) -> Status {
    let connections = connections.into_iter().map(|one| Arc::new(Mutex::new(one))).collect();
    let connections = Arc::new(RwLock::new(connections));
    let (outlet, reload) = (Arc::new(Outlet::new(Vec::new())), Report::default());
    Sources {
        started: SystemTime::now(),
        connections,
        outlet,
        journal: None,
        reload,
        capture: Capture::new(None, None),
    }
    .snapshot()
}

fn connection(name: &str, state: &'static str) -> Connection {
    let mut one = Connection::new(name, "");
    one.enter(SystemTime::now(), state, "", None);
    one
}

#[test]
fn it_is_ready_when_every_required_connection_has_been_live_once() {
    let listener = Listener::new();
    let manager = Manager::new(Some(listener.place.clone()), None, HOUR);
    let mut told = String::new();
    let mut spare = connection("spare", "handshaking");
    spare.required = false;
    let all = |beta| snapshot(vec![connection("acme", "live"), beta, spare.clone()]);
    manager.tell(&all(connection("beta", "handshaking")), &mut told);
    let heard = listener.heard().concat();
    assert!(heard.contains("EXTEND_TIMEOUT_USEC=10000000\n") && !heard.contains("READY=1"), "{heard}");
    manager.tell(&all(connection("beta", "live")), &mut told);
    let ready = "READY=1\nSTATUS=2 of 3 connections live; spare: handshaking\n";
    assert_eq!(listener.heard(), [ready]);
    manager.tell(&all(connection("beta", "live")), &mut told);
    assert_eq!(listener.heard(), Vec::<String>::new(), "nothing is new");
    let mut beta = connection("beta", "live");
    beta.enter(SystemTime::now(), "resting", "", None);
    manager.tell(&all(beta), &mut told);
    assert_eq!(
        listener.heard(),
        ["STATUS=1 of 3 connections live; beta: resting; spare: handshaking\n"],
        "ready is said once"
    );
}

#[test]
fn after_a_time_it_is_ready_all_the_same_and_says_why() {
    let listener = Listener::new();
    let manager = Manager::new(Some(listener.place.clone()), None, Duration::ZERO);
    let mut beta = connection("beta", "authenticating");
    let mut login = status::Login::new(String::from("password"));
    login.error = Some(status::Error { at: 1, text: String::from("wrong password") });
    beta.login = Some(login);
    manager.tell(&snapshot(vec![connection("acme", "live"), beta]), &mut String::new());
    assert_eq!(
        listener.heard(),
        [
            "READY=1\nSTATUS=ready after 0 s without beta: 1 of 2 connections live; beta: authenticating, wrong password\n"
        ]
    );
}

#[test]
fn what_a_server_says_is_no_assignment_and_no_book() {
    let mut one = connection("c", "resting");
    one.failed(SystemTime::now(), format!("no\nMAINPID=1\r\u{1b}[2J{}", "é".repeat(1000)));
    let line = line_of(&snapshot(vec![one.clone(), one.clone(), one.clone(), one.clone(), one]));
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.starts_with("0 of 5 connections live; c: resting, no MAINPID=1  [2Jéé"), "{line}");
    assert!(line.ends_with("… and 2 more") && line.chars().count() <= LINE, "{line}");
}

#[test]
fn a_trouble_from_before_is_not_what_is_in_the_way_now() {
    let mut one = connection("c", "live");
    one.last_error = Some(status::Error { at: 1, text: String::from("long ago") });
    one.enter(SystemTime::now(), "handshaking", "", None);
    assert_eq!(line_of(&snapshot(vec![one])), "0 of 1 connections live; c: handshaking");
}

#[test]
fn a_reload_is_told_with_its_time_and_only_by_a_daemon_that_is_ready() {
    let listener = Listener::new();
    let manager = Manager::new(Some(listener.place.clone()), None, HOUR);
    manager.reloading();
    manager.reloaded();
    assert_eq!(listener.heard(), Vec::<String>::new());
    manager.tell(&snapshot(Vec::new()), &mut String::new());
    listener.heard();
    manager.reloading();
    manager.reloaded();
    let heard = listener.heard();
    assert_eq!((heard.len(), heard[1].as_str()), (2, "READY=1\n"));
    let time = heard[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!(time.parse::<u64>().unwrap() > 0);
}

#[test]
fn an_end_may_take_longer_until_its_grace_is_over() {
    let listener = Listener::new();
    let manager = Manager::new(Some(listener.place.clone()), None, HOUR);
    let until = manager.stopping(Duration::from_mins(10));
    assert!(listener.heard().concat().starts_with("STOPPING=1\nSTATUS=stopping: "));
    assert!(until > Instant::now() + Duration::from_mins(10));
    let mut told = String::new();
    manager.tell_end(&snapshot(Vec::new()), until, &mut told);
    assert_eq!(
        listener.heard(),
        ["EXTEND_TIMEOUT_USEC=10000000\n", "STATUS=stopping: 0 of 0 connections live\n"]
    );
    manager.tell_end(&snapshot(Vec::new()), Instant::now(), &mut told);
    assert_eq!(listener.heard(), Vec::<String>::new());
}

#[test]
fn a_manager_that_does_not_listen_or_read_holds_up_nothing() {
    let nowhere = Manager::new(Some(OsString::from("/nowhere/at/all")), Some(HOUR), HOUR);
    nowhere.feed();
    let listener = Listener::new();
    let manager = Manager::new(Some(listener.place.clone()), Some(HOUR), HOUR);
    // More than the system keeps for a reader.
    let begun = Instant::now();
    (0..5000).for_each(|_| manager.feed());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(listener.heard().len() < 5000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_in_linuxs_own_space_is_understood() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("cometail-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Manager::new(Some(OsString::from(format!("@{name}"))), None, HOUR).feed();
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
}

#[test]
fn the_watchdog_is_fed_twice_in_its_time_and_only_where_there_is_one() {
    let place = || Some(OsString::from("/nowhere"));
    let every = |place, wait| Manager::new(place, wait, HOUR).feed_every();
    assert_eq!(every(place(), Some(Duration::from_secs(60))), Some(Duration::from_secs(30)));
    assert_eq!(every(place(), Some(Duration::ZERO)), None);
    assert_eq!((every(place(), None), every(None, Some(HOUR))), (None, None));
}
