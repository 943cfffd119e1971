//! Real scripts in the place of the CLI.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use super::*;

const TOKEN: &str = "00Dx0000001gER!AQ-hush-hush";

/// A script as an executable file.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("sf");
    // Written under another name by another process, so that no file is open for writing when it is run.
    let made = std::process::Command::new("sh")
        .args(["-c", "printf '%s' \"$1\" > \"$2\"", "sh", &format!("#!/bin/sh\n{text}\n")])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

async fn login_of(text: &str, timeout: Duration) -> (Result<Grant, Trouble>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), text);
    (login(&program, "my alias", timeout, &[]).await, dir)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_org_of_the_cli_is_logged_in_to() {
    let text = format!(
        "dir=$(dirname \"$0\"); printf '%s\\n' \"$@\" \"${{COMETAIL_TOKEN-none}}\" >> \"$dir/argv\"; cat <<'END'\n\
         {{\"status\":0,\"result\":{{\"id\":\"00Dx0000001gER\",\"accessToken\":\"{TOKEN}\",\"username\":\"me@acme\",\
         \"instanceUrl\":\"https://acme.my.salesforce.com\"}},\"warnings\":[]}}\nEND"
    );
    let (login, dir) = login_of(&text, LONG).await;
    let grant = login.unwrap();
    assert_eq!((grant.token.expose().as_str(), grant.username.as_deref()), (TOKEN, Some("me@acme")));
    assert_eq!(grant.instance.unwrap().as_str(), "https://acme.my.salesforce.com/");
    let argv = std::fs::read_to_string(dir.path().join("argv")).unwrap();
    assert_eq!(
        argv.lines().collect::<Vec<_>>(),
        ["org", "display", "--target-org", "my alias", "--json", "none"]
    );
}

#[tokio::test]
async fn a_token_that_is_not_displayed_is_asked_for() {
    let text = format!(
        "case \"$2\" in\n\
         display) echo '{{\"result\":{{\"accessToken\":\"[REDACTED] see elsewhere\",\
         \"instanceUrl\":\"https://acme.my.salesforce.com\"}}}}' ;;\n\
         auth) [ \"$*\" = 'org auth show-access-token --target-org my alias --no-prompt --json' ] &&\n\
         echo '{{\"status\":0,\"result\":{{\"accessToken\":\"{TOKEN}\"}}}}' ;;\nesac"
    );
    assert_eq!(login_of(&text, LONG).await.0.unwrap().token.expose(), TOKEN);
}

#[tokio::test]
async fn what_the_cli_cannot_do_is_said_in_its_words() {
    for (text, why) in [
        (
            "echo '{\"name\":\"NamedOrgNotFoundError\",\"message\":\"No authorization information found for x.\",\
             \"exitCode\":1,\"stack\":\"hush\"}'; exit 1"
                .to_owned(),
            "sf org display --target-org my alias --json: NamedOrgNotFoundError: No authorization information",
        ),
        (format!("echo '{TOKEN}'"), "it printed no JSON of its own"),
        (format!("echo '{{\"result\":{{\"accessToken\":[\"{TOKEN}\"]}}}}'"), "it printed no JSON of its own"),
        (format!("echo '{{\"result\":{{\"accessToken\":\"{TOKEN}\"}}}}'"), "no usable instanceUrl"),
        (
            format!("echo '{{\"result\":{{\"accessToken\":\"{TOKEN}\",\"instanceUrl\":\"https://evil.example\"}}}}'"),
            "instanceUrl of the Salesforce CLI is not followed: evil.example",
        ),
        ("echo '{\"result\":{\"instanceUrl\":\"https://a.salesforce.com\"}}'".to_owned(), "shows no access token"),
        ("exit 3".to_owned(), "it printed no JSON of its own"),
    ] {
        let trouble = login_of(&text, LONG).await.0.unwrap_err();
        assert!(trouble.reason.contains(why) && !trouble.reason.contains("hush"), "{trouble:?}");
    }
}

#[tokio::test]
async fn what_the_cli_says_and_how_long_it_takes_are_bounded() {
    let begun = Instant::now();
    let trouble = login_of("exec yes '{\"result\":'", LONG).await.0.unwrap_err();
    assert!(trouble.reason.contains("it printed more than 1048576 bytes"), "{trouble:?}");
    let text = "sleep 600 & echo $! > \"$(dirname \"$0\")/pid\"; wait";
    let (login, dir) = login_of(text, Duration::from_secs(2)).await;
    let trouble = login.unwrap_err();
    assert!(trouble.reason.contains("sf took longer than 2 s"), "{trouble:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "it was waited for");
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(pid.trim()) {
        assert!(Instant::now() < deadline, "what the program started goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is there and not a zombie.
fn is_running(pid: &str) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    !matches!(state.trim_ascii().first(), None | Some(b'Z'))
}

#[tokio::test]
async fn a_program_that_is_not_there_and_an_org_that_is_a_flag_are_refused() {
    let trouble = login(Path::new("/nowhere/sf"), "a", LONG, &[]).await.unwrap_err();
    assert!(trouble.reason.starts_with("sf cannot be started: "), "{trouble:?}");
    for org in ["", "--json", "a\nb"] {
        let trouble = login(Path::new("/nowhere/sf"), org, LONG, &[]).await.unwrap_err();
        assert!(trouble.reason.contains("no alias and no user name"), "{trouble:?}");
    }
}
