//! Secrets out of what is shown: header values, URLs, JSON and form bodies.
//!
//! Constraints: a text keeps its shape, so that a person sees what was sent; only values go. What is not known to be
//! free of secrets (XML, which carries passwords in logins) is not shown at all.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use hyper::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE,
};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::secret::hide;

/// What stands for a secret.
const HIDDEN: &str = "***";
/// Names of secrets in JSON, forms and queries, in lower case without `_` and `-`.
const KEYS: [&str; 7] =
    ["assertion", "authorization", "clientassertion", "codeverifier", "cookie", "credentials", "sid"];
/// Parts of names that make them names of secrets; a token's type or lifetime is none.
const PARTS: [&str; 7] = ["apikey", "passphrase", "passwd", "password", "privatekey", "secret", "sessionid"];
/// How deep JSON inside strings of JSON is looked into.
const DEPTH_MAX: usize = 3;

/// Whether a value of this name is a secret.
fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    KEYS.contains(&plain.as_str())
        || plain.ends_with("token")
        || PARTS.iter().any(|part| plain.contains(part))
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

/// The secrets of one exchange, which a server may repeat anywhere.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The tokens and cookies of a request, and the cookies that came with its response.
    pub(super) fn of(request: &HeaderMap, response: Option<&HeaderMap>) -> Self {
        let texts = |headers: &HeaderMap, name: HeaderName| -> Vec<String> {
            let values = headers.get_all(name).iter();
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
        };
        let tokens = [AUTHORIZATION, PROXY_AUTHORIZATION].into_iter().flat_map(|name| texts(request, name));
        let mut all: Vec<_> =
            tokens.filter_map(|value| value.rsplit(' ').next().map(str::to_owned)).collect();
        for cookies in texts(request, COOKIE) {
            all.extend(cookies.split("; ").filter_map(value_of));
        }
        for cookie in response.map(|headers| texts(headers, SET_COOKIE)).unwrap_or_default() {
            all.extend(cookie.split(';').next().and_then(value_of));
        }
        // One that is part of another must not leave the rest of it.
        all.sort_unstable_by_key(|value| Reverse(value.len()));
        Self(all)
    }

    /// Takes them out of every string in `value`.
    pub(super) fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for secret in &self.0 {
                    if let Cow::Owned(shown) = hide(text, secret) {
                        *text = shown;
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide_in(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.hide_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn value_of(cookie: &str) -> Option<String> {
    cookie.split_once('=').map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Whether a body of type `mime` is a form.
pub(super) fn is_form(mime: &str) -> bool {
    mime.to_ascii_lowercase().contains("form-urlencoded")
}

/// A body of type `mime` as it may be shown.
pub(super) fn body(text: &str, mime: &str) -> String {
    let kind = mime.to_ascii_lowercase();
    if kind.contains("xml") || kind.contains("octet-stream") || looks_like_xml(text) {
        format!("({} bytes, not shown)", text.len())
    } else if is_form(mime) {
        form(text)
    } else {
        json(text, 0).into_owned()
    }
}

/// Whether a text is XML, whatever it is said to be; a page for people is not.
fn looks_like_xml(text: &str) -> bool {
    let start: String =
        text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).chars().take(4096).collect();
    let start = start.to_ascii_lowercase();
    let is_page = start.starts_with("<!doctype html") || start.starts_with("<html");
    start.starts_with('<')
        && !is_page
        && (start.starts_with("<?xml") || start.contains("envelope") || start.contains("xmlns"))
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
        let replacement = if is_key { None } else { replacement(inner, key_is_secret, depth) };
        if let Some(replacement) = replacement {
            shown.push_str(text.get(copied..=start).unwrap_or_default());
            shown.push_str(&replacement);
            copied = end;
        }
        key_is_secret = is_key && is_secret(&unescaped(inner));
        at = end + 1;
        if let Some(value) = unquoted(text, at).filter(|_| key_is_secret) {
            shown.push_str(text.get(copied..value.start).unwrap_or_default());
            shown.push_str("\"***\"");
            (copied, at) = (value.end, value.end);
            key_is_secret = false;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// What is shown in the place of a string value, if not the value.
fn replacement(inner: &str, is_secret: bool, depth: usize) -> Option<String> {
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

/// The place of the value behind a key that ends at `at`, where it is a number, an array or an object.
fn unquoted(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let start = text.len() - value.len();
    let end = match value.bytes().next()? {
        b'{' | b'[' => nested_end(text, start),
        b'-' | b'0'..=b'9' => {
            value.find([',', '}', ']', ' ', '\t', '\r', '\n']).map_or(text.len(), |length| start + length)
        }
        _ => return None,
    };
    Some(start..end)
}

/// Where the array or object that starts at `start` ends: behind its closing bracket, or the end of the text.
fn nested_end(text: &str, start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
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
        assert_eq!(
            shown(r#"{"new_password":["a]\"",{"b":1}],"x":1,"apiKey":{"token":"}"}, "sid" : 7 }"#),
            r#"{"new_password":"***","x":1,"apiKey":"***", "sid" : "***" }"#
        );
        assert_eq!(shown(r#"{"token":[1,2"#), r#"{"token":"***""#);
        for same in [
            "",
            "\"",
            r#"{"clientId":"1x"}"#,
            "<p class=\"token\">",
            r#"{"sid":null,"token_type":"Bearer"}"#,
            "\"\\",
            "é\"é",
        ] {
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
    fn what_a_server_repeats_is_hidden_wherever_it_is() {
        let request = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Bearer 00Dxx0!hushhush")),
            (COOKIE, HeaderValue::from_static("a=1; sid=hushhush-1; t=\"hushhush-2\"")),
        ]);
        let response = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("b=hushhush-3; Path=/"))]);
        let mut value = serde_json::json!({"a": ["bad 00Dxx0!hushhush.", 1], "b": {"c": "hushhush-1hushhush-2"},
            "d": "hushhush-3 a 1", "e": r"00Dxx0\u0021hushhush", "f": "x=00Dxx0%21hushhush&y",
            "g": "00Dxx0&#33;hushhush 00Dxx0&#x21;hushhush"});
        Secrets::of(&request, Some(&response)).hide_in(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a": ["bad ***.", 1], "b": {"c": "******"}, "d": "*** a 1", "e": "***", "f": "x=***&y",
                "g": "*** ***"})
        );
    }

    #[test]
    fn what_cannot_be_looked_through_is_not_shown() {
        let xml = "<sessionId>x</sessionId>";
        assert_eq!(body(xml, "text/xml; charset=utf-8"), "(24 bytes, not shown)");
        let soap = "\n<soapenv:Envelope><n1:password>hush</n1:password></soapenv:Envelope>";
        assert_eq!(body(soap, "x-unknown"), "(69 bytes, not shown)");
        let page = "<!DOCTYPE html><p>Down for maintenance";
        assert_eq!(body(page, "text/html"), page);
    }
}
