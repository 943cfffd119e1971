//! Cookies of one session, by the rules of RFC 6265.
//!
//! Constraints: at most 300 cookies, 4 KiB each, 8 KiB together, 100 a response; what does not fit is left out, so that
//! no flood of them makes requests that a server does not take. Cookies that end with the session are saved too: a
//! Bayeux session outlives the process.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cookie_store::{Cookie, CookieExpiration, CookieStore, RawCookie};
use hyper::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

use crate::secret::Secret;

/// The most cookies kept.
const COOKIES_MAX: usize = 300;
/// The most that all cookies together may take in a request, in bytes: servers refuse headers beyond 8 to 64 KiB.
const BYTES_MAX: usize = 8 << 10;
/// The most cookies taken from one response.
const PER_RESPONSE_MAX: usize = 100;
/// The longest `Set-Cookie` accepted, in bytes.
const COOKIE_MAX: usize = 4096;
/// A cookie whose end moved by less than this, in seconds, is not worth being saved again: some servers send the same
/// one with every response.
const SAME_END: i64 = 60;

/// The cookies of one session; shared by its lanes.
#[derive(Default)]
pub struct Jar(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    store: CookieStore,
    changed: bool,
    header: Option<Header>,
}

/// The `Cookie` header for one URL, good until a cookie comes, changes or ends.
struct Header {
    url: Url,
    value: Option<HeaderValue>,
    /// Seconds since 1970.
    until: i64,
}

/// Saved cookies that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JarError {
    /// The line of the saved text, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl fmt::Display for JarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parser's own text would quote the cookie.
        write!(f, "saved cookies cannot be read at line {} column {}", self.line, self.column)
    }
}

impl std::error::Error for JarError {}

impl Jar {
    /// An empty jar.
    pub fn new() -> Self {
        Self::default()
    }

    /// The jar that [`Jar::to_json`] saved, without the cookies that have expired since.
    pub fn load(json: &str) -> Result<Self, JarError> {
        let cookies: Vec<Cookie<'static>> = serde_json::from_str(json)
            .map_err(|error| JarError { line: error.line(), column: error.column() })?;
        let jar = Self::new();
        jar.lock().store = from_cookies(cookies.into_iter());
        Ok(jar)
    }

    /// Every cookie that has not expired, as JSON; [`Jar::changed`] is false until the next change.
    pub fn to_json(&self) -> Secret<String> {
        let mut inner = self.lock();
        inner.changed = false;
        let cookies: Vec<_> = inner.store.iter_unexpired().collect();
        Secret::new(serde_json::to_string(&cookies).unwrap_or_else(|_| "[]".into()))
    }

    /// Whether a cookie came, changed or was removed since the last [`Jar::to_json`].
    pub fn changed(&self) -> bool {
        self.lock().changed
    }

    /// Whether there is no cookie that has not expired.
    pub fn is_empty(&self) -> bool {
        self.lock().store.iter_unexpired().next().is_none()
    }

    /// Removes every cookie.
    pub fn clear(&self) {
        let mut inner = self.lock();
        let was_empty = inner.store.iter_any().next().is_none();
        inner.changed |= !was_empty;
        inner.store.clear();
        inner.header = None;
    }

    /// Puts a cookie in as if the server of `url` had set it, for all its paths and until the session ends.
    pub fn set(&self, name: &str, value: &Secret<String>, url: &Url) {
        let text = Secret::new(format!("{name}={}; Path=/", value.expose()));
        if let Some(cookie) = parse(text.expose(), url) {
            self.lock().insert(cookie, url);
        }
    }

    /// The value of `Cookie` for a request to `url`, if any cookie is for it.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut inner = self.lock();
        let now = now();
        match &inner.header {
            Some(header) if header.url == *url && now < header.until => header.value.clone(),
            _ => {
                let header = Header::new(&inner.store, url);
                inner.header.insert(header).value.clone()
            }
        }
    }

    /// Takes the cookies of a response from `url`.
    pub(super) fn store(&self, headers: &HeaderMap, url: &Url) {
        for value in headers.get_all(SET_COOKIE).iter().take(PER_RESPONSE_MAX) {
            let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.len() <= COOKIE_MAX);
            let Some(cookie) = text.and_then(|text| parse(text, url)) else {
                tracing::debug!("a cookie was refused: too long, unreadable or for another domain");
                continue;
            };
            self.lock().insert(cookie, url);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done when a holder of the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jar(***)")
    }
}

impl Inner {
    fn insert(&mut self, cookie: Cookie<'static>, url: &Url) {
        let domain = String::from(&cookie.domain);
        let old = self.store.get_any(&domain, &cookie.path, cookie.name());
        if old == Some(&cookie) {
            return;
        }
        let same = old.is_some_and(|old| is_nearly_same(old, &cookie));
        let replaced = old.map_or(0, size);
        if !self.has_room(&cookie, replaced) {
            tracing::debug!("a cookie was refused: the jar is full");
            return;
        }
        if self.store.insert(cookie, url).is_ok() {
            self.changed |= !same;
            self.header = None;
        }
    }

    /// Whether a cookie fits, in the place of one of `replaced` bytes (0 where it is new).
    fn has_room(&mut self, cookie: &Cookie<'_>, replaced: usize) -> bool {
        if self.fits(cookie, replaced) {
            return true;
        }
        self.store = from_cookies(self.store.iter_unexpired().cloned());
        self.fits(cookie, replaced)
    }

    fn fits(&self, cookie: &Cookie<'_>, replaced: usize) -> bool {
        let bytes: usize = self.store.iter_any().map(size).sum();
        let count = self.store.iter_any().count();
        (replaced > 0 || count < COOKIES_MAX) && bytes.saturating_sub(replaced) + size(cookie) <= BYTES_MAX
    }
}

/// What a cookie takes in a request, in bytes: `name=value` and what parts it from the next.
fn size(cookie: &Cookie<'_>) -> usize {
    cookie.name().len() + cookie.value().len() + "=; ".len()
}

fn parse(text: &str, url: &Url) -> Option<Cookie<'static>> {
    let mut raw = RawCookie::parse(text).ok()?;
    // It is for browsers; and `None`, when saved, would make the cookie a secure one.
    raw.set_same_site(None);
    Cookie::try_from_raw_cookie(&raw, url).ok().map(Cookie::into_owned)
}

fn from_cookies(cookies: impl Iterator<Item = Cookie<'static>>) -> CookieStore {
    let mut bytes = 0;
    let fitting = cookies.take(COOKIES_MAX).filter(|cookie| {
        let fits = bytes + size(cookie) <= BYTES_MAX;
        bytes += if fits { size(cookie) } else { 0 };
        fits
    });
    let fine = fitting.map(Ok::<_, Infallible>);
    CookieStore::from_cookies(fine, false).unwrap_or_else(|never| match never {})
}

fn is_nearly_same(old: &Cookie<'_>, new: &Cookie<'_>) -> bool {
    let end = |cookie: &Cookie<'_>| match &cookie.expires {
        CookieExpiration::AtUtc(end) => Some(end.unix_timestamp()),
        CookieExpiration::SessionEnd => None,
    };
    let close = match (end(old), end(new)) {
        (Some(old), Some(new)) => old.abs_diff(new) < SAME_END.unsigned_abs(),
        (old, new) => old == new,
    };
    close
        && old.name_value() == new.name_value()
        && old.secure() == new.secure()
        && old.http_only() == new.http_only()
        && old.is_expired() == new.is_expired()
}

impl Header {
    fn new(store: &CookieStore, url: &Url) -> Self {
        let mut cookies = store.matches(url);
        // RFC 6265, 5.4: longer paths first; by name and domain so that the same cookies make the same header.
        cookies.sort_by_key(|cookie| {
            (Reverse(cookie.path.len()), cookie.name().to_owned(), String::from(&cookie.domain))
        });
        let mut text = String::new();
        let mut until = i64::MAX;
        for cookie in cookies {
            let (name, value) = cookie.name_value();
            // A saved jar may have been edited.
            if [name, value].iter().any(|part| part.chars().any(char::is_control)) {
                continue;
            }
            if let CookieExpiration::AtUtc(end) = &cookie.expires {
                until = until.min(end.unix_timestamp());
            }
            let separator = if text.is_empty() { "" } else { "; " };
            text.extend([separator, name, "=", value]);
        }
        let value =
            Some(text).filter(|text| !text.is_empty()).and_then(|text| HeaderValue::try_from(text).ok());
        let value = value.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { url: url.clone(), value, until }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
