use std::path::{Component as Part, Path};

use proptest::prelude::*;

use super::*;

fn path(template: &str, connection: &str, channel: &str) -> String {
    let time = Timestamp::from_millisecond(1_767_323_045_678).unwrap();
    Template::parse(template).unwrap().path(connection, channel, time).to_str().unwrap().to_owned()
}

fn refused(template: &str, why: &str) {
    let error = Template::parse(template).unwrap_err().to_string();
    assert!(error.contains(why), "{template}: {error}");
}

#[test]
fn placeholders_and_conversions_are_filled_in() {
    assert_eq!(
        path("/out/{connection}/{channel}/%Y-%m-%d.jsonl", "acme", "/topic/A"),
        "/out/acme/topic.A/2026-01-02.jsonl"
    );
    assert_eq!(
        path("./out//%F/%H%M%S.%j-%y-%G-%V-%u-%s", "acme", "/t/A"),
        "out/2026-01-02/030405.002-26-2026-01-5-1767323045"
    );
    assert_eq!(path("100%%.{channel}", "acme", "/event/Order__e"), "100%.event.Order__e");
    let template = Template::parse("/a/b/{channel}/c").unwrap();
    assert_eq!((template.root().to_str(), template.is_timed()), (Some("/a/b"), false));
    let template = Template::parse("out-%Y").unwrap();
    assert_eq!((template.root().to_str(), template.is_timed()), (Some(""), true));
}

#[test]
fn what_is_wrong_is_refused_with_a_hint() {
    refused("", "empty");
    refused("/", "names a directory");
    refused("out/", "names a directory");
    refused(".", "names no file");
    refused("out/{topic}", "unknown placeholder {topic}; there are {connection} and {channel}");
    refused("out/{channel", "'{' without '}'");
    refused("out/channel}", "'}' without '{'");
    refused("out/%Q", "unknown conversion %Q");
    refused("out/%", "lone '%'");
    refused("../out", "'..'");
    refused("/var/../etc/x", "'..'");
    refused("out/..", "'..'");
    refused("out/a\0b", "control character");
    refused("~/out", "home directory");
    refused(&format!("out/{}", "x".repeat(256)), "255");
    refused(&format!("{}{{channel}}", "x".repeat(230)), "255");
}

#[test]
fn a_channel_never_climbs_or_hides() {
    for (channel, name) in [
        ("/topic/../../etc/passwd", "topic.%2E%2E.%2E%2E.etc.passwd"),
        ("/..", "%2E%2E"),
        ("/.hidden", "%2Ehidden"),
        ("", "%_"),
        ("..", "%_%2E%2E"),
        ("/", "%-"),
        ("//", "%2F"),
        ("//a//b/", "%2Fa.%2Fb%2F"),
        ("/topic/a\0b\nc", "topic.a%00b%0Ac"),
        ("/topic/A?x='1/2'", "topic.A%3Fx%3D%271.2%27"),
        ("/topic/é", "topic.%C3%A9"),
    ] {
        assert_eq!(path("{channel}", "acme", channel), name, "{channel}");
    }
    assert_eq!(path("{connection}", "../x", "/t"), "%2E%2E%2Fx");
}

#[test]
fn a_long_name_is_cut_and_stays_distinct() {
    let long = |end: &str| path("{channel}", "acme", &format!("/topic/{}{end}", "x".repeat(500)));
    assert_eq!(long("a").len(), NAME_MAX);
    assert_ne!(long("a"), long("b"));
    let both = path("{connection}-{channel}-%Y.jsonl", &"c".repeat(500), &format!("/{}", "x".repeat(500)));
    assert!(both.len() <= COMPONENT_MAX, "{}", both.len());
}

fn channels() -> impl Strategy<Value = String> {
    prop_oneof!["[/.%_a?~-]{0,8}", "/\\PC{0,20}"]
}

proptest! {
    #[test]
    fn a_name_is_always_one_visible_component(channel in channels(), connection in channels()) {
        let path = path("{connection}/x{channel}/{channel}", &connection, &channel);
        let parts: Vec<_> = Path::new(&path).components().collect();
        prop_assert_eq!(parts.len(), 3);
        for part in parts {
            let Part::Normal(name) = part else { panic!("{part:?}") };
            prop_assert!(!name.to_str().unwrap().starts_with('.'));
            prop_assert!(name.len() <= COMPONENT_MAX);
        }
    }

    #[test]
    fn two_channels_never_share_a_name(one in channels(), other in channels()) {
        prop_assert_eq!(one == other, path("{channel}", "c", &one) == path("{channel}", "c", &other));
    }

    #[test]
    fn any_template_is_refused_or_stays_below_its_root(text in "[./{}%YFa-]{0,12}|\\PC{0,12}") {
        if let Ok(template) = Template::parse(&text) {
            let path = template.path("c", "/topic/A", Timestamp::UNIX_EPOCH);
            prop_assert!(path.components().all(|part| part != Part::ParentDir));
            prop_assert!(path.starts_with(template.root()));
        }
    }
}
