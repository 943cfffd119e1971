//! A daemon that is configured by its environment.

use std::process::Command;

use crate::support::{Cometail, Emulator, Place, cometail, numbers, until, wait};

/// The command with the variables of a small case.
fn configured(arguments: &[&str], place: &Place, emulator: &Emulator) -> Command {
    let mut command = cometail(arguments);
    command
        .env("COMETAIL_URL", emulator.url("61.0"))
        .env("COMETAIL_CHANNELS", "/topic/A, /topic/B")
        .env("COMETAIL_STATE_DIR", place.path("state"));
    command
}

#[test]
fn variables_open_the_admin_server_too() {
    no_file();
    let (place, emulator) = (Place::new(), Emulator::start());
    let mut command = configured(&["run"], &place, &emulator);
    command.env("COMETAIL_ADMIN_LISTEN", "127.0.0.1:0").env("COMETAIL_ADMIN_TOKEN", "hush-hush-hush-hush");
    let daemon = Cometail::start(&mut command);
    daemon.wait_log("the admin server listens");
    let open =
        configured(&["check"], &place, &emulator).env("COMETAIL_ADMIN_LISTEN", "0.0.0.0:9464").output();
    let told = String::from_utf8(open.unwrap().stderr).unwrap();
    assert!(
        told.starts_with("cometail: COMETAIL_ADMIN_LISTEN: found \"0.0.0.0:9464\" without a token"),
        "{told}"
    );
    assert!(!daemon.stop().stderr.contains("hush"));
}

/// These tests are about a machine without a configuration file.
fn no_file() {
    assert!(!std::path::Path::new("/etc/cometail/cometail.toml").exists(), "there is a configuration here");
}

#[test]
fn variables_alone_run_a_daemon_and_tell_of_its_health() {
    no_file();
    let (place, emulator) = (Place::new(), Emulator::start_in(&[("T", "00D!hush")], &["--token-env", "T"]));
    let token = place.write("token", "00D!hush\n");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let health =
        |flag| Cometail::start(&mut configured(&["status", flag], &place, &emulator)).end().code == Some(0);
    assert!(!health("--alive"), "nothing runs");
    let with_token = |arguments: &[&str]| {
        let mut command = configured(arguments, &place, &emulator);
        command.env("COMETAIL_TOKEN_FILE", &token).env("COMETAIL_SINK_FORMAT", "message");
        command
    };
    let checked = Cometail::start(&mut with_token(&["check"])).end();
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(0), "ok: 1 connection(s), 1 sink(s)\n"));
    let daemon = Cometail::start(&mut with_token(&["run"]));
    emulator.wait_polled(2);
    emulator.publish_each(0..3);
    assert_eq!(numbers(&daemon.wait_lines(3)), [0, 1, 2]);
    wait("health", || health("--health") && health("--alive"));
    emulator.pause();
    assert!(health("--alive"), "a silent server is no reason");
    emulator.go_on();
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
    assert!(!health("--alive") && !health("--health"), "it has ended");
}

#[test]
fn a_mistake_names_the_variable_and_ends_with_78() {
    no_file();
    for command in ["run", "check"] {
        let mut command = cometail(&[command]);
        command
            .env("HOME", "/nowhere")
            .env("COMETAIL_URL", "https://h/cometd")
            .env("COMETAIL_CHANEL", "/topic/A");
        let ended = Cometail::start(&mut command).end();
        assert_eq!(ended.code, Some(78));
        for line in [
            "COMETAIL_CHANEL: found an unknown variable, wanted a known one (did you mean COMETAIL_CHANNELS?)",
            "COMETAIL_CHANNELS: found nothing, wanted channels with commas between them, such as /topic/Name",
            "2 problems",
        ] {
            assert!(ended.stderr.contains(line), "{}", ended.stderr);
        }
    }
    let ended = Cometail::start(&mut cometail(&["run"])).end();
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("found no such file"), "{}", ended.stderr);
    assert!(ended.stderr.contains("COMETAIL_URL"), "{}", ended.stderr);
}

#[test]
fn a_daemon_that_is_gone_or_stands_still_is_not_alive() {
    no_file();
    let (place, emulator) = (Place::new(), Emulator::start());
    let alive = || Cometail::start(&mut configured(&["status", "--alive"], &place, &emulator)).end();
    let daemon = Cometail::start(&mut configured(&["run"], &place, &emulator));
    wait("life", || alive().code == Some(0));
    daemon.kill();
    let ended = alive();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("does not run any more, and did not end in order"), "{}", ended.stderr);
    // As old as that of a daemon that has stood still for a while.
    let mut status = place.status().unwrap();
    let daemon = Cometail::start(&mut configured(&["run"], &place, &emulator));
    let first = status["pid"].clone();
    until("its own status", || place.status().filter(|status| status["pid"] != first));
    daemon.signal(rustix::process::Signal::STOP);
    status["updated_at"] = (status["updated_at"].as_u64().unwrap() - 60_000).into();
    place.write("state/status.json", &status.to_string());
    let ended = alive();
    assert!(ended.code == Some(1) && ended.stderr.contains("last wrote its status"), "{}", ended.stderr);
}
