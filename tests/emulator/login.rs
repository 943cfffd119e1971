//! What the tests of the logins share: an emulator with several users, forms, and what a token is good for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use cometail::emulator::{Config, Seed};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::client::{Client, Response};
use super::keys::{CERTIFICATE, PUBLIC_KEY};

/// Users and clients of every kind.
pub(super) fn seed() -> Seed {
    let text = format!(
        r#"
        [org]
        id = "00D000000000001"
        name = "Acme & <Sons>"

        [user."ada@example.com"]
        password = "p<a>&'\"ß s"
        first_name = "Ada"
        last_name = "Admin"
        refresh_tokens = {{ plain = "r-plain", rotating = "r-rotating" }}

        [user."token@example.com"]
        password = "password"
        security_token = "T0k3n"
        permissions = ["ApiEnabled"]

        [user."gone@example.com"]
        password = "password"
        active = false
        refresh_tokens = {{ plain = "r-gone" }}

        [user."noapi@example.com"]
        password = "password"
        permissions = []

        [client.plain]
        secret = "plain-secret"
        certificate = '''{CERTIFICATE}'''

        [client.rotating]
        rotates = true
        secret = "a&b:c d"
        run_as = "ADA@example.com"

        [client.strict]
        secret = "strict-secret"
        approved = ["token@example.com"]
        run_as = "gone@example.com"
        certificate = '''{PUBLIC_KEY}'''

        [client.public]
        "#
    );
    Seed::parse(&text, Path::new("")).unwrap()
}

/// A configuration with these, that demands a login.
pub(super) fn config() -> Config {
    Config { seed: seed(), login: true, ..Config::default() }
}

/// The fields, encoded as a form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Posts a form to the token endpoint.
pub(super) async fn ask(address: SocketAddr, fields: &[(&str, &str)]) -> Response {
    Client::new(address, "").await.request("POST", "/services/oauth2/token", &form(fields)).await
}

/// The members of a good answer of the token endpoint.
pub(super) async fn grant(address: SocketAddr, fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let response = ask(address, fields).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.head.contains("cache-control: no-store"), "{}", response.head);
    serde_json::from_str(&response.body).unwrap()
}

/// `error` and `error_description` of a refusal.
pub(super) async fn denial(address: SocketAddr, fields: &[(&str, &str)]) -> (String, String) {
    let response = ask(address, fields).await;
    assert_eq!(response.status, 400, "{}", response.body);
    let json = response.json();
    assert_eq!(json.as_object().unwrap().len(), 2, "{json}");
    (json["error"].as_str().unwrap().to_owned(), json["error_description"].as_str().unwrap().to_owned())
}

/// The fields of Ada's password grant by the client `plain`.
pub(super) const ADA: [(&str, &str); 5] = [
    ("grant_type", "password"),
    ("client_id", "plain"),
    ("client_secret", "plain-secret"),
    ("username", "ada@example.com"),
    ("password", "p<a>&'\"ß s"),
];

/// A client that carries `token` to an endpoint.
pub(super) async fn bearer(address: SocketAddr, path: &str, token: &str) -> Client {
    let mut client = Client::new(address, path).await;
    client.headers = format!("Authorization: Bearer {token}\r\n");
    client
}

/// Whether a handshake with `token` is let in.
pub(super) async fn is_good(address: SocketAddr, token: &str) -> bool {
    let reply = bearer(address, "/cometd/61.0", token).await.handshake().await;
    if reply["successful"] == true {
        return true;
    }
    assert_eq!(reply["ext"]["sfdc"]["failureReason"], "401::Authentication invalid", "{reply}");
    assert_eq!(reply["advice"], json!({"reconnect": "none", "interval": 0}));
    false
}

/// The username that `token` stands for.
pub(super) async fn whose(address: SocketAddr, token: &str) -> Value {
    let mut client = bearer(address, "", token).await;
    let response = client.request("GET", "/services/oauth2/userinfo", "").await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["preferred_username"].clone()
}
