//! Variables and what they become, and each mistake with the variable's name.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::config::OnStop;
use crate::event::ReplayId;
use crate::salesforce::login::{Config as Login, SecretSource};
use crate::sinks::Kind;
use crate::sinks::format::Format;

const SECRET: &str = "00D!hush";

fn read(variables: &[(&str, &str)]) -> Result<(Config, Warnings), Problems> {
    let home = [("HOME", "/home/reader")];
    from_environment(home.iter().chain(variables).map(|(name, value)| (name.into(), value.into())))
}

/// With the two variables that there must be.
fn with(more: &[(&str, &str)]) -> Result<(Config, Warnings), Problems> {
    let two = [(URL, "https://acme.my.salesforce.com/cometd/61.0"), (CHANNELS, "/topic/A")];
    let last: BTreeMap<_, _> = two.iter().chain(more).copied().collect();
    read(&last.into_iter().collect::<Vec<_>>())
}

#[track_caller]
fn good(more: &[(&str, &str)]) -> Config {
    let (config, warnings) = with(more).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(warnings.as_slice(), []);
    config
}

/// The problems, one line each, without the count.
#[track_caller]
fn problems(more: &[(&str, &str)]) -> String {
    let report = with(more).map(|_| ()).unwrap_err();
    report.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_variables_are_enough_and_all_else_is_as_in_a_file() {
    let config = good(&[]);
    let file = "[connection.main]\nurl = \"https://acme.my.salesforce.com/cometd/61.0\"\n\
                channels = [\"/topic/A\"]\n[sink.main.stdout]\n";
    let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/reader"));
    let (of_file, _) = parse_with("", file, &home).unwrap();
    assert_eq!(format!("{config:?}"), format!("{of_file:?}"));
}

#[test]
fn every_variable_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, SECRET).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = good(&[
        ("COMETAIL_API_VERSION", "61.0"),
        (URL, "https://acme.my.salesforce.com"),
        (CHANNELS, "/topic/A, /u/notifications/B,"),
        ("COMETAIL_REPLAY", "all"),
        ("COMETAIL_ON_STOP", "keep"),
        ("COMETAIL_TOKEN_FILE", token.to_str().unwrap()),
        (SINK, "file:/data/{channel} \"x\".jsonl"),
        ("COMETAIL_SINK_FORMAT", "envelope"),
        ("COMETAIL_STATE_DIR", "/state"),
        ("COMETAIL_GRACE", "3s"),
        ("COMETAIL_READY_AFTER", "4s"),
        ("COMETAIL_LOG", "debug"),
        ("COMETAIL_LOG_FORMAT", "json"),
    ]);
    let one = &config.connections[0];
    assert_eq!((&*one.name, one.url.path(), one.on_stop), ("main", "/cometd/61.0", OnStop::Keep));
    let channels: Vec<_> = one.session.channels.iter().map(|wanted| wanted.channel.as_str()).collect();
    assert_eq!(channels, ["/topic/A", "/u/notifications/B"]);
    assert_eq!(one.session.channels[1].replay, ReplayId::ALL);
    assert_eq!(one.login, Some(Login::Token(SecretSource::File(token))));
    assert!(matches!(&config.sinks[0].kind, Kind::File(_)) && config.sinks[0].format == Format::Envelope);
    assert_eq!(config.state_dir.as_deref(), Some(Path::new("/state")));
    assert_eq!((config.grace, config.ready_after), (Duration::from_secs(3), Duration::from_secs(4)));
    assert_eq!(config.log.filter.as_deref(), Some("debug"));
}

#[test]
fn a_login_is_described_by_variables_and_its_secrets_stay_where_they_are() {
    let config = good(&[
        (LOGIN, "password"),
        ("COMETAIL_LOGIN_CLIENT_ID", "id"),
        ("COMETAIL_LOGIN_CLIENT_SECRET", SECRET),
        ("COMETAIL_LOGIN_USERNAME", "u@x"),
        ("COMETAIL_LOGIN_PASSWORD", SECRET),
        ("COMETAIL_LOGIN_SANDBOX", "true"),
    ]);
    let Some(Login::Password { host, password, username, .. }) = &config.connections[0].login else {
        panic!("{:?}", config.connections[0].login);
    };
    assert_eq!((host.as_str(), username.as_str()), ("https://test.salesforce.com/", "u@x"));
    assert_eq!(*password, SecretSource::Env(String::from("COMETAIL_LOGIN_PASSWORD")));
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn a_webhook_is_its_url_and_may_be_signed() {
    let key = "whsec_aHVzaCwgdGhlc2UgYXJlIDI0IGJ5dGVz";
    let config = good(&[(SINK, "http://127.0.0.1:8080/events?a=\"b\""), ("COMETAIL_SINK_SECRET", key)]);
    let Kind::Webhook(hook) = &config.sinks[0].kind else { panic!("{:?}", config.sinks) };
    assert_eq!((hook.url.path(), hook.keys.len()), ("/events", 1));
}

#[test]
fn what_is_empty_is_not_set_and_what_engines_set_for_services_is_not_ours() {
    good(&[
        ("COMETAIL_TOKEN", ""),
        (LOGIN, ""),
        ("COMETAIL_HEROKU_TOKEN", "for another command"),
        ("COMETAIL_SERVICE_HOST", "10.0.0.1"),
        ("COMETAIL_SERVICE_PORT", "9464"),
        ("COMETAIL_SERVICE_PORT_HTTP_METRICS", "9464"),
        ("COMETAIL_PORT", "tcp://10.0.0.1:9464"),
        ("COMETAIL_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
        ("COMETAIL_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("COMETAIL_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("COMETAIL_ADMIN_PORT_80_UDP_PROTO", "udp"),
    ]);
}

/// Variables beside the two that there must be, and what is wrong with them.
type Mistake = (&'static [(&'static str, &'static str)], &'static str);

const MISTAKES: [Mistake; 19] = [
    (
        &[("COMETAIL_CHANEL", "x")],
        "COMETAIL_CHANEL: found an unknown variable, wanted a known one (did you mean COMETAIL_CHANNELS?)",
    ),
    (&[("COMETAIL_URL_FILE", "x")], "COMETAIL_URL_FILE: found an unknown variable, wanted a known one"),
    (
        &[(URL, "ftp://h/cometd")],
        "COMETAIL_URL: found the scheme \"ftp\", wanted an http or https URL (start it with https://)",
    ),
    (
        &[(CHANNELS, "")],
        "COMETAIL_CHANNELS: found nothing, wanted channels with commas between them, such as /topic/Name",
    ),
    (
        &[(CHANNELS, " , ")],
        "COMETAIL_CHANNELS: found an empty array, wanted channels with commas between them, such as /topic/Name",
    ),
    (
        &[(CHANNELS, "topic/A,/b,/meta/connect")],
        "COMETAIL_CHANNELS: found \"topic/A\", wanted a channel such as \"/topic/Name\" (a channel starts with '/', such as /topic/Name)\n\
             COMETAIL_CHANNELS: found \"/meta/connect\", wanted a channel such as \"/topic/Name\" (/meta channels are the protocol's own)",
    ),
    (
        &[("COMETAIL_REPLAY", "nwe")],
        "COMETAIL_REPLAY: found \"nwe\", wanted \"new\" or \"all\" (did you mean \"new\"?)",
    ),
    (
        &[("COMETAIL_GRACE", "10")],
        "COMETAIL_GRACE: found \"10\", wanted a duration from \"0s\" to \"1h\" (the units: ms, s, m, h, d)",
    ),
    (&[("COMETAIL_PERSIST", "no")], "COMETAIL_PERSIST: found something else, wanted true or false"),
    (
        &[(SINK, "//hush@x")],
        "COMETAIL_SINK: found something else, wanted stdout, file:PATH or the URL of a webhook",
    ),
    (
        &[("COMETAIL_SINK_SECRET", "hush")],
        "COMETAIL_SINK_SECRET: found what is of no use here, wanted another COMETAIL_SINK with it",
    ),
    (&[("COMETAIL_TOKEN", " \n")], "COMETAIL_TOKEN: found a variable that is empty, wanted the secret"),
    (
        &[("COMETAIL_TOKEN", "a"), ("COMETAIL_TOKEN_FILE", "/b")],
        "COMETAIL_TOKEN: found a secret beside COMETAIL_TOKEN_FILE, wanted one of them",
    ),
    (
        &[("COMETAIL_TOKEN_FILE", "/not/there")],
        "COMETAIL_TOKEN_FILE: found a file that cannot be read: No such file or directory (os error 2) [/not/there], wanted a file with one line of text",
    ),
    (
        &[(LOGIN, "jwd")],
        "COMETAIL_LOGIN: found an unknown login, wanted jwt, client_credentials, refresh, password, soap (did you mean jwt?)",
    ),
    (
        &[("COMETAIL_LOGIN_USERNAME", "u")],
        "COMETAIL_LOGIN: found nothing, wanted jwt, client_credentials, refresh, password, soap (COMETAIL_LOGIN_USERNAME is part of a login)",
    ),
    (
        &[(LOGIN, "soap"), ("COMETAIL_LOGIN_PASSWORD", "hush"), ("COMETAIL_TOKEN", "hush")],
        "COMETAIL_TOKEN: found a token beside a login, wanted one of them\n\
             COMETAIL_LOGIN_USERNAME: found nothing, wanted the name of a user",
    ),
    (
        &[(LOGIN, "refresh"), ("COMETAIL_LOGIN_CLIENT_ID", "c"), ("COMETAIL_LOGIN_USERNAME", "u")],
        "COMETAIL_LOGIN_REFRESH_TOKEN: found nothing, wanted the secret, or in COMETAIL_LOGIN_REFRESH_TOKEN_FILE the path of its file\n\
             COMETAIL_LOGIN_USERNAME: found what is of no use here, wanted another COMETAIL_LOGIN with it",
    ),
    (
        &[("COMETAIL_LOG", "inffo")],
        "COMETAIL_LOG: found \"inffo\", wanted a filter such as \"info\" or \"info,cometail=debug\"",
    ),
];

#[test]
fn every_mistake_names_its_variable() {
    for (more, wanted) in MISTAKES {
        let told = problems(more);
        let same = told.lines().zip(wanted.lines()).all(|(told, wanted)| told.starts_with(wanted));
        assert!(same && told.lines().count() == wanted.lines().count(), "\n{told}\nwanted\n{wanted}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[test]
fn what_is_no_text_is_told_without_its_bytes() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = OsString::from_vec(vec![b'h', 0xff]);
    let report = from_environment([(OsString::from(URL), odd)]).unwrap_err();
    assert!(report.to_string().starts_with("COMETAIL_CHANNELS: found nothing"), "{report}");
    assert!(
        report.to_string().contains("COMETAIL_URL: found bytes that are not UTF-8, wanted text"),
        "{report}"
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning_of_its_variable() {
    let (config, warnings) = with(&[("COMETAIL_PERSIST", "false"), ("COMETAIL_ON_STOP", "keep")]).unwrap();
    assert_eq!(config.state_dir, None);
    let hint = "with COMETAIL_PERSIST=false no session outlives the process";
    assert_eq!(
        warnings.to_string(),
        format!("COMETAIL_ON_STOP: found \"keep\", wanted a state directory ({hint})")
    );
}

#[test]
fn a_file_wins_and_nothing_at_all_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cometail.toml");
    let url = [(OsString::from(URL), OsString::from("https://h/cometd"))];
    let none = find(&file, []).unwrap_err().to_string();
    assert!(
        none.contains(
            "found no such file, wanted a configuration (name one with -c FILE, or set COMETAIL_URL"
        ),
        "{none}"
    );
    let of_variables = find(&file, url.clone()).unwrap_err().to_string();
    assert!(of_variables.starts_with("COMETAIL_CHANNELS: "), "{of_variables}");
    let text = "[state]\npersist = false\n[connection.a]\nurl = \"https://h/cometd\"\nchannels = [\"/x\"]\n[sink.o.stdout]\n";
    std::fs::write(&file, text).unwrap();
    let (source, config, warnings) = find(&file, url).unwrap();
    assert_eq!(source.unwrap().path(), file);
    assert_eq!(&*config.connections[0].name, "a");
    assert!(
        warnings.to_string().starts_with("COMETAIL_URL: found a URL beside a file, which wins"),
        "{warnings}"
    );
}

#[test]
fn the_table_for_people_has_every_variable() {
    let table = include_str!("../../docs/container.md");
    for (name, _, form) in ROWS {
        assert!(table.contains(&format!("`{name}`")), "{name}");
        assert!(form != Form::Secret || table.contains(&format!("`{}`", in_file(name))), "{name}");
    }
}
