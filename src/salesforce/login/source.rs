//! Where a secret is: a file or an environment variable, read anew at each use.
//!
//! Constraints: no text tells any part of a secret; nothing that is read can block for ever or be of any size.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::trouble::Trouble;
use crate::secret::Secret;

/// The longest secret that is read, in bytes.
const SECRET_MAX: u64 = 64 << 10;

/// How long reading a file may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a secret is. It is read when it is used, so that a new one is found without a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The environment variable of this name.
    Env(String),
    /// A file that holds nothing else, at most 64 KiB.
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

impl SecretSource {
    /// A secret such as a password, without the line break at its end; `what` it is, for a person.
    pub(super) async fn text(&self, what: &str) -> Result<Secret<String>, Trouble> {
        self.read().await.and_then(|bytes| text(&bytes)).map_err(|reason| self.trouble(what, &reason))
    }

    /// A token: one word of visible ASCII.
    pub(super) async fn token(&self, what: &str) -> Result<Secret<String>, Trouble> {
        self.read()
            .await
            .and_then(|bytes| token(bytes.expose()))
            .map_err(|reason| self.trouble(what, &reason))
    }

    fn trouble(&self, what: &str, reason: &str) -> Trouble {
        let reason = format!("no {what} from {self}: {reason}");
        let trouble = match self {
            // The environment of a process stays as it is.
            Self::Env(_) => Trouble::refused(reason),
            Self::File(_) => Trouble::odd(reason),
        };
        trouble.unsent()
    }

    async fn read(&self) -> Result<Secret<Vec<u8>>, String> {
        let bytes = match self {
            Self::Env(name) => {
                // The text of the standard library's error for a value that is not UTF-8 is the value.
                let value = std::env::var_os(name).ok_or("it is not set")?;
                Secret::new(value.into_encoded_bytes())
            }
            Self::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&path));
                let read = tokio::time::timeout(READ_TIMEOUT, reading).await;
                let read = read.map_err(|_| format!("not read within {} s", READ_TIMEOUT.as_secs()))?;
                read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?
            }
        };
        if u64::try_from(bytes.expose().len()).is_ok_and(|length| length > SECRET_MAX) {
            return Err(format!("it is longer than {SECRET_MAX} bytes"));
        }
        Ok(bytes)
    }
}

fn read_file(path: &Path) -> io::Result<Secret<Vec<u8>>> {
    // To open a pipe would wait for a writer, and what it gave once it would not give again.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file; secrets are read from regular files only"));
    }
    // Room for all of it at once: a buffer that grows leaves copies of the secret behind.
    let capacity = usize::try_from(SECRET_MAX + 1).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(capacity);
    let result = File::open(path)?.take(SECRET_MAX + 1).read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    result.map(|_| bytes)
}

fn text(bytes: &Secret<Vec<u8>>) -> Result<Secret<String>, String> {
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(String::from("it is empty"));
    }
    Ok(Secret::new(text.to_owned()))
}

/// One word of visible ASCII, without the white space around it.
pub(super) fn token(bytes: &[u8]) -> Result<Secret<String>, String> {
    let token = bytes.trim_ascii();
    if token.is_empty() {
        return Err(String::from("it is empty"));
    }
    match std::str::from_utf8(token) {
        Ok(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Secret::new(token.to_owned())),
        _ => Err(String::from("it holds a space, a line break or another character that no token has")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> (tempfile::NamedTempFile, SecretSource) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let source = SecretSource::File(file.path().into());
        (file, source)
    }

    #[tokio::test]
    async fn a_password_loses_its_line_break_and_nothing_else() {
        for (bytes, wanted) in [(&b" p w \r\n"[..], " p w "), (b"p\n\n", "p\n"), (b"p\0w", "p\0w")] {
            let (_file, source) = source(bytes);
            assert_eq!(source.text("password").await.unwrap().expose(), wanted);
        }
    }

    #[tokio::test]
    async fn no_reason_shows_what_was_found() {
        let large = vec![b'x'; 65_537];
        for bytes in [&b""[..], b"\n", b"hush\xff", &large] {
            let (file, source) = source(bytes);
            let trouble = source.text("password").await.unwrap_err();
            assert!(!trouble.reason.contains("hush") && !trouble.reason.contains("xxx"), "{trouble:?}");
            assert!(trouble.reason.contains(&file.path().display().to_string()), "{trouble:?}");
        }
        let none = SecretSource::Env(String::from("COMETAIL_TEST_NOT_SET"));
        let trouble = none.token("access token").await.unwrap_err();
        assert_eq!(
            trouble.reason,
            "no access token from the environment variable COMETAIL_TEST_NOT_SET: it is not set"
        );
    }
}
