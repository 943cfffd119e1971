//! Who is let in to the streaming endpoints.

use cometail::emulator::Config;
use serde_json::{Value, json};

use super::client::Client;
use super::{control, start};

#[tokio::test]
async fn a_token_is_demanded_and_can_change() {
    let address = start(Config { token: Some("old".to_owned()), ..Config::default() }).await;
    let mut client = Client::new(address, "/cometd/61.0").await;
    let reply = client.handshake().await;
    assert_eq!(reply["error"], "403::Handshake denied");
    assert_eq!(reply["ext"]["sfdc"]["failureReason"], "401::Request requires authentication");
    assert_eq!(control(address, "state", Value::Null).await["last_authorization"], false);
    client.path = "/cometd/35.0".to_owned();
    assert_eq!(client.post(&json!([{"channel": "/meta/handshake"}])).await.status, 401);
    client.path = "/cometd/61.0".to_owned();
    client.headers = "Authorization: OAuth old\r\n".to_owned();
    assert_eq!(client.handshake().await["successful"], true);
    assert_eq!(control(address, "state", Value::Null).await["last_authorization"], true);
    control(address, "token", json!({"token": "new"})).await;
    let (_, reply) = client.connect().await;
    assert_eq!(
        (&reply["error"], &reply["advice"]["reconnect"]),
        (&json!("401::Authentication invalid"), &json!("none"))
    );
    control(address, "token", json!({"token": null})).await;
    assert_eq!(client.connect().await.1["successful"], true);
}
