//! Logins: where the token of a connection comes from, and what becomes of it when a server refuses it.
//!
//! Constraints: no text tells any part of a token; nothing that is read can block for ever or be of any size. A refused
//! token that does not change is tried again from time to time: a server may refuse a good one once.
//!
//! Operations: [`Login::renew`] before the first request and after a refusal, [`Login::header`] for each request,
//! [`Login::accepted`] when a server took the token.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::http::{self, SetupError};
use crate::secret::Secret;

/// The longest token that is read, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// How long reading a token file may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A refused token that has not changed is handed out again every so many times that one is asked for.
const TRIED_EVERY: u32 = 15;

/// How a connection logs in: `[connection.NAME.login.KIND]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// A token that somebody else keeps fresh, read anew at each renewal.
    Token(SecretSource),
}

/// Where a secret is read, each time anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, white space at its ends removed.
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// What a login gave.
#[derive(Debug)]
pub struct Grant {
    /// The token, without its scheme.
    pub token: Secret<String>,
    /// The org's origin.
    pub instance: Option<Url>,
    /// Where the token's user is described.
    pub identity: Option<Url>,
    /// When the server says that it gave the token.
    pub issued_at: Option<SystemTime>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For a person; no secret is in it.
    pub reason: String,
    /// Whether waiting changes nothing.
    pub permanent: bool,
    /// How long the login's server asks to be left alone.
    pub after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// The login of one connection, and the token in use.
#[derive(Debug)]
pub struct Login {
    config: Option<Config>,
    grant: Option<Grant>,
    /// The whole header value, `Bearer ...`.
    header: Option<Arc<Secret<String>>>,
    /// The digest of what was refused, so that it is known again without being kept.
    refused: Option<[u8; 32]>,
    /// How many times the refused token was asked for since it was last handed out.
    withheld: u32,
    /// Whether the server ever took a token, or none, from this connection.
    accepted: bool,
    /// Whether a refusal is final, as for a command that a person watches.
    one_shot: bool,
}

impl Login {
    /// A login that has no token yet; without `config` there is never one. `http` is the way to a login's server.
    /// `one_shot`: a refusal is final, as for a command that a person watches.
    ///
    /// # Errors
    /// The way to a login's server cannot be set up.
    pub fn new(config: Option<Config>, _http: &http::Config, one_shot: bool) -> Result<Self, SetupError> {
        Ok(Self { config, grant: None, header: None, refused: None, withheld: 0, accepted: false, one_shot })
    }

    /// The value of the `Authorization` header, `Bearer TOKEN`.
    pub fn header(&self) -> Option<Arc<Secret<String>>> {
        self.header.clone()
    }

    /// Where the org is, as the login said it.
    pub fn instance(&self) -> Option<&Url> {
        self.grant.as_ref()?.instance.as_ref()
    }

    /// Where the token's user is described, as the login said it.
    pub fn identity(&self) -> Option<&Url> {
        self.grant.as_ref()?.identity.as_ref()
    }

    /// The server took the token in use: a later refusal of it may pass.
    pub const fn accepted(&mut self) {
        self.accepted = true;
        self.refused = None;
        self.withheld = 0;
    }

    /// Gets the token; `refused` when the server did not take the one in use.
    ///
    /// # Errors
    /// There is no token, or none but the refused one.
    pub async fn renew(&mut self, refused: bool) -> Result<(), Failure> {
        if refused {
            self.refused = Some(digest(self.header.as_deref()));
        }
        let source = self.config.as_ref().map(|Config::Token(source)| source);
        match read(source).await {
            Ok(token) => {
                self.take(token);
                self.hand_out()
            }
            Err(error) => Err(self.failed(format!("no access token from {}: {error}", self.name()))),
        }
    }

    fn take(&mut self, token: Option<Secret<String>>) {
        self.grant = token.map(|token| Grant { token, instance: None, identity: None, issued_at: None });
        let header = |grant: &Grant| Arc::new(Secret::new(format!("Bearer {}", grant.token.expose())));
        self.header = self.grant.as_ref().map(header);
    }

    /// The token that was read, unless it is the refused one and not its turn.
    fn hand_out(&mut self) -> Result<(), Failure> {
        if self.refused != Some(digest(self.header.as_deref())) {
            self.withheld = 0;
            return Ok(());
        }
        self.withheld += 1;
        if self.withheld >= TRIED_EVERY && !self.is_final() {
            self.withheld = 0;
            return Ok(());
        }
        if self.config.is_none() {
            let reason = "the server demands an access token and none is configured; set COMETAIL_TOKEN, \
                          --token-file or [connection.NAME.login.token]";
            return Err(self.failed(reason.into()));
        }
        let then = if self.is_final() {
            "get a new one"
        } else {
            "it is read again until it changes, and tried again from time to time"
        };
        Err(self.failed(format!("the server refused the access token of {}; {then}", self.name())))
    }

    const fn failed(&self, reason: String) -> Failure {
        Failure { reason, permanent: self.is_final(), after: None }
    }

    /// Whether waiting changes nothing: the environment of a process stays as it is, but a server that took its token
    /// once may do so again.
    const fn is_final(&self) -> bool {
        self.one_shot || !(self.accepted || matches!(self.config, Some(Config::Token(SecretSource::File(_)))))
    }

    fn name(&self) -> String {
        match &self.config {
            None => String::from("nowhere"),
            Some(Config::Token(source)) => source.to_string(),
        }
    }
}

async fn read(source: Option<&SecretSource>) -> Result<Option<Secret<String>>, String> {
    let bytes = match source {
        None => return Ok(None),
        Some(SecretSource::Env(name)) => {
            // The text of the standard library's error for a value that is not UTF-8 is the value.
            let value = std::env::var_os(name).ok_or("it is not set")?;
            Secret::new(value.into_encoded_bytes())
        }
        Some(SecretSource::File(path)) => {
            let path = path.clone();
            let reading = tokio::task::spawn_blocking(move || read_file(&path));
            let read = tokio::time::timeout(READ_TIMEOUT, reading).await;
            let read = read.map_err(|_| format!("not read within {} s", READ_TIMEOUT.as_secs()))?;
            read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?
        }
    };
    if u64::try_from(bytes.expose().len()).is_ok_and(|length| length > TOKEN_MAX) {
        return Err(format!("it is longer than {TOKEN_MAX} bytes"));
    }
    let token = bytes.expose().trim_ascii();
    if token.is_empty() {
        return Err(String::from("it is empty"));
    }
    match std::str::from_utf8(token) {
        Ok(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(Secret::new(token.to_owned())))
        }
        _ => Err(String::from("it holds a space, a line break or another character that no token has")),
    }
}

fn read_file(path: &Path) -> io::Result<Secret<Vec<u8>>> {
    // To open a pipe would wait for a writer, and what it gave once it would not give again.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file; a token is read from regular files only"));
    }
    // Room for all of it at once: a buffer that grows leaves copies of the secret behind.
    let capacity = usize::try_from(TOKEN_MAX + 1).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(capacity);
    let result = File::open(path)?.take(TOKEN_MAX + 1).read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    result.map(|_| bytes)
}

/// The digest of a header, or of none.
fn digest(header: Option<&Secret<String>>) -> [u8; 32] {
    Sha256::digest(header.map_or("", |header| header.expose()).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(source: Option<SecretSource>, one_shot: bool) -> Login {
        Login::new(source.map(Config::Token), &http::Config::default(), one_shot).unwrap()
    }

    #[tokio::test]
    async fn a_refused_token_is_waited_for_until_the_file_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\n").unwrap();
        let mut token = login(Some(SecretSource::File(file.path().into())), false);
        assert_eq!(token.renew(false).await, Ok(()));
        assert_eq!(token.header().unwrap().expose(), "Bearer one");
        assert!(matches!(token.renew(true).await, Err(Failure { permanent: false, .. })));
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(token.renew(true).await, Ok(()));
        assert_eq!(token.header().unwrap().expose(), "Bearer two");
    }

    #[tokio::test]
    async fn no_reason_holds_the_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "  \n", "hush hush", "hush\u{7}"] {
            std::fs::write(file.path(), text).unwrap();
            let mut token = login(Some(SecretSource::File(file.path().into())), true);
            let Err(Failure { reason, permanent: true, .. }) = token.renew(false).await else {
                panic!("{text:?} was taken");
            };
            assert!(!reason.contains("hush"), "{reason}");
        }
        let mut none = login(None, false);
        assert_eq!(none.renew(false).await, Ok(()));
        assert!(matches!(none.renew(true).await, Err(Failure { permanent: true, .. })));
    }

    fn reason_of(renewed: Result<(), Failure>) -> (String, bool) {
        let failure = renewed.expect_err("a token was handed out");
        (failure.reason, failure.permanent)
    }

    /// A variable that is not UTF-8, in a child process of this test that has it.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_variable_that_is_no_text_is_not_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        const NAME: &str = "COMETAIL_TEST_ODD_TOKEN";
        if std::env::var_os(NAME).is_some() {
            let mut token = login(Some(SecretSource::Env(NAME.to_owned())), false);
            let (reason, permanent) = reason_of(token.renew(false).await);
            assert!(permanent && reason.contains(NAME) && !reason.contains("hush"), "{reason}");
            return;
        }
        let name = "salesforce::login::tests::a_variable_that_is_no_text_is_not_shown";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(NAME, std::ffi::OsStr::from_bytes(b"hush\xffhush"))
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && stdout.contains("1 passed"), "{stdout}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_a_regular_file_of_a_tokens_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_bits_truncate(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let large = dir.path().join("large");
        std::fs::write(&large, "x".repeat(65_537)).unwrap();
        for (path, why) in [
            (pipe, "not a regular file"),
            (dir.path().to_owned(), "not a regular file"),
            (large, "longer than 65536 bytes"),
            (dir.path().join("none"), "No such file"),
        ] {
            let begun = std::time::Instant::now();
            let mut token = login(Some(SecretSource::File(path)), false);
            let (reason, permanent) = reason_of(token.renew(false).await);
            assert!(reason.contains(why) && !permanent, "{reason}");
            assert!(begun.elapsed() < Duration::from_secs(5), "it was waited for");
        }
    }

    #[tokio::test]
    async fn a_refused_token_that_stays_is_tried_again_from_time_to_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let mut token = login(Some(SecretSource::File(file.path().into())), false);
        assert_eq!(token.renew(false).await, Ok(()));
        for asked in 1..=45 {
            let ready = token.renew(true).await == Ok(());
            assert_eq!(ready, asked % 15 == 0, "{asked}");
        }
        token.one_shot = true;
        for _ in 0..30 {
            assert!(reason_of(token.renew(true).await).1, "a person watches");
        }
    }

    #[tokio::test]
    async fn what_was_accepted_once_is_never_given_up_by_a_daemon() {
        let path = SecretSource::Env(String::from("CARGO_PKG_NAME"));
        for (source, one_shot, accepted, ends) in [
            (Some(path.clone()), false, false, true),
            (Some(path.clone()), false, true, false),
            (Some(path), true, true, true),
            (None, false, false, true),
            (None, false, true, false),
        ] {
            let mut token = login(source, one_shot);
            assert_eq!(token.renew(false).await, Ok(()));
            if accepted {
                token.accepted();
            }
            assert_eq!(reason_of(token.renew(true).await).1, ends);
            let mut again = false;
            for _ in 0..20 {
                again |= token.renew(true).await == Ok(());
            }
            assert_eq!(again, !ends);
        }
    }
}
