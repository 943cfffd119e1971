//! The access token of a connection: read anew whenever the server refused the last one.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use crate::bayeux::contract::Credentials;
use crate::config::TokenSource;
use crate::secret::Secret;

/// The longest token that is read, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// How long reading a token file may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The token in use.
pub(super) struct Token {
    source: Option<TokenSource>,
    /// The whole header value, `Bearer ...`.
    header: Option<std::sync::Arc<Secret<String>>>,
    /// The digest of a token that was refused, so that it is known again without being kept.
    refused: Option<[u8; 32]>,
    /// Whether a refusal is final, as for a command that a person watches.
    one_shot: bool,
}

impl Token {
    pub(super) const fn new(source: Option<TokenSource>, one_shot: bool) -> Self {
        Self { source, header: None, refused: None, one_shot }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<std::sync::Arc<Secret<String>>> {
        self.header.clone()
    }

    /// Reads the token; `refused` when the server did not take the one in use.
    pub(super) async fn renew(&mut self, refused: bool) -> Credentials {
        let Some(source) = self.source.clone() else {
            let reason = "the server demands an access token and none is configured; set COMETAIL_TOKEN, \
                          --token-file or [connection.NAME.login.token]";
            return if refused {
                Credentials::Failed { reason: reason.into(), permanent: true }
            } else {
                Credentials::Ready
            };
        };
        if refused {
            self.refused = self.header.as_ref().map(|header| digest(header.expose()));
        }
        let changeable = matches!(source, TokenSource::File(_)) && !self.one_shot;
        let name = name_of(&source);
        match read(source).await {
            Ok(token) => {
                let header = format!("Bearer {}", token.expose());
                let known = self.refused == Some(digest(&header));
                self.header = Some(std::sync::Arc::new(Secret::new(header)));
                if known {
                    let then = if changeable { "it is read again until it changes" } else { "get a new one" };
                    let reason = format!("the server refused the access token of {name}; {then}");
                    return Credentials::Failed { reason, permanent: !changeable };
                }
                Credentials::Ready
            }
            Err(error) => Credentials::Failed {
                reason: format!("no access token from {name}: {error}"),
                permanent: !changeable,
            },
        }
    }
}

fn name_of(source: &TokenSource) -> String {
    match source {
        TokenSource::Env(name) => format!("the environment variable {name}"),
        TokenSource::File(path) => format!("the file {}", path.display()),
    }
}

async fn read(source: TokenSource) -> Result<Secret<String>, String> {
    let text = match source {
        TokenSource::Env(name) => std::env::var(&name).map_err(|error| error.to_string())?,
        TokenSource::File(path) => {
            let reading = tokio::task::spawn_blocking(move || read_file(&path));
            let read = tokio::time::timeout(READ_TIMEOUT, reading).await;
            let read = read.map_err(|_| format!("not read within {} s", READ_TIMEOUT.as_secs()))?;
            read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?
        }
    };
    let text = Secret::new(text);
    let token = text.expose().trim();
    if token.is_empty() {
        return Err(String::from("it is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(String::from("it holds a space, a line break or another character that no token has"));
    }
    Ok(Secret::new(token.to_owned()))
}

fn read_file(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(TOKEN_MAX).read_to_string(&mut text);
    if let Err(error) = read {
        text.zeroize();
        return Err(error);
    }
    Ok(text)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
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
}
