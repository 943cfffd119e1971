//! Responses that are cut, lie about their length, or are no HTTP.

use std::io::Write as _;
use std::time::Duration;

use crate::acts::{Act, After, bytes, response};
use crate::scene::Scene;

/// A slice of a body's bytes with a head that promises `promised` of them.
fn promising(promised: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n").as_bytes(), body].concat()
}

#[test]
fn a_reset_before_the_body_costs_no_event() {
    let mut scene = Scene::live();
    scene.play(2, bytes(|answer| promising(answer.body().len(), b""), After::Reset));
    scene.told(r#""kind":"broken""#);
    scene.ends_in_the_same_session();
}

#[test]
fn a_reset_within_the_body_costs_no_event() {
    let mut scene = Scene::live();
    scene.play(
        2,
        bytes(
            |answer| {
                let body = answer.body();
                promising(body.len(), &body[..body.len() / 2])
            },
            After::Reset,
        ),
    );
    scene.told(r#""kind":"broken""#);
    scene.ends_in_the_same_session();
}

#[test]
fn a_chunked_body_that_is_cut_short_costs_no_event() {
    // Within a chunk, between two chunks, and all but the end.
    for cut in 0..3 {
        let mut scene = Scene::live();
        scene.play(
            2,
            bytes(
                move |answer| {
                    let body = answer.body();
                    let (half, whole) = (body.len() / 2, body.len());
                    let (length, end, rest) =
                        [(whole, half, ""), (half, half, "\r\n"), (whole, whole, "\r\n")][cut];
                    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    [format!("{head}{length:x}\r\n").as_bytes(), &body[..end], rest.as_bytes()].concat()
                },
                After::Close,
            ),
        );
        scene.told("the response broke off");
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_content_length_that_is_too_long_costs_no_event() {
    for (after, told) in [(After::Close, r#""kind":"broken""#), (After::Keep, r#""kind":"timeout""#)] {
        let mut scene = Scene::live();
        scene.play(2, bytes(|answer| promising(answer.body().len() + 50, &answer.body()), after));
        scene.told(told);
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_content_length_that_is_too_short_costs_no_event() {
    for missing in [1, 20, 200] {
        let mut scene = Scene::live();
        scene.play(
            2,
            bytes(move |answer| promising(answer.body().len() - missing, &answer.body()), After::Keep),
        );
        scene.told("could not be read to its end");
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_content_length_that_is_no_length_costs_no_event() {
    for length in ["-1", "x", "99999999999999999999999", "1\r\nContent-Length: 2", ""] {
        let mut scene = Scene::live();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        scene.play(2, bytes(move |answer| [head.as_bytes(), &*answer.body()].concat(), After::Close));
        scene.ends_in_the_same_session();
    }
}

#[test]
fn bytes_that_are_no_http_cost_no_event() {
    for text in [
        "\u{0}\u{1}\u{2}",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\r\n\r\n",
    ] {
        let mut scene = Scene::live();
        scene.play(2, bytes(move |_| text.as_bytes().to_vec(), After::Close));
        scene.ends_in_the_same_session();
    }
}

#[test]
fn a_reply_to_a_request_long_given_up_on_the_next_ones_connection_is_nobodys() {
    let mut scene = Scene::live();
    // A second response, of which no request knows, follows the first.
    scene.play(
        2,
        bytes(
            |answer| {
                let late = response(200, "", br#"[{"id":"1","channel":"/meta/connect","successful":false}]"#);
                [response(200, "", &answer.body()), late].concat()
            },
            After::Keep,
        ),
    );
    scene.ends_in_the_same_session();
}

#[test]
fn a_body_that_ends_with_its_connection_is_whole() {
    let mut scene = Scene::without_replay();
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        scene.play(2, bytes(|answer| [head.as_bytes(), &*answer.body()].concat(), After::Close));
        scene.goes_on();
    }
    scene.ends_in_the_same_session();
}

#[test]
fn interim_responses_are_passed_over_until_the_deadline() {
    let mut scene = Scene::without_replay();
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    scene.play(
        2,
        bytes(|answer| [interim.as_bytes(), &*response(200, "", &answer.body())].concat(), After::Keep),
    );
    scene.ends_in_the_same_session();

    let mut scene = Scene::live();
    let act: Act = Box::new(move |stream, _| {
        while stream.write_all(interim.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
        After::Close
    });
    scene.play(2, act);
    scene.told(r#""kind":"timeout""#);
    scene.ends();
}
