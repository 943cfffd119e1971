//! The REST API behind a login that gives tokens itself: where requests go, and what follows a token that ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cometail::http::{self, Client, Proxy};
use cometail::salesforce::ApiError;
use cometail::salesforce::api::{Api, ApiVersion, Org as Where};
use cometail::salesforce::identity::identity;
use cometail::salesforce::login::{Config, Login, SecretSource};
use serde_json::{Value, json};
use url::Url;

use crate::server::{Org, error, ok};
use crate::support::Place;

/// A login host whose n-th token is `00D!n`, for an org at one of these URLs after the other.
fn logins(at: Vec<String>) -> Org {
    let count = AtomicUsize::new(0);
    Org::start(move |asked| {
        assert_eq!(asked.line(), "POST /services/oauth2/token");
        let n = count.fetch_add(1, Ordering::SeqCst);
        let instance = at.get(n).or_else(|| at.last()).unwrap();
        ok(&json!({
            "access_token": format!("00D!{n}"), "instance_url": instance, "token_type": "Bearer",
            "id": "https://login.salesforce.com/id/00D/005", "issued_at": "1278448832702", "signature": "x"
        }))
    })
}

/// An org that takes the token of one number, so many times.
fn org(number: usize, times: usize) -> Org {
    let count = AtomicUsize::new(0);
    Org::start(move |asked| {
        let token = asked.header("authorization").unwrap_or_default();
        if token != format!("Bearer 00D!{number}") || count.fetch_add(1, Ordering::SeqCst) >= times {
            return error(401, "INVALID_SESSION_ID", "Session expired or invalid");
        }
        match asked.path.as_str() {
            "/id/00D/005" => ok(&json!({"user_id": "005", "organization_id": "00D", "username": "u"})),
            _ => ok(&asked.json_or_null()),
        }
    })
}

fn api(login: &Org, place: &Place) -> Api {
    let secret = SecretSource::File(place.write("secret", "hush").into());
    let host = Url::parse(&login.url).unwrap();
    let config =
        Config::ClientCredentials { host: host.clone(), client_id: "id".into(), client_secret: secret };
    let http = http::Config { proxy: Proxy::Direct, ..http::Config::default() };
    let login = Login::new(Some(config), &http, true).unwrap();
    let org = Where { instance: host, version: ApiVersion(58) };
    Api::new(Client::new(&http).unwrap(), login, org, Duration::from_secs(20))
}

#[tokio::test]
async fn requests_go_to_where_the_login_says_that_the_org_is() {
    let place = Place::new();
    let org = org(0, 4);
    let login = logins(vec![org.url.clone()]);
    let mut api = api(&login, &place);
    for _ in 0..3 {
        api.get::<Value>("limits").await.unwrap();
    }
    assert_eq!(identity(&mut api).await.unwrap().username.as_deref(), Some("u"));
    let path = "GET /services/data/v58.0/limits";
    assert_eq!(org.lines(), [path, path, path, "GET /id/00D/005"], "its identity is asked of the org itself");
    assert_eq!(login.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_once_and_the_org_may_have_moved() {
    let place = Place::new();
    let (old, new) = (org(0, 1), org(1, 2));
    let login = logins(vec![old.url.clone(), new.url.clone()]);
    let mut api = api(&login, &place);
    api.get::<Value>("limits").await.unwrap();
    let sent = json!({"a": [1, "\u{e9}"]});
    let back: Value = api.post("sobjects/X", &sent).await.unwrap();
    assert_eq!(back, sent);
    let post = "POST /services/data/v58.0/sobjects/X";
    assert_eq!(old.lines(), ["GET /services/data/v58.0/limits", post]);
    assert_eq!(new.lines(), [post]);
    let none: Option<Value> = api.patch("sobjects/X/1", &sent).await.unwrap();
    assert_eq!(none, Some(sent));
    assert_eq!((login.seen().len(), old.seen().len(), new.seen().len()), (2, 2, 2));
}

#[tokio::test]
async fn an_org_that_takes_no_token_costs_two_logins_and_no_more_at_once() {
    let place = Place::new();
    let org = org(0, 0);
    let login = logins(vec![org.url.clone()]);
    let mut api = api(&login, &place);
    for _ in 0..5 {
        let refused = api.get::<Value>("limits").await.unwrap_err();
        assert!(matches!(refused, ApiError::Login(_)) && refused.is_permission(), "{refused}");
        assert!(!refused.to_string().contains("00D!"), "{refused}");
    }
    assert!(login.seen().len() <= 3, "{} logins", login.seen().len());
}
