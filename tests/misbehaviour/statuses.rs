//! HTTP statuses in the place of an answer, from the server or from something between.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::acts::{Act, After, bytes, status};
use crate::scene::{BOUND, Scene, within_bound};
use crate::server::{HANDSHAKE, SUBSCRIBE, Server};
use crate::support::Place;

/// A connect is answered like this, once with events that the server has handed out, then three times in a row, and
/// then a handshake and a subscription are. `told` is what the log names.
fn answered_with(code: u16, headers: &'static str, page: &'static str, told: &str) {
    let mut scene = Scene::live();
    scene.play(2, status(code, headers, page));
    scene.told(told);
    scene.goes_on();
    for _ in 0..3 {
        scene.play(1, status(code, headers, page));
    }
    scene.goes_on();
    scene.stage(1, |state| {
        state.act(HANDSHAKE, status(code, headers, page));
        state.act(SUBSCRIBE, status(code, headers, page));
        state.forget();
    });
    scene.ends();

    let mut scene = Scene::without_replay();
    scene.play(0, status(code, headers, page));
    scene.told(told);
    scene.ends();
}

#[test]
fn status_204_costs_a_connect() {
    let mut scene = Scene::live();
    scene.play(2, bytes(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), After::Keep));
    scene.told("with an empty body");
    scene.ends_in_the_same_session();
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    for code in [301, 302, 307, 308] {
        let mut scene = Scene::without_replay();
        scene.play(0, status(code, "Location: /elsewhere/61.0?x=y\r\n", "moved"));
        scene.played();
        within_bound("the other path", || {
            scene.server.with(|state| state.was_sent("POST /elsewhere/61.0?x=y "))
        });
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_redirect_to_another_origin_is_named_and_nothing_is_sent_there() {
    let other = Server::start(true);
    for code in [301, 302, 307, 308] {
        let mut scene = Scene::live();
        scene.play(1, status(code, format!("Location: {}\r\n", other.url()), ""));
        scene.told("to another origin");
        scene.told(&other.address);
        scene.ends();
    }
    assert_eq!(other.with(|state| state.requests()), 0);
}

#[test]
fn a_redirect_that_leads_nowhere_is_named() {
    for (code, headers) in [(302, ""), (307, "Location: http://[\r\n"), (303, "Location: /page\r\n")] {
        let mut scene = Scene::live();
        scene.play(1, status(code, headers, "x"));
        scene.told(&format!("({code})"));
        scene.ends();
    }
}

#[test]
fn a_redirect_in_a_circle_is_named() {
    let mut scene = Scene::live();
    scene.stage(1, |state| {
        for _ in 0..24 {
            state.act("/meta/connect", status(307, "Location: /cometd/61.0\r\n", ""));
        }
    });
    scene.told("is it a loop?");
    scene.ends();
}

#[test]
fn status_401_is_a_new_token() {
    let place = Place::new();
    let file = place.write("token", "the-first-token");
    let mut scene = Scene::live_with(&format!("login.token.file = {file:?}"));
    scene.stage(1, |state| state.demand("the-second-token"));
    scene.told("HTTP status 401");
    scene.told(&format!("the server refused the access token of the file {file}"));
    scene.publish(1);
    place.write("token", "the-second-token");
    let ended = scene.ends();
    assert!(
        !ended.stderr.contains("first-token") && !ended.stderr.contains("second-token"),
        "{}",
        ended.stderr
    );
}

#[test]
fn status_401_that_passes_is_survived_with_the_same_token() {
    let place = Place::new();
    let file = place.write("token", "the-only-token");
    let mut scene = Scene::live_with(&format!("login.token.file = {file:?}"));
    scene.play(2, status(401, "WWW-Authenticate: Bearer\r\n", "<html>"));
    scene.told("HTTP status 401");
    scene.ends();
}

#[test]
fn status_403_is_survived() {
    answered_with(403, "", "<html>Forbidden</html>", "HTTP status 403: <html>Forbidden");
}

#[test]
fn status_404_is_survived() {
    answered_with(404, "", "<html>Not Found</html>", "HTTP status 404: <html>Not Found");
}

#[test]
fn status_408_is_survived() {
    answered_with(408, "", "", "HTTP status 408 with an empty body");
}

#[test]
fn status_408_that_ends_an_idle_connection_is_survived() {
    let mut scene = Scene::live();
    scene.play(
        2,
        bytes(|_| b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n".to_vec(), After::Close),
    );
    scene.told("HTTP status 408");
    scene.ends();
}

#[test]
fn status_413_is_survived() {
    answered_with(413, "", "too large", "HTTP status 413");
}

#[test]
fn status_429_is_survived() {
    answered_with(429, "", "", "HTTP status 429");
}

#[test]
fn status_500_is_survived() {
    answered_with(500, "", "<html>Oops</html>", "HTTP status 500");
}

#[test]
fn statuses_502_503_and_504_are_survived() {
    answered_with(502, "", "<html>Bad gateway</html>", "HTTP status 502");
    answered_with(503, "", "", "HTTP status 503");
    answered_with(504, "", "x", "HTTP status 504");
}

#[test]
fn statuses_that_nobody_knows_are_survived() {
    for code in [199, 299, 300, 304, 418, 599, 999] {
        let mut scene = Scene::live();
        scene.play(
            1,
            bytes(
                move |_| format!("HTTP/1.1 {code} ?\r\nContent-Length: 0\r\n\r\n").into_bytes(),
                After::Keep,
            ),
        );
        scene.ends();
    }
}

/// The server is left alone as long as it asks, and no longer than `most`.
fn leaves_alone(code: u16, retry_after: &str, least: Duration, most: Duration) {
    let mut scene = Scene::live();
    let refusal = status(code, format!("Retry-After: {retry_after}\r\n"), "");
    let (sender, asked) = mpsc::channel();
    let server = scene.server.clone();
    let act: Act = Box::new(move |stream, answer| {
        let seen = server.with(|state| state.requests());
        sender.send((Instant::now(), seen)).unwrap();
        refusal(stream, answer)
    });
    scene.play(2, act);
    let (asked, before) = asked.recv_timeout(BOUND).unwrap();
    within_bound("the next request", || scene.server.with(|state| state.requests() > before));
    let waited = scene.server.with(|state| state.request_after(before)) - asked;
    assert!((least..most).contains(&waited), "{code} {retry_after}: {waited:?}");
    scene.told(&format!("HTTP status {code}"));
    scene.told(r#""retry_in":""#);
    scene.ends();
}

const ASKED: Duration = Duration::from_secs(1);

#[test]
fn a_retry_after_of_429_is_kept() {
    leaves_alone(429, "1", ASKED, BOUND);
}

#[test]
fn a_retry_after_of_503_is_kept() {
    leaves_alone(503, "1", ASKED, BOUND);
}

/// Five of the longest waits after failures, which is a second here.
#[test]
fn a_retry_after_beyond_measure_is_bounded() {
    for text in ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        leaves_alone(503, text, ASKED, BOUND);
    }
}

#[test]
fn a_retry_after_that_makes_no_sense_is_none() {
    for text in ["-1", "soon", "Thu, 01 Jan 1970 00:00:01 GMT", ""] {
        leaves_alone(503, text, Duration::ZERO, BOUND);
    }
}
