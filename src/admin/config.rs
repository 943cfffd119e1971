//! Where the server listens and whom it answers.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::secret::Secret;

/// The server's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// What a request must carry as its bearer token, where that is wanted.
    pub token: Option<Secret<String>>,
    /// `HOST` or `HOST:PORT`, besides the names of the address itself: what a `Host` header may say.
    pub hosts: Vec<String>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP; port 0 for any that is free.
    Tcp(SocketAddr),
    /// A unix socket, for the user and the group of the process.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine's users can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
