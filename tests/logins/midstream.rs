//! Tokens that end while events come: expired, taken back, refused again and again, or replaced in their file.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::scene::{Scene, USER, connection, look};
use crate::support::{A, ARCHIVE, archive, stays, wait};

#[test]
fn a_token_that_is_taken_back_loses_no_event() {
    let scene = Scene::start(&[]);
    let daemon = scene.run(&scene.config("", &scene.login("jwt")));
    scene.emulator.wait_polled(1);
    for round in 0..5 {
        scene.emulator.publish_each(round * 10 + 1..=round * 10 + 5);
        scene.revoke();
        scene.publish(round * 10 + 6, round * 10 + 10);
    }
    // An open poll is ended by the first event after it, so that not each round needs a login.
    assert!((2..=6).contains(&scene.logins()), "{}", scene.logins());
    let ended = scene.stop(daemon);
    assert!(!ended.stderr.contains("gap"), "{}", ended.stderr);
    assert_eq!(scene.place.numbers(ARCHIVE), (1..=50).collect::<Vec<_>>());
}

#[test]
fn tokens_that_expire_every_second_lose_no_event() {
    let scene = Scene::start(&["--session-timeout", "1s"]);
    let daemon = scene.run(&scene.config("", &scene.login("client_credentials")));
    scene.emulator.wait_polled(1);
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        n += 1;
        scene.publish(n, n);
    }
    let logins = scene.logins();
    assert!((2..=12).contains(&logins), "{logins} logins in 5 s of tokens that hold for one");
    scene.stop(daemon);
}

#[test]
fn a_storm_of_refusals_is_no_storm_of_logins() {
    let scene = Scene::start(&[]);
    let login = scene.login("password");
    let config = scene.config("", &login).replace("logins_per_hour = 1000", "logins_per_hour = 7");
    let daemon = scene.run(&config);
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    // Whatever token comes, it is refused.
    scene.emulator.fault(&json!({"next": 1_000_000, "status": 401}));
    // It ends the poll that is open.
    scene.emulator.publish(A, 2);
    scene.status("that the logins are used up", |status| {
        let error = status["login"]["error"]["text"].as_str()?;
        let due = status["login"]["next_attempt"].is_u64();
        (error.contains("the next login is in") && due && status["login"]["logins"] == 7).then_some(())
    });
    let before = scene.emulator.count("requests");
    stays("no more logins", Duration::from_secs(2), || scene.logins() == 7);
    let asked = scene.emulator.count("requests") - before;
    assert!(asked <= 2, "{asked} requests without a token that could be good");
    scene.stop(daemon);
    assert_eq!((scene.logins(), scene.refused()), (7, 0));
}

#[test]
fn a_new_token_in_the_file_is_used_before_the_old_one_is_refused() {
    let scene = Scene::start(&[]);
    let issue = || {
        let issued = scene.emulator.post("tokens/issue", &json!({"username": USER}));
        issued["access_token"].as_str().unwrap().to_owned()
    };
    scene.place.write("secrets/token", &issue());
    let login = format!("[connection.c.login.token]\nfile = {:?}\n", scene.place.text("secrets/token"));
    let text = connection(&format!("url = {:?}", scene.emulator.url("61.0")), &login);
    let daemon = scene.run(&(text + &archive(&scene.place)));
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    let handshakes = scene.emulator.count("handshakes");
    let old = daemon.log().matches("access token at hand").count();
    scene.place.write("next", &issue());
    std::fs::rename(scene.place.path("next"), scene.place.path("secrets/token")).unwrap();
    wait("the new token", || daemon.log().matches("access token at hand").count() > old);
    scene.publish(2, 20);
    assert_eq!(scene.emulator.count("handshakes"), handshakes, "no new session for a new token");
    // A bad one is told, and does no harm while the server takes the present one.
    scene.place.write("secrets/token", "two words");
    daemon.wait_log("the changed access token is not used");
    scene.publish(21, 22);
    let ended = scene.stop(daemon);
    look("log", &ended.stderr);
}

#[test]
fn a_refused_token_waits_for_another_in_its_file() {
    let scene = Scene::start(&[]);
    scene.place.write("secrets/token", "00D000000000001!nonsense");
    let login = format!("[connection.c.login.token]\nfile = {:?}\n", scene.place.text("secrets/token"));
    let more = format!("url = {:?}", scene.emulator.url("61.0"));
    // A long wait, which the new file cuts short.
    let text = connection(&more, &login).replacen("retry_max = \"200ms\"", "retry_max = \"10m\"", 1);
    let daemon = scene.run(&(text + &archive(&scene.place)));
    daemon.wait_log("the server refused the access token of the file");
    scene.emulator.publish(A, 0);
    let issued = scene.emulator.post("tokens/issue", &json!({"username": USER}));
    scene.place.write("secrets/token", issued["access_token"].as_str().unwrap());
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    scene.stop(daemon);
}

#[test]
fn a_session_goes_on_with_a_new_token_where_no_handshake_is_asked_for() {
    let scene = Scene::start(&[]);
    let daemon = scene.run(&scene.config("", &scene.login("password")));
    scene.emulator.wait_polled(1);
    scene.publish(1, 1);
    let handshakes = scene.emulator.count("handshakes");
    scene.emulator.fault(&json!({"next": 1, "channel": "/meta/connect", "status": 401}));
    scene.emulator.publish(A, 2);
    wait("another login", || scene.logins() == 2);
    scene.publish(3, 4);
    assert_eq!(scene.emulator.count("handshakes"), handshakes);
    scene.stop(daemon);
}
