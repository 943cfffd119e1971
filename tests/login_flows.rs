//! Every login that asks a host, against the emulator: another implementation of the other end.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cometail::emulator::{self, Seed};
use cometail::http::{self, Client, Proxy};
use cometail::salesforce::api::{Api, ApiVersion, Org};
use cometail::salesforce::login::{Config, Login, Options, SecretSource};
use jiff::SignedDuration;
use url::Url;

const USER: &str = "ada@example.com";

const SEED: &str = r#"
[user."ada@example.com"]
password = "p<a>&'\"ß s"
security_token = "T0k+n"
refresh_tokens = { rotating = "r-first" }

[client.plain]
secret = "plain-secret&="
run_as = "ada@example.com"
certificate_file = "certificate.pem"

[client.rotating]
secret = "a&b:c d"
rotates = true
"#;

/// An emulator with a user and two connected apps, and what they log in with.
struct Scene {
    dir: tempfile::TempDir,
    host: Url,
}

impl Scene {
    /// `ahead`: how many seconds the emulator's clock is ahead of ours.
    async fn start(ahead: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        openssl(dir.path(), "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
        openssl(dir.path(), "req -x509 -key key.pem -subj /CN=x -out certificate.pem");
        let seed = Seed::parse(SEED, dir.path()).unwrap();
        let clock_skew = SignedDuration::from_secs(ahead);
        let config = emulator::Config { seed, login: true, clock_skew, ..emulator::Config::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(emulator::serve(listener, config, std::future::pending()));
        Self { dir, host }
    }

    fn secret(&self, name: &str, text: &str) -> SecretSource {
        let path = self.path(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        SecretSource::File(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One login of each kind.
    fn all(&self) -> [Config; 5] {
        let host = || self.host.clone();
        let password = || self.secret("password", "p<a>&'\"ß s");
        let security_token = || Some(self.secret("security", "T0k+n"));
        let client_secret = || self.secret("client", "plain-secret&=");
        let (client_id, username) = (|| String::from("plain"), || USER.to_owned());
        [
            Config::Soap {
                host: host(),
                username: username(),
                password: password(),
                security_token: security_token(),
                api_version: ApiVersion(61),
            },
            Config::Password {
                host: host(),
                client_id: client_id(),
                client_secret: client_secret(),
                username: username(),
                password: password(),
                security_token: security_token(),
            },
            Config::ClientCredentials {
                host: host(),
                client_id: client_id(),
                client_secret: client_secret(),
            },
            Config::Refresh {
                host: host(),
                client_id: String::from("rotating"),
                client_secret: Some(self.secret("rotating", "a&b:c d")),
                refresh_token: self.secret("refresh", "r-first"),
                store: Some(self.path("store")),
            },
            Config::Jwt {
                host: host(),
                issuer: client_id(),
                subject: username(),
                key: SecretSource::File(self.path("key.pem")),
                audience: None,
            },
        ]
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let run = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
    let run = run.expect("the program openssl makes the keys of tests");
    assert!(run.status.success(), "openssl {arguments}");
}

fn http() -> http::Config {
    http::Config { proxy: Proxy::Direct, ..http::Config::default() }
}

fn login(config: Config) -> Login {
    Login::with(Some(config), &http(), Options::default()).unwrap()
}

/// Who the org says that a login is.
async fn whose(login: Login) -> String {
    let org = Org { instance: login.instance().unwrap().clone(), version: ApiVersion(61) };
    let identity = login.identity().unwrap().path().to_owned();
    let mut api = Api::new(Client::new(&http()).unwrap(), login, org, Duration::from_secs(20));
    let found: serde_json::Value = api.get(&identity).await.unwrap();
    found["username"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_login_gives_a_token_that_the_org_takes() {
    for ahead in [0, 3_600, -3_600] {
        let scene = Scene::start(ahead).await;
        for config in scene.all() {
            let kind = config.kind();
            let mut login = login(config);
            login.renew(false).await.unwrap();
            let first = login.header().unwrap();
            login.accepted();
            login.renew(true).await.unwrap();
            assert_ne!(login.header().unwrap(), first, "{kind}");
            assert_eq!(login.begun(), 2, "{kind}");
            let skew = login.clock_skew().unwrap_or_default();
            assert!(skew.abs_diff(ahead) <= 2 || kind != "jwt", "{kind}: {skew}");
            assert_eq!(whose(login).await, USER, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_rotated_refresh_token_outlives_the_process() {
    let scene = Scene::start(0).await;
    for _ in 0..3 {
        let [_, _, _, refresh, _] = scene.all();
        login(refresh).renew(false).await.unwrap();
    }
    std::fs::remove_file(scene.path("store")).unwrap();
    let [_, _, _, refresh, _] = scene.all();
    let failure = login(refresh).renew(false).await.unwrap_err();
    assert!(failure.permanent && failure.reason.contains("invalid_grant"), "{failure}");
}

#[tokio::test]
async fn wrong_secrets_are_refused_in_the_servers_words() {
    let scene = Scene::start(0).await;
    let [soap, password, client_credentials, refresh, jwt] = scene.all();
    for (config, file, said) in [
        (soap, "password", "INVALID_LOGIN: Invalid username, password, security token; or user locked out."),
        (password, "security", "invalid_grant"),
        (client_credentials, "client", "invalid_client"),
        (refresh, "refresh", "invalid_grant: expired access/refresh token"),
        (jwt, "key.pem", "invalid_grant"),
    ] {
        if file == "key.pem" {
            openssl(scene.dir.path(), "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
        } else {
            scene.secret(file, "wrong");
        }
        let kind = config.kind();
        let failure = login(config).renew(false).await.unwrap_err();
        assert!(failure.permanent && failure.reason.contains(said), "{kind}: {failure}");
        // The other secrets are right again.
        scene.all();
    }
}
