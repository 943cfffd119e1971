//! One exchange in, one reply or fault out.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// How requests reach a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Certificates (PEM) trusted beside the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The proxy.
    pub proxy: Proxy,
    /// The longest that DNS, TCP, proxy and TLS may take together.
    pub connect_timeout: Duration,
    /// The largest body read from the network, in bytes.
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
    /// This one.
    Url(Url),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ca_file: None,
            proxy: Proxy::Environment,
            connect_timeout: Duration::from_secs(20),
            body_max: 64 << 20,
            inflated_max: 256 << 20,
        }
    }
}
