//! URLs: what a configuration may say where a URL is wanted.
//!
//! Constraints: a URL may hold a secret in its user information, path or query (webhooks often do), so a
//! problem shows its scheme and host at most.

use url::{Host, ParseError, Url};

use super::reader::{Node, nearest, shown};
use crate::http::Proxy;

/// An `http` or `https` URL without user information and without a fragment.
pub(super) fn endpoint(node: &Node<'_>) -> Option<Url> {
    let wanted = "an http or https URL";
    let url = parse(node, wanted)?;
    let fault = match url.scheme() {
        "http" | "https" => unwanted(&url),
        scheme => Some((format!("the scheme {}", shown(scheme)), "start it with https://")),
    };
    let Some((found, hint)) = fault else { return Some(url) };
    node.report(&found, wanted, Some(hint));
    None
}

/// `"environment"`, `"direct"`, or the `http` URL of a proxy.
pub(super) fn proxy(node: &Node<'_>) -> Option<Proxy> {
    let wanted = "\"environment\", \"direct\" or \"http://HOST:PORT\"";
    match node.text(wanted)? {
        "environment" => return Some(Proxy::Environment),
        "direct" => return Some(Proxy::Direct),
        text => {
            if let Some(near) = nearest(text, ["environment", "direct"].into_iter()) {
                node.report(&shown(text), wanted, Some(&format!("did you mean {near:?}?")));
                return None;
            }
        }
    }
    let url = parse(node, wanted)?;
    let bare = url.path() == "/" && url.query().is_none();
    let fault = match url.scheme() {
        "http" if has_user(&url) => Some((
            "a user name or password in it".to_owned(),
            "put the proxy in HTTPS_PROXY and use \"environment\"",
        )),
        "http" if bare => unwanted(&url),
        "http" => Some(("a path or query after the host".to_owned(), "end it after the port")),
        scheme => Some((format!("the scheme {}", shown(scheme)), "start it with http://")),
    };
    let Some((found, hint)) = fault else { return Some(Proxy::Url(url)) };
    node.report(&found, wanted, Some(hint));
    None
}

fn parse(node: &Node<'_>, wanted: &str) -> Option<Url> {
    let text = node.text(wanted)?;
    match Url::parse(text) {
        Ok(url) => Some(url),
        Err(error) => {
            let hint = match error {
                ParseError::RelativeUrlWithoutBase => "start it with https://".to_owned(),
                other => other.to_string(),
            };
            node.report(&safe(text), wanted, Some(&hint));
            None
        }
    }
}

/// Whether a URL leads no further than this machine.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn unwanted(url: &Url) -> Option<(String, &'static str)> {
    if has_user(url) {
        return Some((
            "a user name or password in it".to_owned(),
            "credentials belong in a file of their own",
        ));
    }
    url.fragment().map(|_| ("a fragment (#...)".to_owned(), "leave out # and what follows it"))
}

/// As much of a text as can hold no secret: up to the host's end, and nothing where user information may be.
fn safe(text: &str) -> String {
    if text.contains('@') {
        return "a value with user information".to_owned();
    }
    let host = text.find("://").map_or(0, |scheme| scheme + 3);
    let end = text.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map(|length| host + length);
    match end.and_then(|end| text.get(..end)) {
        Some(start) if start.len() < text.len() => shown(&format!("{start}/...")),
        _ => shown(text),
    }
}
