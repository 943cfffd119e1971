//! Forms, and replies of every kind.

use super::super::trouble::Kind;
use super::*;

fn login() -> Url {
    Url::parse("https://login.salesforce.com").unwrap()
}

fn read_one(body: &str) -> Option<Result<Granted, Refused>> {
    read(body.as_bytes(), &Veil::default(), &[&login()])
}

#[test]
fn a_form_holds_any_text() {
    let form = Form::new("password").with("username", "a+b@c.d").with("password", "p&=% é\0\n").finish();
    let body = "grant_type=password&username=a%2Bb%40c.d&password=p%26%3D%25+%C3%A9%00%0A";
    assert_eq!(form.expose(), body);
}

proptest::proptest! {
    #[test]
    fn a_form_is_read_back_as_it_was(value in proptest::prelude::any::<String>()) {
        let form = Form::new("x").with("v", &value).finish();
        let pairs: Vec<_> = form_urlencoded::parse(form.expose().as_bytes()).into_owned().collect();
        proptest::prop_assert_eq!(&pairs, &[("grant_type".to_owned(), "x".to_owned()), ("v".to_owned(), value)]);
    }

    #[test]
    fn no_reply_panics(body in ".{0,200}") {
        let _ = read_one(&body);
        let _ = read_one(&serde_json::json!({"access_token": body, "instance_url": body, "id": body}).to_string());
    }
}

#[test]
fn a_reply_gives_token_instance_identity_and_time() {
    let granted = read_one(
        r#"{"access_token":"00Dx!AQ","instance_url":"https://acme.my.salesforce.com","signature":"s","scope":"api",
            "id":"https://login.salesforce.com/id/00Dx/005x","token_type":"Bearer","issued_at":"1278448101416",
            "refresh_token":"5Aep!2","sfdc_community_url":null}"#,
    );
    let Granted { grant, refresh_token } = granted.unwrap().unwrap();
    assert_eq!(grant.token.expose(), "00Dx!AQ");
    assert_eq!(grant.instance.unwrap().as_str(), "https://acme.my.salesforce.com/");
    assert_eq!(grant.identity.unwrap().as_str(), "https://login.salesforce.com/id/00Dx/005x");
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_278_448_101_416);
    assert_eq!(grant.issued_at, Some(at));
    assert_eq!(refresh_token.unwrap().expose(), "5Aep!2");
    let bare = read_one(r#"{"access_token":"x"}"#).unwrap().unwrap();
    assert!(bare.grant.instance.is_none() && bare.refresh_token.is_none());
}

#[test]
fn a_hostile_reply_is_not_followed() {
    for (field, url) in [
        ("instance_url", "https://evil.example"),
        ("instance_url", "https://salesforce.com.evil.example"),
        ("instance_url", "http://acme.my.salesforce.com"),
        ("instance_url", "acme.my.salesforce.com"),
        ("id", "https://evil.example/id/00D/005"),
    ] {
        let body = serde_json::json!({"access_token": "hush-hush", field: url}).to_string();
        let refused = read_one(&body).unwrap().unwrap_err();
        let wanted = format!("the {field} of the login is not followed");
        assert!(refused.trouble.reason.starts_with(&wanted), "{refused:?}");
        assert_eq!(refused.trouble.kind, Kind::Refused);
        assert!(!format!("{refused:?}").contains("hush"));
    }
}

#[test]
fn a_token_that_cannot_be_used_is_said_without_being_shown() {
    for (body, why) in [
        (r#"{"access_token":"hush hush"}"#, "access token that the login host gave cannot be used: it holds"),
        (r#"{"access_token":""}"#, "cannot be used: it is empty"),
        (r#"{"access_token":"x","refresh_token":"hush\nhush"}"#, "refresh token that"),
        (r#"{"access_token":"hush","token_type":"MAC"}"#, "another type than Bearer"),
    ] {
        let refused = read_one(body).unwrap().unwrap_err();
        assert!(refused.trouble.reason.contains(why), "{refused:?}");
        assert!(!format!("{refused:?}").contains("hush"), "{refused:?}");
    }
}

#[test]
fn errors_pass_or_stay() {
    let passing = Kind::Passing(None);
    for (error, description, kind) in [
        ("invalid_grant", "authentication failure", Kind::Refused),
        ("invalid_grant", "expired access/refresh token", Kind::Refused),
        ("invalid_grant", "user hasn't approved this consumer", Kind::Refused),
        ("invalid_grant", "invalid assertion", Kind::Refused),
        ("invalid_grant", "", Kind::Refused),
        ("invalid_grant", "inactive user", passing),
        ("invalid_grant", "inactive organization", passing),
        ("invalid_grant", "login rate exceeded", passing),
        ("invalid_client_id", "client identifier invalid", Kind::Refused),
        ("invalid_client", "invalid client credentials", Kind::Refused),
        ("unsupported_grant_type", "grant type not supported", Kind::Refused),
        ("invalid_request", "token request is already being processed", passing),
        ("unknown_error", "retry your request", passing),
        ("server_error", "", passing),
        ("temporarily_unavailable", "x", passing),
    ] {
        let body = serde_json::json!({"error": error, "error_description": description}).to_string();
        let refused = read_one(&body).unwrap().unwrap_err();
        assert_eq!(refused.trouble.kind, kind, "{error} {description}");
        assert_eq!(refused.invalid_grant, error == "invalid_grant");
        assert!(refused.trouble.reason.contains(error) && refused.trouble.reason.contains(description));
    }
}

#[test]
fn what_a_server_repeats_is_not_shown() {
    let mut veil = Veil::default();
    veil.add("p&w");
    let body = r#"{"error":"invalid_grant","error_description":"p&w\nin password=p%26w"}"#;
    let refused = read(body.as_bytes(), &veil, &[&login()]).unwrap().unwrap_err();
    assert_eq!(refused.trouble.reason, "the login was refused: invalid_grant: *** in password=***");
}

#[test]
fn what_is_no_reply_is_none() {
    for body in
        ["", "<html>", "[]", "{}", "null", "\"x\"", r#"{"access_token":7}"#, r#"{"access_token":null}"#]
    {
        assert!(read_one(body).is_none(), "{body}");
    }
}
