//! With and without a scan, and at every level of it, a body is read to the same result.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

type Read = (Vec<(String, Option<ReplayId>, Vec<u8>)>, Vec<Meta>, bool, Vec<Bad>, usize);

fn read(decoded: Decoded) -> Read {
    let Decoded { body, events, names_session, metas, whole, bad, bad_count } = decoded;
    let batch = crate::event::Batch::new("acme".into(), std::time::UNIX_EPOCH, body, events);
    let events = batch.iter().map(|event| {
        let text = std::str::from_utf8(event.message).unwrap();
        let fields = object(text).unwrap();
        assert!(names_session || !fields.contains_key("clientId"), "{text}");
        (event.channel.to_string(), event.replay, event.message.to_vec())
    });
    (events.collect(), metas, whole, bad, bad_count)
}

fn assert_each_way_alike(body: &[u8]) {
    let mut ways = decode_each_way(&Bytes::copy_from_slice(body)).into_iter().map(read);
    let reference = ways.next().unwrap();
    for (way, of) in ways.zip(Level::all()) {
        assert_eq!(way, reference, "{of:?}: {}", body.escape_ascii());
    }
}

/// The text of a string: plain, escaped in every way there is, at the edge of what is allowed, and beyond.
fn string() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "channel",
        "data",
        "event",
        "replayId",
        "clientId",
        "/meta/",
        "/topic/",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u0061",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\u00G0",
        "\\x",
        "é",
        "漢",
        "\u{1f600}",
        "\u{7f}",
        "\t",
        "\u{1}",
        "\n",
        "0123456789012345678901234567890123456789",
    ];
    let usual = vec(select(pieces[..28].to_vec()), 0..6);
    let odd = vec(select(pieces), 0..6);
    prop_oneof![9 => usual, 1 => odd].prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn scalar() -> impl Strategy<Value = String> {
    let texts = vec![
        "0",
        "-0",
        "7",
        "15",
        "100000",
        "1e5",
        "1E+5",
        "-1",
        "1.0",
        "0.5e-7",
        "9223372036854775807",
        "9223372036854775808",
        "999999999999999999",
        "1000000000000000000",
        "1e999",
        "true",
        "false",
        "null",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "tru",
        "nul",
        "truex",
        "NaN",
        "",
    ];
    prop_oneof![
        8 => select(texts[..18].to_vec()).prop_map(str::to_owned),
        1 => select(texts).prop_map(str::to_owned),
        4 => string(),
    ]
}

/// White space between two tokens, mostly none.
fn space() -> impl Strategy<Value = String> {
    let texts = vec!["", "", "", "", "", " ", "  ", "\n", "\r\n\t", "\u{b}", "\u{a0}"];
    prop_oneof![20 => select(texts[..9].to_vec()), 1 => select(texts)].prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    let names = vec![
        "\"channel\"",
        "\"data\"",
        "\"event\"",
        "\"replayId\"",
        "\"clientId\"",
        "\"successful\"",
        "\"id\"",
        "\"ext\"",
        "\"d\\u0061ta\"",
        "\"x\\\"data\"",
        "\"\"",
    ];
    prop_oneof![4 => select(names).prop_map(str::to_owned), 1 => string()]
}

fn object_of(members: Vec<(String, [String; 4], String)>, last: &str) -> String {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, [a, b, c, d], value)| format!("{a}{name}{b}:{c}{value}{d}"))
        .collect();
    format!("{{{}{last}}}", members.join(","))
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        let spaces = [space(), space(), space(), space()];
        prop_oneof![
            vec((space(), inner.clone(), space()), 0..5).prop_map(|items| {
                let items: Vec<_> = items.into_iter().map(|(a, item, b)| format!("{a}{item}{b}")).collect();
                format!("[{}]", items.join(","))
            }),
            (vec((name(), spaces, inner), 0..5), space())
                .prop_map(|(members, last)| object_of(members, &last)),
        ]
    })
}

/// A message: often as servers send them, with more around it.
fn message() -> impl Strategy<Value = String> {
    let spaces = [space(), space(), space(), space()];
    let more = vec((name(), spaces, value()), 0..3);
    let channel = select(vec![
        "\"/topic/A\"",
        "\"/topic/A\"",
        "\"/u/b\"",
        "\"/meta/connect\"",
        "\"/topic/\\u0041\"",
        "7",
        "\"\"",
    ]);
    let usual = (channel, value(), more, any::<u32>(), any::<bool>()).prop_map(
        |(channel, value, more, replay, first)| {
            let more = object_of(more, "");
            let more = &more[1..more.len() - 1];
            let comma = if more.is_empty() { "" } else { "," };
            let data =
                format!(r#""data":{{"event":{{"replayId":{replay},"type":"created"}},"sobject":{value}}}"#);
            if first {
                format!(r#"{{"channel":{channel},{data}{comma}{more}}}"#)
            } else {
                format!(r#"{{{more}{comma}{data},"channel":{channel}}}"#)
            }
        },
    );
    prop_oneof![5 => usual, 2 => value()]
}

fn body() -> impl Strategy<Value = String> {
    (vec((message(), space()), 0..6), space(), 0..70_usize).prop_map(|(messages, space, shift)| {
        let messages: Vec<_> = messages.into_iter().map(|(message, space)| message + &space).collect();
        format!("{}[{space}{}]{space}", " ".repeat(shift), messages.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn bodies_are_read_alike(body in body()) {
        assert_each_way_alike(body.as_bytes());
    }

    #[test]
    fn changed_bodies_are_read_alike(body in body(), changes in vec((any::<Index>(), any::<u8>(), 0..4), 1..4)) {
        let mut bytes = body.into_bytes();
        for (at, byte, change) in changes {
            let at = at.index(bytes.len());
            match change {
                0 => bytes[at] = byte,
                1 => bytes[at] = br#""\{}[]:,0e-. "#[usize::from(byte) % 13],
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        assert_each_way_alike(&bytes);
    }

    #[test]
    fn cut_bodies_are_read_alike(body in body(), at in any::<Index>()) {
        assert_each_way_alike(&body.as_bytes()[..at.index(body.len())]);
    }
}

#[test]
fn every_byte_at_every_place_of_a_response_is_read_alike() {
    let body = concat!(
        r#"[{"channel":"/topic/A","data":{"event":{"replayId":100000},"sobject":{"Name":"a \"b\" \\","#,
        "\"é\":[1,-2.5e3,true,null]}}},\n {\"channel\": \"/topic/A\", \"data\": {}},",
        r#"{"channel":"/meta/connect","id":"1","successful":true}]"#
    );
    for at in 0..body.len() {
        for byte in *b"\"\\{}[]:,09-e. \n\x00\xff" {
            let mut bytes = body.as_bytes().to_vec();
            bytes[at] = byte;
            assert_each_way_alike(&bytes);
        }
    }
}

#[test]
fn nesting_at_the_limit_is_read_alike() {
    for depth in [1, 62, 63, 64, 65, 126, 127, 128, 129, 5000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"event\":", "}]")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_each_way_alike(
                format!(r#"[{{"channel":"/a","data":{nested}}},{{"channel":"/b","data":1}}]"#).as_bytes(),
            );
        }
    }
}
