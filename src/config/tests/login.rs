//! Logins and endpoints: what is read, and each mistake with its place.

use super::{SINK, problems, read};
use crate::salesforce::login::Config;

/// Line 1 is the connection's, channels are line 2; `lines` begin at line 3.
fn file(lines: &str) -> String {
    format!("[connection.a]\nchannels = [\"/topic/A\"]\n{lines}\n{SINK}")
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (lines, wanted) in cases {
        assert_eq!(problems(&file(lines)), format!("x.toml:{wanted}"), "{lines}");
    }
}

const ENV: &str = "{ env = \"TOKEN\" }";

fn client_credentials(more: &str) -> String {
    file(&format!(
        "{more}\n[connection.a.login.client_credentials]\nclient_id = \"c\"\nclient_secret = {ENV}\n"
    ))
}

#[test]
fn an_endpoint_is_whole_or_an_org_and_a_version_or_told_by_the_login() {
    for (more, url, located, legacy) in [
        ("url = \"https://h/cometd/61.0\"", "https://h/cometd/61.0", true, false),
        ("url = \"https://h\"\napi_version = \"58.0\"", "https://h/cometd/58.0", true, false),
        ("url = \"https://h:8443/\"\napi_version = \"61\"", "https://h:8443/cometd/61.0", true, false),
        ("url = \"https://h/cometd/61.0\"\napi_version = \"61.0\"", "https://h/cometd/61.0", true, false),
        ("url = \"https://h\"\napi_version = \"22.0\"", "https://h/cometd", true, true),
        ("url = \"https://h/cometd\"\napi_version = \"22.0\"", "https://h/cometd", true, true),
        ("url = \"https://h/cometd\"", "https://h/cometd", true, false),
    ] {
        let (config, _) = read(&client_credentials(more)).unwrap();
        let one = &config.connections[0];
        assert_eq!((one.url.as_str(), one.is_located, one.is_legacy), (url, located, legacy), "{more}");
    }
    let login = format!(
        "[connection.a.login.client_credentials]\nhost = \"https://h\"\nclient_id = \"c\"\nclient_secret = {ENV}"
    );
    for (more, path) in [("", "/cometd/61.0"), ("api_version = \"50.0\"\n", "/cometd/50.0")] {
        let (config, warnings) = read(&file(&format!("{more}{login}"))).unwrap();
        let one = &config.connections[0];
        assert_eq!((one.url.path(), one.is_located, one.login_options.org.clone()), (path, false, None));
        assert_eq!(warnings.as_slice(), []);
    }
}

#[test]
fn a_missing_url_is_a_problem_where_nothing_else_tells_it() {
    let wanted = "1:13: connection.a.url: found nothing, wanted the URL of a CometD endpoint";
    check(&[
        ("", wanted),
        ("login.token.env = \"TOKEN\"", wanted),
        (
            "urll = \"https://h/cometd\"",
            "3:1: connection.a.urll: found an unknown key, wanted a known one (did you mean url?)",
        ),
    ]);
}

#[test]
fn versions_have_their_places() {
    check(&[
        (
            "url = \"https://h\"\napi_version = 61.0",
            "4:15: connection.a.api_version: found a float, wanted an API version such as \"61.0\", from \"22.0\" on",
        ),
        (
            "url = \"https://h\"\napi_version = \"21.0\"",
            "4:15: connection.a.api_version: found \"21.0\", wanted an API version such as \"61.0\", from \"22.0\" on",
        ),
        (
            "url = \"https://h/cometd/61.0\"\napi_version = \"60.0\"",
            "3:7: connection.a.url: found the path \"/cometd/61.0\" beside an api_version, wanted an org such as \
             \"https://acme.my.salesforce.com\", or no api_version",
        ),
    ]);
    let (_, warnings) = read(&file("url = \"https://h/cometd/28.0\"")).unwrap();
    assert_eq!(
        warnings.to_string(),
        "x.toml:3:7: connection.a.url: found API version 28.0, wanted 37.0 or later (events have no replay ids: what is \
         sent while no session is connected is lost, and replay has no effect)\n\
         x.toml:3:7: connection.a.url: found API version 28.0, wanted 29.0 or later (deleted and undeleted records are \
         not notified of)"
    );
}

#[test]
fn all_mistakes_of_a_login_are_told_at_once() {
    let text = "url = \"https://h/cometd/61.0\"\n[connection.a.login.jwt]\nsubject = \"\"\nkey = { env = \"TOKEN\" }\n\
                sandbox = true\nhost = \"ftp://h\"\n";
    assert_eq!(
        problems(&file(text)),
        "x.toml:4:21: connection.a.login.jwt.issuer: found nothing, wanted the consumer key of a connected app\n\
         x.toml:5:11: connection.a.login.jwt.subject: found an empty text, or one of several lines, wanted the name of a user\n\
         x.toml:6:15: connection.a.login.jwt.key.env: found a variable that is no key to sign with, wanted the name of an \
         environment variable that is set (the key of the login cannot be used: there is no private key in PEM in it \
         (PRIVATE KEY or RSA PRIVATE KEY))\n\
         x.toml:7:1: connection.a.login.jwt.sandbox: found a sandbox beside a host, wanted one of them\n\
         x.toml:8:8: connection.a.login.jwt.host: found the scheme \"ftp\", wanted an http or https URL (start it with https://)"
    );
    check(&[
        (
            "login.jwt = {}\nlogin.soap = {}",
            "3:7: connection.a.login.jwt: found a second kind, wanted one of the tables token, soap, password, refresh, \
             client_credentials, jwt and sf_cli",
        ),
        (
            "url = \"https://h/cometd\"\nlogin.sf_cli = { org = \"a\", programm = \"b\" }",
            "4:29: connection.a.login.sf_cli.programm: found an unknown key, wanted a known one (did you mean program?)",
        ),
        ("login.password = \"hush\"", "3:18: connection.a.login.password: found a string, wanted a table"),
        (
            "url = \"https://h/cometd\"\nlogin.refresh = { client_id = \"c\", refresh_token = \"hush\" }",
            "4:52: connection.a.login.refresh.refresh_token: found a value here, wanted a table with file or env \
             ({ file = \"PATH\" } or { env = \"VARIABLE\" }; the secret itself has no place here)",
        ),
        (
            "url = \"https://h/cometd\"\nlimits = { every = \"1ms\", thresholds = [0, 101] }",
            "4:20: connection.a.limits.every: found \"1ms\", wanted a duration from \"1s\" to \"1d\"\n\
             x.toml:4:41: connection.a.limits.thresholds[0]: found 0, wanted a whole number from 1 to 100\n\
             x.toml:4:44: connection.a.limits.thresholds[1]: found 101, wanted a whole number from 1 to 100",
        ),
    ]);
}

#[test]
fn hosts_and_stores_have_their_defaults() {
    let (config, _) = read(&client_credentials("url = \"https://acme.example:8443/cometd/61.0\"")).unwrap();
    let host = config.connections[0].login.as_ref().and_then(Config::host).unwrap();
    assert_eq!(host.as_str(), "https://acme.example:8443/");
    let refresh = |more: &str| {
        let text = format!("[connection.a.login.refresh]\nclient_id = \"c\"\nrefresh_token = {ENV}\n{more}");
        let (config, _) = read(&file(&text)).unwrap();
        match config.connections[0].login.clone() {
            Some(Config::Refresh { host, store, .. }) => {
                (host.to_string(), store.unwrap().display().to_string())
            }
            other => panic!("{other:?}"),
        }
    };
    let store = "/home/reader/.local/state/cometail/a.refresh-token.json";
    assert_eq!(refresh(""), ("https://login.salesforce.com/".to_owned(), store.to_owned()));
    assert_eq!(
        refresh("sandbox = true\nstore = \"/x\""),
        ("https://test.salesforce.com/".to_owned(), "/x".to_owned())
    );
    assert_eq!(refresh("sandbox = false").0, "https://login.salesforce.com/");
    let cache = |more: &str| {
        let text = format!("login.cache = true\nlogin.sf_cli.org = \"a\"\n{more}");
        read(&file(&text)).unwrap()
    };
    let (config, warnings) = cache("");
    assert_eq!(config.connections[0].login_options.cache, config.state_dir);
    assert!(config.state_dir.is_some() && warnings.as_slice().is_empty());
    let (config, warnings) = cache("[state]\npersist = false");
    assert_eq!(config.connections[0].login_options.cache, None);
    assert!(warnings.to_string().contains("login.cache: found true without a state directory"), "{warnings}");
}
