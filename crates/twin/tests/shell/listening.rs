use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use serde_json::{Value, json};
use std::time::Duration;

use crate::harness::*;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Connects like `stripe listen` does after it has made its session.
async fn connect(session: &Value) -> Socket {
    let url = format!(
        "{}?websocket_feature=webhooks",
        session["websocket_url"].as_str().unwrap()
    );
    let mut request = url.into_client_request().unwrap();
    let protocol = "stripecli-devproxy-v1".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads the real clock")]
async fn a_listener_gets_events_for_both_versions_and_its_answer_is_logged() {
    let twin = start().await;
    let session = twin
        .api("/v1/stripecli/sessions", &[("device_name", "me")])
        .await;
    let mut socket = connect(&session).await;
    twin.customer("ada@example.com").await;

    let mut messages = Vec::new();
    for _ in 0..2 {
        let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
        messages.push(serde_json::from_str::<Value>(&text).unwrap());
    }
    let answer = json!({
        "type": "webhook_response",
        "webhook_conversation_id": messages[0]["webhook_conversation_id"],
        "forward_url": "http://127.0.0.1:9/x",
        "status": 200,
    });
    socket
        .send(Message::Text(answer.to_string().into()))
        .await
        .unwrap();

    let versions: Vec<_> = messages
        .iter()
        .map(|one| &one["endpoint"]["api_version"])
        .collect();
    assert!(versions[0].is_null() && versions[1].is_string());
    let payload = messages[0]["event_payload"].as_str().unwrap();
    let signature = messages[0]["http_headers"]["Stripe-Signature"]
        .as_str()
        .unwrap();
    let secret = session["secret"].as_str().unwrap();
    let now = jiff::Timestamp::now().as_second();
    stripe::verify(payload.as_bytes(), signature, &[secret], now, 30).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let log = twin.control_get("/_twin/deliveries").await;
    assert_eq!(log["data"][0]["endpoint"], "stripe listen");
    assert_eq!(log["data"][0]["outcome"], "delivered");
}

#[tokio::test]
async fn chaos_applies_to_what_a_listener_receives() {
    let twin = start().await;
    let session = twin
        .api("/v1/stripecli/sessions", &[("device_name", "me")])
        .await;
    let mut socket = connect(&session).await;
    // Each event comes once for each of two versions.
    let mut counts = Vec::new();
    for chaos in [json!({"drop": 1}), json!({"duplicate": 2}), json!({})] {
        twin.control("/_twin/chaos", chaos).await;
        twin.customer("ada@example.com").await;
        let mut count = 0;
        while let Ok(Some(Ok(_))) =
            tokio::time::timeout(Duration::from_millis(400), socket.next()).await
        {
            count += 1;
        }
        counts.push(count);
    }

    assert_eq!(counts, [0, 4, 2]);
}
