//! The access token of a connection: read anew whenever the server refused the last one.
//!
//! Constraints: no text tells any part of a token; nothing that is read can block for ever or be of any size. A refused
//! token that does not change is tried again from time to time: a server may refuse a good one once.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::redact::Redactor;
use crate::bayeux::contract::Credentials;
use crate::config::TokenSource;
use crate::secret::Secret;

/// The longest token that is read, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// How long reading a token file may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A refused token that has not changed is handed out again every so many times that one is asked for.
const TRIED_EVERY: u32 = 15;

/// The token in use.
pub(super) struct Token {
    source: Option<TokenSource>,
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

impl Token {
    pub(super) const fn new(source: Option<TokenSource>, one_shot: bool) -> Self {
        Self { source, header: None, refused: None, withheld: 0, accepted: false, one_shot }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<Arc<Secret<String>>> {
        self.header.clone()
    }

    /// What takes the token out of texts.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(self.header())
    }

    /// The server took the token in use: a later refusal of it may pass.
    pub(super) const fn accepted(&mut self) {
        self.accepted = true;
        self.refused = None;
        self.withheld = 0;
    }

    /// Reads the token; `refused` when the server did not take the one in use.
    pub(super) async fn renew(&mut self, refused: bool) -> Credentials {
        if refused {
            self.refused = Some(digest(self.header.as_deref()));
        }
        match read(self.source.as_ref()).await {
            Ok(token) => {
                self.header = token.map(|token| Arc::new(Secret::new(format!("Bearer {}", token.expose()))));
                self.hand_out()
            }
            Err(error) => self.failed(format!("no access token from {}: {error}", self.name())),
        }
    }

    /// The token that was read, unless it is the refused one and not its turn.
    fn hand_out(&mut self) -> Credentials {
        if self.refused != Some(digest(self.header.as_deref())) {
            self.withheld = 0;
            return Credentials::Ready;
        }
        self.withheld += 1;
        if self.withheld >= TRIED_EVERY && !self.is_final() {
            self.withheld = 0;
            return Credentials::Ready;
        }
        if self.source.is_none() {
            let reason = "the server demands an access token and none is configured; set COMETAIL_TOKEN, \
                          --token-file or [connection.NAME.login.token]";
            return self.failed(reason.into());
        }
        let then = if self.is_final() {
            "get a new one"
        } else {
            "it is read again until it changes, and tried again from time to time"
        };
        self.failed(format!("the server refused the access token of {}; {then}", self.name()))
    }

    fn failed(&self, reason: String) -> Credentials {
        Credentials::Failed { reason, permanent: self.is_final() }
    }

    /// Whether waiting changes nothing: the environment of a process stays as it is, but a server that took its token
    /// once may do so again.
    const fn is_final(&self) -> bool {
        self.one_shot || !(self.accepted || matches!(self.source, Some(TokenSource::File(_))))
    }

    fn name(&self) -> String {
        match &self.source {
            None => String::from("nowhere"),
            Some(TokenSource::Env(name)) => format!("the environment variable {name}"),
            Some(TokenSource::File(path)) => format!("the file {}", path.display()),
        }
    }
}

async fn read(source: Option<&TokenSource>) -> Result<Option<Secret<String>>, String> {
    let bytes = match source {
        None => return Ok(None),
        Some(TokenSource::Env(name)) => {
            // The text of the standard library's error for a value that is not UTF-8 is the value.
            let value = std::env::var_os(name).ok_or("it is not set")?;
            Secret::new(value.into_encoded_bytes())
        }
        Some(TokenSource::File(path)) => {
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

    #[tokio::test]
    async fn a_refused_token_is_waited_for_until_the_file_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\n").unwrap();
        let mut token = Token::new(Some(TokenSource::File(file.path().into())), false);
        assert_eq!(token.renew(false).await, Credentials::Ready);
        assert_eq!(token.header().unwrap().expose(), "Bearer one");
        assert!(matches!(token.renew(true).await, Credentials::Failed { permanent: false, .. }));
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(token.renew(true).await, Credentials::Ready);
        assert_eq!(token.header().unwrap().expose(), "Bearer two");
    }

    #[tokio::test]
    async fn no_reason_holds_the_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "  \n", "hush hush", "hush\u{7}"] {
            std::fs::write(file.path(), text).unwrap();
            let mut token = Token::new(Some(TokenSource::File(file.path().into())), true);
            let Credentials::Failed { reason, permanent: true } = token.renew(false).await else {
                panic!("{text:?} was taken");
            };
            assert!(!reason.contains("hush"), "{reason}");
        }
        let mut none = Token::new(None, false);
        assert_eq!(none.renew(false).await, Credentials::Ready);
        assert!(matches!(none.renew(true).await, Credentials::Failed { permanent: true, .. }));
    }

    fn reason_of(credentials: Credentials) -> (String, bool) {
        let Credentials::Failed { reason, permanent } = credentials else { panic!("a token was handed out") };
        (reason, permanent)
    }

    /// A variable that is not UTF-8, in a child process of this test that has it.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_variable_that_is_no_text_is_not_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        const NAME: &str = "COMETAIL_TEST_ODD_TOKEN";
        if std::env::var_os(NAME).is_some() {
            let mut token = Token::new(Some(TokenSource::Env(NAME.to_owned())), false);
            let (reason, permanent) = reason_of(token.renew(false).await);
            assert!(permanent && reason.contains(NAME) && !reason.contains("hush"), "{reason}");
            return;
        }
        let name = "daemon::token::tests::a_variable_that_is_no_text_is_not_shown";
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
            let mut token = Token::new(Some(TokenSource::File(path)), false);
            let (reason, permanent) = reason_of(token.renew(false).await);
            assert!(reason.contains(why) && !permanent, "{reason}");
            assert!(begun.elapsed() < Duration::from_secs(5), "it was waited for");
        }
    }

    #[tokio::test]
    async fn a_refused_token_that_stays_is_tried_again_from_time_to_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let mut token = Token::new(Some(TokenSource::File(file.path().into())), false);
        assert_eq!(token.renew(false).await, Credentials::Ready);
        for asked in 1..=45 {
            let ready = token.renew(true).await == Credentials::Ready;
            assert_eq!(ready, asked % 15 == 0, "{asked}");
        }
        token.one_shot = true;
        for _ in 0..30 {
            assert!(reason_of(token.renew(true).await).1, "a person watches");
        }
    }

    #[tokio::test]
    async fn what_was_accepted_once_is_never_given_up_by_a_daemon() {
        let path = TokenSource::Env(String::from("CARGO_PKG_NAME"));
        for (source, one_shot, accepted, ends) in [
            (Some(path.clone()), false, false, true),
            (Some(path.clone()), false, true, false),
            (Some(path), true, true, true),
            (None, false, false, true),
            (None, false, true, false),
        ] {
            let mut token = Token::new(source, one_shot);
            assert_eq!(token.renew(false).await, Credentials::Ready);
            if accepted {
                token.accepted();
            }
            assert_eq!(reason_of(token.renew(true).await).1, ends);
            let mut again = false;
            for _ in 0..20 {
                again |= token.renew(true).await == Credentials::Ready;
            }
            assert_eq!(again, !ends);
        }
    }
}
