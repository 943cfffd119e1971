//! `login` and `logout` of the SOAP API, version 1.1 of the protocol.
//!
//! Requests are read by a strict XML parser: no document type, no entities but the five of XML. Faults are of the
//! partner API (its developer guide, "API Fault Element"), with HTTP status 500 as SOAP has it.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use roxmltree::{Document, Node};

use super::super::http::{Reply, text, with};
use super::super::state::Shared;
use super::super::users::{Permission, User};
use super::super::version::Version;
use super::{Refused, check_password, count, instance};

/// The namespace of the envelope.
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// What SOAP demands on every request.
const ACTION: HeaderName = HeaderName::from_static("soapaction");

/// What the faults say of a refused login; the guide's SOAP example has the first.
const INVALID_LOGIN: &str = "Invalid username, password, security token; or user locked out.";
const NEEDS_TOKEN: &str = "Invalid username, password, security token; or user locked out. Are you at a new \
     location? When accessing Salesforce, either via a desktop client or the API, from outside of your company's \
     trusted networks, you must add a security token to your password to log in.";

/// One of the two APIs, by the letter in the path.
struct Api {
    letter: &'static str,
    version: Version,
}

/// A refusal.
struct Fault {
    code: &'static str,
    message: String,
    /// The type of its detail; without one it is the envelope that was wrong.
    kind: Option<&'static str>,
}

impl Fault {
    fn api(kind: &'static str, code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned(), kind: Some(kind) }
    }

    fn client(message: impl Into<String>) -> Self {
        Self { code: "Client", message: message.into(), kind: None }
    }
}

/// Answers `POST /services/Soap/` and `rest`.
pub(super) fn handle(shared: &Shared, headers: &HeaderMap, rest: &str, body: &[u8]) -> Reply {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/xml")) {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type: text/xml is wanted");
    }
    let Some(api) = Api::of(rest) else {
        let message = "Invalid Api version specified on URL";
        let fault = Fault::api("UnexpectedErrorFault", "UNSUPPORTED_API_VERSION", message);
        return xml(StatusCode::INTERNAL_SERVER_ERROR, fault.render("u"));
    };
    match answer(shared, headers, &api, body) {
        Ok(text) => xml(StatusCode::OK, text),
        Err(fault) => xml(StatusCode::INTERNAL_SERVER_ERROR, fault.render(api.letter)),
    }
}

fn answer(shared: &Shared, headers: &HeaderMap, api: &Api, body: &[u8]) -> Result<String, Fault> {
    if !headers.contains_key(ACTION) {
        return Err(Fault::client("SOAPAction HTTP header missing"));
    }
    let body = std::str::from_utf8(body).map_err(|_| Fault::client("the body is no UTF-8"))?;
    let document = Document::parse(body).map_err(|error| Fault::client(error.to_string()))?;
    let envelope = document.root_element();
    if !envelope.has_tag_name((ENVELOPE, "Envelope")) {
        return Err(Fault::client("the document is no SOAP envelope"));
    }
    let call = child(envelope, ENVELOPE, "Body").and_then(|body| body.children().find(Node::is_element));
    let call = call.ok_or_else(|| Fault::client("the envelope has no body"))?;
    let name = call.tag_name();
    match (name.namespace() == Some(api.namespace()), name.name()) {
        (true, "login") => count(shared, login(shared, headers, api, call)),
        (true, "logout") => logout(shared, api, envelope),
        _ => Err(Fault::client(format!("No operation available for request {}", name.name()))),
    }
}

fn login(shared: &Shared, headers: &HeaderMap, api: &Api, call: Node) -> Result<String, Fault> {
    let argument = |name| child(call, api.namespace(), name).map(content).unwrap_or_default();
    let fault = |code, message| Fault::api("LoginFault", code, message);
    let user = check_password(shared, &argument("username"), &argument("password"));
    let user = user.map_err(|refused| match refused {
        Refused::Wrong | Refused::Inactive => fault("INVALID_LOGIN", INVALID_LOGIN),
        Refused::TooMany => fault("LOGIN_RATE_EXCEEDED", "login rate exceeded"),
        Refused::NoSecurityToken => fault("LOGIN_MUST_USE_SECURITY_TOKEN", NEEDS_TOKEN),
    })?;
    if !user.has(Permission::ApiEnabled) {
        let message = "API is not enabled for this Organization or Partner";
        return Err(fault("API_DISABLED_FOR_ORG", message));
    }
    let instance = instance(shared, headers);
    let session = shared.lock().tokens.issue(&user, None);
    let result = result(shared, api, &instance, &session, &user);
    Ok(api.envelope(&format!("<loginResponse><result>{result}</result></loginResponse>")))
}

/// The members of a `LoginResult`, in the order of the WSDL.
fn result(shared: &Shared, api: &Api, instance: &str, session: &str, user: &User) -> String {
    let org = shared.org.id.get(..15).unwrap_or_default();
    let url = |letter: &str| format!("{instance}/services/Soap/{letter}/{}/{org}", api.version);
    [
        element("metadataServerUrl", &url("m")),
        element("passwordExpired", "false"),
        element("sandbox", &shared.org.sandbox.to_string()),
        element("serverUrl", &url(api.letter)),
        element("sessionId", session),
        element("userId", &user.id),
        format!("<userInfo>{}</userInfo>", user_info(shared, user)),
    ]
    .concat()
}

fn user_info(shared: &Shared, user: &User) -> String {
    let seconds = shared.config.scaled(shared.config.session_timeout).as_secs().to_string();
    let members = [
        ("accessibilityMode", "false"),
        ("orgHasPersonAccounts", "false"),
        ("organizationId", &shared.org.id),
        ("organizationMultiCurrency", "false"),
        ("organizationName", &shared.org.name),
        ("sessionSecondsValid", &seconds),
        ("userEmail", &user.email),
        ("userFullName", &user.display_name()),
        ("userId", &user.id),
        ("userLanguage", "en_US"),
        ("userLocale", "en_US"),
        ("userName", &user.username),
        ("userTimeZone", "GMT"),
        ("userType", "Standard"),
    ];
    members.iter().map(|(name, value)| element(name, value)).collect()
}

fn logout(shared: &Shared, api: &Api, envelope: Node) -> Result<String, Fault> {
    let header = child(envelope, ENVELOPE, "Header");
    let session = header.and_then(|header| child(header, api.namespace(), "SessionHeader"));
    let session = session.and_then(|session| child(session, api.namespace(), "sessionId")).map(content);
    if !session.is_some_and(|session| shared.lock().tokens.revoke_good(&session)) {
        let message = "Invalid Session ID found in SessionHeader: Illegal Session";
        return Err(Fault::api("UnexpectedErrorFault", "INVALID_SESSION_ID", message));
    }
    Ok(api.envelope("<logoutResponse/>"))
}

impl Api {
    /// Reads `u/XX.X`, which may be followed by the id of an org.
    fn of(rest: &str) -> Option<Self> {
        let mut parts = rest.split('/');
        let letter = match parts.next()? {
            "u" => "u",
            "c" => "c",
            _ => return None,
        };
        Some(Self {
            letter,
            version: Version::parse(parts.next()?).filter(|version| version.has_soap_login())?,
        })
    }

    fn namespace(&self) -> &'static str {
        namespace(self.letter)
    }

    fn envelope(&self, body: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
             xmlns=\"{}\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>",
            self.namespace()
        )
    }
}

impl Fault {
    fn render(&self, letter: &str) -> String {
        let message = escape(&self.message);
        let (code, text, detail) = match self.kind {
            None => (format!("soapenv:{}", self.code), message, String::new()),
            Some(kind) => {
                let code =
                    element("sf:exceptionCode", self.code) + &element("sf:exceptionMessage", &self.message);
                let detail = format!("<detail><sf:{kind} xsi:type=\"sf:{kind}\">{code}</sf:{kind}></detail>");
                (format!("sf:{}", self.code), format!("{}: {message}", self.code), detail)
            }
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
             xmlns:sf=\"{}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
             <faultcode>{code}</faultcode><faultstring>{text}</faultstring>{detail}\
             </soapenv:Fault></soapenv:Body></soapenv:Envelope>",
            if letter == "c" {
                "urn:fault.enterprise.soap.sforce.com"
            } else {
                "urn:fault.partner.soap.sforce.com"
            }
        )
    }
}

fn namespace(letter: &str) -> &'static str {
    if letter == "c" { "urn:enterprise.soap.sforce.com" } else { "urn:partner.soap.sforce.com" }
}

fn child<'a, 'i>(parent: Node<'a, 'i>, namespace: &str, name: &str) -> Option<Node<'a, 'i>> {
    parent.children().find(|node| node.has_tag_name((namespace, name)))
}

/// The text in an element, comments left out.
fn content(node: Node) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

fn element(name: &str, content: &str) -> String {
    format!("<{name}>{}</{name}>", escape(content))
}

/// Escaped for the content of an element; what XML cannot hold becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Written as it is, a reader would make a line feed of it.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn xml(status: StatusCode, body: String) -> Reply {
    let mut reply = with(Reply::new(body.into()), CONTENT_TYPE, "text/xml;charset=UTF-8");
    *reply.status_mut() = status;
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_or_is_replaced() {
        let all: String = ('\0'..='\u{ff}').chain(['\u{fffe}', '\u{ffff}', '\u{1F980}']).collect();
        let text = element("a", &all);
        let document = Document::parse(&text).unwrap();
        let forbidden = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || ['\u{fffe}', '\u{ffff}'].contains(&c);
        let wanted: String = all.chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect();
        assert_eq!(document.root_element().text(), Some(&*wanted));
    }

    #[test]
    fn paths_name_the_api() {
        assert!(Api::of("u/35.0").is_some_and(|api| api.letter == "u"));
        assert!(Api::of("c/61.0/00Dxx0000000001").is_some_and(|api| api.letter == "c"));
        for wrong in ["", "u", "m/35.0", "u/35", "u/06.0", "x/35.0"] {
            assert!(Api::of(wrong).is_none(), "{wrong}");
        }
    }
}
