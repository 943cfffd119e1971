//! An emulator with users and apps, a directory with their secrets, and a daemon that logs in.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::support::{ARCHIVE, Cometail, Emulator, Ended, Place, archive, cometail, until};

pub(crate) const USER: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "hush <p>&'\"ß s";

/// What must never be seen; the tokens that the emulator gives begin with the last but one.
const SECRETS: [&str; 8] = [
    PASSWORD,
    "T0k+hush",
    "plain-hush&=",
    "a&b:c hush",
    "r-hush-plain",
    "r-hush-rotating",
    "00D000000000001!",
    "5Aep00D000000000001",
];

const SEED: &str = r#"
[org]
id = "00D000000000001"
name = "Acme"

[user."ada@example.com"]
password = "hush <p>&'\"ß s"
security_token = "T0k+hush"
refresh_tokens = { plain = "r-hush-plain", rotating = "r-hush-rotating" }

[client.plain]
secret = "plain-hush&="
run_as = "ada@example.com"
certificate_file = "certificate.pem"

[client.rotating]
secret = "a&b:c hush"
rotates = true
"#;

/// What one test plays in.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) emulator: Emulator,
}

impl Scene {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let place = Place::new();
        let seed = place.write("seed.toml", SEED);
        std::fs::create_dir(place.path("secrets")).unwrap();
        for (name, text) in [
            ("password", PASSWORD),
            ("security", "T0k+hush"),
            ("client", "plain-hush&="),
            ("rotating-client", "a&b:c hush"),
            ("refresh", "r-hush-plain"),
            ("rotating", "r-hush-rotating"),
        ] {
            place.write(&format!("secrets/{name}"), &format!("{text}\n"));
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(place.path(&format!("secrets/{name}")), private).unwrap();
        }
        openssl(&place, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out secrets/key.pem");
        openssl(&place, "req -x509 -key secrets/key.pem -subj /CN=x -out certificate.pem");
        let mut all = vec!["--seed", &seed, "--login"];
        all.extend(arguments);
        let emulator = Emulator::start_with(&all);
        Self { place, emulator }
    }

    pub(crate) fn host(&self) -> String {
        format!("http://{}", self.emulator.address())
    }

    /// A secret by its file.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{{ file = {:?} }}", self.place.text(&format!("secrets/{name}")))
    }

    /// The table of one kind of login at `host`.
    pub(crate) fn login_at(&self, kind: &str, host: &str) -> String {
        let mut text = format!("[connection.c.login.{}]\n", kind.trim_end_matches('2'));
        let mut line = |name: &str, value: String| writeln!(text, "{name} = {value}").unwrap();
        let quoted = |value: &str| format!("{value:?}");
        if kind != "sf_cli" {
            line("host", quoted(host));
        }
        if ["soap", "password"].contains(&kind) {
            line("username", quoted(USER));
            line("password", self.file("password"));
            line("security_token", self.file("security"));
        }
        if ["password", "refresh", "client_credentials"].contains(&kind) {
            line("client_id", quoted("plain"));
            line("client_secret", self.file("client"));
        }
        match kind {
            "refresh" => line("refresh_token", self.file("refresh")),
            "refresh2" => {
                line("client_id", quoted("rotating"));
                line("client_secret", self.file("rotating-client"));
                line("refresh_token", self.file("rotating"));
            }
            "jwt" => {
                line("issuer", quoted("plain"));
                line("subject", quoted(USER));
                line("key", self.file("key.pem"));
            }
            "sf_cli" => {
                line("org", quoted("acme"));
                line("program", quoted(&self.place.text("sf")));
            }
            _ => {}
        }
        text
    }

    pub(crate) fn login(&self, kind: &str) -> String {
        self.login_at(kind, &self.host())
    }

    /// The connection `c` with a login and the sink of the archive; `more` are lines of the connection.
    pub(crate) fn config(&self, more: &str, login: &str) -> String {
        format!("{}{}", connection(more, login), archive(&self.place))
    }

    /// Starts the daemon, with everything recorded that it sends and receives.
    pub(crate) fn run(&self, config: &str) -> Cometail {
        let file = self.place.config(config);
        let wire = self.place.text("wire.har");
        let daemon =
            Cometail::start(cometail(&["run", "-c", &file, "--wire", &wire]).env("COMETAIL_LOG", "debug"));
        let line = std::fs::read(format!("/proc/{}/cmdline", daemon.id())).unwrap_or_default();
        look("argv", &String::from_utf8_lossy(&line));
        daemon
    }

    /// Publishes and waits for the archive to hold these numbers.
    pub(crate) fn publish(&self, from: u64, to: u64) {
        self.emulator.publish_each(from..=to);
        self.place.wait_for(ARCHIVE, 1..=to);
    }

    pub(crate) fn logins(&self) -> u64 {
        self.emulator.count("logins")
    }

    pub(crate) fn refused(&self) -> u64 {
        self.emulator.count("logins_refused")
    }

    pub(crate) fn revoke(&self) {
        self.emulator.post("tokens/revoke", &json!({}));
    }

    /// Waits for what a connection's status says.
    pub(crate) fn status<T>(&self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        until(what, || find(&self.place.status()?["connections"][0]))
    }

    /// Ends the daemon and looks for secrets in all that it wrote.
    pub(crate) fn stop(&self, daemon: Cometail) -> Ended {
        self.checked(daemon.stop())
    }

    /// Looks for secrets in all that a daemon wrote.
    pub(crate) fn checked(&self, ended: Ended) -> Ended {
        look("stdout", &ended.stdout);
        look("stderr", &ended.stderr);
        let private = |name: &str| {
            let kept = name.starts_with("login-") || name.contains(".refresh-token.json");
            kept || ["seed.toml", "secrets", "sf", "c.session.json"].contains(&name)
        };
        look_below(self.place.path("state").parent().unwrap(), &private);
        ended
    }
}

/// The connection `c`, with waits for tests.
pub(crate) fn connection(more: &str, login: &str) -> String {
    format!(
        "[connection.c]\nchannels = [\"/topic/A\"]\nproxy = \"direct\"\nretry_initial = \"20ms\"\nretry_max = \"200ms\"\n\
         handshakes_per_minute = 1000\n{more}\n[connection.c.login]\nretry_initial = \"20ms\"\nretry_max = \"100ms\"\n\
         logins_per_hour = 1000\n{login}\n"
    )
}

fn look_below(dir: &Path, private: &dyn Fn(&str) -> bool) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if private(&name) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            look_below(&entry.path(), private);
        } else {
            look(&name, &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()));
        }
    }
}

/// Fails if a text has a secret in it, however it is written.
pub(crate) fn look(place: &str, text: &str) {
    for secret in SECRETS {
        let form: String = byte_serialize(secret.as_bytes()).collect();
        let json = serde_json::to_string(secret).unwrap();
        let xml = secret.replace('&', "&amp;").replace('<', "&lt;");
        let encoded = STANDARD.encode(secret);
        for spelt in [
            secret,
            &form,
            &form.replace('+', "%20"),
            json.trim_matches('"'),
            &xml,
            encoded.trim_end_matches('='),
        ] {
            if let Some(at) = text.find(spelt) {
                let from =
                    (0..=at.saturating_sub(80)).rev().find(|from| text.is_char_boundary(*from)).unwrap_or(0);
                panic!("a secret in {place}: {}", &text[from..at]);
            }
        }
    }
    assert!(!text.contains("PRIVATE KEY"), "a key in {place}");
}

/// Runs openssl in the place, another implementation of keys and certificates than ours.
fn openssl(place: &Place, arguments: &str) {
    let mut command = Command::new("openssl");
    let done = command
        .args(arguments.split(' '))
        .current_dir(place.path("secrets").parent().unwrap())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    for text in ["x T0k+hush", "T0k%2Bhush", "VDBrK2h1c2g=", "hush &lt;p>&amp;'\"ß s", "00D000000000001!x"] {
        assert!(std::panic::catch_unwind(|| look("here", text)).is_err(), "{text}");
    }
    look("here", "00D000000000001");
}
