//! One exchange in, one reply or fault out.
//!
//! Constraints:
//! - The deadline of a request covers all of it: name, TCP, proxy, TLS, request, headers, body.
//! - [`Fault::sent`](crate::bayeux::border::Fault::sent) is false only when no byte of the request left on a
//!   connection to the server; the session relies on it to know whether events may be lost.
//! - Every buffer has a cap: headers, body as read, body as inflated, cookies, the capture.
//! - Nothing secret goes to another origin, into an error or into a log; a certificate that cannot be verified is refused,
//!   and no option changes that.
//! - A response that was refused, cut or late takes its connection with it.
//!
//! Format: HTTP/1.1, `gzip` undone here; websockets by RFC 6455 without extensions; the HAR 1.2
//! format for captures.
//!
//! Operations: [`Client::post`] on one lane, that is one kept-alive connection; [`Client::send`] with any method;
//! [`Client::post_for_status`] where only the status matters; [`Client::lane`] for another connection;
//! [`Client::open_socket`] for a websocket;
//! [`Jar`] for cookies, shared by the lanes of one session; [`Wire`] for captures; [`beside`] for what goes on while
//! somebody waits.

mod body;
mod call;
mod client;
mod connect;
mod held;
mod inflation;
mod jar;
mod link;
mod meanwhile;
mod payload;
mod proxy;
mod redact;
mod response;
mod socket;
mod spare;
mod target;
mod tls;
mod trouble;
mod upgrade;
mod wire;

pub use call::Request;
pub use client::Client;
pub use jar::{Jar, JarError};
pub use meanwhile::{Meanwhile, beside};
pub use response::Response;
pub use socket::Socket;
pub use trouble::SetupError;
pub use upgrade::Opening;
pub use wire::{Wire, WireConfig};

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// How requests reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Certificates (PEM) trusted beside the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Tells one content of that file from another, for whoever compares configurations; nothing else depends on it.
    pub ca_version: u64,
    /// The proxy.
    pub proxy: Proxy,
    /// The longest that DNS, TCP, proxy and TLS may take together.
    pub connect_timeout: Duration,
    /// After this long without a byte from a socket's server it is asked whether it is still there, with a ping; after
    /// as long again without one the socket is given up.
    pub socket_idle: Duration,
    /// The largest body, and the largest message of a socket, read from the network, in bytes.
    pub body_max: usize,
    /// The largest body after inflation, in bytes.
    pub inflated_max: usize,
}

/// Where the proxy is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.
    Environment,
    /// No proxy, whatever the environment says.
    Direct,
    /// This one, `http://[user:password@]host[:port]`, for every server; `NO_PROXY` is not asked.
    Url(Url),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ca_file: None,
            ca_version: 0,
            proxy: Proxy::Environment,
            connect_timeout: Duration::from_secs(20),
            socket_idle: Duration::from_secs(20),
            body_max: 64 << 20,
            inflated_max: 256 << 20,
        }
    }
}

/// What a client does with a jar, for the fuzz targets alone; no part of the library's interface.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use hyper::header::{HeaderMap, HeaderValue};
    use url::Url;

    use super::Jar;

    /// Takes the cookies of a response from `url`.
    pub fn store(jar: &Jar, headers: &HeaderMap, url: &Url) {
        jar.store(headers, url);
    }

    /// The value of `Cookie` for a request to `url`.
    pub fn header(jar: &Jar, url: &Url) -> Option<HeaderValue> {
        jar.header(url)
    }
}
