//! A new connection to a server: name, TCP, proxy, TLS, in this order, each named when it fails.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service;
use url::Host;

use super::link::{Counted, Link};
use super::proxy::{Proxies, Via};
use super::target::Target;
use super::tls::Trust;
use super::trouble::{Trouble, chain, find};
use crate::bayeux::border::FaultKind;

/// How long a socket may be silent before the system asks the peer whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Between the questions of a silent socket; the third without an answer ends the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// From one new connection of the process to the next: a thousand connections that begin at the same instant, at a start
/// or when a server is back, would want their buffers at the same instant, and what is taken for them is not given back.
const APART: Duration = Duration::from_millis(1);
/// Connections that began in so long a time do not make the next wait.
const AT_ONCE: Duration = Duration::from_millis(50);
/// The longest that a connection waits for others.
const APART_MAX: Duration = Duration::from_secs(2);
/// The most addresses of a host that are tried and named.
const ADDRESSES_MAX: usize = 8;

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The host's name is being resolved.
    #[default]
    Resolving,
    /// A TCP connection is being made.
    Connecting,
    /// The proxy has been asked for a tunnel.
    Tunnelling,
    /// The TLS handshake is under way.
    Securing,
    /// The request is being written or the response has not begun.
    Waiting,
    /// The response's body is being read.
    Reading,
}

impl Stage {
    /// Whether there is no connection yet, so that nothing can have been sent.
    pub(super) fn is_before_request(self) -> bool {
        !matches!(self, Self::Waiting | Self::Reading)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "while resolving the name",
            Self::Connecting => "while connecting",
            Self::Tunnelling => "while the proxy was asked for a tunnel",
            Self::Securing => "in the TLS handshake",
            Self::Waiting => "while waiting for the response",
            Self::Reading => "while reading the response",
        })
    }
}

/// What every lane of a client shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) trust: Arc<Trust>,
    pub(super) proxies: Proxies,
    pub(super) connect_timeout: Duration,
    pub(super) socket_idle: Duration,
}

impl Shared {
    /// A new connection; `stage` tells how far it has come, `wrote` is set by every byte that leaves on it.
    pub(super) async fn connect(
        &self,
        target: &Target,
        via: Option<&Via>,
        wrote: &Arc<AtomicBool>,
        stage: &mut Stage,
    ) -> Result<Link, Trouble> {
        turn().await;
        let connected = Box::pin(self.connect_all(target, via, wrote, stage));
        match tokio::time::timeout(self.connect_timeout, connected).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::new(
                FaultKind::Connect,
                format!("no connection to {} within {:?}, {stage}", target.authority, self.connect_timeout),
            )),
        }
    }

    async fn connect_all(
        &self,
        target: &Target,
        via: Option<&Via>,
        wrote: &Arc<AtomicBool>,
        stage: &mut Stage,
    ) -> Result<Link, Trouble> {
        let stream = match via {
            Some(via) => self.connect_tcp(&via.host, via.port, stage).await.map_err(|trouble| Trouble {
                kind: FaultKind::Proxy,
                detail: format!("proxy for {}: {}", target.authority, trouble.detail),
            })?,
            None => self.connect_tcp(&bare(&target.host), target.port, stage).await?,
        };
        let stream = match via.filter(|via| via.tunnel) {
            Some(via) => {
                *stage = Stage::Tunnelling;
                via.tunnel(stream, target).await?
            }
            None => stream,
        };
        if !target.secure {
            return Link::new(Counted::new(stream, wrote), &target.authority).await;
        }
        *stage = Stage::Securing;
        let stream = self.trust.connect(Counted::new(stream, wrote), target).await?;
        Link::new(stream, &target.authority).await
    }

    async fn connect_tcp(&self, host: &str, port: u16, stage: &mut Stage) -> Result<TcpStream, Trouble> {
        *stage = Stage::Resolving;
        let addresses = resolve(host).await?;
        *stage = Stage::Connecting;
        let named = named(&addresses);
        let mut connector = HttpConnector::new_with_resolver(Resolved(addresses));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        connector.set_keepalive_retries(Some(3));
        connector.set_connect_timeout(Some(self.connect_timeout));
        // The name is resolved already; the connector asks it for the port alone.
        let uri =
            Uri::builder().scheme("http").authority(format!("resolved:{port}")).path_and_query("/").build();
        let uri = uri.map_err(|error| Trouble::new(FaultKind::Connect, error.to_string()))?;
        connector.call(uri).await.map(TokioIo::into_inner).map_err(|error| {
            let why = find::<io::Error>(&error).map_or_else(|| chain(&error), refusal);
            Trouble::new(FaultKind::Connect, format!("tcp connect to {host}:{port} ({named}) {why}"))
        })
    }
}

/// Waits until a new connection may begin.
async fn turn() {
    static NEXT: Mutex<Option<Instant>> = Mutex::new(None);
    let now = Instant::now();
    let at = {
        // Nothing is left half done when a holder of the lock panics.
        let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
        let at = place(*next, now);
        *next = Some(at + APART);
        at
    };
    if at > now {
        tokio::time::sleep_until(at).await;
    }
}

/// When a connection begins that is wanted `now`; not in the future where few began of late.
fn place(next: Option<Instant>, now: Instant) -> Instant {
    let least = now.checked_sub(AT_ONCE).unwrap_or(now);
    next.map_or(least, |next| next.clamp(least, now + APART_MAX))
}

async fn resolve(host: &str) -> Result<Vec<SocketAddr>, Trouble> {
    // An address needs no resolver, which would take a thread.
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, 0)]);
    }
    let unknown =
        |why: String| Trouble::new(FaultKind::Dns, format!("the name {host} cannot be resolved: {why}"));
    let name: Name = host.parse().map_err(|_| unknown("it is no host name".into()))?;
    let found = GaiResolver::new().call(name).await.map_err(|error| unknown(error.to_string()))?;
    let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(unknown("it has no address".into())) } else { Ok(addresses) }
}

/// A host as the resolver wants it: IPv6 without brackets.
fn bare(host: &Host<String>) -> String {
    match host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

fn named(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}

fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".into(),
        io::ErrorKind::TimedOut => "timed out".into(),
        _ => format!("failed: {error}"),
    }
}

/// Addresses that are known already, for a connector that wants to resolve by itself.
#[derive(Clone)]
struct Resolved(Vec<SocketAddr>);

impl Service<Name> for Resolved {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.clone().into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_begin_at_once_and_many_a_millisecond_apart() {
        let now = Instant::now();
        let mut next = None;
        let places: Vec<_> = (0..3_000)
            .map(|_| {
                let at = place(next, now);
                next = Some(at + APART);
                at
            })
            .collect();
        assert_eq!(places.iter().filter(|at| **at <= now).count(), 51);
        assert_eq!(places[151], now + Duration::from_millis(101));
        assert_eq!(places[2_999], now + APART_MAX, "nobody waits for longer");
        assert!(place(next, now + Duration::from_secs(60)) <= now + Duration::from_secs(60));
    }
}
