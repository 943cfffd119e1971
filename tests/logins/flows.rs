//! Every kind of login, from a configuration file to events.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::scene::{Scene, USER};
use crate::support::{A, ARCHIVE, cometail, json as parsed, run};

/// Begins with a login and ends with an event; how many logins that took.
fn delivers(scene: &Scene, more: &str, kind: &str) -> u64 {
    let before = scene.logins();
    let daemon = scene.run(&scene.config(more, &scene.login(kind)));
    scene.emulator.wait_polled(1);
    let n = u64::try_from(scene.place.lines(ARCHIVE).len()).unwrap() + 1;
    scene.publish(n, n);
    let what = kind.trim_end_matches('2');
    scene.status("the login in the status", |status| {
        let login = &status["login"];
        let described = login["what"].as_str()?.starts_with(&format!("{what} login"));
        (described && login["token_since"].is_u64() && login["error"].is_null()).then_some(())
    });
    let shown = scene.checked(run(&["status", "-c", &scene.place.text("cometail.toml")]));
    assert!(shown.stdout.contains(&format!("c           {what} login")), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(scene.stop(daemon).code, Some(0), "{kind}");
    scene.logins() - before
}

#[test]
fn every_kind_of_login_delivers() {
    let scene = Scene::start(&[]);
    let org = format!("url = {:?}\napi_version = \"61.0\"", scene.host());
    let endpoint = format!("url = {:?}", scene.emulator.url("61.0"));
    for (kind, more) in [
        ("soap", org.as_str()),
        ("password", ""),
        ("refresh", endpoint.as_str()),
        ("client_credentials", "api_version = \"58.0\""),
        ("jwt", ""),
    ] {
        assert_eq!(delivers(&scene, more, kind), 1, "{kind}");
    }
}

#[test]
fn a_refresh_token_that_is_replaced_is_kept_for_the_next_start() {
    let scene = Scene::start(&[]);
    for _ in 0..3 {
        assert_eq!(delivers(&scene, "", "refresh2"), 1);
    }
    let store = scene.place.path("state/c.refresh-token.json");
    assert_eq!(std::fs::metadata(store).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_end_in_the_middle_of_a_login_loses_no_refresh_token() {
    let scene = Scene::start(&[]);
    scene.emulator.fault(&json!({"next": 1, "path": "/services/oauth2/", "delay": 500}));
    let daemon = scene.run(&scene.config("", &scene.login("refresh2")));
    scene.status("a login under way", |one| (one["state"] == "authenticating").then_some(()));
    scene.stop(daemon);
    // What the server gave in place of the first token is the only one that it takes now.
    assert_eq!(delivers(&scene, "", "refresh2"), 1);
    assert_eq!((scene.logins(), scene.refused()), (2, 0));
}

#[test]
fn the_org_of_the_salesforce_cli_is_the_one() {
    let scene = Scene::start(&[]);
    let issued = scene.emulator.post("tokens/issue", &json!({"username": USER}));
    let shown = json!({"status": 0, "result": {"accessToken": issued["access_token"], "instanceUrl": scene.host(), "username": USER}});
    let script = scene.place.write("sf", &format!("#!/bin/sh\ncat <<'END'\n{shown}\nEND\n"));
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Without a url the host that the program names would have to be one of Salesforce's.
    assert_eq!(delivers(&scene, &format!("url = {:?}", scene.emulator.url("61.0")), "sf_cli"), 0);
}

#[test]
fn a_cached_token_makes_a_restart_no_login() {
    let scene = Scene::start(&[]);
    let login = scene.login("password").replacen("[conn", "cache = true\n[conn", 1);
    let config = scene.config("", &login);
    for round in 1..=3 {
        let daemon = scene.run(&config);
        scene.publish_when_polled(round);
        scene.stop(daemon);
        assert_eq!(scene.logins(), 1, "round {round}");
    }
    // One that was taken back meanwhile costs a login and no event.
    scene.revoke();
    scene.emulator.publish(A, 4);
    let daemon = scene.run(&config);
    scene.place.wait_for(ARCHIVE, 1..=4);
    scene.stop(daemon);
    assert_eq!(scene.logins(), 2);
}

impl Scene {
    fn publish_when_polled(&self, n: u64) {
        self.emulator.wait_polled(1);
        self.publish(n, n);
    }
}

#[test]
fn a_command_logs_in_by_the_same_configuration() {
    let scene = Scene::start(&[]);
    let file = scene.place.config(&scene.config("", &scene.login("jwt")));
    let ended = crate::support::Cometail::start(&mut cometail(&[
        "whoami",
        "-c",
        &file,
        "--connection",
        "c",
        "--json",
    ]));
    let ended = scene.checked(ended.end());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let all = parsed(&ended.stdout);
    assert_eq!((&all["username"], &all["instance"]), (&json!(USER), &json!(scene.host())));
}
