//! The keys of a webhook: what they read as, and what is said of mistakes.

use std::time::Duration;

use super::{CONNECTION, Config, Warnings, environment, parse_with, problems, read};
use crate::sinks::Kind;
use crate::sinks::webhook::{self, Batch, Ordering};

const HOOK: &str = "[sink.o.webhook]\nurl = \"http://h\"\n";

/// A webhook with some lines, the first of which is line 6.
fn text(lines: &str) -> String {
    format!("{CONNECTION}{HOOK}{lines}\n")
}

fn hook(lines: &str) -> (webhook::Config, Warnings) {
    let (config, warnings): (Config, _) = read(&text(lines)).unwrap_or_else(|error| panic!("{error}"));
    match &config.sinks[0].kind {
        Kind::Webhook(hook) => ((**hook).clone(), warnings),
        other => panic!("no webhook: {other:?}"),
    }
}

#[test]
fn every_key_has_a_default() {
    let (hook, warnings) = hook("");
    assert_eq!(warnings.as_slice(), []);
    assert_eq!((hook.batch, hook.batch_wait), (Batch { events: 1, bytes: 1 << 20 }, Duration::ZERO));
    assert_eq!((hook.ordering, hook.concurrency, hook.retry_for), (Ordering::Channel, 1, None));
    assert!(hook.keys.is_empty());
    assert_eq!(hook.parked_max, 1 << 30);
}

#[test]
fn every_key_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let path = path.display();
    let (one, _) = hook(&format!(
        "batch = 1000\nbatch_bytes = \"64MiB\"\nbatch_wait = \"10m\"\nordering = \"record\"\nconcurrency = 64\nparked_max = \"1MiB\"\nretry_for = \"1.5h\"\n\
         secret = {{ file = \"{path}\" }}"
    ));
    assert_eq!(one.batch, Batch { events: 1000, bytes: 64 << 20 });
    assert_eq!(one.batch_wait, Duration::from_mins(10));
    assert_eq!((one.ordering, one.concurrency), (Ordering::Record, 64));
    assert_eq!((one.retry_for, one.keys.len()), (Some(Duration::from_mins(90)), 1));
    assert_eq!(one.parked_max, 1 << 20);
    let (other, _) = hook(&format!(
        "ordering = \"none\"\nconcurrency = 2\nretry_for = \"forever\"\n\
         secrets = [{{ env = \"KEY\" }}, {{ file = \"{path}\" }}]"
    ));
    assert_eq!((other.ordering, other.retry_for, other.keys.len()), (Ordering::None, None, 2));
    assert!(!format!("{one:?}{other:?}").contains("hush") && !format!("{one:?}").contains("MfKQ"));
    assert_eq!(hook("ordering = \"channel\"\nconcurrency = 3").0.concurrency, 3);
}

#[track_caller]
fn check(cases: &[(&str, &str)], rest: &str) {
    for (lines, wanted) in cases {
        assert_eq!(problems(&text(lines)), format!("x.toml:{wanted}{rest}"), "{lines}");
    }
}

#[test]
fn each_mistake_has_its_line() {
    check(
        &[
            ("batch = 0", "6:9: sink.o.webhook.batch: found 0, wanted a whole number from 1 to 1000"),
            (
                "batch_bytes = \"65MiB\"",
                "6:15: sink.o.webhook.batch_bytes: found \"65MiB\", wanted a size from \"1KiB\" to \"64MiB\"",
            ),
            (
                "concurrency = 65",
                "6:15: sink.o.webhook.concurrency: found 65, wanted a whole number from 1 to 64",
            ),
            (
                "ordering = \"chanel\"",
                "6:12: sink.o.webhook.ordering: found \"chanel\", wanted \"channel\" or \"record\" or \"none\" \
             (did you mean \"channel\"?)",
            ),
            (
                "retry_for = \"31d\"",
                "6:13: sink.o.webhook.retry_for: found \"31d\", wanted \"forever\" or a duration from \"1s\" to \"30d\"",
            ),
            (
                "retry_for = 5",
                "6:13: sink.o.webhook.retry_for: found an integer, wanted \"forever\" or a duration from \"1s\" to \"30d\"",
            ),
            (
                "headers = { Webhook-Signature = \"x\" }",
                "6:13: sink.o.webhook.headers.Webhook-Signature: found a header that cometail sets itself, wanted the name \
             of a header such as \"X-Name\"",
            ),
            (
                "secret = \"whsec_hush\"",
                "6:10: sink.o.webhook.secret: found a string, wanted { file = \"PATH\" } or { env = \"VARIABLE\" }",
            ),
            (
                "secret = { env = \"NOT_SET\" }",
                "6:18: sink.o.webhook.secret.env: found a variable that is not set, wanted the name of an environment \
             variable that is set",
            ),
            (
                "secret = { env = \"EMPTY\" }",
                "6:18: sink.o.webhook.secret.env: found a variable that is empty, wanted the name of an environment \
             variable that is set",
            ),
            (
                "secrets = []",
                "6:11: sink.o.webhook.secrets: found 0 of them, wanted an array of 1 to 8 of { file = \"PATH\" } and \
             { env = \"VARIABLE\" }",
            ),
            (
                "secrets = { env = \"KEY\" }",
                "6:11: sink.o.webhook.secrets: found a table, wanted an array of 1 to 8 of { file = \"PATH\" } and \
             { env = \"VARIABLE\" }",
            ),
            (
                "secret = { env = \"KEY\" }\nsecrets = [{ env = \"KEY\" }]",
                "7:1: sink.o.webhook.secrets: found both secret and secrets, wanted one of them",
            ),
        ],
        "",
    );
}

#[test]
fn nine_secrets_are_too_many() {
    let many = format!("secrets = [{}]", "{ env = \"KEY\" },".repeat(9));
    assert!(problems(&text(&many)).contains("found 9 of them, wanted an array of 1 to 8"));
}

#[test]
fn each_secret_that_is_no_key_has_its_line() {
    check(
        &[
            (
                "secret = { env = \"TOKEN\" }",
                "6:10: sink.o.webhook.secret: found a secret of less than 24 bytes",
            ),
            (
                "secrets = [{ env = \"KEY\" }, { env = \"BROKEN\" }]",
                "6:29: sink.o.webhook.secrets[1]: found a secret with no base64 after whsec_",
            ),
            (
                "secrets = [{ env = \"LONG\" }]",
                "6:12: sink.o.webhook.secrets[0]: found a secret of more than 64 bytes",
            ),
            (
                "secrets = [{ env = \"SAME\" }]",
                "6:12: sink.o.webhook.secrets[0]: found a secret that repeats a few bytes",
            ),
            (
                "secrets = [{ env = \"PRIVATE\" }]",
                "6:12: sink.o.webhook.secrets[0]: found a key for asymmetric signatures",
            ),
        ],
        ", wanted whsec_ and 24 to 64 bytes in base64, or as many bytes of text (make one with: echo whsec_$(openssl \
         rand -base64 32))",
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let (_, warnings) = hook("ordering = \"record\"");
    assert_eq!(
        warnings.to_string(),
        "x.toml:6:12: sink.o.webhook.ordering: found an ordering for one request at a time, wanted `concurrency` \
         beside it"
    );
    for batch in ["", "batch = 1\n"] {
        let (_, warnings) = hook(&format!("{batch}batch_wait = \"1s\""));
        let found = "sink.o.webhook.batch_wait: found a wait for a single event, wanted `batch` beside it";
        assert!(warnings.to_string().ends_with(found), "{warnings}");
    }
    assert_eq!(hook("batch = 2\nbatch_wait = \"1s\"").1.as_slice(), []);
    assert_eq!(hook("batch_wait = \"0s\"").1.as_slice(), []);
    let text = format!("state.persist = false\n{}", text("retry_for = \"1m\""));
    let (_, warnings) = parse_with("x.toml", &text, &environment).unwrap();
    assert_eq!(
        warnings.to_string(),
        "x.toml:7:13: sink.o.webhook.retry_for: found an end of the attempts, wanted `parked` as well (without that \
         file such events are lost)"
    );
    assert_eq!(hook("retry_for = \"1m\"").1.as_slice(), []);
}
