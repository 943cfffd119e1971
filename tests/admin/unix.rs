//! A unix socket: whose it is, and what happens to one that is there already.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use super::client::Client;
use super::support::{A, Cometail, Emulator, Place, archive, connection, run, wait};

fn config(place: &Place, emulator: &Emulator) -> String {
    let connection = connection(&emulator.url("61.0"), &[A], "");
    format!("[admin]\nlisten = \"unix:{}\"\n{connection}{}", place.text("admin.sock"), archive(place))
}

fn start(place: &Place, emulator: &Emulator) -> (Cometail, Client) {
    let daemon = place.run(&config(place, emulator));
    daemon.wait_log("the admin server listens");
    (daemon, Client::Unix(place.path("admin.sock")))
}

#[test]
fn a_unix_socket_is_for_user_and_group_answers_any_host_and_goes_with_the_daemon() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let (daemon, client) = start(&place, &emulator);
    emulator.wait_polled(1);
    let metadata = std::fs::symlink_metadata(place.path("admin.sock")).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    for host in ["localhost", "anything.example:1", ""] {
        assert_eq!(client.ask("GET", "/healthz", &[("Host", host)], "").body, "ok\n", "{host}");
    }
    let added = client.post("/api/v1/connections/c/channels", r#"{"channel": "/topic/B", "replay": "all"}"#);
    assert_eq!(added.status, 202, "{added:?}");
    emulator.wait_polled(2);
    let foreign = [("Origin", "http://evil.example"), super::client::JSON];
    assert_eq!(client.ask("POST", "/api/v1/reload", &foreign, "").status, 403);
    assert_eq!(daemon.stop().code, Some(0));
    assert!(!place.path("admin.sock").exists(), "it goes with the daemon");
}

#[test]
fn a_socket_that_nobody_listens_on_is_replaced_and_another_is_not() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let path = place.path("admin.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a socket outlives whoever bound it");
    let (daemon, client) = start(&place, &emulator);
    assert_eq!(client.get("/healthz").status, 200);
    daemon.kill();
    assert!(path.exists(), "a killed daemon removes nothing");

    let (daemon, client) = start(&place, &emulator);
    assert_eq!(client.get("/healthz").status, 200);
    let second = Place::new();
    let config = second.config(&config(&place, &emulator));
    let refused = run(&["run", "-c", &config]);
    assert_eq!(refused.code, Some(74), "{}", refused.stderr);
    assert!(refused.stderr.contains("another process listens on it"), "{}", refused.stderr);
    assert_eq!(client.get("/healthz").status, 200, "the first goes on");

    // Somebody replaces the socket: it is not this daemon's any more.
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert_eq!(daemon.stop().code, Some(0));
    assert!(path.exists(), "another's socket stays");
}

#[test]
fn a_file_that_is_no_socket_stays_and_a_port_in_use_is_refused() {
    let (emulator, place) = (Emulator::start(), Place::new());
    let path = place.write("admin.sock", "mine");
    let refused = run(&["run", "-c", &place.config(&config(&place, &emulator))]);
    assert_eq!(refused.code, Some(74), "{}", refused.stderr);
    assert!(refused.stderr.contains("a file that is no socket is there"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = config(&place, &emulator);
    let socket = format!("unix:{}", place.text("admin.sock"));
    let text = text.replace(&socket, &taken.local_addr().unwrap().to_string());
    let refused = run(&["run", "-c", &place.config(&text)]);
    assert_eq!(refused.code, Some(74), "{}", refused.stderr);
    assert!(refused.stderr.contains("it cannot listen there"), "{}", refused.stderr);
    wait("no session is left behind", || emulator.state()["sessions"].as_array().unwrap().is_empty());
}
