//! The OAuth endpoints.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cometail::emulator::Config;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;

use super::client::Client;
use super::login::{ADA, ask, bearer, config, denial, form, grant, is_good, whose};
use super::{LONG, X, control, start};

#[tokio::test]
async fn a_password_grant_gives_a_token_that_is_good_in_both_schemes() {
    let address = start(config()).await;
    let granted = grant(address, &ADA).await;
    let names: Vec<_> = granted.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["access_token", "id", "instance_url", "issued_at", "scope", "signature", "token_type"]
    );
    assert_eq!(granted["token_type"], "Bearer");
    assert_eq!(granted["instance_url"], "http://x", "the host that the request named");
    assert!(granted["access_token"].starts_with("00D000000000001!"));
    let issued_at = Duration::from_millis(granted["issued_at"].parse().unwrap());
    assert!(SystemTime::now().duration_since(UNIX_EPOCH + issued_at).unwrap() < LONG);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"plain-secret").unwrap();
    mac.update(format!("{}{}", granted["id"], granted["issued_at"]).as_bytes());
    mac.verify_slice(&STANDARD.decode(&granted["signature"]).unwrap()).unwrap();
    let token = &granted["access_token"];
    assert!(is_good(address, token).await);
    let mut client = Client::new(address, "/cometd/35.0").await;
    client.headers = format!("Authorization: OAuth {token}\r\n");
    assert_eq!(client.handshake().await["successful"], true);
    let state = control(address, "state", Value::Null).await;
    assert_eq!(
        (&state["logins"], &state["logins_refused"], &state["tokens"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(!state.to_string().contains(token.as_str()));
}

#[tokio::test]
async fn refusals_have_salesforces_words() {
    let address = start(config()).await;
    let with = |name: &'static str, value: &'static str| {
        ADA.map(|field| if field.0 == name { (name, value) } else { field })
    };
    for (fields, error, description) in [
        (with("grant_type", "magic"), "unsupported_grant_type", "grant type not supported"),
        (with("grant_type", ""), "invalid_request", "missing required parameter: grant_type"),
        (with("client_id", "nobody"), "invalid_client_id", "client identifier invalid"),
        (with("client_secret", "other"), "invalid_client", "invalid client credentials"),
        (with("username", "nobody@example.com"), "invalid_grant", "authentication failure"),
        (with("password", "other"), "invalid_grant", "authentication failure"),
        (with("password", ""), "invalid_grant", "authentication failure"),
    ] {
        assert_eq!(denial(address, &fields).await, (error.to_owned(), description.to_owned()), "{fields:?}");
    }
    for (username, password) in [
        ("token@example.com", "password"),
        ("token@example.com", "passwordT0k3"),
        ("gone@example.com", "password"),
    ] {
        let fields = ADA.map(|(name, value)| match name {
            "username" => (name, username),
            "password" => (name, password),
            _ => (name, value),
        });
        assert_eq!(denial(address, &fields).await.1, "authentication failure", "{username} {password}");
    }
    let twice = [ADA.as_slice(), &[("password", "again")]].concat();
    assert_eq!(denial(address, &twice).await.0, "invalid_request");
    assert_eq!(denial(address, &[]).await.0, "invalid_request");
    let strict = with("client_id", "strict").map(|(name, value)| match name {
        "client_secret" => (name, "strict-secret"),
        _ => (name, value),
    });
    let (error, description) = denial(address, &strict).await;
    assert_eq!(
        (&*error, &*description),
        ("invalid_app_access", "user is not admin approved to access this app")
    );
    assert_eq!(control(address, "state", Value::Null).await["logins_refused"], 13);
}

#[tokio::test]
async fn the_security_token_follows_the_password_and_case_of_the_username_is_no_matter() {
    let address = start(config()).await;
    let fields = ADA.map(|(name, value)| match name {
        "username" => (name, "TOKEN@example.com"),
        "password" => (name, "passwordT0k3n"),
        _ => (name, value),
    });
    let granted = grant(address, &fields).await;
    assert_eq!(whose(address, &granted["access_token"]).await, "token@example.com");
}

#[tokio::test]
async fn a_client_may_name_itself_by_basic_authentication() {
    let address = start(config()).await;
    let mut client = Client::new(address, "").await;
    // RFC 6749, 2.3.1: form-encoded before it is joined by the colon.
    client.headers = format!("Authorization: Basic {}\r\n", STANDARD.encode("rotating:a%26b%3Ac+d"));
    let body = form(&[("grant_type", "client_credentials")]);
    let response = client.request("POST", "/services/oauth2/token", &body).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(whose(address, &token).await, "ada@example.com");
    client.headers = format!("Authorization: Basic {}\r\n", STANDARD.encode("rotating:other"));
    let response = client.request("POST", "/services/oauth2/token", &body).await;
    assert_eq!((response.status, &response.json()["error"]), (400, &json!("invalid_client")));
}

#[tokio::test]
async fn client_credentials_need_a_user_that_is_active_and_a_secret() {
    let address = start(config()).await;
    let ask =
        |id, secret| [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let granted = grant(address, &ask("rotating", "a&b:c d")).await;
    assert_eq!(whose(address, &granted["access_token"]).await, "ada@example.com");
    assert!(!granted.contains_key("refresh_token"));
    for (id, secret, error, description) in [
        ("plain", "plain-secret", "invalid_grant", "no client credentials user enabled"),
        ("strict", "strict-secret", "inactive_user", "user is inactive"),
        ("public", "", "invalid_client", "invalid client credentials"),
    ] {
        let wanted = (error.to_owned(), description.to_owned());
        assert_eq!(denial(address, &ask(id, secret)).await, wanted, "{id}");
    }
}

#[tokio::test]
async fn refresh_tokens_stay_or_rotate_and_belong_to_their_client() {
    let address = start(config()).await;
    let ask = |id, secret, token| {
        [
            ("grant_type", "refresh_token"),
            ("client_id", id),
            ("client_secret", secret),
            ("refresh_token", token),
        ]
    };
    for _ in 0..2 {
        let granted = grant(address, &ask("plain", "plain-secret", "r-plain")).await;
        assert!(!granted.contains_key("refresh_token"));
        assert_eq!(whose(address, &granted["access_token"]).await, "ada@example.com");
    }
    let granted = grant(address, &ask("rotating", "a&b:c d", "r-rotating")).await;
    let next = granted["refresh_token"].clone();
    let expired = ("invalid_grant".to_owned(), "expired access/refresh token".to_owned());
    assert_eq!(denial(address, &ask("rotating", "a&b:c d", "r-rotating")).await, expired);
    assert_eq!(denial(address, &ask("plain", "plain-secret", &next)).await, expired);
    assert!(grant(address, &ask("rotating", "a&b:c d", &next)).await["refresh_token"] != next);
    assert_eq!(denial(address, &ask("plain", "plain-secret", "")).await, expired);
    assert_eq!(denial(address, &ask("plain", "plain-secret", "r-gone")).await.0, "inactive_user");
    let all =
        control(address, "tokens/revoke", json!({"refresh": true, "username": "ada@example.com"})).await;
    assert_eq!(all["refresh_revoked"], 2);
    assert_eq!(denial(address, &ask("plain", "plain-secret", "r-plain")).await, expired);
}

#[tokio::test]
async fn a_rotated_token_can_be_lost_with_its_reply() {
    let address = start(config()).await;
    control(address, "faults", json!({"next": 1, "path": "/services/oauth2/", "close": true, "after": true}))
        .await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "rotating"),
        ("client_secret", "a&b:c d"),
        ("refresh_token", "r-rotating"),
    ];
    let mut client = Client::new(address, "").await;
    client.send("POST", "/services/oauth2/token", &form(&fields)).await;
    assert!(client.receive().await.is_none());
    assert_eq!(denial(address, &fields).await.1, "expired access/refresh token");
}

#[tokio::test]
async fn revoked_tokens_are_refused() {
    let address = start(config()).await;
    let revoke = async |method: &str, query: &str, body: &str| {
        let path = format!("/services/oauth2/revoke{query}");
        Client::new(address, "").await.request(method, &path, body).await
    };
    let [one, two] = [grant(address, &ADA).await, grant(address, &ADA).await]
        .map(|mut all| all.remove("access_token").unwrap());
    assert_eq!(revoke("POST", "", &form(&[("token", &one)])).await.status, 200);
    assert!(!is_good(address, &one).await);
    assert!(is_good(address, &two).await);
    assert_eq!(revoke("GET", &format!("?{}", form(&[("token", &two)])), "").await.status, 200);
    assert!(!is_good(address, &two).await);
    let again = revoke("POST", "", &form(&[("token", &two)])).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("unsupported_token_type")));
    // With a refresh token go the access tokens that it gave.
    let issued =
        control(address, "tokens/issue", json!({"username": "ada@example.com", "client": "plain"})).await;
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| issued[name].as_str().unwrap());
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "plain"),
        ("client_secret", "plain-secret"),
        ("refresh_token", refresh),
    ];
    let later = grant(address, &fields).await["access_token"].clone();
    assert!(is_good(address, access).await && is_good(address, &later).await);
    assert_eq!(revoke("POST", "", &form(&[("token", refresh)])).await.status, 200);
    assert!(!is_good(address, access).await && !is_good(address, &later).await);
    assert_eq!(denial(address, &fields).await.1, "expired access/refresh token");
}

#[tokio::test]
async fn a_token_that_is_revoked_in_mid_stream_ends_the_next_connect() {
    let address = start(config()).await;
    let token = grant(address, &ADA).await["access_token"].clone();
    for (path, status) in [("/cometd/61.0", 200), ("/cometd/35.0", 401)] {
        let token =
            if status == 200 { token.clone() } else { grant(address, &ADA).await["access_token"].clone() };
        let mut client = bearer(address, path, &token).await;
        client.handshake().await;
        assert_eq!(client.subscribe(&json!(X), Value::Null).await["successful"], true);
        client.connect().await;
        let other = control(address, "tokens/revoke", json!({"username": "token@example.com"})).await;
        assert_eq!(other["revoked"], 0);
        let revoked = control(address, "tokens/revoke", json!({})).await;
        assert_eq!(revoked, json!({"revoked": 1, "refresh_revoked": 0}));
        let response = client.post(&json!([client.connect_message()])).await;
        assert_eq!(response.status, status);
        if status == 200 {
            assert_eq!(response.json()[0]["error"], "401::Authentication invalid");
        }
        // A new token is enough: the session of CometD lives on.
        let fresh = grant(address, &ADA).await["access_token"].clone();
        client.headers = client.headers.replace(&token, &fresh);
        assert_eq!(client.subscribe(&json!("/u/y"), Value::Null).await["successful"], true);
        control(address, "tokens/revoke", json!({})).await;
    }
}

#[tokio::test]
async fn a_token_expires_with_the_session_timeout_though_it_is_used() {
    let config = Config { session_timeout: Duration::from_secs(50), time_scale: 0.01, ..config() };
    let address = start(config).await;
    let begin = Instant::now();
    let token = grant(address, &ADA).await["access_token"].clone();
    while is_good(address, &token).await {
        assert!(begin.elapsed() < LONG);
    }
    assert!(begin.elapsed() >= Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(control(address, "state", Value::Null).await["tokens"], 0);
    // Whatever is let in besides, a token that was good once is not.
    let address =
        start(Config { session_timeout: Duration::ZERO, seed: super::login::seed(), ..Config::default() })
            .await;
    let token = grant(address, &ADA).await["access_token"].clone();
    assert!(is_good(address, "anything").await);
    while is_good(address, &token).await {
        assert!(begin.elapsed() < LONG);
    }
}

#[tokio::test]
async fn wrong_passwords_in_a_row_lock_the_user_out() {
    let address = start(Config { time_scale: 0.003, ..config() }).await;
    let wrong = ADA.map(|(name, value)| if name == "password" { (name, "other") } else { (name, value) });
    for _ in 0..10 {
        denial(address, &wrong).await;
    }
    let begin = Instant::now();
    assert_eq!(denial(address, &ADA).await.1, "authentication failure");
    while ask(address, &ADA).await.status != 200 {
        assert!(begin.elapsed() < LONG);
    }
    assert!(begin.elapsed() > Duration::from_millis(500), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_user_who_logs_in_too_often_in_an_hour_is_refused_by_every_flow() {
    let address = start(config()).await;
    let credentials =
        [("grant_type", "client_credentials"), ("client_id", "rotating"), ("client_secret", "a&b:c d")];
    let mut client = Client::new(address, "").await;
    for n in 0..3600 {
        let fields = if n % 2 == 0 { form(&ADA) } else { form(&credentials) };
        let response = client.request("POST", "/services/oauth2/token", &fields).await;
        assert_eq!(response.status, 200, "{n}: {}", response.body);
    }
    let refused = ("invalid_grant".to_owned(), "login rate exceeded".to_owned());
    assert_eq!(denial(address, &ADA).await, refused);
    assert_eq!(denial(address, &credentials).await, refused);
    let (status, body) = super::soap::log_in(address, "ada@example.com", ADA[4].1).await;
    assert!(status == 500 && body.contains("LOGIN_RATE_EXCEEDED"), "{body}");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "plain"),
        ("client_secret", "plain-secret"),
        ("refresh_token", "r-plain"),
    ];
    grant(address, &refresh).await;
    assert_eq!(control(address, "state", Value::Null).await["logins_refused"], 3);
}

#[tokio::test]
async fn the_org_moves_where_it_is_told_to() {
    let address = start(config()).await;
    control(address, "instance", json!({"url": "https://evil.example"})).await;
    let granted = grant(address, &ADA).await;
    assert_eq!(granted["instance_url"], "https://evil.example");
    assert!(granted["id"].starts_with("http://x/id/"));
    control(address, "instance", json!({"url": null})).await;
    assert_eq!(grant(address, &ADA).await["instance_url"], "http://x");
}

#[tokio::test]
async fn login_hosts_can_be_down_slow_or_answer_html() {
    let address = start(config()).await;
    let path = "/services/oauth2/";
    control(address, "faults", json!({"next": 1, "path": path, "status": 503, "retry_after": 7})).await;
    let response = ask(address, &ADA).await;
    assert_eq!((response.status, response.head.contains("retry-after: 7")), (503, true));
    control(address, "faults", json!({"next": 1, "path": path, "body": "<html>maintenance"})).await;
    assert!(is_good_html(&ask(address, &ADA).await.head));
    control(address, "faults", json!({"next": 1, "path": path, "delay": 200})).await;
    let begin = Instant::now();
    // The fault waits for its path: what goes elsewhere does not meet it.
    assert_eq!(Client::new(address, "").await.request("GET", "/services/data", "").await.status, 200);
    grant(address, &ADA).await;
    assert!(begin.elapsed() >= Duration::from_millis(200));
    grant(address, &ADA).await;
    for wrong in
        [json!({"next": 1, "path": path, "channel": "/meta/connect"}), json!({"next": 1, "delay": 3_600_001})]
    {
        let response =
            Client::new(address, "").await.request("POST", "/_emulator/faults", &wrong.to_string()).await;
        assert_eq!(response.status, 400, "{wrong}");
    }
}

fn is_good_html(head: &str) -> bool {
    head.contains("200 ok") && head.contains("text/html")
}

#[tokio::test]
async fn without_a_seed_there_is_the_documented_user_and_client() {
    let address = start(Config { login: true, ..Config::default() }).await;
    let client = [("client_id", "emulator"), ("client_secret", "emulator-secret")];
    let user = [("grant_type", "password"), ("username", "admin@example.com"), ("password", "password")];
    let granted = grant(address, &[client.as_slice(), &user].concat()).await;
    assert_eq!(whose(address, &granted["access_token"]).await, "admin@example.com");
    let own = [client.as_slice(), &[("grant_type", "client_credentials")]].concat();
    assert_eq!(whose(address, &grant(address, &own).await["access_token"]).await, "admin@example.com");
}
