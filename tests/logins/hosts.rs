//! Login hosts that refuse, are slow, down, or no login hosts.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::scene::Scene;
use crate::support::{ARCHIVE, Answer, Server, archive, stays, wait};

#[test]
fn a_wrong_password_is_sent_once() {
    for kind in ["soap", "password"] {
        let scene = Scene::start(&[]);
        scene.place.write("secrets/password", "another hush <p>&'\"ß s");
        let mut daemon = scene.run(&scene.config("", &scene.login(kind)));
        wait("the end", || daemon.has_ended());
        let ended = scene.checked(daemon.end());
        assert_eq!(
            (ended.code, scene.refused(), scene.logins()),
            (Some(77), 1, 0),
            "{kind}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(&format!("{kind} login of ada@example.com at 127.0.0.1")),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_slow_login_host_holds_up_neither_the_end_nor_other_connections() {
    let scene = Scene::start(&[]);
    scene.emulator.fault(&json!({"next": 1, "path": "/services/oauth2/", "delay": 60_000}));
    let other = format!(
        "[connection.other]\nurl = {:?}\nchannels = [\"/topic/A\"]\nproxy = \"direct\"\n{}",
        scene.emulator.url("61.0"),
        scene.login("soap").replace("connection.c", "connection.other")
    );
    let daemon = scene.run(&(scene.config("", &scene.login("password")) + &other));
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    scene.status("a login under way", |one| (one["state"] == "authenticating").then_some(()));
    let begun = Instant::now();
    let ended = scene.stop(daemon);
    assert_eq!(ended.code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_login_host_that_is_down_or_in_maintenance_is_waited_for() {
    let scene = Scene::start(&[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let login = scene.login_at("jwt", &format!("http://{address}"));
    let daemon = scene.run(&scene.config(&format!("url = {:?}", scene.emulator.url("61.0")), &login));
    scene.status("that it is down", |one| {
        one["login"]["error"]["text"].as_str()?.contains("gave no answer").then_some(())
    });
    scene.stop(daemon);

    let page = "<html><script>location = 'https://evil.example'</script>maintenance</html>";
    scene.emulator.fault(&json!({"next": 3, "path": "/services/oauth2/", "status": 200, "body": page}));
    let daemon = scene.run(&scene.config("", &scene.login("jwt")));
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    let ended = scene.stop(daemon);
    assert!(ended.stderr.contains("which is no reply to a login"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("evil.example"), "{}", ended.stderr);
    assert_eq!(scene.logins(), 1);
}

#[test]
fn a_clock_that_is_wrong_is_told_and_corrected() {
    for skew in ["12m", "-12m"] {
        let scene = Scene::start(&["--clock-skew", skew]);
        let daemon = scene.run(&scene.config("", &scene.login("jwt")));
        scene.emulator.wait_polled(1);
        scene.publish(1, 1);
        let told = scene.status("the skew", |one| one["login"]["clock_skew_s"].as_i64());
        assert!(told.unsigned_abs().abs_diff(720) <= 5 && (told < 0) == skew.starts_with('-'), "{told}");
        let ended = scene.stop(daemon);
        assert!(ended.stderr.contains("set the clock"), "{}", ended.stderr);
        assert_eq!((scene.refused(), scene.logins()), (1, 1));
    }
}

#[test]
fn an_instance_that_is_not_salesforces_gets_nothing() {
    let scene = Scene::start(&[]);
    let thief = Server::start(|_, _| Answer::OK);
    let elsewhere = thief.address.replace("127.0.0.1", "localhost");
    for (kind, instance) in [
        ("password", format!("http://{elsewhere}")),
        ("soap", format!("http://{elsewhere}")),
        ("jwt", "https://acme.my.salesforce.com.evil.example".to_owned()),
        ("client_credentials", "http://acme.my.salesforce.com".to_owned()),
    ] {
        scene.emulator.post("instance", &json!({"url": instance}));
        let mut daemon = scene.run(&scene.config("", &scene.login(kind)));
        wait("a refusal", || {
            daemon.has_ended()
                || daemon.log().contains("would be spoken to over plain HTTP")
                || daemon.log().contains("neither the configured host")
        });
        let ended = if daemon.has_ended() { scene.checked(daemon.end()) } else { scene.stop(daemon) };
        let told =
            ["neither the configured host", "over plain HTTP"].iter().any(|text| ended.stderr.contains(text));
        assert!(told, "{kind}: {}", ended.stderr);
    }
    stays("the thief hears nothing", Duration::from_millis(300), || thief.count() == 0);
    assert_eq!(scene.emulator.count("requests"), 0, "nor was the token used anywhere else");
    assert!(scene.place.lines(ARCHIVE).is_empty() && archive(&scene.place).contains("out"));
}
