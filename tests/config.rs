//! The configuration file: the shipped ones load, their documentation is complete, and the public way in
//! reports what stands in the way of a file.

#![cfg(test)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cometail::admin;
use cometail::bayeux;
use cometail::bayeux::ReplayLost;
use cometail::config::{self, Config, OnStop, Problems, Warnings};
use cometail::event::ReplayId;
use cometail::http::Proxy;
use cometail::journal;
use cometail::salesforce::login::{self, SecretSource};
use cometail::salesforce::watch;
use cometail::sinks::format::Format;
use cometail::sinks::{Kind, webhook};

const DEMO: &str = include_str!("../config/demo.toml");
const KEY: &str = "whsec_aHVzaCwgdGhlc2UgYXJlIDI0IGJ5dGVz";
const EVERY_KEY: &str = include_str!("../config/cometail.toml");

fn environment(name: &str) -> Option<OsString> {
    let value = match name {
        "HOME" => "/home/reader",
        "HOOK_KEY" => "hush",
        "HOOK_KEY_OLD" => "raw hush, 24 bytes of it",
        "SF_PASSWORD" => " p<a>&'\"ss w ",
        "SF_SECURITY_TOKEN" => "hushhush",
        _ => return None,
    };
    Some(OsString::from(value))
}

fn read(text: &str) -> Result<(Config, Warnings), Problems> {
    config::parse_with("x.toml", text, &environment)
}

/// The kinds of login.
const KINDS: [&str; 7] = ["token", "jwt", "client_credentials", "refresh", "password", "soap", "sf_cli"];

/// The optional keys of the documented file put in force, with one kind of login, its secrets and certificates in `dir`.
fn with_every_key(dir: &Path, kind: &str) -> String {
    for (name, text) in [
        ("token", "00D!token\n"),
        ("admin-token", "hush-hush-hush-hush\n"),
        ("hook", "Bearer hush\n"),
        ("hook-key", KEY),
        ("client-secret", "hush\n"),
        ("refresh-token", "5Aep!hush\n"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let key = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "jwt.key"];
    assert!(Command::new("openssl").args(key).current_dir(dir).output().unwrap().status.success());
    let certificate = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
    std::fs::write(dir.join("ca.pem"), certificate.cert.pem()).unwrap();
    let starts_a_key = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let uncommented: Vec<_> = EVERY_KEY
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| starts_a_key(rest)).unwrap_or(line))
        .collect();
    let dir = dir.to_str().unwrap();
    let mut other = false;
    let chosen = uncommented.into_iter().filter(|line| {
        if line.starts_with('[') {
            other =
                line.strip_prefix("[connection.acme.login.").is_some_and(|rest| rest != format!("{kind}]"));
        }
        // It stands for another host.
        !other && *line != "sandbox = false"
    });
    chosen
        .collect::<Vec<_>>()
        .join("\n")
        .replace("/run/credentials/cometail", dir)
        .replace("/etc/cometail", dir)
}

#[test]
fn the_demo_file_loads_from_disk() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo.toml");
    let (config, warnings) = config::load_with(&path, &environment).unwrap();
    assert_eq!(warnings.as_slice(), []);
    assert_eq!(config.connections[0].url.as_str(), "http://127.0.0.1:8080/cometd/61.0");
    assert_eq!(config.connections[0].session.channels[0].channel.as_str(), "/topic/InvoiceStatementUpdates");
    assert!(matches!(config.sinks[0].kind, Kind::Stdout(_)));
    assert!(DEMO.lines().count() < 15, "it is the smallest useful file");
}

#[test]
fn the_documented_file_loads_as_it_is() {
    let (config, warnings) = read(EVERY_KEY).unwrap();
    assert_eq!(warnings.as_slice(), []);
    assert_eq!(config.state_dir.as_deref(), Some(Path::new("/home/reader/.local/state/cometail")));
    assert_eq!((config.connections.len(), config.sinks.len()), (1, 1));
}

#[test]
fn every_documented_key_is_a_key_and_every_default_is_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let (every, _) =
        read(&with_every_key(dir.path(), "token")).unwrap_or_else(|problems| panic!("{problems}"));
    let (plain, _) = read(EVERY_KEY).unwrap();
    assert_eq!((every.grace, every.ready_after), (plain.grace, plain.ready_after));
    assert_eq!((plain.grace, plain.ready_after), (Duration::from_secs(7), Duration::from_secs(30)));
    assert!(every.connections[0].required && plain.connections[0].required);
    assert!(plain.admin.is_none());
    let server = every.admin.as_ref().unwrap();
    assert_eq!(server.listen, admin::Listen::Tcp("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(server.token.as_ref().unwrap().expose(), "hush-hush-hush-hush");
    assert_eq!(server.hosts, ["cometail.internal:9464"]);
    assert_eq!(plain.journal, journal::Config::default());
    assert_eq!(
        every.journal,
        journal::Config { max_age: Some(Duration::from_hours(7 * 24)), ..plain.journal }
    );
    let (one, other) = (&every.connections[0], &plain.connections[0]);
    assert_eq!(one.session.recheck, Some(Duration::from_mins(30)));
    let session = bayeux::Config { recheck: None, ..one.session.clone() };
    assert_eq!(format!("{session:?}"), format!("{:?}", other.session));
    assert_eq!(one.on_stop, other.on_stop);
    assert_eq!(one.http.proxy, other.http.proxy);
    assert_eq!(one.http.connect_timeout, other.http.connect_timeout);
    assert_eq!((one.http.body_max, one.http.inflated_max), (other.http.body_max, other.http.inflated_max));
    assert_eq!(one.login, Some(login::Config::Token(SecretSource::File(dir.path().join("token")))));
    assert_eq!(one.http.ca_file, Some(dir.path().join("ca.pem")));
    assert_eq!(every.sinks.len(), 3);
    let names: Vec<_> = every.sinks.iter().map(|sink| &*sink.name).collect();
    assert_eq!(names, ["console", "archive", "orders"], "the order of the file");
    assert!(
        every
            .sinks
            .iter()
            .all(|sink| sink.queue == 64 << 20 && sink.gap_records && sink.format == Format::Message)
    );
    let Kind::File(file) = &every.sinks[1].kind else { panic!("a file sink") };
    assert_eq!((file.sync, file.compress), (false, None));
    assert_eq!((file.max_bytes, file.max_age), (Some(100 << 20), Some(Duration::from_hours(24))));
    let hook = webhook_of(&every, 2);
    assert_eq!(hook.timeout, Duration::from_secs(10));
    let headers: Vec<_> =
        hook.headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(headers, [("x-team", "billing"), ("authorization", "Bearer hush"), ("x-key", "hush")]);
    assert_eq!((hook.batch, hook.concurrency), (webhook::Batch::default(), 1));
    assert_eq!(hook.ordering, webhook::Ordering::Channel);
    assert_eq!((hook.retry_for, hook.keys.len()), (None, 2));
    assert!(!format!("{every:?}").contains("hush"), "the header is a secret in Debug");
    assert!(plain.topics.is_empty());
    assert_eq!(every.topics[0].connection.as_deref(), Some("acme"));
    let topic = &every.topics[0].wanted;
    assert_eq!(topic.name.as_deref(), Some("InvoiceStatementUpdates"));
    assert_eq!(topic.operations.as_ref().map(ToString::to_string).unwrap(), "create,update,delete,undelete");
}

fn webhook_of(config: &Config, index: usize) -> &webhook::Config {
    match &config.sinks[index].kind {
        Kind::Webhook(webhook) => webhook,
        other => panic!("no webhook: {other:?}"),
    }
}

#[test]
fn every_documented_login_is_one_and_every_default_is_the_default() {
    let dir = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let text = with_every_key(dir.path(), kind);
        let (every, warnings) = read(&text).unwrap_or_else(|problems| panic!("{kind}: {problems}"));
        assert!(warnings.as_slice().iter().all(|one| one.to_string().contains("mode 0600")), "{warnings}");
        let one = &every.connections[0];
        let config = one.login.clone().unwrap();
        assert_eq!(config.kind(), kind);
        let options = &one.login_options;
        let defaults = login::Options::default();
        assert_eq!((options.timeout, options.logins_per_hour), (defaults.timeout, defaults.logins_per_hour));
        assert_eq!((options.retry, options.cache.clone()), (defaults.retry, None));
        assert_eq!(options.org, Some(one.url.clone()));
        assert_eq!(
            one.limits,
            Some(watch::Config { every: Duration::from_mins(15), thresholds: vec![80, 95] })
        );
        assert!(!format!("{every:?}").contains("hush"), "{kind}");
        let text = text.lines().filter(|line| !line.starts_with("host = ")).collect::<Vec<_>>().join("\n");
        let (plain, _) = read(&text).unwrap_or_else(|problems| panic!("{kind}: {problems}"));
        let wanted = if kind == "client_credentials" {
            "https://acme.my.salesforce.com/"
        } else {
            "https://login.salesforce.com/"
        };
        let host = plain.connections[0].login.as_ref().and_then(login::Config::host).map(url::Url::as_str);
        assert!(host.is_none_or(|host| host == wanted), "{kind}: {host:?}");
    }
}

/// Every table gets a key that does not exist; the hints then name all that do.
#[test]
fn every_key_is_documented() {
    let stray = "qqqqqqqqqqqqqqqqqqqq = 1\n";
    let tables = [
        "[state]",
        "[journal]",
        "[daemon]",
        "[log]",
        "[admin]",
        "[connection.a]",
        "[connection.a.login]",
        "[connection.a.login.token]",
        "[connection.b]",
        "[connection.b.login.soap]",
        "[connection.c.login.password]",
        "[connection.d.login.refresh]",
        "[connection.e.login.client_credentials]",
        "[connection.f.login.jwt]",
        "[connection.g.login.sf_cli]",
        "[connection.g.limits]",
        "[sink.a]",
        "[sink.a.stdout]",
        "[sink.b.file]",
        "[sink.c.webhook]",
        "[topic.a]",
    ];
    let mut text = stray.to_owned();
    for table in tables {
        write!(text, "{table}\n{stray}").unwrap();
    }
    write!(text, "[[connection.b.channels]]\n{stray}").unwrap();
    let problems = read(&text).unwrap_err();
    let hints: Vec<_> = problems
        .as_slice()
        .iter()
        .filter_map(|problem| problem.hint.as_ref()?.strip_prefix("the keys here: "))
        .collect();
    assert_eq!(hints.len(), tables.len() + 2, "{problems}");
    for key in hints.iter().flat_map(|hint| hint.split(", ")) {
        let written = EVERY_KEY.lines().map(|line| line.trim_start_matches('#')).any(|line| {
            line.starts_with(&format!("{key} = "))
                || line.contains(&format!("{{ {key} = "))
                || line.contains(&format!(", {key} = "))
                || (line.starts_with('[') && line.split(['[', ']', '.']).any(|part| part == key))
                || line.contains(&format!("(or {key} = "))
        });
        assert!(written, "{key} is not documented");
    }
}

#[test]
fn everything_that_can_be_said_is_read() {
    let text = r#"
        [state]
        persist = false
        [journal]
        sync = "always"
        max_size = "8MiB"
        when_full = "drop_oldest"
        keep = "1h"
        [connection.a]
        url = "https://example.org/cometd"
        channels = ["/a", { name = "/b", replay = "all", order = "1.5s" }, { name = "/c", replay = 42 }]
        replay = "all"
        replay_lost = "stop"
        on_stop = "keep"
        poll_margin = "0s"
        retry_initial = "2m"
        retry_max = "5m"
        handshakes_per_minute = 60
        transport = "websocket"
        proxy = "http://proxy.example:3128"
        body_max = "1MiB"
        login.token.env = "HOOK_KEY"
        [connection.b]
        url = "http://localhost/cometd"
        channels = ["/d/**"]
        [sink.out]
        stdout = { pretty = true, format = "data", channels = ["/a", "/d/*"], queue = "64KiB" }
        [sink.hook.webhook]
        url = "http://localhost:9/hook?key=1"
    "#;
    let (config, warnings) = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let told = warnings.to_string();
    let is_told = |key| told.contains(&format!(" {key}: found "));
    assert!(
        warnings.as_slice().len() == 2 && is_told("journal") && is_told("connection.a.on_stop"),
        "{told}"
    );
    assert_eq!(config.state_dir, None);
    let wanted = journal::Config {
        sync: journal::SyncPolicy::Always,
        max_bytes: 8 << 20,
        segment_bytes: 2 << 20,
        when_full: journal::WhenFull::DropOldest,
        keep: Duration::from_hours(1),
        ..journal::Config::default()
    };
    assert_eq!(config.journal, wanted);
    let connection = &config.connections[0];
    let replays: Vec<_> = connection.session.channels.iter().map(|wanted| wanted.replay).collect();
    assert_eq!(replays, [ReplayId::ALL, ReplayId::ALL, ReplayId(42)]);
    assert_eq!(connection.session.replay_lost, ReplayLost::Stop);
    assert_eq!(connection.on_stop, OnStop::Keep);
    assert_eq!(connection.session.poll_margin, Duration::ZERO);
    assert_eq!(connection.session.retry.initial, Duration::from_mins(2));
    assert_eq!(connection.session.handshakes_per_minute, 60);
    assert_eq!([0, 1].map(|at| config.connections[at].session.websocket), [true, false]);
    assert_eq!(connection.http.body_max, 1 << 20);
    assert_eq!(connection.http.proxy, Proxy::Url("http://proxy.example:3128".parse().unwrap()));
    assert_eq!(connection.login, Some(login::Config::Token(SecretSource::Env("HOOK_KEY".to_owned()))));
    for sink in &config.sinks {
        assert_eq!(sink.order.len(), 1);
        assert_eq!((&*sink.order[0].connection, sink.order[0].window), ("a", Duration::from_millis(1500)));
    }
    assert_eq!((config.sinks[0].queue, config.sinks[0].channels.len()), (64 << 10, 2));
    assert_eq!(webhook_of(&config, 1).parked, None, "nothing is kept, so nothing is parked");
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("absent.toml");
    let problems = config::load(&path).unwrap_err();
    let shown = path.display();
    assert_eq!(
        problems.to_string(),
        format!(
            "{shown}:1:1: found a file that cannot be read ({}), wanted a TOML file\n1 problem",
            std::fs::File::open(&path).unwrap_err()
        )
    );
    let problems = config::load(dir.path()).unwrap_err();
    assert!(problems.to_string().contains("a file that cannot be read"), "{problems}");

    std::fs::write(&path, b"[log]\nfilter = \"\xc3\xa9\xff\"\n").unwrap();
    assert_eq!(
        config::load(&path).unwrap_err().to_string(),
        format!("{shown}:2:12: found the byte 0xff at offset 18, wanted UTF-8 text\n1 problem")
    );
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(
        config::load(&path).unwrap_err().to_string(),
        format!("{shown}:1:1: found more than 1 MiB, wanted a TOML file of at most 1 MiB\n1 problem")
    );
}
