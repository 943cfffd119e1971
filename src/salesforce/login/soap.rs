//! The SOAP login: user name, password and security token for a session id.
//!
//! Constraints: nothing goes out that XML 1.0 cannot hold; what comes in is read by a strict reader, without a DTD and
//! with a limit of nodes; a session id of an expired password opens nothing and is no login.
//!
//! Format: `POST /services/Soap/u/XX.X` of the partner API, `text/xml`, an empty `SOAPAction`; the reply has `sessionId`
//! and `serverUrl`, or a fault, with HTTP status 500.
//!
//! Operations: [`envelope`], [`read`]; [`cookies`] for the legacy endpoint.

use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use super::source;
use super::trouble::{Trouble, Veil};
use super::{Grant, instance};
use crate::secret::Secret;

/// The namespace of SOAP 1.1.
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The namespace of the partner API.
const PARTNER: &str = "urn:partner.soap.sforce.com";

/// The most nodes of a reply.
const NODES_MAX: u32 = 10_000;

/// Faults that the same login will meet again. A user who is locked out, restricted to hours or frozen is let in later;
/// faults that are not known are taken so too.
const FINAL: [&str; 10] = [
    "API_CURRENTLY_DISABLED",
    "API_DISABLED_FOR_ORG",
    "INVALID_LOGIN",
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
    "LOGIN_CHALLENGE_ISSUED",
    "LOGIN_CHALLENGE_PENDING",
    "LOGIN_DURING_RESTRICTED_DOMAIN",
    "LOGIN_MUST_USE_SECURITY_TOKEN",
    "TRIAL_EXPIRED",
    "UNSUPPORTED_API_VERSION",
];

/// The body of a login, or which character of what cannot be sent.
pub(super) fn envelope(username: &str, password: &str) -> Result<Secret<String>, Trouble> {
    for (what, text) in [("user name", username), ("password or security token", password)] {
        if let Some((index, character)) = text.chars().enumerate().find(|(_, c)| !is_xml(*c)) {
            // The code of a character that no keyboard has tells nothing of the rest.
            return Err(Trouble::refused(format!(
                "the {what} cannot be sent in XML: character {} is U+{:04X}",
                index + 1,
                u32::from(character)
            ))
            .unsent());
        }
    }
    Ok(Secret::new(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <e:Envelope xmlns:e=\"{SOAP}\" xmlns:p=\"{PARTNER}\"><e:Body><p:login>\
         <p:username>{}</p:username><p:password>{}</p:password>\
         </p:login></e:Body></e:Envelope>",
        escaped(username),
        escaped(password)
    )))
}

/// XML 1.0, production 2.
const fn is_xml(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// A text as the content of an element; a reader would make a line feed of a carriage return.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 2);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What a reply gives; nothing when it is no SOAP at all. `configured`: the hosts that are trusted.
pub(super) fn read(body: &[u8], veil: &Veil, configured: &[&Url]) -> Option<Result<Grant, Trouble>> {
    let text = std::str::from_utf8(body).ok()?;
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).ok()?;
    let envelope = document.root_element();
    if !envelope.has_tag_name((SOAP, "Envelope")) {
        return None;
    }
    let body = envelope.children().find(|node| node.has_tag_name((SOAP, "Body")))?;
    if let Some(fault) = body.children().find(|node| node.has_tag_name((SOAP, "Fault"))) {
        return Some(Err(refusal(fault, veil)));
    }
    let result = child(body, "loginResponse").and_then(|response| child(response, "result"));
    Some(result.map_or_else(
        || Err(Trouble::odd("the login host answered with SOAP that is no reply to a login")),
        |result| grant(result, configured),
    ))
}

fn grant(result: Node<'_, '_>, configured: &[&Url]) -> Result<Grant, Trouble> {
    if content(result, "passwordExpired").is_some_and(|expired| expired == "true") {
        return Err(Trouble::refused("the password has expired; set a new one"));
    }
    let session = content(result, "sessionId").unwrap_or_default();
    let token = source::token(session.as_bytes())
        .map_err(|reason| Trouble::odd(format!("the session id of the login cannot be used: {reason}")))?;
    let server = content(result, "serverUrl").and_then(|url| Url::parse(&url).ok());
    let Some(server) = server else {
        return Err(Trouble::odd("the reply to the login tells no usable serverUrl"));
    };
    let instance = instance::allowed(&server, configured).map_err(|reason| {
        Trouble::refused(format!("the serverUrl of the login is not followed: {reason}"))
    })?;
    let identity = identity(result, &instance);
    Ok(Grant { token, instance: Some(instance), identity, username: None, issued_at: None })
}

/// Where the user is described, by the ids in the reply.
fn identity(result: Node<'_, '_>, instance: &Url) -> Option<Url> {
    let user = content(result, "userId")?;
    let org = content(child(result, "userInfo")?, "organizationId")?;
    let good = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !good(&user) || !good(&org) {
        return None;
    }
    instance.join(&format!("/id/{org}/{user}")).ok()
}

fn refusal(fault: Node<'_, '_>, veil: &Veil) -> Trouble {
    // The code has a namespace's prefix: `sf:INVALID_LOGIN`.
    let code = content(fault, "faultcode").unwrap_or_default();
    let code = code.rsplit(':').next().unwrap_or_default();
    let said = content(fault, "faultstring").unwrap_or_default();
    let said = if said.is_empty() { code } else { &said };
    let reason = format!("the login was refused: {}", veil.quote(said));
    if FINAL.contains(&code) { Trouble::refused(reason) } else { Trouble::passing(reason, None) }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|node| node.is_element() && node.tag_name().name() == name)
}

/// The text of a child.
fn content(node: Node<'_, '_>, name: &str) -> Option<String> {
    let texts = child(node, name)?.children().filter_map(|node| node.text().filter(|_| node.is_text()));
    Some(texts.collect::<String>().trim().to_owned())
}

/// What the legacy endpoint, `/cometd` without a version (API 22), wants in the jar beside its own cookies (guide: the
/// sample client of that version). A user name that no cookie can hold is left out.
pub(super) fn cookies(username: Option<&str>, token: &Secret<String>) -> Vec<(&'static str, Secret<String>)> {
    let fits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    let mut cookies = vec![("com.salesforce.LocaleInfo", Secret::new(String::from("us")))];
    cookies.extend(username.filter(fits).map(|name| ("login", Secret::new(name.to_owned()))));
    cookies.push(("sid", token.clone()));
    cookies.push(("language", Secret::new(String::from("en_US"))));
    cookies
}

#[cfg(test)]
#[path = "soap_tests.rs"]
mod tests;
