//! The SOAP login, its answers read by a strict parser.

use std::net::SocketAddr;

use roxmltree::Document;
use serde_json::{Value, json};

use super::client::{Client, Response};
use super::login::{config, is_good, whose};
use super::{control, start};

/// The headers of the guide's own client.
const HEADERS: &str = "Content-Type: text/xml\r\nSOAPAction: ''\r\nPrettyPrint: Yes\r\n";

/// An envelope as the guide's client writes it.
fn envelope(content: &str) -> String {
    format!(
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/' \
         xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:urn='urn:partner.soap.sforce.com'>{content}</soapenv:Envelope>"
    )
}

fn login(username: &str, password: &str) -> String {
    let escape = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('\'', "&apos;").replace('"', "&quot;")
    };
    envelope(&format!(
        "<soapenv:Body><urn:login><urn:username>{}</urn:username><urn:password>{}</urn:password></urn:login>\
         </soapenv:Body>",
        escape(username),
        escape(password)
    ))
}

async fn post(address: SocketAddr, api: &str, headers: &str, body: &str) -> Response {
    let mut client = Client::new(address, "").await;
    client.headers = headers.to_owned();
    client.request("POST", &format!("/services/Soap/{api}"), body).await
}

/// The text of the only element of this name.
fn text(document: &Document, name: &str) -> String {
    let mut found =
        document.descendants().filter(|node| node.has_tag_name(name) || node.tag_name().name() == name);
    let text = found.next().and_then(|node| node.text()).unwrap_or_default().to_owned();
    assert!(found.next().is_none_or(|again| again.text() == Some(&text)), "{name} is not clear");
    text
}

/// `faultcode` and `faultstring`, and the code in the detail if there is one.
async fn fault(
    address: SocketAddr,
    api: &str,
    headers: &str,
    body: &str,
) -> (String, String, Option<String>) {
    let response = post(address, api, headers, body).await;
    assert_eq!(response.status, 500, "{}", response.body);
    assert!(response.head.contains("text/xml"), "{}", response.head);
    let document = Document::parse(&response.body).unwrap();
    let detail = document.descendants().any(|node| node.tag_name().name() == "exceptionCode");
    let detail = detail.then(|| text(&document, "exceptionCode"));
    (text(&document, "faultcode"), text(&document, "faultstring"), detail)
}

/// Status and body of a login.
pub(super) async fn log_in(address: SocketAddr, username: &str, password: &str) -> (u16, String) {
    let response = post(address, "u/35.0", HEADERS, &login(username, password)).await;
    (response.status, response.body)
}

async fn session(address: SocketAddr, body: &str) -> String {
    let response = post(address, "u/35.0", HEADERS, body).await;
    assert_eq!(response.status, 200, "{}", response.body);
    text(&Document::parse(&response.body).unwrap(), "sessionId")
}

#[tokio::test]
async fn the_guides_login_gives_a_session_and_where_to_go() {
    let address = start(config()).await;
    let response = post(address, "u/22.0/", HEADERS, &login("ada@example.com", "p<a>&'\"ß s")).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let document = Document::parse(&response.body).unwrap();
    let namespace = document.descendants().find(|node| node.tag_name().name() == "sessionId").unwrap();
    assert_eq!(namespace.tag_name().namespace(), Some("urn:partner.soap.sforce.com"));
    assert_eq!(text(&document, "serverUrl"), "http://x/services/Soap/u/22.0/00D000000000001");
    assert_eq!(text(&document, "metadataServerUrl"), "http://x/services/Soap/m/22.0/00D000000000001");
    assert_eq!(text(&document, "organizationId"), "00D000000000001EAA");
    assert_eq!(text(&document, "organizationName"), "Acme & <Sons>");
    assert_eq!(text(&document, "userFullName"), "Ada Admin");
    assert_eq!(text(&document, "sessionSecondsValid"), "7200");
    assert_eq!(text(&document, "sandbox"), "false");
    let user = text(&document, "userId");
    assert_eq!((user.len(), &user[..3]), (18, "005"));
    let session = text(&document, "sessionId");
    assert!(is_good(address, &session).await);
    assert_eq!(whose(address, &session).await, "ada@example.com");
}

#[tokio::test]
async fn refused_logins_are_faults_in_salesforces_words() {
    let address = start(config()).await;
    let invalid = "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";
    for (username, password) in [
        ("ada@example.com", "other"),
        ("ada@example.com", ""),
        ("", ""),
        ("nobody@example.com", "password"),
        ("token@example.com", "passwordX"),
        ("gone@example.com", "password"),
    ] {
        let (code, text, detail) = fault(address, "u/35.0", HEADERS, &login(username, password)).await;
        assert_eq!((&*code, &*text), ("sf:INVALID_LOGIN", invalid), "{username} {password}");
        assert_eq!(detail.as_deref(), Some("INVALID_LOGIN"));
    }
    let (code, _, _) = fault(address, "u/35.0", HEADERS, &login("token@example.com", "password")).await;
    assert_eq!(code, "sf:LOGIN_MUST_USE_SECURITY_TOKEN");
    let (code, _, _) = fault(address, "u/35.0", HEADERS, &login("noapi@example.com", "password")).await;
    assert_eq!(code, "sf:API_DISABLED_FOR_ORG");
    let session = session(address, &login("token@example.com", "passwordT0k3n")).await;
    assert_eq!(whose(address, &session).await, "token@example.com");
    let state = control(address, "state", Value::Null).await;
    assert_eq!((&state["logins"], &state["logins_refused"]), (&json!(1), &json!(8)));
}

#[tokio::test]
async fn the_enterprise_api_has_its_own_namespace() {
    let address = start(config()).await;
    let partner = login("ada@example.com", "p<a>&'\"ß s");
    let enterprise = partner.replace("urn:partner", "urn:enterprise");
    let response = post(address, "c/61.0", HEADERS, &enterprise).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let document = Document::parse(&response.body).unwrap();
    assert_eq!(text(&document, "serverUrl"), "http://x/services/Soap/c/61.0/00D000000000001");
    let (code, text, _) = fault(address, "c/61.0", HEADERS, &partner).await;
    assert_eq!((&*code, &*text), ("soapenv:Client", "No operation available for request login"));
}

#[tokio::test]
async fn a_logout_ends_the_session_once() {
    let address = start(config()).await;
    let session = session(address, &login("ada@example.com", "p<a>&'\"ß s")).await;
    let logout = envelope(&format!(
        "<soapenv:Header><urn:SessionHeader><urn:sessionId>{session}</urn:sessionId></urn:SessionHeader>\
         </soapenv:Header><soapenv:Body><urn:logout/></soapenv:Body>"
    ));
    let response = post(address, "u/35.0/00D000000000001", HEADERS, &logout).await;
    assert_eq!(response.status, 200);
    let document = Document::parse(&response.body).unwrap();
    assert!(document.descendants().any(|node| node.tag_name().name() == "logoutResponse"));
    assert!(!is_good(address, &session).await);
    let (code, _, detail) = fault(address, "u/35.0", HEADERS, &logout).await;
    assert_eq!((&*code, detail.as_deref()), ("sf:INVALID_SESSION_ID", Some("INVALID_SESSION_ID")));
    let nobody = envelope("<soapenv:Body><urn:logout/></soapenv:Body>");
    assert_eq!(fault(address, "u/35.0", HEADERS, &nobody).await.0, "sf:INVALID_SESSION_ID");
}

#[tokio::test]
async fn what_is_no_soap_is_refused() {
    let address = start(config()).await;
    let good = login("ada@example.com", "p<a>&'\"ß s");
    let doctype = format!("<!DOCTYPE x [<!ENTITY a \"aaaa\">]>{good}").replace("ada@", "&a;ada@");
    let nul = good.replace("ada@", "ada&#0;@");
    for body in [
        "",
        "<a/>",
        "username=ada",
        &good[..good.len() - 1],
        &doctype,
        &nul,
        &good.replace("schemas.xmlsoap.org/soap", "www.w3.org/2003/05/soap"),
        &good.replace("urn:login>", "urn:query>"),
        &envelope("<soapenv:Body/>"),
        &envelope(""),
    ] {
        let (code, _, detail) = fault(address, "u/35.0", HEADERS, body).await;
        assert_eq!((&*code, detail), ("soapenv:Client", None), "{body}");
    }
    let (code, text, _) = fault(address, "u/35.0", "Content-Type: text/xml; charset=UTF-8\r\n", &good).await;
    assert_eq!((&*code, &*text), ("soapenv:Client", "SOAPAction HTTP header missing"));
    assert_eq!(
        post(address, "u/35.0", "Content-Type: application/json\r\nSOAPAction: x\r\n", &good).await.status,
        415
    );
    for api in ["u/35", "u/x", "u", "x/35.0", "u/06.0"] {
        assert_eq!(fault(address, api, HEADERS, &good).await.0, "sf:UNSUPPORTED_API_VERSION", "{api}");
    }
    let long = login("ada@example.com", &"x".repeat(70_000));
    assert_eq!(post(address, "u/35.0", HEADERS, &long).await.status, 413);
    let mut client = Client::new(address, "").await;
    let response = client.request("GET", "/services/Soap/u/35.0", "").await;
    assert_eq!((response.status, response.head.contains("allow: post")), (405, true));
    assert_eq!(control(address, "state", Value::Null).await["logins"], 0);
}
