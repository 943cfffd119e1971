//! Envelopes through a strict reader, and the replies of servers.

use super::super::trouble::Kind;
use super::*;

fn login() -> Url {
    Url::parse("https://login.salesforce.com").unwrap()
}

fn read_one(body: &str) -> Option<Result<Grant, Trouble>> {
    read(body.as_bytes(), &Veil::default(), &[&login()])
}

fn wrapped(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{SOAP}\" \
         xmlns=\"{PARTNER}\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{inner}</soapenv:Body>\
         </soapenv:Envelope>"
    )
}

fn reply(result: &str) -> String {
    wrapped(&format!("<loginResponse><result>{result}</result></loginResponse>"))
}

fn fault(code: &str, text: &str) -> String {
    wrapped(&format!(
        "<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{text}</faultstring>\
         <detail><sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>{code}</sf:exceptionCode>\
         </sf:LoginFault></detail></soapenv:Fault>"
    ))
}

/// What a strict reader finds in an envelope.
fn parsed(envelope: &str) -> (String, String) {
    let document = Document::parse(envelope).unwrap();
    let text = |name| {
        let mut found = document.descendants().filter(|node| node.has_tag_name((PARTNER, name)));
        let node = found.next().unwrap();
        assert!(found.next().is_none() && node.children().count() == 1, "{name}");
        node.text().unwrap().to_owned()
    };
    (text("username"), text("password"))
}

#[test]
fn every_character_of_xml_arrives_as_it_is() {
    let odd = "<>&'\"]]>\u{9}\n\r &amp;<!--x-->é\u{85}\u{2028}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}";
    let envelope = envelope(odd, "p</p:password><p:x>&#0;").unwrap();
    assert_eq!(parsed(envelope.expose()), (odd.to_owned(), String::from("p</p:password><p:x>&#0;")));
}

proptest::proptest! {
    #[test]
    fn any_password_arrives_or_is_refused(password in proptest::prelude::any::<String>()) {
        match envelope("u", &password) {
            Ok(envelope) if !password.is_empty() => proptest::prop_assert_eq!(parsed(envelope.expose()).1, password),
            Ok(_) => {}
            Err(trouble) => {
                proptest::prop_assert!(!password.chars().all(is_xml));
                proptest::prop_assert!(trouble.kind == Kind::Refused);
            }
        }
    }

    #[test]
    fn no_reply_panics(body in ".{0,200}") {
        let _ = read(body.as_bytes(), &Veil::default(), &[&login()]);
        let _ = read(reply(&body).as_bytes(), &Veil::default(), &[&login()]);
    }
}

#[test]
fn what_xml_cannot_hold_is_said_before_anything_is_sent() {
    for (character, code) in [('\0', "U+0000"), ('\u{1b}', "U+001B"), ('\u{ffff}', "U+FFFF")] {
        let password = format!("hush{character}hush");
        let trouble = envelope("u", &password).unwrap_err();
        assert_eq!(trouble.kind, Kind::Refused);
        assert_eq!(
            trouble.reason,
            format!("the password or security token cannot be sent in XML: character 5 is {code}")
        );
    }
    assert!(envelope("\0", "p").unwrap_err().reason.starts_with("the user name"));
}

#[test]
fn a_reply_gives_the_session_and_where_the_org_is() {
    let grant = read_one(&reply(
        "<metadataServerUrl>https://na1.salesforce.com/services/Soap/m/35.0/00D</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>https://na1.salesforce.com/services/Soap/u/35.0/00Dx0000001gEREEAY</serverUrl>\
         <sessionId>00Dx0000001gER!AQ<![CDATA[4AQ]]>&#46;x</sessionId><userId>005x0000001SyyEAAS</userId>\
         <userInfo><organizationId>00Dx0000001gEREEAY</organizationId></userInfo>",
    ));
    let grant = grant.unwrap().unwrap();
    assert_eq!(grant.token.expose(), "00Dx0000001gER!AQ4AQ.x");
    assert_eq!(grant.instance.unwrap().as_str(), "https://na1.salesforce.com/");
    let identity = "https://na1.salesforce.com/id/00Dx0000001gEREEAY/005x0000001SyyEAAS";
    assert_eq!(grant.identity.unwrap().as_str(), identity);
}

#[test]
fn faults_pass_or_stay() {
    for (code, kind) in [
        ("INVALID_LOGIN", Kind::Refused),
        ("UNSUPPORTED_API_VERSION", Kind::Refused),
        ("LOGIN_RATE_EXCEEDED", Kind::Passing(None)),
        ("LOGIN_DURING_RESTRICTED_TIME", Kind::Passing(None)),
        ("PASSWORD_LOCKOUT", Kind::Passing(None)),
        ("INACTIVE_OWNER_OR_USER", Kind::Passing(None)),
        ("SERVER_UNAVAILABLE", Kind::Passing(None)),
        ("NEVER_HEARD_OF", Kind::Passing(None)),
    ] {
        let trouble = read_one(&fault(code, &format!("{code}: text &amp; more"))).unwrap().unwrap_err();
        assert_eq!(trouble.kind, kind, "{code}");
        assert_eq!(trouble.reason, format!("the login was refused: {code}: text & more"));
    }
    assert_eq!(read_one(&fault("X", "")).unwrap().unwrap_err().reason, "the login was refused: X");
}

#[test]
fn a_fault_that_repeats_the_password_does_not_show_it() {
    let mut veil = Veil::default();
    veil.add("p<w");
    let body = fault("INVALID_LOGIN", "bad p&lt;w, p&amp;lt;w");
    let trouble = read(body.as_bytes(), &veil, &[&login()]).unwrap().unwrap_err();
    assert_eq!(trouble.reason, "the login was refused: bad ***, ***");
}

#[test]
fn a_reply_that_opens_nothing_is_no_login() {
    let server = "<serverUrl>https://na1.salesforce.com/x</serverUrl>";
    for (result, why) in [
        (format!("{server}<sessionId>x</sessionId><passwordExpired>true</passwordExpired>"), "expired"),
        (server.to_owned(), "session id of the login cannot be used: it is empty"),
        (format!("{server}<sessionId>hush hush</sessionId>"), "a space"),
        (String::from("<sessionId>hush</sessionId>"), "no usable serverUrl"),
        (String::from("<sessionId>hush</sessionId><serverUrl>/x</serverUrl>"), "no usable serverUrl"),
        (
            String::from("<sessionId>hush</sessionId><serverUrl>https://evil.example/</serverUrl>"),
            "serverUrl of the login is not followed: evil.example is neither",
        ),
        (
            String::from("<sessionId>hush</sessionId><serverUrl>http://na1.salesforce.com/</serverUrl>"),
            "plain HTTP",
        ),
    ] {
        let trouble = read_one(&reply(&result)).unwrap().unwrap_err();
        assert!(trouble.reason.contains(why) && !trouble.reason.contains("hush"), "{trouble:?}");
    }
    assert!(read_one(&wrapped("<other/>")).unwrap().unwrap_err().reason.contains("no reply to a login"));
}

#[test]
fn what_is_no_soap_is_none() {
    let deep = "<a>".repeat(80_000);
    let wide = format!("<a>{}</a>", "<b/>".repeat(20_000));
    let entity = "<!DOCTYPE a [<!ENTITY b \"hush\">]><a>&b;</a>";
    for body in ["", "<html><body>Down for maintenance</body></html>", "{}", "<a", entity, &deep, &wide] {
        assert!(read_one(body).is_none(), "{body:.40}");
    }
    assert!(read(b"\xff\xfe<", &Veil::default(), &[&login()]).is_none());
}

#[test]
fn the_legacy_endpoint_gets_its_cookies() {
    let token = Secret::new(String::from("00D!x"));
    let shown = |name| -> Vec<_> {
        let cookies = cookies(name, &token);
        cookies.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect()
    };
    assert_eq!(
        shown(Some("admin@example.com")),
        ["com.salesforce.LocaleInfo=us", "login=admin@example.com", "sid=00D!x", "language=en_US"]
    );
    assert_eq!(shown(Some("a; sid=b")).len(), 3);
    assert_eq!(shown(None).len(), 3);
}
