//! What can go wrong, in words for the person who reads the log at night.
//!
//! Constraints: a text names hosts, ports, addresses and statuses; never a header value, a query or a user name.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::bayeux::border::FaultKind;

/// Why no client could be set up.
#[derive(Debug)]
pub enum SetupError {
    /// The CA file could not be read.
    UnreadableCa {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The CA file holds no certificate that can be used.
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A proxy's URL cannot be used.
    Proxy {
        /// The key or environment variable that holds it.
        place: String,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableCa { path, error } => {
                write!(f, "the CA file {} cannot be read: {error}; give a readable PEM file", path.display())
            }
            Self::NoCertificate { path } => write!(
                f,
                "the CA file {} holds no usable certificate; it wants PEM, with \
                 '-----BEGIN CERTIFICATE-----' before each",
                path.display()
            ),
            Self::Proxy { place } => {
                write!(f, "the proxy of {place} cannot be used; it wants http://[user:password@]host[:port]")
            }
        }
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::UnreadableCa { error, .. } => Some(error),
            Self::NoCertificate { .. } | Self::Proxy { .. } => None,
        }
    }
}

/// A fault before it is known whether anything was sent.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: FaultKind,
    pub(super) detail: String,
}

impl Trouble {
    pub(super) fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// Why no whole response came from `authority`.
    pub(super) fn of_connection(error: &hyper::Error, authority: &str, during: &str) -> Self {
        let kind = if is_malformed(error) { FaultKind::Malformed } else { FaultKind::Broken };
        Self::new(kind, format!("{authority}: {during}: {}", chain(error)))
    }
}

/// hyper reports bad chunk sizes and the like as I/O errors of the body.
fn is_malformed(error: &hyper::Error) -> bool {
    let io = find::<io::Error>(error).map(io::Error::kind);
    error.is_parse() || matches!(io, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// The first error of type `E` among `error` and its causes.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The texts of an error and its causes, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
