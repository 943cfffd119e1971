//! How a connection logs in, as it was configured.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::SecretSource;
use crate::retry;
use crate::salesforce::api::ApiVersion;

/// How a connection logs in: `[connection.NAME.login.KIND]`. Hosts are `http` or `https` URLs, such as
/// `https://login.salesforce.com`, `https://test.salesforce.com` or the org's own; a path is kept (sites have one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// A token that somebody else keeps fresh, read anew at each renewal.
    Token(SecretSource),
    /// SOAP: user name, password and security token.
    Soap {
        /// The login host.
        host: Url,
        /// The user.
        username: String,
        /// The user's password.
        password: SecretSource,
        /// What stands behind the password where the user's address is not trusted.
        security_token: Option<SecretSource>,
        /// The version of the partner API.
        api_version: ApiVersion,
    },
    /// OAuth: user name and password.
    Password {
        /// The login host.
        host: Url,
        /// The consumer key of the connected app.
        client_id: String,
        /// The consumer secret of the connected app.
        client_secret: SecretSource,
        /// The user.
        username: String,
        /// The user's password.
        password: SecretSource,
        /// What stands behind the password where the user's address is not trusted.
        security_token: Option<SecretSource>,
    },
    /// OAuth: a refresh token that a person got once.
    Refresh {
        /// The login host.
        host: Url,
        /// The consumer key of the connected app.
        client_id: String,
        /// The consumer secret, where the app demands one.
        client_secret: Option<SecretSource>,
        /// The refresh token, the first one where the server replaces them.
        refresh_token: SecretSource,
        /// The file for the tokens that take its place; without one a restart loses them.
        store: Option<PathBuf>,
    },
    /// OAuth: the app itself, as the user that the org has set for it. The host is the org's own.
    ClientCredentials {
        /// The login host.
        host: Url,
        /// The consumer key of the connected app.
        client_id: String,
        /// The consumer secret of the connected app.
        client_secret: SecretSource,
    },
    /// OAuth: an assertion, signed with the key whose certificate the connected app has.
    Jwt {
        /// The login host.
        host: Url,
        /// The consumer key of the connected app.
        issuer: String,
        /// The user.
        subject: String,
        /// The RSA key: PEM, PKCS#8 or PKCS#1.
        key: SecretSource,
        /// Who the assertion is for, where that is not the origin of the login host.
        audience: Option<String>,
    },
    /// The org that the Salesforce CLI is logged in to.
    SfCli {
        /// Its alias or user name.
        org: String,
        /// The program, such as `sf`.
        program: PathBuf,
    },
}

/// How logins go about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A refusal is final, as for a command that a person watches.
    pub one_shot: bool,
    /// Where the connection's own URL points, if it has one: the org may be there, whatever its domain.
    pub org: Option<Url>,
    /// How long one exchange with the login host, or one run of the CLI, may take.
    pub timeout: Duration,
    /// The most logins in any hour; one at least.
    pub logins_per_hour: u32,
    /// The waits after logins that failed, or gave what was refused.
    pub retry: retry::Config,
    /// Seed of those waits.
    pub seed: u64,
    /// The directory of the token cache, which is there already; none for no cache. The CLI keeps its own.
    pub cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            one_shot: false,
            org: None,
            timeout: Duration::from_secs(30),
            logins_per_hour: 20,
            retry: retry::Config { initial: Duration::from_secs(5), max: Duration::from_mins(15) },
            seed: 0,
            cache: None,
        }
    }
}

impl Config {
    /// The kind, as the configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Soap { .. } => "soap",
            Self::Password { .. } => "password",
            Self::Refresh { .. } => "refresh",
            Self::ClientCredentials { .. } => "client_credentials",
            Self::Jwt { .. } => "jwt",
            Self::SfCli { .. } => "sf_cli",
        }
    }

    /// The login host.
    pub const fn host(&self) -> Option<&Url> {
        match self {
            Self::Token(_) | Self::SfCli { .. } => None,
            Self::Soap { host, .. }
            | Self::Password { host, .. }
            | Self::Refresh { host, .. }
            | Self::ClientCredentials { host, .. }
            | Self::Jwt { host, .. } => Some(host),
        }
    }

    /// The user, where the configuration names one; for the CLI its alias.
    pub(super) fn username(&self) -> Option<&str> {
        match self {
            Self::Soap { username: name, .. }
            | Self::Password { username: name, .. }
            | Self::Jwt { subject: name, .. }
            | Self::SfCli { org: name, .. } => Some(name),
            Self::Token(_) | Self::Refresh { .. } | Self::ClientCredentials { .. } => None,
        }
    }

    /// The connected app.
    const fn client(&self) -> Option<&String> {
        match self {
            Self::Password { client_id: id, .. }
            | Self::Refresh { client_id: id, .. }
            | Self::ClientCredentials { client_id: id, .. }
            | Self::Jwt { issuer: id, .. } => Some(id),
            Self::Token(_) | Self::Soap { .. } | Self::SfCli { .. } => None,
        }
    }

    /// For a person.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{} login", self.kind());
        if let Some(name) = self.username() {
            text = format!("{text} of {name}");
        }
        if let Some(host) = self.host().and_then(Url::host) {
            text = format!("{text} at {host}");
        }
        text
    }

    /// What tells this login from any other, without its secrets. Refresh tokens of one app may be of several users, so
    /// where they come from is part of it.
    pub(super) fn identity(&self) -> String {
        let source = match self {
            Self::Refresh { refresh_token, .. } => refresh_token.to_string(),
            _ => String::new(),
        };
        let client = self.client().map_or("", String::as_str);
        let host = self.host().map_or("", Url::as_str);
        [self.kind(), host, client, self.username().unwrap_or_default(), &source].join("\n")
    }
}
