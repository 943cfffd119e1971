//! Responses without end or measure: the memory of the process stays within the caps of its configuration.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::acts::{Act, After, bytes, response};
use crate::scene::{Scene, within_bound};

const MIB: usize = 1 << 20;

/// The caps, as keys of the connection.
const CAPS: &str = "body_max = \"2MiB\"\ninflated_max = \"4MiB\"";

/// What a process may grow by while it refuses a body: a buffer of `inflated_max` that has just been doubled, and
/// room for everything else.
const GROWTH_MAX: usize = 24 * MIB;

/// The most memory that the process ever had, in bytes.
fn peak(scene: &Scene) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/status", scene.daemon.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// The act costs a connect, is told, and leaves the memory as it was.
fn is_refused(events: u64, act: Act, told: &str) -> Scene {
    let mut scene = Scene::live_with(CAPS);
    let before = peak(&scene);
    scene.play(events, act);
    scene.told(told);
    scene.goes_on();
    let after = peak(&scene);
    assert!(after - before < GROWTH_MAX, "from {before} to {after} bytes");
    scene
}

/// Writes the head of a response and then a gigabyte, or as much of it as the client takes.
fn endless(head: &'static str, piece: Vec<u8>) -> Act {
    Box::new(move |stream, _| {
        let mut written = stream.write(head.as_bytes()).unwrap();
        while written < 1024 * MIB && stream.write_all(&piece).is_ok() {
            written += piece.len();
        }
        assert!(written < 64 * MIB, "{written} bytes were taken");
        After::Close
    })
}

#[test]
fn a_body_of_a_gigabyte_is_not_read_to_its_end() {
    let piece = vec![b' '; 1 << 16];
    is_refused(2, endless("HTTP/1.1 200 OK\r\n\r\n", piece), r#""kind":"too_large""#).ends();
}

#[test]
fn a_chunked_body_of_a_gigabyte_is_not_read_to_its_end() {
    let piece = [b"10000\r\n", &*vec![b'['; 1 << 16], b"\r\n"].concat();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_refused(2, endless(head, piece), "more than the 2097152 bytes that are accepted").ends();
}

#[test]
fn an_announced_gigabyte_is_not_waited_for() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    let act = bytes(move |answer| [head.as_bytes(), &*answer.body()].concat(), After::Keep);
    is_refused(2, act, "1073741824 bytes announced").ends();
}

#[test]
fn a_gzip_bomb_is_not_inflated_to_its_end() {
    // A gigabyte, of members with 16 MiB each.
    let mut member = GzEncoder::new(Vec::new(), Compression::best());
    member.write_all(&vec![b' '; 16 * MIB]).unwrap();
    let bomb = member.finish().unwrap().repeat(64);
    assert!(bomb.len() < 2 * MIB);
    let act = bytes(move |_| response(200, "Content-Encoding: gzip\r\n", &bomb), After::Keep);
    is_refused(2, act, "bytes accepted after inflation").ends();
}

#[test]
fn a_header_without_end_is_not_read_to_its_end() {
    let piece = format!("X: {}\r\n", "x".repeat(1000)).into_bytes();
    is_refused(2, endless("HTTP/1.1 200 OK\r\n", piece), r#""kind":"malformed""#).ends();
    let piece = "x".repeat(1000).into_bytes();
    is_refused(2, endless("HTTP/1.1 200 OK\r\nX: ", piece), r#""kind":"malformed""#).ends();
}

#[test]
fn a_large_body_within_the_caps_is_taken() {
    let mut scene = Scene::live_with(CAPS);
    scene.play_body(1, |answer| [&*answer.body(), &vec![b' '; MIB]].concat());
    scene.ends_in_the_same_session();
}

/// Cookies of the response with this number.
fn cookies(round: usize, count: usize, length: usize) -> String {
    let value = "v".repeat(length);
    let lines: Vec<_> =
        (0..count).map(|n| format!("Set-Cookie: flood{round}x{n}={value}; Path=/\r\n")).collect();
    lines.concat()
}

#[test]
fn more_cookies_than_a_response_may_have_cost_a_connect() {
    let act = bytes(|answer| response(200, &cookies(0, 5000, 10), &answer.body()), After::Keep);
    is_refused(2, act, r#""kind":"malformed""#).ends();
}

/// Real servers take 8 to 64 KiB of headers.
#[test]
fn a_flood_of_cookies_leaves_requests_that_a_server_still_takes() {
    let mut scene = Scene::live_with(CAPS);
    scene.server.with(|state| state.limit_head(16 << 10));
    let before = peak(&scene);
    for round in 0..12 {
        scene.play(
            1,
            bytes(move |answer| response(200, &cookies(round, 90, 1000), &answer.body()), After::Keep),
        );
        scene.played();
        scene.arrived();
    }
    within_bound("a cookie of the flood", || scene.server.with(|state| state.was_sent("flood0x0=v")));
    assert!(peak(&scene) - before < GROWTH_MAX);
    let ended = scene.ends_in_the_same_session();
    assert!(!ended.stderr.contains("HTTP status"), "{}", ended.stderr);
}
