//! The head of a request as it goes out, and what is read from the head of a response.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, RETRY_AFTER, TRANSFER_ENCODING,
    UPGRADE, USER_AGENT,
};
use hyper::{Method, Uri};
use url::Url;

use super::body::Encoding;
use super::link::Call;
use super::proxy::Via;
use super::target::Target;
use super::trouble::Trouble;
use crate::bayeux::border::FaultKind;
use crate::secret::Secret;

/// The value of `User-Agent`.
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("cometail/", env!("CARGO_PKG_VERSION")));
/// The longest wait that a `Retry-After` can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Headers that belong to the transport: a caller's value would break the framing or reach the wrong party.
const RESERVED: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE];

/// One request; [`Client::post`](super::Client::post) and [`Client::send`](super::Client::send) say which.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where it goes, `http` or `https`; a user name in it is not sent.
    pub url: &'a Url,
    /// What it carries.
    pub body: Bytes,
    /// What the body is; not sent without a body, but with a POST.
    pub content_type: &'static str,
    /// The whole value of `Authorization`, such as `Bearer x`.
    pub authorization: Option<&'a Secret<String>>,
    /// More headers; those of the transport itself (`Host`, `Content-Length`, ...) are left out.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// From now to the last byte of the response, connecting and redirects included.
    pub deadline: Duration,
}

/// The way to a server: everything about a request that stays the same from one to the next.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) via: Option<Via>,
    pub(super) uri: Uri,
}

impl Route {
    pub(super) fn new(target: Target, via: Option<Via>) -> Result<Self, Trouble> {
        let in_the_open = via.as_ref().is_some_and(|via| !via.tunnel);
        let uri = if in_the_open { target.absolute()? } else { target.path.clone() };
        Ok(Self { target, via, uri })
    }

    /// The request on its way: `authorization` and `cookie` are what `request` and the jar give.
    pub(super) fn call(
        &self,
        method: &Method,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
        cookie: Option<HeaderValue>,
    ) -> Result<Call, Trouble> {
        let mut headers = HeaderMap::with_capacity(8 + request.headers.len());
        headers.insert(HOST, self.target.host_header.clone());
        headers.insert(USER_AGENT, AGENT);
        if *method == Method::POST || !request.body.is_empty() {
            headers.insert(CONTENT_TYPE, content_type(request.content_type)?);
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(cookie) = cookie {
            headers.insert(COOKIE, cookie);
        }
        if let Some(authorization) = self.proxy_authorization() {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        for (name, value) in request.headers.iter().filter(|(name, _)| !RESERVED.contains(name)) {
            headers.insert(name, value.clone());
        }
        let mut call = hyper::Request::new(Full::new(request.body.clone()));
        *call.method_mut() = method.clone();
        *call.uri_mut() = self.uri.clone();
        *call.headers_mut() = headers;
        Ok(call)
    }

    /// A tunnel has had the proxy's password already, and what goes through it is the server's.
    fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.via.as_ref().filter(|via| !via.tunnel)?.authorization.as_ref()
    }
}

/// The header for `secret`: `cached` when it is the same.
pub(super) fn authorization(
    cached: Option<HeaderValue>,
    secret: Option<&Secret<String>>,
) -> Result<Option<HeaderValue>, Trouble> {
    let Some(secret) = secret else { return Ok(None) };
    if let Some(known) = cached.filter(|known| known.as_bytes() == secret.expose().as_bytes()) {
        return Ok(Some(known));
    }
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| unsendable("authorization"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn content_type(name: &'static str) -> Result<HeaderValue, Trouble> {
    let value = HeaderValue::from_maybe_shared(Bytes::from_static(name.as_bytes()));
    value.map_err(|_| unsendable("content type"))
}

fn unsendable(what: &str) -> Trouble {
    Trouble::new(
        FaultKind::Malformed,
        format!("the {what} cannot be sent: it holds a line break or another control character"),
    )
}

/// How the body is packed.
pub(super) fn encoding(headers: &HeaderMap, authority: &str) -> Result<Encoding, Trouble> {
    let mut found = Encoding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
            if gzip && found == Encoding::Identity {
                found = Encoding::Gzip;
            } else if gzip || !(name.is_empty() || name.eq_ignore_ascii_case(b"identity")) {
                let name = String::from_utf8_lossy(value.as_bytes());
                let what = format!("{authority} sent content-encoding {name:.40?}; only gzip was asked for");
                return Err(Trouble::new(FaultKind::Malformed, what));
            }
        }
    }
    Ok(found)
}

/// How long a server asks to be left alone (RFC 9110, 10.2.3: seconds or a date).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse().map(Duration::from_secs) {
        Ok(wait) => wait,
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => RETRY_AFTER_MAX,
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]))
    }

    #[test]
    fn retry_after_has_two_spellings_and_a_cap() {
        assert_eq!(wait("125"), Some(Duration::from_secs(125)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:01 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let found = wait(&soon).unwrap();
        assert!((Duration::from_secs(80)..=Duration::from_secs(90)).contains(&found), "{found:?}");
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
    }

    #[test]
    fn encodings_are_gzip_or_nothing() {
        let of = |values: &[&'static str]| {
            let values = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value)));
            encoding(&values.collect(), "acme:443").map_err(|trouble| trouble.kind)
        };
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&["identity"]), Ok(Encoding::Identity));
        assert_eq!(of(&["GZip"]), Ok(Encoding::Gzip));
        assert_eq!(of(&["identity, x-gzip"]), Ok(Encoding::Gzip));
        for bad in [["br"], ["gzip, gzip"], ["deflate"]] {
            assert_eq!(of(&bad), Err(FaultKind::Malformed), "{bad:?}");
        }
    }
}
