//! One mistake each, and its line.

use super::{CONNECTION, SINK, problems, read};

#[track_caller]
fn check(cases: &[(&str, &str)], report: impl Fn(&str) -> String) {
    for (text, expected) in cases {
        assert_eq!(report(text), format!("x.toml:{expected}"), "{text}");
    }
}

/// A connection with one more line, which is line 4.
fn in_connection(line: &str) -> String {
    problems(&format!("{CONNECTION}{line}\n{SINK}"))
}

/// A whole connection, and sinks from line 4 on.
fn in_sinks(lines: &str) -> String {
    problems(&format!("{CONNECTION}{lines}\n"))
}

/// A good connection and sink below some lines.
fn above(lines: &str) -> String {
    problems(&format!("{lines}\n{CONNECTION}{SINK}"))
}

#[test]
fn state_daemon_and_log() {
    check(
        &[
            ("[state]\ndir = \"\"", "2:7: state.dir: found an empty string, wanted a path"),
            (
                "[state]\ndir = \"~/state\"",
                "2:7: state.dir: found \"~/state\", wanted a path (~ is not expanded: write the home directory out)",
            ),
            ("[state]\npersist = 0", "2:11: state.persist: found an integer, wanted true or false"),
            (
                "[state]\ndir = \"x\"\npersist = false",
                "3:11: state.persist: found false beside a dir, wanted one of them (without persist = false, dir is used)",
            ),
            (
                "[daemon]\ngrace = \"1x\"",
                "2:9: daemon.grace: found \"1x\", wanted a duration from \"0s\" to \"1h\" (the units: ms, s, m, h, d)",
            ),
            ("state = 1.5", "1:9: state: found a float, wanted a table"),
            (
                "[log]\nfilter = \"inffo\"",
                "2:10: log.filter: found \"inffo\", wanted a filter such as \"info\" or \"info,cometail=debug\" \
                 (\"inffo\" is neither a level (off, error, warn, info, debug or trace) nor TARGET=LEVEL)",
            ),
            (
                "[log]\nformat = \"yaml\"",
                "2:10: log.format: found \"yaml\", wanted \"auto\" or \"human\" or \"json\"",
            ),
            (
                "conection = 1",
                "1:1: conection: found an unknown key, wanted a known one (did you mean connection?)",
            ),
        ],
        above,
    );
}

#[test]
fn no_home_is_a_problem_unless_nothing_is_kept() {
    let text = format!("{CONNECTION}{SINK}");
    let homeless = |text: &str| super::parse_with("x.toml", text, &|_| None);
    assert_eq!(
        homeless(&text).unwrap_err().to_string(),
        "x.toml:1:1: state: found nothing, wanted a dir, as STATE_DIRECTORY, XDG_STATE_HOME and HOME \
         are not set (or persist = false, and nothing outlives the process)\n1 problem"
    );
    let (config, _) = homeless(&format!("state.persist = false\n{text}")).unwrap();
    assert_eq!(config.state_dir, None);
}

#[test]
fn the_state_directory_comes_from_the_environment() {
    let text = format!("{CONNECTION}{SINK}[sink.h.webhook]\nurl = \"http://h\"\n");
    let with = |pairs: &[(&str, &str)]| {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let (config, _) = super::parse_with("x.toml", &text, &lookup).unwrap();
        let super::super::sinks::Kind::Webhook(hook) = &config.sinks[1].kind else { panic!("no webhook") };
        let dir = config.state_dir.unwrap();
        assert_eq!(hook.parked, Some(dir.join("parked/h.jsonl")));
        dir.to_str().unwrap().to_owned()
    };
    let home = ("HOME", "/home/x");
    assert_eq!(with(&[home]), "/home/x/.local/state/cometail");
    assert_eq!(with(&[home, ("XDG_STATE_HOME", "/s")]), "/s/cometail");
    assert_eq!(with(&[home, ("XDG_STATE_HOME", "s")]), "/home/x/.local/state/cometail");
    assert_eq!(with(&[home, ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]), "/var/lib/a");
    assert_eq!(with(&[home, ("STATE_DIRECTORY", "")]), "/home/x/.local/state/cometail");
}

#[test]
fn connections() {
    check(
        &[
            (
                "poll_margin = \"11m\"",
                "4:15: connection.a.poll_margin: found \"11m\", wanted a duration from \"0s\" to \"10m\"",
            ),
            (
                "poll_timeout = \"0s\"",
                "4:16: connection.a.poll_timeout: found \"0s\", wanted a duration from \"1ms\" to \"1h\"",
            ),
            (
                "retry_initial = \"2m\"",
                "4:17: connection.a.retry_initial: found \"2m\", wanted at most retry_max, \"1m\"",
            ),
            (
                "retry_max = \"100ms\"",
                "4:13: connection.a.retry_max: found \"100ms\", wanted at least retry_initial, \"500ms\"",
            ),
            (
                "transport = \"websockets\"",
                "4:13: connection.a.transport: found \"websockets\", wanted \"long-polling\" or \"websocket\" (did you mean \"websocket\"?)",
            ),
            (
                "handshakes_per_minute = 0",
                "4:25: connection.a.handshakes_per_minute: found 0, wanted a whole number from 1 to 1000",
            ),
            (
                "handshakes_per_minute = 0xFFFFFFFFFFFFFFFFFF",
                "4:25: connection.a.handshakes_per_minute: found 0xFFFFFFFFFFFFFFFFFF, wanted a whole number from 1 to 1000",
            ),
            (
                "body_max = \"64\"",
                "4:12: connection.a.body_max: found \"64\", wanted a size from \"1KiB\" to \"1GiB\" \
                 (the units: B, KiB, MiB, GiB, kB, MB, GB)",
            ),
            (
                "proxy = \"direkt\"",
                "4:9: connection.a.proxy: found \"direkt\", wanted \"environment\", \"direct\" or \"http://HOST:PORT\" \
                 (did you mean \"direct\"?)",
            ),
            (
                "proxy = \"https://p:1\"",
                "4:9: connection.a.proxy: found the scheme \"https\", wanted \"environment\", \"direct\" or \
                 \"http://HOST:PORT\" (start it with http://)",
            ),
            (
                "ca_file = \"/nonexistent\"",
                "4:11: connection.a.ca_file: found a file that cannot be read: No such file or directory \
                 (os error 2) [/nonexistent], wanted a file of certificates (PEM)",
            ),
        ],
        in_connection,
    );
}

#[test]
fn logins() {
    check(
        &[
            (
                "login = {}",
                "4:1: connection.a.login: found nothing, wanted one of the tables token, soap, password, refresh, \
                 client_credentials, jwt and sf_cli",
            ),
            ("login.token = {}", "4:7: connection.a.login.token: found nothing, wanted file or env"),
            (
                "login.token = { env = \"TOKEN\", file = \"x\" }",
                "4:7: connection.a.login.token: found both file and env, wanted one of them",
            ),
            (
                "login.token.env = \"EMPTY\"",
                "4:19: connection.a.login.token.env: found a variable that is empty, \
                 wanted the name of an environment variable that is set",
            ),
            (
                "login.token.env = \"TWO_LINES\"",
                "4:19: connection.a.login.token.env: found a variable that is more than one line, \
                 wanted the name of an environment variable that is set",
            ),
        ],
        in_connection,
    );
}

#[test]
fn channels() {
    check(
        &[
            (
                "7",
                "3:12: connection.a.channels: found an integer, wanted an array of channels such as [\"/topic/Name\"]",
            ),
            (
                "[]",
                "3:12: connection.a.channels: found an empty array, wanted an array of channels such as [\"/topic/Name\"]",
            ),
            (
                "[\"/x\", \"/x\"]",
                "3:19: connection.a.channels[1]: found \"/x\" once more, wanted each channel once",
            ),
            (
                "[\"/x\", { name = \"/x\" }]",
                "3:28: connection.a.channels[1].name: found \"/x\" once more, wanted each channel once",
            ),
            (
                "[{ nam = \"/x\" }]",
                "3:15: connection.a.channels[0].nam: found an unknown key, wanted a known one (did you mean name?)",
            ),
            (
                "[{ replay = 1 }]",
                "3:13: connection.a.channels[0].name: found nothing, wanted a channel such as \"/topic/Name\"",
            ),
            (
                "[{ name = \"/x\", replay = \"42\" }]",
                "3:37: connection.a.channels[0].replay: found \"42\", wanted \"new\", \"all\" or a replay id from 0",
            ),
            (
                "[\"/meta/*\"]",
                "3:13: connection.a.channels[0]: found \"/meta/*\", wanted a channel such as \"/topic/Name\" \
                 (/meta channels are the protocol's own)",
            ),
        ],
        |channels| {
            problems(&format!("[connection.a]\nurl = \"https://h/cometd\"\nchannels = {channels}\n{SINK}"))
        },
    );
    let many: Vec<_> = (0..10_001).map(|number| format!("\"/x/{number}\"")).collect();
    let text = format!("{}\n{SINK}", CONNECTION.replace("\"/x\"", &many.join(",")));
    assert!(problems(&text).contains("found 10001 channels, wanted at most 10000"));
}

#[test]
fn rotated_files() {
    check(
        &[
            (
                "[sink.o.file]\npath = \"x\"\ncompress = \"gzip\"",
                "6:12: sink.o.file.compress: found files that are never closed, wanted max_size or max_age beside it",
            ),
            (
                "[sink.o.file]\npath = \"x\"\nmax_size = \"1B\"",
                "6:12: sink.o.file.max_size: found \"1B\", wanted a size from \"1KiB\" to \"1024GiB\"",
            ),
        ],
        in_sinks,
    );
}

#[test]
fn sinks() {
    check(
        &[
            ("[sink.o]", "4:7: sink.o: found nothing, wanted one of the tables stdout, file and webhook"),
            (
                "[sink.o]\nformat = \"data\"",
                "5:1: sink.o.format: found an unknown key, wanted a known one (the keys here: stdout, file, webhook)",
            ),
            (
                "[sink.o]\nstdout = {}\nfile.path = \"x\"",
                "6:1: sink.o.file: found a second kind, wanted one of stdout, file and webhook",
            ),
            (
                "[sink.o.stdout]\n[sink.p.stdout]",
                "5:9: sink.p.stdout: found standard output once more, after sink.o.stdout, wanted one sink on standard output",
            ),
            (
                "[sink.o.file]\npath = \"./out//x\"\n[sink.p.file]\npath = \"out/./x\"",
                "7:1: sink.p.file.path: found \"out/x\" once more, after sink.o.file.path, wanted a path of its own for each sink",
            ),
            (
                "[sink.o.file]",
                "4:9: sink.o.file.path: found nothing, wanted a path such as \"out/{connection}/{channel}.jsonl\"",
            ),
            (
                "[sink.o.stdout]\nqueue = \"1KiB\"",
                "5:9: sink.o.stdout.queue: found \"1KiB\", wanted a size from \"64KiB\" to \"64GiB\"",
            ),
            (
                "[sink.o.stdout]\nchannels = []",
                "5:12: sink.o.stdout.channels: found an empty array, wanted an array of channels or patterns such as \
                 [\"/topic/Order*\"] (without the key, every channel is taken)",
            ),
            (
                "[sink.o.webhook]\nurl = \"http://h\"\nheaders = { \"X A\" = \"x\" }",
                "6:13: sink.o.webhook.headers.\"X A\": found a key that is no header's name, wanted the name of a header \
                 such as \"X-Name\"",
            ),
            (
                "[sink.o.webhook]\nurl = \"http://h\"\nheaders = { Host = \"x\" }",
                "6:13: sink.o.webhook.headers.Host: found a header that cometail sets itself, wanted the name of a header \
                 such as \"X-Name\"",
            ),
            (
                "[sink.o.webhook]\nurl = \"http://h\"\nheaders = { X-A = \"x\", x-a = \"y\" }",
                "6:24: sink.o.webhook.headers.x-a: found a header once more, wanted each header once (upper and lower \
                 case are the same)",
            ),
            (
                "[sink.o.webhook]\nurl = \"http://h\"\nparked = \"\"",
                "6:10: sink.o.webhook.parked: found an empty string, wanted a path",
            ),
        ],
        in_sinks,
    );
}

#[test]
fn probable_mistakes_are_warnings() {
    let text =
        "[connection.a]\nurl = \"http://h.example/\"\nchannels = [\"/x\"]\nlogin.token.env = \"TOKEN\"\n";
    let (_, warnings) = read(&format!("{text}{SINK}")).unwrap();
    assert_eq!(
        warnings.to_string(),
        "x.toml:2:7: connection.a.url: found the path \"/\", wanted a path with /cometd \
         (on Salesforce it is https://HOST/cometd/61.0)\n\
         x.toml:2:7: connection.a.url: found http, wanted https (everybody on the way can read the access token)"
    );
    for host in ["localhost", "127.0.0.1:8080", "[::1]"] {
        let local = text.replace("h.example/", &format!("{host}/cometd"));
        assert_eq!(read(&format!("{local}{SINK}")).unwrap().1.as_slice(), [], "{host}");
    }
}

#[test]
fn what_has_no_effect_without_a_state_directory_is_a_warning() {
    let text =
        format!("[state]\npersist = false\n[journal]\nkeep = \"1h\"\n{CONNECTION}on_stop = \"keep\"\n{SINK}");
    let (_, warnings) = read(&text).unwrap();
    assert_eq!(
        warnings.to_string(),
        "x.toml:3:1: journal: found a journal without a state directory, wanted a state directory (with state.persist = \
         false events are in memory alone, and nothing in this table has an effect)\n\
         x.toml:8:11: connection.a.on_stop: found \"keep\", wanted a state directory (with state.persist = false no \
         session outlives the process)"
    );
    assert_eq!(read(&text.replace("persist = false", "dir = \"x\"")).unwrap().1.as_slice(), []);
}
