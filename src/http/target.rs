//! A URL taken apart once, for all the requests that go to it.

use hyper::Uri;
use hyper::header::HeaderValue;
use url::{Host, Url};

use super::trouble::Trouble;
use crate::bayeux::border::FaultKind;

/// Where requests go: everything of them that depends on the URL alone.
#[derive(Debug)]
pub(super) struct Target {
    /// The URL as it was given.
    pub(super) url: Url,
    /// Whether it is `https`.
    pub(super) secure: bool,
    /// The server's name or address.
    pub(super) host: Host<String>,
    /// The server's port.
    pub(super) port: u16,
    /// `host:port`, as people and `CONNECT` name the server.
    pub(super) authority: String,
    /// The value of `Host`: the port only where it is not the scheme's own.
    pub(super) host_header: HeaderValue,
    /// The request target for the server itself: path and query.
    pub(super) path: Uri,
}

impl Target {
    /// Takes apart an `http` or `https` URL; user name, password and fragment are left out.
    pub(super) fn new(url: &Url) -> Result<Self, Trouble> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(unusable(format!("{other}: is no scheme for a server; use https: or http:")));
            }
        };
        let no_host = || unusable("the URL names no host".into());
        let host = url.host().ok_or_else(no_host)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        let authority = format!("{host}:{port}");
        let named = url.port().map_or_else(|| host.to_string(), |_| authority.clone());
        let path = url.query().map_or_else(|| url.path().into(), |query| format!("{}?{query}", url.path()));
        let bad = || unusable(format!("the URL of {authority} holds a character that no request may hold"));
        Ok(Self {
            secure,
            port,
            host_header: HeaderValue::try_from(named).map_err(|_| bad())?,
            path: path.parse().map_err(|_| bad())?,
            url: url.clone(),
            host,
            authority,
        })
    }

    /// The request target for a proxy: the whole URL.
    pub(super) fn absolute(&self) -> Result<Uri, Trouble> {
        let bad = |_| unusable(format!("the URL of {} cannot be asked of a proxy", self.authority));
        format!("http://{}{}", self.authority, self.path).parse().map_err(bad)
    }

    /// Whether a connection to `other` can carry requests to this one.
    pub(super) fn same_server(&self, other: &Self) -> bool {
        self.secure == other.secure && self.authority == other.authority
    }
}

fn unusable(detail: String) -> Trouble {
    Trouble::new(FaultKind::Connect, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, Trouble> {
        Target::new(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_url_is_taken_apart() {
        let of = target("https://user:pass@acme.example/cometd/61.0?a=b#c").unwrap();
        assert_eq!((of.secure, of.port, of.authority.as_str()), (true, 443, "acme.example:443"));
        assert_eq!(of.host_header, "acme.example");
        assert_eq!(of.path, "/cometd/61.0?a=b");
        let of = target("http://[::1]:8080").unwrap();
        assert_eq!((of.secure, of.authority.as_str()), (false, "[::1]:8080"));
        assert_eq!(of.host_header, "[::1]:8080");
        assert_eq!(of.absolute().unwrap(), "http://[::1]:8080/");
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["ftp://acme.example/", "file:///etc/passwd", "data:,x"] {
            assert_eq!(target(url).unwrap_err().kind, FaultKind::Connect, "{url}");
        }
    }
}
