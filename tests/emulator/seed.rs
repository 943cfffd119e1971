//! Seed files, and the command that reads them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use cometail::emulator::Seed;
use serde_json::json;

use super::client::Client;
use super::keys::{CERTIFICATE, ELLIPTIC};
use super::login::{form, whose};

const USER: &str = "[user.\"a@example.com\"]\npassword = \"t0ps3cret\"\n";

fn wrong(text: &str) -> String {
    let error = Seed::parse(text, Path::new("/nowhere")).unwrap_err().to_string();
    assert!(!error.contains("t0ps3cret"), "{error}");
    error
}

#[test]
fn what_is_wrong_with_a_seed_is_said_without_its_secrets() {
    let elliptic = format!("[client.a]\ncertificate = '''{ELLIPTIC}'''");
    let both = format!("[client.a]\ncertificate = '''{CERTIFICATE}'''\ncertificate_file = 'x'");
    for (text, says) in [
        ("user = \"t0ps3cret\"", "line 1, column 8: expected a map"),
        ("[user.a]\npasswort = \"t0ps3cret\"", "line 2, column 1: unknown field `passwort`"),
        ("[user.a]\npassword = [\"t0ps3cret\"]", "line 2, column 12: expected a string"),
        ("[user.a]\npassword = \"t0ps3cret", "line 2, column "),
        ("[user.a]\nactive = true", "missing field `password`"),
        ("[user.a]\npassword = \"t0ps3cret\"\npermissions = [\"t0ps3cret\"]", "line 3, column 16: "),
        (
            "[user.a]\npassword = \"t0ps3cret\"\nactive = \"t0ps3cret\"",
            "line 3, column 10: expected a boolean",
        ),
        ("org.id = \"005000000000001\"", "org.id: \"005000000000001\" is no id of an org"),
        ("org.id = \"00D000000000001AAA\"", "is no id of an org"),
        ("org = 1", "line 1, column 7: "),
        (&format!("{USER}[user.\"A@example.com\"]\npassword = \"x\""), "another one differs only by case"),
        (&format!("{USER}refresh_tokens = {{ b = \"t0ps3cret\" }}"), "refresh_tokens: no client \"b\""),
        ("[client.a]\nrun_as = \"nobody\"", "client \"a\": no user \"nobody\""),
        ("[client.a]\napproved = [\"nobody\"]", "client \"a\": no user \"nobody\""),
        ("[client.a]\ncertificate = \"t0ps3cret\"", "client \"a\": certificate: no PEM"),
        (&elliptic, "client \"a\": certificate: no certificate or public key of RSA"),
        ("[client.a]\ncertificate_file = \"missing.crt\"", "/nowhere/missing.crt: "),
        (&both, ""),
    ] {
        let error = wrong(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn nothing_of_a_seed_shows_its_secrets() {
    let text = format!("{USER}security_token = \"t0ps3cret\"\n[client.a]\nsecret = \"t0ps3cret\"");
    let seed = Seed::parse(&text, Path::new("")).unwrap();
    assert!(!format!("{seed:?}").contains("t0ps3cret"));
}

/// A running command; it ends with the test.
pub(super) struct Emulator(Child, pub(super) String);

impl Emulator {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        Self(child, address)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cometail"));
    command.args(["emulator", "--listen", "127.0.0.1:0", "--quiet"]).args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[tokio::test]
async fn the_command_reads_a_seed_with_the_certificate_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.toml");
    std::fs::write(folder.path().join("a.crt"), CERTIFICATE).unwrap();
    std::fs::write(&path, format!("{USER}[client.a]\ncertificate_file = \"a.crt\"")).unwrap();
    let emulator = Emulator::start(&["--seed", path.to_str().unwrap(), "--login", "--clock-skew", "-10m"]);
    let address = emulator.1.parse().unwrap();
    let fields = [
        ("grant_type", "password"),
        ("client_id", "a"),
        ("username", "a@example.com"),
        ("password", "t0ps3cret"),
    ];
    let mut client = Client::new(address, "").await;
    let response = client.request("POST", "/services/oauth2/token", &form(&fields)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let granted = response.json();
    assert_eq!(whose(address, granted["access_token"].as_str().unwrap()).await, "a@example.com");
    let issued_at: u64 = granted["issued_at"].as_str().unwrap().parse().unwrap();
    let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() - issued_at / 1000;
    assert!((600..620).contains(&age), "{age}");
    client.path = "/cometd/61.0".to_owned();
    let reply = client.handshake().await;
    assert_eq!(reply["ext"]["sfdc"]["failureReason"], json!("401::Request requires authentication"));
}

#[test]
fn the_command_says_what_is_wrong_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.toml");
    std::fs::write(&path, "[user.a]\npassword = [\"t0ps3cret\"]").unwrap();
    let output = run(&["--seed", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &*text),
        (Some(2), "cometail: --seed: line 2, column 12: expected a string\n")
    );
    let output = run(&["--seed", folder.path().join("none.toml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("none.toml"));
    for skew in ["x", "--1s", "99999999999999999999s", "-876001h"] {
        assert_eq!(run(&["--clock-skew", skew]).status.code(), Some(2), "{skew}");
    }
}

#[test]
fn the_seed_in_the_help_is_a_good_one() {
    let output = run(&["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, text) = help.split_once("in TOML:").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.crt"), CERTIFICATE).unwrap();
    Seed::parse(text, folder.path()).unwrap();
}
