//! Who may ask for what.
//!
//! * Every request names a host that is this server's: a page whose name was bent to this address (DNS rebinding)
//!   names its own.
//! * With a token, everything but health and the page itself needs it.
//! * What changes something says that it is JSON, which no form of another site can say without being asked first; its
//!   `Origin`, where it has one, is the host; and without a token of the configuration, a browser has to know the one
//!   that stands in the page, which other sites cannot read.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::Sha256;
use tokio::sync::watch;

use super::reply::{self, Denial};
use super::{Config, Listen};
use crate::secret::Secret;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const PAGE_TOKEN: HeaderName = HeaderName::from_static("x-cometail-token");

/// How much of a host's name is shown.
const SHOWN: usize = 100;

/// The server's rules.
#[derive(Debug)]
pub(super) struct Access {
    /// In lower case.
    hosts: Vec<String>,
    any_host: bool,
    token: watch::Sender<Option<Secret<String>>>,
    page_token: Secret<String>,
    /// Different in every process; texts are compared by what they are under it, in constant time.
    key: Secret<Vec<u8>>,
}

impl Access {
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let (mut key, mut token) = (vec![0; 32], [0; 16]);
        let random = SystemRandom::new();
        random
            .fill(&mut key)
            .and_then(|()| random.fill(&mut token))
            .map_err(|_| io::Error::other("no randomness"))?;
        Ok(Self {
            hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            any_host: matches!(config.listen, Listen::Unix(_)),
            token: watch::Sender::new(config.token.clone()),
            page_token: Secret::new(format!("{:032x}", u128::from_ne_bytes(token))),
            key: Secret::new(key),
        })
    }

    /// Whether a token of the configuration is wanted.
    pub(super) fn wants_token(&self) -> bool {
        self.token.borrow().is_some()
    }

    /// Wants another token from now on.
    pub(super) fn renew(&self, token: Secret<String>) {
        self.token.send_replace(Some(token));
    }

    /// Hears of another token: who came in with the one before has to show it.
    pub(super) fn renewals(&self) -> watch::Receiver<Option<Secret<String>>> {
        self.token.subscribe()
    }

    /// What the page has to send with changes, where no other token is wanted.
    pub(super) fn page_token(&self) -> &str {
        if self.wants_token() { "" } else { self.page_token.expose() }
    }

    /// Checks the host, before anything else; `local` is the connection's own address.
    pub(super) fn check_host(&self, head: &Parts, local: Option<SocketAddr>) -> Result<(), Denial> {
        let mut named = head.headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(reply::refuse(StatusCode::BAD_REQUEST, "a request has one Host header"));
        };
        let host = host.to_str().unwrap_or_default();
        let target = head.uri.authority().map(Authority::as_str);
        if self.any_host
            || (self.is_ours(host, local) && target.is_none_or(|target| self.is_ours(target, local)))
        {
            return Ok(());
        }
        let shown: String = host.chars().take(SHOWN).collect();
        let error =
            format!("{shown:?} is not a name of this server; where it is one, say so in [admin] hosts");
        Err(reply::refuse(StatusCode::MISDIRECTED_REQUEST, error))
    }

    fn is_ours(&self, host: &str, local: Option<SocketAddr>) -> bool {
        let host = host.to_ascii_lowercase();
        if self.hosts.contains(&host) {
            return true;
        }
        let (Ok(authority), Some(local)) = (host.parse::<Authority>(), local) else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        // Nobody can bend an address, only a name.
        let address = |address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback() || address == local.ip().to_canonical()
        };
        !host.contains('@')
            && authority.port_u16().unwrap_or(80) == local.port()
            && (name == "localhost" || name.parse().is_ok_and(address))
    }

    /// Checks a request that tells or changes something.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Denial> {
        let Some(token) = self.token.borrow().clone() else { return Ok(()) };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else { return Err(reply::unauthorized()) };
        let bearer = given
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        match bearer {
            Some((_, given)) if self.is_same(given, token.expose().as_bytes()) => Ok(()),
            _ => Err(reply::unauthorized()),
        }
    }

    /// Checks that no page of another site asks for what only this one's may have.
    pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Denial> {
        let told = headers.get(FETCH_SITE).map(http::HeaderValue::as_bytes);
        if told.is_none_or(|site| site == b"same-origin" || site == b"none") {
            return Ok(());
        }
        // A link that a person follows.
        if headers.get(FETCH_MODE).is_some_and(|mode| mode == "navigate") {
            return Ok(());
        }
        Err(foreign())
    }

    /// Checks a request that changes something, besides its token.
    pub(super) fn check_change(&self, headers: &HeaderMap) -> Result<(), Denial> {
        if !is_json(headers) {
            let error = "a change is sent with Content-Type: application/json";
            return Err(reply::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        if headers.get_all(ORIGIN).iter().any(|origin| !is_own(origin.as_bytes(), headers)) {
            return Err(foreign());
        }
        let site = headers.get(FETCH_SITE);
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(foreign());
        }
        let browser = headers.contains_key(ORIGIN) || site.is_some();
        let given = headers.get(PAGE_TOKEN).map(http::HeaderValue::as_bytes);
        let is_page = given.is_some_and(|given| self.is_same(given, self.page_token.expose().as_bytes()));
        if browser && !self.wants_token() && !is_page {
            let error = "a browser has to send the page's token; load the page again";
            return Err(reply::refuse(StatusCode::FORBIDDEN, error));
        }
        Ok(())
    }

    /// Compares in a time that says nothing of either.
    fn is_same(&self, given: &[u8], wanted: &[u8]) -> bool {
        let mac = |text: &[u8]| {
            Hmac::<Sha256>::new_from_slice(self.key.expose()).ok().map(|mac| mac.chain_update(text))
        };
        match (mac(given), mac(wanted)) {
            (Some(given), Some(wanted)) => wanted.verify(&given.finalize().into_bytes()).is_ok(),
            _ => false,
        }
    }
}

fn foreign() -> Denial {
    reply::refuse(StatusCode::FORBIDDEN, "a page of another site may not ask for this")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Whether an origin is the host that the request names.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let after =
        |scheme: &[u8]| origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host));
    !host.is_empty() && (after(b"http://") || after(b"https://"))
}
