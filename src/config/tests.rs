//! Bad files and the exact lines they earn.

use std::ffi::OsString;

use proptest::prelude::*;

use super::{Config, Problems, Warnings, parse_with};

mod admin;
mod cases;
mod login;
mod secret;
mod webhook;

fn environment(name: &str) -> Option<OsString> {
    match name {
        "HOME" => Some(OsString::from("/home/reader")),
        "EMPTY" => Some(OsString::from(" \n")),
        "TWO_LINES" => Some(OsString::from("00D!one\n00D!two")),
        "TOKEN" => Some(OsString::from("00D!hush")),
        "KEY" => Some(OsString::from("raw hush, 24 bytes of it")),
        "ADMIN" => Some(OsString::from("hush-hush-hush-hush\n")),
        "BROKEN" => Some(OsString::from("whsec_hush!hush!hush!hush!hush!hush!")),
        "LONG" => Some(OsString::from("hush and more ".repeat(5))),
        "SAME" => Some(OsString::from("hush".repeat(8))),
        "PRIVATE" => Some(OsString::from("whsk_hushhushhushhushhushhushhushhush")),
        _ => None,
    }
}

fn read(text: &str) -> Result<(Config, Warnings), Problems> {
    parse_with("x.toml", text, &environment)
}

/// The problems of `text`, one line each, without the count.
fn problems(text: &str) -> String {
    let report = read(text).map(|_| ()).unwrap_err();
    let lines: Vec<_> = report.as_slice().iter().map(ToString::to_string).collect();
    lines.join("\n")
}

const CONNECTION: &str = "[connection.a]\nurl = \"https://h/cometd\"\nchannels = [\"/x\"]\n";
const SINK: &str = "[sink.o.stdout]\n";

#[test]
fn an_empty_file_is_told_what_is_missing() {
    assert_eq!(
        read("").unwrap_err().to_string(),
        "x.toml:1:1: connection: found nothing, wanted at least one table [connection.NAME]\n\
         x.toml:1:1: sink: found nothing, wanted at least one table [sink.NAME]\n\
         2 problems"
    );
    assert_eq!(
        problems("[connection]\n[sink]\n"),
        "x.toml:1:2: connection: found an empty table, wanted at least one table [connection.NAME]\n\
         x.toml:2:2: sink: found an empty table, wanted at least one table [sink.NAME]"
    );
    assert_eq!(
        problems(&format!("{CONNECTION}[[sink]]\n")),
        "x.toml:4:1: sink: found an array, wanted at least one table [sink.NAME]"
    );
}

#[test]
fn eight_mistakes_are_eight_problems_in_the_order_of_the_file() {
    let text = r#"
[daemon]
grace = 10
[connection.a]
ulr = "https://h/cometd"
channels = ["topic/X", "/meta/connect"]
replay = "nwe"
[connection."ä:"]
url = "ftp://h/cometd"
channels = [{ name = "/ü", replay = -1 }]
[sink.o.stdin]
"#;
    assert_eq!(
        read(text).unwrap_err().to_string(),
        r#"x.toml:3:9: daemon.grace: found an integer, wanted a duration from "0s" to "1h"
x.toml:5:1: connection.a.ulr: found an unknown key, wanted a known one (did you mean url?)
x.toml:6:13: connection.a.channels[0]: found "topic/X", wanted a channel such as "/topic/Name" (a channel starts with '/', such as /topic/Name)
x.toml:6:24: connection.a.channels[1]: found "/meta/connect", wanted a channel such as "/topic/Name" (/meta channels are the protocol's own)
x.toml:7:10: connection.a.replay: found "nwe", wanted "new" or "all" (did you mean "new"?)
x.toml:8:13: connection."ä:": found "ä:", wanted a name of 1 to 64 letters, digits, '-' and '_'
x.toml:9:7: connection."ä:".url: found the scheme "ftp", wanted an http or https URL (start it with https://)
x.toml:10:37: connection."ä:".channels[0].replay: found -1, wanted "new", "all" or a replay id from 0 (-1 is written "new")
x.toml:11:9: sink.o.stdin: found an unknown key, wanted a known one (the keys here: stdout, file, webhook)
9 problems"#
    );
}

#[test]
fn broken_toml_is_reported_with_the_rest_of_the_file() {
    let text = r#"[connection.a]
url = https://h
on_stop = "kep"
[connection.b]
channels = ["/x" "/meta/y", 7]
replay =
"#;
    assert_eq!(
        problems(text),
        "x.toml:2:7: found no TOML: string values must be quoted, wanted literal string\n\
         x.toml:3:11: connection.a.on_stop: found \"kep\", wanted \"disconnect\" or \"keep\" (did you mean \"keep\"?)\n\
         x.toml:5:18: found no TOML: missing comma between array elements, wanted `,`\n\
         x.toml:6:9: found no TOML: string values must be quoted, wanted literal string"
    );
    assert_eq!(
        problems("[connection]\na = b c\n"),
        "x.toml:2:5: found no TOML: string values must be quoted, wanted literal string"
    );
    let unclosed = "[connection.a]\nchannels = [\"/x\"\nreply = 1\n[sink.o.stdout]\nqueue = 3\n";
    assert_eq!(
        problems(unclosed),
        "x.toml:3:1: found no TOML: missing comma between array elements, wanted `,`"
    );
}

#[test]
fn a_key_that_is_there_twice_is_reported_and_nothing_is_missed() {
    assert_eq!(
        problems("[connection.a]\nurl = \"https://h/cometd\"\nurl = \"https://i/cometd\"\n[connection.a]\n"),
        "x.toml:1:1: sink: found nothing, wanted at least one table [sink.NAME]\n\
         x.toml:3:1: found a key or table that is there already, wanted each of them once\n\
         x.toml:4:13: found a key or table that is there already, wanted each of them once\n\
         x.toml:4:13: connection.a.channels: found nothing, wanted an array of channels such as [\"/topic/Name\"]"
    );
}

#[test]
fn below_a_broken_header_only_the_breaks_are_reported() {
    assert_eq!(
        problems("[connection.a\nurl = 1\nfoo = 2\n[sink.o.stdout]\nx\n"),
        "x.toml:1:14: found no TOML: unclosed table, wanted `]`\n\
         x.toml:5:2: found no TOML: key with no value, wanted `=`"
    );
}

#[test]
fn columns_are_characters_and_a_byte_order_mark_is_none() {
    let text = format!("\u{feff}é = 1 \r\n\"日本\" = 2\n{CONNECTION}{SINK}");
    let text = text.replace("é", "\"é\"");
    let lines = problems(&text);
    let starts: Vec<_> = lines.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(starts, ["x.toml:1:1", "x.toml:2:1"]);
    let text =
        format!("{CONNECTION}replay_lost = {{ \"日本\" = 1, a = 2 }}\n[sink.o.stdout]\n\"日本\" = {{}}\n");
    assert!(problems(&text).contains("x.toml:4:15: connection.a.replay_lost: found a table"));
    let text = format!("{CONNECTION}[sink.\"日本\"]\nstdout = {{ prety = true }}\n");
    assert!(problems(&text).contains("x.toml:4:7: sink.\"日本\""), "{}", problems(&text));
}

#[test]
fn a_report_is_bounded() {
    let lines: Vec<_> = (0..1500).map(|number| format!("k{number} = 1\n")).collect();
    let text = lines.concat();
    let report = read(&text).unwrap_err();
    assert_eq!((report.as_slice().len(), report.count()), (1000, 1502));
    assert!(report.to_string().ends_with("\n1502 problems, the first 1000 shown"));
    assert_eq!(problems(&"#".repeat((1 << 20) + 1)).lines().count(), 1);
}

#[test]
fn deep_and_long_files_neither_overflow_nor_hang() {
    let start = std::time::Instant::now();
    for text in [
        "a.".repeat(200_000) + "a = 1",
        format!("[{}a]", "a.".repeat(200_000)),
        format!("a = {}", "[".repeat(500_000)),
        format!("a = {}", "{a=".repeat(300_000)),
        "\u{1}".repeat(1_000_000),
        "=".repeat(1_000_000),
        "a\n".repeat(500_000),
        "a=a\n".repeat(200_000),
        format!("\"{}\" = 1", "a".repeat(1_000_000)),
    ] {
        assert!(read(&text).is_err());
    }
    assert!(start.elapsed() < std::time::Duration::from_mins(1), "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = read(&text).map_err(|problems| problems.to_string());
    }

    #[test]
    fn no_cut_or_splice_of_a_real_file_panics(at in 0_usize..9000, length in 0_usize..200, text in "[\\[\\]{}\"'=.,#a-z0-9\n é]{0,12}") {
        let whole = include_str!("../../config/cometail.toml").replace("\n#", "\n");
        let mut characters: Vec<char> = whole.chars().collect();
        let from = at.min(characters.len());
        let to = (from + length).min(characters.len());
        characters.splice(from..to, text.chars());
        let cut: String = characters.into_iter().collect();
        if let Err(problems) = read(&cut) {
            let places: Vec<_> = problems.as_slice().iter().map(|p| (p.line, p.column)).collect();
            prop_assert!(places.is_sorted() && !places.is_empty());
            prop_assert!(problems.to_string().lines().count() == problems.count() + 1, "one line each");
        }
    }
}
