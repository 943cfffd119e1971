//! Login hosts made of a closure, secrets that are looked for in everything that is said, and logins that use both.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{Config, Failure, Login, Options, SecretSource};
use crate::http::{self, Proxy};
use crate::retry;
use crate::salesforce::api::ApiVersion;

/// Every secret has this in it, whatever its case and encoding.
const MARK: &str = "hush";
pub(super) const PASSWORD: &str = "p&<w>'\" hush1é";
pub(super) const SECURITY_TOKEN: &str = "hushSecurity2+/=";
pub(super) const CLIENT_SECRET: &str = "hushClient3%x";
pub(super) const REFRESH_TOKEN: &str = "5Aep!hushRefresh4";
pub(super) const ACCESS_TOKEN: &str = "00DHUSH!hushAccess5";

/// Fails when a text holds a secret.
#[track_caller]
pub(super) fn clean(text: &str) {
    let lower = text.to_lowercase();
    assert!(!lower.contains(MARK), "a secret is shown: {text}");
    let lines = key().lines().filter(|line| !line.starts_with('-'));
    for line in lines {
        assert!(!text.contains(line), "a line of the key is shown: {text}");
    }
}

/// An RSA key in PEM, made once.
pub(super) fn key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let run = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .expect("the program openssl makes the keys of tests");
        assert!(run.status.success());
        String::from_utf8(run.stdout).unwrap()
    })
}

/// A login host on a port of its own.
pub(super) struct Host {
    pub(super) url: Url,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Host {
    /// `answer` gives the response to a request, numbered from 0; none keeps it waiting for ever.
    pub(super) async fn start(
        answer: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port())).unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self { url, requests, task }
    }

    /// Answers every request with the same bytes.
    pub(super) async fn saying(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::start(move |_, _| Some(response.clone())).await
    }

    /// Gives a token, whatever is asked, and says that the org is here.
    pub(super) async fn giving() -> Self {
        Self::start(|number, request| Some(given(number, request))).await
    }

    /// Nothing listens any more.
    pub(super) async fn stop(&self) {
        self.task.abort();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !self.task.is_finished() {
            assert!(std::time::Instant::now() < deadline, "it goes on");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Every request so far, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(super) async fn until(&self, requests: usize) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while self.requests.lock().unwrap().len() < requests {
            assert!(std::time::Instant::now() < deadline, "the request never came");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &impl Fn(usize, &str) -> Option<String>,
) {
    while let Some(request) = request(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let Some(response) = answer(number, &request) else { return std::future::pending().await };
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return None;
        }
    }
}

/// The value of a header of a request.
pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The body of a request.
pub(super) fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

/// The pairs of a request's form.
pub(super) fn form(request: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body(request).as_bytes()).into_owned().collect()
}

/// A response; `headers` each ended by `\r\n`.
pub(super) fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn refusal(error: &str, description: &str) -> String {
    let body = serde_json::json!({"error": error, "error_description": description}).to_string();
    response("400 Bad Request", "Content-Type: application/json\r\n", &body)
}

pub(super) fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <s:Body>{inner}</s:Body></s:Envelope>"
    )
}

/// A reply that gives a token with the number of the request at its end, for an org at the host that was asked.
pub(super) fn given(number: usize, request: &str) -> String {
    let host = format!("http://{}", header(request, "host").unwrap());
    given_at(number, request, &host)
}

/// Like [`given`], for an org at `instance`.
pub(super) fn given_at(number: usize, request: &str, instance: &str) -> String {
    let token = format!("{ACCESS_TOKEN}-{number}");
    if request.starts_with("POST /services/Soap/") {
        let result = format!(
            "<loginResponse><result><sessionId>{token}</sessionId><serverUrl>{instance}/services/Soap/u/61.0/00D\
             </serverUrl></result></loginResponse>"
        );
        return response("200 OK", "Content-Type: text/xml\r\n", &envelope(&result));
    }
    let body = serde_json::json!({"access_token": token, "instance_url": instance, "token_type": "Bearer"});
    response("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

/// Logins at one host, with their secrets in files.
pub(super) struct Kit {
    pub(super) dir: tempfile::TempDir,
    host: Url,
}

impl Kit {
    pub(super) fn new(host: &Url) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), host: host.clone() }
    }

    /// A secret in a file.
    pub(super) fn secret(&self, name: &str, value: &str) -> SecretSource {
        let path = self.dir.path().join(name);
        std::fs::write(&path, format!("{value}\n")).unwrap();
        SecretSource::File(path)
    }

    pub(super) fn soap(&self) -> Config {
        Config::Soap {
            host: self.host.clone(),
            username: "admin@example.com".to_owned(),
            password: self.secret("password", PASSWORD),
            security_token: Some(self.secret("security", SECURITY_TOKEN)),
            api_version: ApiVersion(61),
        }
    }

    pub(super) fn password(&self) -> Config {
        Config::Password {
            host: self.host.clone(),
            client_id: "3MVG9&id".to_owned(),
            client_secret: self.secret("client", CLIENT_SECRET),
            username: "admin@example.com".to_owned(),
            password: self.secret("password", PASSWORD),
            security_token: Some(self.secret("security", SECURITY_TOKEN)),
        }
    }

    pub(super) fn refresh(&self, store: Option<PathBuf>) -> Config {
        Config::Refresh {
            host: self.host.clone(),
            client_id: "3MVG9&id".to_owned(),
            client_secret: Some(self.secret("client", CLIENT_SECRET)),
            refresh_token: self.secret("refresh", REFRESH_TOKEN),
            store,
        }
    }

    pub(super) fn client_credentials(&self) -> Config {
        Config::ClientCredentials {
            host: self.host.clone(),
            client_id: "3MVG9&id".to_owned(),
            client_secret: self.secret("client", CLIENT_SECRET),
        }
    }

    pub(super) fn jwt(&self) -> Config {
        Config::Jwt {
            host: self.host.clone(),
            issuer: "3MVG9&id".to_owned(),
            subject: "admin@example.com".to_owned(),
            key: self.secret("key", key()),
            audience: None,
        }
    }

    /// One of each kind that asks a host.
    pub(super) fn all(&self) -> [Config; 5] {
        let store = Some(self.dir.path().join("store"));
        [self.soap(), self.password(), self.refresh(store), self.client_credentials(), self.jwt()]
    }
}

/// Short waits.
pub(super) fn options() -> Options {
    let retry = retry::Config { initial: Duration::from_nanos(1), max: Duration::from_nanos(1) };
    Options { timeout: Duration::from_secs(20), retry, ..Options::default() }
}

pub(super) fn login(config: Config, options: Options) -> Login {
    let http = http::Config { proxy: Proxy::Direct, ..http::Config::default() };
    Login::with(Some(config), &http, options).unwrap()
}

/// Renews, and looks for secrets in what it says and in what the login shows of itself.
pub(super) async fn renew(login: &mut Login, refused: bool) -> Result<(), Failure> {
    let result = login.renew(refused).await;
    clean(&format!(
        "{result:?} {login:?} {:?} {}",
        login.grant().map(|grant| &grant.token),
        login.describe()
    ));
    result
}

/// The number at the end of the token in use.
pub(super) fn number(login: &Login) -> usize {
    let header = login.header().unwrap();
    let (token, number) = header.expose().rsplit_once('-').unwrap();
    assert_eq!(token, format!("Bearer {ACCESS_TOKEN}"));
    number.parse().unwrap()
}
