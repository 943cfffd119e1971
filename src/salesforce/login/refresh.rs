//! Refresh tokens that a server replaces whenever they are used.
//!
//! Constraints: a token that the server gave is the only one that it takes from then on, so it is on disk before anything
//! else is done, and where the file cannot be written the old one is not used at all. One process at a time uses the
//! file. Between the server's answer and the disk nothing can be saved: whoever is killed there needs a new token from a
//! person.
//!
//! Format: JSON, `{"version":1,"first":"SHA-256","refresh_token":"..."}`; `first` is of the token of the configuration
//! from which this one came: when a person gives another there, that one counts.
//!
//! Operations: [`Store::open`] for the token to use, [`Opened::rotate`] when the server gave another.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use super::{digest, private};
use crate::secret::Secret;

/// The version of the file's format.
const VERSION: u32 = 1;

/// Where rotated tokens are.
#[derive(Debug)]
pub(super) struct Store {
    path: Option<PathBuf>,
    /// What could not be written, or has no file: the digest of the first token and the present one.
    held: Option<(String, Secret<String>)>,
}

/// The token to use, while no other process uses it.
pub(super) struct Opened<'a> {
    store: &'a mut Store,
    first: String,
    pub(super) token: Secret<String>,
    _lock: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    version: u32,
    #[serde(borrow)]
    first: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Cow<'a, str>,
}

impl Store {
    pub(super) const fn new(path: Option<PathBuf>) -> Self {
        Self { path, held: None }
    }

    /// The token that came of `first`, the configured one.
    pub(super) async fn open(&mut self, first: Secret<String>) -> Result<Opened<'_>, Trouble> {
        let digest = digest(first.expose());
        let held = self.held.as_ref().filter(|(of, _)| *of == digest).map(|(_, token)| token.clone());
        let Some(path) = self.path.clone() else {
            let token = held.unwrap_or(first);
            return Ok(Opened { store: self, first: digest, token, _lock: None });
        };
        let trouble = |error: io::Error| {
            Trouble::odd(format!(
                "the file of the refresh token, {}, cannot be used: {error}",
                path.display()
            ))
            .unsent()
        };
        let lock = private::lock(&path).await.map_err(trouble)?;
        let stored =
            private::read(&path).await.and_then(|text| parse(text.as_ref(), &digest)).map_err(trouble)?;
        let token = match (held, stored) {
            (None, Some(token)) => token,
            // What was not written before is now; and a file that cannot be written is known before it is needed.
            (held, _) => {
                let token = held.unwrap_or(first);
                private::write(&path, text(&digest, &token)).await.map_err(trouble)?;
                token
            }
        };
        self.held = None;
        Ok(Opened { store: self, first: digest, token, _lock: Some(lock) })
    }
}

impl Opened<'_> {
    /// The server gave `token`; only that one is good from now on.
    pub(super) async fn rotate(self, token: Secret<String>) {
        if token == self.token {
            return;
        }
        let written = match &self.store.path {
            Some(path) => private::write(path, text(&self.first, &token)).await,
            None => Err(io::Error::other("no file is configured for it")),
        };
        if let Err(error) = written {
            tracing::error!(%error, "the server gave a new refresh token, which is not stored; a restart loses it");
            self.store.held = Some((self.first, token));
        }
    }
}

fn text(first: &str, token: &Secret<String>) -> Secret<String> {
    let written = Written {
        version: VERSION,
        first: Cow::Borrowed(first),
        refresh_token: Cow::Borrowed(token.expose()),
    };
    Secret::new(serde_json::to_string(&written).unwrap_or_default())
}

/// The token in the file, if it came of the configured one.
fn parse(text: Option<&Secret<String>>, first: &str) -> io::Result<Option<Secret<String>>> {
    let Some(text) = text else { return Ok(None) };
    // The reader's own text could quote the token.
    let broken = |_| io::Error::other("it is not what was written there");
    let written: Written<'_> = serde_json::from_str(text.expose()).map_err(broken)?;
    if written.version != VERSION {
        return Err(io::Error::other(format!("it has version {} and not {VERSION}", written.version)));
    }
    Ok((written.first == first).then(|| Secret::new(written.refresh_token.into_owned())))
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
