//! Configurations and arguments that will not do.

use crate::support::{A, Ended, Place, archive, connection, run};

const URL: &str = "http://127.0.0.1:9/cometd/61.0";

fn good(place: &Place) -> String {
    connection(URL, &[A], "") + &archive(place)
}

/// Both `check` and `run` refuse it with the same one problem.
fn assert_problem(place: &Place, config: &str, place_in_file: &str, words: &[&str]) {
    let file = place.config(config);
    let (checked, ran) = (run(&["check", "-c", &file]), run(&["run", "-c", &file]));
    assert_eq!((checked.code, ran.code), (Some(78), Some(78)), "{}", checked.stderr);
    assert_eq!(checked.stderr, ran.stderr);
    assert_eq!(checked.stdout, "");
    let lines: Vec<_> = checked.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", checked.stderr);
    assert_eq!(lines[1], "1 problem");
    let expected = format!("cometail: {file}:{place_in_file}: ");
    assert!(lines[0].starts_with(&expected), "{expected:?} does not begin {}", lines[0]);
    for word in words {
        assert!(lines[0].contains(word), "no {word:?} in {}", lines[0]);
    }
    assert!(!place.path("state").exists() && !place.path("out").exists(), "nothing was made");
}

#[test]
fn a_good_configuration_is_told_to_be_good() {
    let place = Place::new();
    let ended = run(&["check", "-c", &place.config(&good(&place))]);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "ok: 1 connection(s), 1 sink(s)\n"),
        "{}",
        ended.stderr
    );
    assert!(!place.path("state").exists() && !place.path("out").exists(), "nothing was made");
}

#[test]
fn a_webhook_that_is_not_http_is_told() {
    let place = Place::new();
    let config = good(&place) + "[sink.hook.webhook]\nurl = \"ftp://hooks.example/orders\"\n";
    let words = ["sink.hook.webhook.url", "ftp", "wanted an http or https URL"];
    assert_problem(&place, &config, "15:7", &words);
}

#[test]
fn a_template_that_escapes_is_told() {
    for path in ["../{channel}.jsonl", "out/../../etc/{channel}", "{channel}/.."] {
        let place = Place::new();
        let config = good(&place) + &format!("[sink.wild.file]\npath = {path:?}\n");
        assert_problem(&place, &config, "15:8", &["sink.wild.file.path", path, "'..'"]);
    }
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    let place = Place::new();
    let config = good(&place).replace("retry_max", "retry_maks");
    assert_problem(&place, &config, "8:1", &["connection.c.retry_maks", "did you mean retry_max?"]);
    let config = good(&place).replace("[sink.archive.file]", "[sink.archive.fil]");
    assert_problem(&place, &config, "11:15", &["sink.archive.fil", "did you mean file?"]);
}

#[test]
fn what_is_no_toml_is_told() {
    let place = Place::new();
    let config = good(&place).replace("proxy = \"direct\"", "proxy = \"direct");
    assert_problem(&place, &config, "6:16", &["no TOML"]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let place = Place::new();
    let told = |file: &str, words: &[&str]| {
        let ended = run(&["run", "-c", file]);
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        for word in [&[file][..], words].concat() {
            assert!(ended.stderr.contains(word), "no {word:?} in {}", ended.stderr);
        }
    };
    told(&place.text("missing.toml"), &["No such file"]);
    told(&place.text(""), &["Is a directory"]);
    std::fs::write(place.path("latin1.toml"), b"# caf\xe9\n").unwrap();
    told(&place.text("latin1.toml"), &["0xe9", "UTF-8"]);
}

#[test]
fn all_problems_are_shown_at_once_with_their_places() {
    let place = Place::new();
    let config = "\
[connection.c]
url = \"cometd/61.0\"
channels = [\"topic/A\", \"/meta/connect\"]
retry_initial = \"soon\"
login.token = \"secret-in-the-file\"

[connection.\"two words\"]
url = \"http://user:secret-in-the-url@127.0.0.1/cometd/61.0\"
channels = []

[sink.out.file]
path = \"../x\"
formt = \"data\"

[sink.out2.stdout]
[sink.out3.stdout]
";
    let file = place.config(config);
    let (checked, ran) = (run(&["check", "-c", &file]), run(&["run", "-c", &file]));
    assert_eq!((checked.code, ran.code), (Some(78), Some(78)));
    assert_eq!(checked.stderr, ran.stderr);
    let keys = [
        "connection.c.url",
        "connection.c.channels",
        "connection.c.channels",
        "connection.c.retry_initial",
        "connection.c.login.token",
        "two words",
        "url",
        "channels",
        "sink.out.file.path",
        "sink.out.file.formt",
        "sink.out3.stdout",
    ];
    let lines: Vec<_> = checked.stderr.lines().collect();
    assert_eq!(lines.last(), Some(&&*format!("{} problems", keys.len())), "{}", checked.stderr);
    for (line, key) in lines.iter().zip(keys) {
        assert!(line.contains(&file) && line.contains(key), "no {key:?} in {line}");
        assert!(line.contains("found ") && line.contains("wanted "), "{line}");
    }
    assert!(!checked.stderr.contains("secret-in-the"), "{}", checked.stderr);
}

#[test]
fn wrong_usage_is_told_with_a_code_of_its_own() {
    let cases: [(&[&str], &str); 11] = [
        (&[], "Usage"),
        (&["tial"], "'tail'"),
        (&["tail"], "<URL>"),
        (&["tail", URL], "<CHANNEL>"),
        (&["tail", "acme.my.salesforce.com", A], "wanted https://HOST/cometd/61.0"),
        (&["tail", "ftp://acme/cometd/61.0", A], "wanted an http or https URL"),
        (&["tail", "https://me:hush-hush@acme/cometd/61.0", A], "COMETAIL_TOKEN"),
        (&["tail", URL, "topic/A"], "'topic/A'"),
        (&["tail", URL, "/meta/connect"], "the protocol's own"),
        (&["tail", URL, A, "--replay", "some"], "wanted new (-1), all (-2) or a replay id"),
        (&["tail", URL, A, "--count", "0"], "--count"),
    ];
    for (arguments, told) in cases {
        let Ended { code, stdout, stderr } = run(arguments);
        assert_eq!((code, &*stdout), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?}: no {told:?} in {stderr}");
    }
}
