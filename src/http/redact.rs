//! Secrets out of what is shown: header values, URLs, JSON and form bodies.
//!
//! Constraints: a text keeps its shape, so that a person sees what was sent; only values go. What is not known to be
//! free of secrets (XML, which carries passwords in logins) is not shown at all.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE,
};
use url::{Url, form_urlencoded};

/// What stands for a secret.
const HIDDEN: &str = "***";
/// Names of secrets in JSON, forms and queries, in lower case without `_` and `-`.
const KEYS: [&str; 18] = [
    "accesstoken",
    "apikey",
    "assertion",
    "authorization",
    "clientassertion",
    "clientsecret",
    "cookie",
    "credentials",
    "idtoken",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "refreshtoken",
    "secret",
    "sessionid",
    "sid",
    "token",
];
/// How deep JSON inside strings of JSON is looked into.
const DEPTH_MAX: usize = 3;
/// Shorter tokens are not looked for in bodies: they could be any word.
const TOKEN_MIN: usize = 8;

/// Whether a value of this name is a secret.
fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    KEYS.contains(&plain.as_str())
}

/// A header's value as it may be shown.
pub(super) fn header(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    if *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION {
        let scheme = text.split_once(' ').map_or("", |(scheme, _)| scheme);
        return format!("{scheme} {HIDDEN}").trim_start().to_owned();
    }
    if *name == COOKIE {
        return text.split("; ").map(without_value).collect::<Vec<_>>().join("; ");
    }
    if *name == SET_COOKIE {
        let (cookie, attributes) = text.split_at(text.find(';').unwrap_or(text.len()));
        return without_value(cookie) + attributes;
    }
    if value.is_sensitive()
        || ["token", "secret", "api-key", "password"].iter().any(|part| name.as_str().contains(part))
    {
        return HIDDEN.into();
    }
    if *name == LOCATION {
        return location(&text);
    }
    text.into_owned()
}

fn without_value(cookie: &str) -> String {
    cookie.split_once('=').map_or_else(|| HIDDEN.into(), |(name, _)| format!("{name}={HIDDEN}"))
}

/// A redirect's target may be relative.
fn location(text: &str) -> String {
    if let Ok(absolute) = Url::parse(text) {
        return url(&absolute).into();
    }
    match text.split_once('?') {
        Some((path, query)) => format!("{path}?{}", form(query)),
        None => text.into(),
    }
}

/// A URL without user name and password, and without the secrets of its query.
pub(super) fn url(url: &Url) -> Url {
    let mut shown = url.clone();
    // Both fail only on URLs that can have neither.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(url.query().map(form).as_deref());
    shown
}

/// A form or query with the values of secrets hidden.
fn form(text: &str) -> String {
    let shown = text.split('&').map(|pair| {
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
        match (name, pair.split_once('=')) {
            (Some(name), Some((written, _))) if is_secret(&name) => format!("{written}={HIDDEN}"),
            _ => pair.to_owned(),
        }
    });
    shown.collect::<Vec<_>>().join("&")
}

/// The secrets of one exchange that could come back in its bodies.
pub(super) struct Secrets(Option<String>);

impl Secrets {
    /// The token of a request's `Authorization`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.rsplit(' ').next()).filter(|token| token.len() >= TOKEN_MIN);
        Self(token.map(str::to_owned))
    }

    /// A body of type `mime` as it may be shown.
    pub(super) fn body(&self, body: &Bytes, mime: &str) -> String {
        let mime = mime.to_ascii_lowercase();
        let text = String::from_utf8_lossy(body);
        let shown = if mime.contains("xml") || mime.contains("octet-stream") {
            format!("({} bytes, not shown)", body.len())
        } else if mime.contains("form-urlencoded") {
            form(&text)
        } else {
            json(&text, 0).into_owned()
        };
        match &self.0 {
            Some(token) => shown.replace(token, HIDDEN),
            None => shown,
        }
    }
}

/// JSON with the string values of secret keys hidden and everything else as it was. Text that is no JSON passes,
/// apart from what looks like such a member.
fn json(text: &str, depth: usize) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut copied = 0;
    let mut at = 0;
    let mut key_is_secret = false;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('"')).map(|found| at + found) {
        let end = string_end(text, start);
        let inner = text.get(start + 1..end).unwrap_or_default();
        let is_key = text.get(end + 1..).is_some_and(|rest| rest.trim_start().starts_with(':'));
        let hidden = if is_key { None } else { hide(inner, key_is_secret, depth) };
        if let Some(hidden) = hidden {
            shown.push_str(text.get(copied..=start).unwrap_or_default());
            shown.push_str(&hidden);
            copied = end;
        }
        key_is_secret = is_key && is_secret(&unescaped(inner));
        at = end + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// What is shown in the place of a string value, if not the value.
fn hide(inner: &str, is_secret: bool, depth: usize) -> Option<String> {
    if is_secret {
        return Some(HIDDEN.into());
    }
    if depth == DEPTH_MAX || !inner.contains("\\\"") {
        return None;
    }
    let nested = unescaped(inner);
    let Cow::Owned(hidden) = json(&nested, depth + 1) else { return None };
    let quoted = serde_json::to_string(&hidden).ok()?;
    Some(quoted.get(1..quoted.len() - 1)?.to_owned())
}

/// Where the string that starts at `start` ends: its closing quote, or the end of the text.
fn string_end(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return offset,
            _ => {}
        }
    }
    text.len()
}

fn unescaped(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(&format!("\"{inner}\"")).map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_shape_and_loses_its_secrets() {
        let shown = |text| json(text, 0).into_owned();
        assert_eq!(
            shown(r#"[ {"b":1.50, "access_token" : "00D\"!x", "a":"sid"} ]"#),
            r#"[ {"b":1.50, "access_token" : "***", "a":"sid"} ]"#
        );
        assert_eq!(shown(r#"{"Session-Id":"x","PASSWORD":"y"}"#), r#"{"Session-Id":"***","PASSWORD":"***"}"#);
        assert_eq!(shown(r#"{"pass\u0077ord":"y"}"#), r#"{"pass\u0077ord":"***"}"#);
        assert_eq!(
            shown(r#"{"payload":"{\"sid\":\"hush\",\"n\":1}"}"#),
            r#"{"payload":"{\"sid\":\"***\",\"n\":1}"}"#
        );
        assert_eq!(shown(r#"{"token":"cut of"#), r#"{"token":"***"#);
        for same in ["", "\"", r#"{"clientId":"1x"}"#, "<p class=\"token\">", r#"{"sid":7}"#, "\"\\", "é\"é"]
        {
            assert_eq!(shown(same), same);
        }
    }

    #[test]
    fn forms_and_urls_lose_their_secrets() {
        assert_eq!(
            form("grant_type=password&client%5Fsecret=x&password=y&a"),
            "grant_type=password&client%5Fsecret=***&password=***&a"
        );
        let shown = url(&Url::parse("https://u:p@acme.example/a?sid=1&b=2#c").unwrap());
        assert_eq!(shown.as_str(), "https://acme.example/a?sid=***&b=2#c");
        assert_eq!(location("/next?token=1&a=2"), "/next?token=***&a=2");
    }

    #[test]
    fn headers_lose_their_secrets() {
        let shown = |name: &'static str, value: &'static str| {
            header(&HeaderName::from_static(name), &HeaderValue::from_static(value))
        };
        assert_eq!(shown("authorization", "Bearer hush"), "Bearer ***");
        assert_eq!(shown("proxy-authorization", "hush"), "***");
        assert_eq!(shown("cookie", "a=1; b=2"), "a=***; b=***");
        assert_eq!(shown("set-cookie", "a=1; Path=/; Secure"), "a=***; Path=/; Secure");
        assert_eq!(shown("x-api-key", "hush"), "***");
        assert_eq!(shown("location", "https://x.example/?token=1"), "https://x.example/?token=***");
        assert_eq!(shown("content-type", "text/html"), "text/html");
        let mut sensitive = HeaderValue::from_static("hush");
        sensitive.set_sensitive(true);
        assert_eq!(header(&HeaderName::from_static("x-signature"), &sensitive), "***");
    }

    #[test]
    fn a_token_that_comes_back_in_a_body_is_hidden() {
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer 00Dxx!hushhush"))]);
        let secrets = Secrets::of(&headers);
        let body = |text: &'static str, mime| secrets.body(&Bytes::from_static(text.as_bytes()), mime);
        assert_eq!(body("bad token 00Dxx!hushhush.", "text/plain"), "bad token ***.");
        assert_eq!(body("<sessionId>x</sessionId>", "text/xml; charset=utf-8"), "(24 bytes, not shown)");
    }
}
