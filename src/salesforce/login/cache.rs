//! Tokens kept from one process to the next, so that a restart is no login.
//!
//! Constraints: one file for each login, for this user alone; what it says of hosts is checked as a server's word is; a
//! token that was refused is not kept. A cache that cannot be used costs a login and nothing else.
//!
//! Format: JSON in `login-DIGEST.json`; the digest is of what a login is without its secrets: kind, host, client, user.
//!
//! Operations: [`Cache::load`], [`Cache::save`], [`Cache::forget`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Config, Grant, digest, instance, private, source};
use crate::secret::Secret;

/// The version of the file's format.
const VERSION: u32 = 1;

/// The file of one login.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    version: u32,
    #[serde(borrow)]
    token: Cow<'a, str>,
    instance: Option<Url>,
    identity: Option<Url>,
    username: Option<String>,
    /// Milliseconds since 1970.
    issued_at: Option<u64>,
}

impl Cache {
    /// The file of `config` in the directory `dir`.
    pub(super) fn new(dir: &Path, config: &Config) -> Self {
        let name = digest(&config.identity());
        Self { path: dir.join(format!("login-{}.json", name.get(..32).unwrap_or(&name))) }
    }

    /// What was saved, if it can be used.
    pub(super) async fn load(&self, configured: &[&Url]) -> Option<Grant> {
        match private::read(&self.path).await {
            Ok(text) => parse(&text?, configured),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the cached access token is not used");
                None
            }
        }
    }

    /// Keeps what a login gave.
    pub(super) async fn save(&self, grant: &Grant) {
        let since = grant.issued_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let written = Written {
            version: VERSION,
            token: Cow::Borrowed(grant.token.expose()),
            instance: grant.instance.clone(),
            identity: grant.identity.clone(),
            username: grant.username.clone(),
            issued_at: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
        };
        let Ok(text) = serde_json::to_string(&written).map(Secret::new) else { return };
        if let Err(error) = private::write(&self.path, text).await {
            tracing::warn!(path = %self.path.display(), %error, "the access token is not cached; a restart is a login");
        }
    }

    /// Removes the file if it holds `token`; another process may have logged in since.
    pub(super) async fn forget(&self, token: &Secret<String>) {
        let Ok(Some(text)) = private::read(&self.path).await else { return };
        let kept: Option<Written<'_>> = serde_json::from_str(text.expose()).ok();
        if kept.is_some_and(|kept| kept.token != *token.expose()) {
            return;
        }
        if let Err(error) = private::remove(&self.path).await {
            tracing::warn!(path = %self.path.display(), %error, "the refused access token stays in its cache");
        }
    }
}

fn parse(text: &Secret<String>, configured: &[&Url]) -> Option<Grant> {
    let written: Written<'_> = serde_json::from_str(text.expose()).ok()?;
    if written.version != VERSION {
        return None;
    }
    let token = source::token(written.token.as_bytes()).ok()?;
    let good = |url: &Url| instance::allowed(url, configured).is_ok();
    if !written.instance.iter().chain(&written.identity).all(good) {
        return None;
    }
    let Written { instance, identity, username, issued_at, .. } = written;
    let issued_at = issued_at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)));
    Some(Grant { token, instance, identity, username, issued_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salesforce::login::SecretSource;

    fn config(username: &str) -> Config {
        let host = Url::parse("https://login.salesforce.com").unwrap();
        let password = SecretSource::Env(String::from("X"));
        Config::Password {
            host,
            client_id: String::from("c"),
            client_secret: password.clone(),
            username: username.to_owned(),
            password,
            security_token: None,
        }
    }

    fn grant(instance: &str) -> Grant {
        Grant {
            token: Secret::new(String::from("00D!hush")),
            instance: Url::parse(instance).ok(),
            identity: Url::parse("https://login.salesforce.com/id/00D/005").ok(),
            username: Some(String::from("a@b")),
            issued_at: SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(1_278_448_101_416)),
        }
    }

    #[tokio::test]
    async fn a_token_is_found_again_by_the_same_login_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), &config("a@b"));
        assert!(cache.load(&[]).await.is_none());
        let saved = grant("https://acme.my.salesforce.com/");
        cache.save(&saved).await;
        let found = Cache::new(dir.path(), &config("a@b")).load(&[]).await.unwrap();
        assert_eq!(found, saved);
        assert!(Cache::new(dir.path(), &config("c@d")).load(&[]).await.is_none());
        cache.forget(&Secret::new(String::from("another"))).await;
        assert!(cache.load(&[]).await.is_some());
        cache.forget(&saved.token).await;
        assert!(cache.load(&[]).await.is_none() && std::fs::read_dir(dir.path()).unwrap().count() == 0);
    }

    #[tokio::test]
    async fn a_cache_that_is_odd_or_hostile_or_shared_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), &config("a@b"));
        cache.save(&grant("https://evil.example/")).await;
        assert!(cache.load(&[]).await.is_none());
        for text in ["", "{", "{\"version\":9,\"token\":\"x\"}", "{\"version\":1,\"token\":\"x y\"}"] {
            private::write(&cache.path, Secret::new(text.to_owned())).await.unwrap();
            assert!(cache.load(&[]).await.is_none(), "{text}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            cache.save(&grant("https://acme.my.salesforce.com/")).await;
            let mode = std::fs::metadata(&cache.path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
            std::fs::set_permissions(&cache.path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(cache.load(&[]).await.is_none());
        }
        let nowhere = Cache::new(&dir.path().join("none"), &config("a@b"));
        nowhere.save(&grant("https://acme.my.salesforce.com/")).await;
        assert!(nowhere.load(&[]).await.is_none());
    }
}
