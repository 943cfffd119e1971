use proptest::prelude::*;

use super::marks::{BLOCK, CHUNK, Past};
use super::{Found, Level, Scanner};

/// Every mark of a body, and what is left to know at its end.
fn marks(level: Level, body: &[u8]) -> (Vec<u64>, Past) {
    let (mut all, mut past, mut visits) = (Vec::new(), Past::NONE, [0; CHUNK]);
    loop {
        let count = level.mark(body, all.len() * BLOCK, &mut past, &mut visits);
        all.extend(&visits[..count]);
        if count < CHUNK {
            return (all, past);
        }
    }
}

fn assert_levels_agree(body: &[u8]) {
    let mut levels = Level::all().into_iter();
    let first = marks(levels.next().unwrap(), body);
    for level in levels {
        assert_eq!(marks(level, body), first, "{level:?} of {}", body.escape_ascii());
    }
}

fn is_taken(body: &str) -> bool {
    let found = Scanner::new(body.as_bytes(), Level::best()).message(0);
    matches!(found, Found::Event(event) if event.end == body.len())
}

fn is_valid(body: &str) -> bool {
    let found = Scanner::new(body.as_bytes(), Level::best()).message(0);
    found != Found::Unproved
}

#[test]
fn a_plain_event_is_taken_with_all_that_is_asked_of_it() {
    let body = r#"[{"clientId":"x","data":{"event":{"replayId":15,"type":"a"},"x":[{"event":{"replayId":1}}]},"channel":"/topic/\n"},
        { "data" : [7] , "channel" : "/topic/é" }]"#;
    for level in Level::all() {
        let mut scanner = Scanner::new(body.as_bytes(), level);
        let end = body.find('\n').unwrap() - 1;
        assert_eq!(scanner.message(1), Found::Other(end), "an escape in the channel");
        let Found::Event(event) = scanner.message(body.find("{ ").unwrap()) else {
            panic!("not taken by {level:?}");
        };
        assert_eq!((event.channel, event.end, event.replay), ("/topic/é", body.len() - 1, None));
        assert!(!event.names_session);
    }
    assert!(is_taken(r#"{"channel":"/a","data":{"event":{"replayId":999999999999999999}}}"#));
}

#[test]
fn what_is_no_plain_event_is_left_to_serde() {
    for odd in [
        r#"{"channel":"/meta/connect","data":1}"#,
        r#"{"channel":"/a"}"#,
        r#"{"channel":"/a","data":1e999}"#,
        r#"{"channel":"/a","data":{"event":"\ud800"}}"#,
        r#"{"data":1}"#,
        r#"{"channel":7,"data":1}"#,
        r#"{"channel":"/a","channel":"/b","data":1}"#,
        r#"{"channel":"/a","data":1,"data":{"event":{"replayId":1}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":1},"event":1e999}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":1,"replayId":2}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":-1}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":1.0}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":1000000000000000000}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":9999999999999999999}}}"#,
        r#"{"channel":"/a","data":1,"d\u0061ta":{"event":{"replayId":2}}}"#,
        r#"{"channel":"/a","data":{"event":{"replayId":1,"\ud800":1}}}"#,
    ] {
        assert!(is_valid(odd) && !is_taken(odd), "{odd}");
    }
    let deep = |depth| format!(r#"{{"channel":"/a","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(is_taken(&deep(63)) && !is_valid(&deep(64)));
}

#[test]
fn the_grammar_is_kept_whatever_the_neighbours() {
    let serde = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let words = ["{", "}", "[", "]", ",", ":", "\"a\"", "1", "true", " "];
    // Every sequence of five words, as it follows a member and as it follows the first bracket.
    for n in 0..words.len().pow(5) {
        let middle: String = (0..5).map(|place| words[n / words.len().pow(place) % words.len()]).collect();
        for text in [format!("{{\"b\":1{middle}}}"), format!("{{\"b\":[{middle}]}}"), format!("{{{middle}}}")]
        {
            let found = Scanner::new(text.as_bytes(), Level::best()).message(0);
            let valid = matches!(found, Found::Other(end) if end == text.len());
            assert_eq!(valid, serde(&text), "{text}");
        }
    }
}

#[test]
fn every_byte_at_every_place_of_a_block_is_judged_as_serde_does() {
    let event = r#"{"channel":"/topic/A","data":{"a\"b":[1.5e-3,true,null,""],"é\u00e9":"\\"},"x":{}}"#;
    for space in 0..64 {
        let text = format!("{{\"{}\":1,{}", "x".repeat(space), &event[1..]);
        assert!(is_valid(&text), "{text}");
        if space % 8 == 0 {
            for at in 0..text.len() {
                for byte in *b"\"\\{}[],:0-.e \n\x00\x1f\x80u" {
                    let mut changed = text.as_bytes().to_vec();
                    changed[at] = byte;
                    let reference = serde_json::from_slice::<serde::de::IgnoredAny>(&changed).is_ok()
                        && std::str::from_utf8(&changed).is_ok();
                    for level in Level::all() {
                        let taken = match Scanner::new(&changed, level).message(0) {
                            Found::Event(event) => event.end == changed.len(),
                            Found::Other(end) => end == changed.len(),
                            Found::Unproved => false,
                        };
                        assert_eq!(taken, reference, "{}", changed.escape_ascii());
                    }
                }
            }
        }
    }
}

#[test]
fn every_byte_is_marked_alike_at_every_level() {
    for byte in 0..=u8::MAX {
        for at in 0..130 {
            let mut body = vec![b'a'; 130];
            body[at] = byte;
            assert_levels_agree(&body);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_marked_alike_at_every_level(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        assert_levels_agree(&bytes);
    }

    #[test]
    fn any_signs_are_marked_alike_at_every_level(
        bytes in proptest::collection::vec(proptest::sample::select(br#"""\\\{[,:] a1"#.to_vec()), 0..3000)
    ) {
        assert_levels_agree(&bytes);
    }
}
