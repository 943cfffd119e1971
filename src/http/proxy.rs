//! Which proxy leads to a server, and the tunnel through it.
//!
//! Format: `http://[user:password@]host[:port]`; `CONNECT` for `https` servers and for sockets, the absolute form for
//! `http`.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, StatusCode, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::target::Target;
use super::trouble::{SetupError, Trouble, chain};
use super::{Config, Proxy};
use crate::bayeux::border::FaultKind;

/// The rules by which a proxy is chosen.
#[derive(Debug)]
pub(super) struct Proxies(Option<Matcher>);

/// The proxy on the way to one server.
#[derive(Clone)]
pub(super) struct Via {
    /// Its name or address, without brackets.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// `host:port`, for people.
    pub(super) authority: String,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// Whether it is asked for a tunnel, rather than for each request.
    pub(super) tunnel: bool,
}

impl Proxies {
    /// Takes the rules from the configuration; `environment` looks up a variable.
    pub(super) fn new(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SetupError> {
        match &config.proxy {
            Proxy::Direct => Ok(Self(None)),
            Proxy::Url(url) if url.scheme() == "http" => {
                let all = usable("the key proxy", url.to_string())?;
                Ok(Self(Some(Matcher::builder().all(all).build())))
            }
            Proxy::Url(_) => Err(SetupError::Proxy { place: "the key proxy".into() }),
            Proxy::Environment => Self::from_environment(environment),
        }
    }

    fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Self, SetupError> {
        let value = |upper: &str| {
            [upper.to_owned(), upper.to_ascii_lowercase()]
                .into_iter()
                .find_map(|name| environment(&name).map(|value| (name, value)))
                .unwrap_or_default()
        };
        let proxy = |upper: &str| {
            let (name, value) = value(upper);
            usable(&name, value)
        };
        let (all, http, https) = (proxy("ALL_PROXY")?, proxy("HTTP_PROXY")?, proxy("HTTPS_PROXY")?);
        let (_, no) = value("NO_PROXY");
        Ok(Self(Some(Matcher::builder().all(all).http(http).https(https).no(no).build())))
    }

    /// The proxy on the way to `target`, if there is one.
    pub(super) fn via(&self, target: &Target) -> Result<Option<Via>, Trouble> {
        let scheme = if target.secure { "https" } else { "http" };
        let uri: Option<Uri> = format!("{scheme}://{}/", target.authority).parse().ok();
        let Some((matcher, uri)) = self.0.as_ref().zip(uri) else { return Ok(None) };
        let Some(found) = matcher.intercept(&uri) else { return Ok(None) };
        let host = found.uri().host().unwrap_or_default();
        let port = found.uri().port_u16().unwrap_or(80);
        let authority = format!("{host}:{port}");
        if found.uri().scheme_str() != Some("http") {
            let what = format!("the proxy {authority} for {} is not an http: proxy", target.authority);
            return Err(Trouble::new(FaultKind::Proxy, what + "; only these are supported"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authorization = found.basic_auth().cloned();
        Ok(Some(Via { host, port, authority, authorization, tunnel: target.secure }))
    }
}

/// The library ignores what it cannot read, and a request meant for a proxy must not go around it.
fn usable(place: &str, value: String) -> Result<String, SetupError> {
    let read = || Matcher::builder().all(&value).build().intercept(&Uri::from_static("http://any.example/"));
    if value.is_empty() || read().is_some() {
        return Ok(value);
    }
    Err(SetupError::Proxy { place: place.to_owned() })
}

impl Via {
    /// A tunnel to `target` over `stream`, which is connected to the proxy.
    pub(super) async fn tunnel<S>(&self, stream: S, target: &Target) -> Result<S, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let broken = |error: hyper::Error| {
            self.refusal(target, &format!("broke off when asked for a tunnel: {}", chain(&error)))
        };
        let (mut sender, mut connection) =
            Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut answer = pin!(sender.send_request(self.connect_request(target)?));
        let mut done = false;
        let answer = poll_fn(|cx| {
            done = done || connection.poll_without_shutdown(cx).is_ready();
            answer.as_mut().poll(cx)
        });
        let status = answer.await.map_err(broken)?.status();
        if !status.is_success() {
            return Err(self.refused(target, status));
        }
        let parts = connection.into_parts();
        // Servers speak second, in TLS and in HTTP: bytes that follow the proxy's answer at once are not the server's.
        if !parts.read_buf.is_empty() {
            return Err(self.refusal(target, "sent data of its own into the tunnel"));
        }
        Ok(parts.io.into_inner())
    }

    fn connect_request(&self, target: &Target) -> Result<hyper::Request<Empty<Bytes>>, Trouble> {
        let mut request = hyper::Request::builder().method(Method::CONNECT).uri(&target.authority);
        request = request.header(HOST, &target.authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        request.body(Empty::new()).map_err(|_| self.refusal(target, "cannot be asked for this host"))
    }

    /// The proxy answered with `status` instead of letting the request pass.
    pub(super) fn refused(&self, target: &Target, status: StatusCode) -> Trouble {
        let hint = match (status, &self.authorization) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => {
                "; give user and password in the proxy's URL"
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => {
                "; check user and password of the proxy's URL"
            }
            _ => "",
        };
        self.refusal(target, &format!("refused: {status}{hint}"))
    }

    fn refusal(&self, target: &Target, what: &str) -> Trouble {
        let detail = format!("the proxy {} on the way to {} {what}", self.authority, target.authority);
        Trouble::new(FaultKind::Proxy, detail)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn from(variables: &'static [(&str, &str)]) -> Result<Proxies, SetupError> {
        Proxies::new(&Config::default(), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn via(proxies: &Proxies, url: &str) -> Option<String> {
        let target = Target::new(&Url::parse(url).unwrap()).unwrap();
        proxies.via(&target).unwrap().map(|via| via.authority)
    }

    #[test]
    fn the_environment_chooses_by_scheme_and_exemption() {
        let proxies = from(&[
            ("HTTPS_PROXY", "http://user:p%40ss@secure.example:3128"),
            ("http_proxy", "plain.example:8080"),
            ("NO_PROXY", "internal.example, 10.0.0.0/8"),
        ])
        .unwrap();
        assert_eq!(via(&proxies, "https://acme.example/").as_deref(), Some("secure.example:3128"));
        assert_eq!(via(&proxies, "http://acme.example/").as_deref(), Some("plain.example:8080"));
        for exempt in ["https://internal.example/", "https://a.internal.example/", "http://10.1.2.3/"] {
            assert_eq!(via(&proxies, exempt), None, "{exempt}");
        }
        let target = Target::new(&Url::parse("https://acme.example/").unwrap()).unwrap();
        let found = proxies.via(&target).unwrap().unwrap();
        assert_eq!(found.authorization.unwrap(), "Basic dXNlcjpwQHNz");
    }

    #[test]
    fn all_proxy_is_the_last_resort_and_upper_case_wins() {
        let proxies = from(&[
            ("all_proxy", "http://all.example"),
            ("HTTP_PROXY", "http://upper.example:1"),
            ("http_proxy", "http://lower.example:2"),
        ])
        .unwrap();
        assert_eq!(via(&proxies, "https://acme.example/").as_deref(), Some("all.example:80"));
        assert_eq!(via(&proxies, "http://acme.example/").as_deref(), Some("upper.example:1"));
        assert_eq!(via(&from(&[]).unwrap(), "http://acme.example/"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_secret() {
        let error = from(&[("https_proxy", "http://user:hush@ho st/")]).unwrap_err().to_string();
        assert!(error.contains("https_proxy") && !error.contains("hush"), "{error}");
        let config = |url: &str| Config { proxy: Proxy::Url(Url::parse(url).unwrap()), ..Config::default() };
        let error = Proxies::new(&config("socks5://u:hush@host:1"), |_| None).unwrap_err().to_string();
        assert!(error.contains("key proxy") && !error.contains("hush"), "{error}");
        let proxies = from(&[("ALL_PROXY", "socks5://u:hush@socks.example:1080")]).unwrap();
        let target = Target::new(&Url::parse("http://acme.example/").unwrap()).unwrap();
        let trouble = proxies.via(&target).err().unwrap();
        assert_eq!(trouble.kind, FaultKind::Proxy);
        assert!(trouble.detail.contains("socks.example:1080") && !trouble.detail.contains("hush"));
    }

    #[test]
    fn a_given_proxy_takes_everything_and_direct_nothing() {
        let lookup = |name: &str| (name == "NO_PROXY").then(|| "*".to_owned());
        let url = Url::parse("http://given.example:3128").unwrap();
        let given = Proxies::new(&Config { proxy: Proxy::Url(url), ..Config::default() }, lookup).unwrap();
        assert_eq!(via(&given, "https://acme.example/").as_deref(), Some("given.example:3128"));
        let direct = Config { proxy: Proxy::Direct, ..Config::default() };
        let direct = Proxies::new(&direct, |_| Some("http://env.example".into())).unwrap();
        assert_eq!(via(&direct, "https://acme.example/"), None);
    }
}
