//! Who a token stands for, the API versions, and the paths around them.

use std::net::SocketAddr;

use serde_json::json;

use super::client::Client;
use super::login::{ADA, bearer, config, grant};
use super::{control, start};

async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
    let mut client = match token {
        Some(token) => bearer(address, "", token).await,
        None => Client::new(address, "").await,
    };
    let response = client.request("GET", path, "").await;
    (response.status, response.body)
}

#[tokio::test]
async fn the_identity_url_tells_of_the_user() {
    let address = start(config()).await;
    let granted = grant(address, &ADA).await;
    let token = Some(granted["access_token"].as_str());
    let path = granted["id"].strip_prefix("http://x").unwrap();
    let (status, body) = get(address, path, token).await;
    assert_eq!(status, 200);
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["id"], granted["id"]);
    assert_eq!(json["organization_id"], "00D000000000001EAA");
    assert_eq!(json["username"], "ada@example.com");
    assert_eq!(json["display_name"], "Ada Admin");
    assert_eq!(json["email"], "ada@example.com");
    assert_eq!(json["urls"]["rest"], "http://x/services/data/v{version}/");
    assert_eq!(json["urls"]["partner"], "http://x/services/Soap/u/{version}/00D000000000001");
    let id = json["user_id"].as_str().unwrap();
    assert_eq!(path, format!("/id/00D000000000001EAA/{id}"));
    // Ids of 15 characters mean the same.
    assert_eq!(get(address, &format!("/id/00D000000000001/{}", &id[..15]), token).await.0, 200);
    for (path, reason) in [
        ("/id/00D000000000002AAA/x".to_owned(), "Wrong_Org"),
        ("/id/00D000000000001EAA/005000000000001AAA".to_owned(), "Bad_Id"),
        ("/id/00D000000000001EAA".to_owned(), "Bad_Id"),
    ] {
        assert_eq!(get(address, &path, token).await, (403, reason.to_owned()), "{path}");
    }
    for path in [path, "/services/oauth2/userinfo"] {
        assert_eq!(get(address, path, None).await, (403, "Missing_OAuth_Token".to_owned()));
        assert_eq!(get(address, path, Some("other")).await, (403, "Bad_OAuth_Token".to_owned()));
    }
    control(address, "tokens/revoke", json!({})).await;
    assert_eq!(get(address, path, token).await, (403, "Bad_OAuth_Token".to_owned()));
}

#[tokio::test]
async fn user_info_is_of_openid_connect() {
    let address = start(config()).await;
    let granted = grant(address, &ADA).await;
    let (_, body) = get(address, "/services/oauth2/userinfo", Some(&granted["access_token"])).await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["sub"], granted["id"]);
    assert_eq!((&json["given_name"], &json["family_name"]), (&json!("Ada"), &json!("Admin")));
}

#[tokio::test]
async fn the_versions_are_for_everybody() {
    let address = start(config()).await;
    for path in ["/services/data", "/services/data/"] {
        let (status, body) = get(address, path, None).await;
        assert_eq!(status, 200);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let versions = json.as_array().unwrap();
        let wanted = json!({"label": "Winter '16", "url": "/services/data/v35.0", "version": "35.0"});
        assert!(versions.contains(&wanted), "{body}");
        assert_eq!((&versions[0]["label"], &versions[0]["version"]), (&json!("Winter '11"), &json!("20.0")));
    }
}

#[tokio::test]
async fn a_user_without_the_permission_does_not_subscribe() {
    let address = start(config()).await;
    let issued = control(address, "tokens/issue", json!({"username": "token@example.com"})).await;
    assert_eq!(issued["refresh_token"], json!(null));
    let mut client = bearer(address, "/cometd/61.0", issued["access_token"].as_str().unwrap()).await;
    assert_eq!(client.handshake().await["successful"], true);
    let reply = client.subscribe(&json!("/topic/X"), json!(null)).await;
    assert_eq!(reply["error"], "403::User not enabled for streaming");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let address = start(config()).await;
    let mut client = Client::new(address, "").await;
    for (method, path, status) in [
        ("GET", "/services/oauth2/token", 405),
        ("PUT", "/services/oauth2/revoke", 405),
        ("DELETE", "/services/oauth2/userinfo", 405),
        ("POST", "/services/data", 405),
        ("PUT", "/id/x/y", 405),
        ("GET", "/services/oauth2/other", 404),
    ] {
        assert_eq!(client.request(method, path, "").await.status, status, "{method} {path}");
    }
    for (what, body) in [
        ("tokens/issue", json!({"username": "nobody"})),
        ("tokens/issue", json!({"username": "ada@example.com", "client": "nobody"})),
        ("tokens/revoke", json!({"username": "nobody"})),
        ("instance", json!({"uri": "x"})),
    ] {
        let response = client.request("POST", &format!("/_emulator/{what}"), &body.to_string()).await;
        assert_eq!(response.status, 400, "{what}");
    }
}
