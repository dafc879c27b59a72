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

/// Makes customers, a few at a time.
async fn make_customers(twin: &Running, count: usize) {
    for first in (0..count).step_by(20) {
        let customers = (first..count.min(first + 20)).map(|_| twin.customer("ada@example.com"));
        futures_util::future::join_all(customers).await;
    }
}

/// The ids of the events that a listener received, each once.
async fn events_of(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(5), socket.next());
        let text = next.await.unwrap().unwrap().unwrap().into_text().unwrap();
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["endpoint"]["api_version"].is_null() {
            let payload = message["event_payload"].as_str().unwrap();
            let event: Value = serde_json::from_str(payload).unwrap();
            events.push(event["id"].as_str().unwrap().to_owned());
        }
    }
    events
}

#[tokio::test]
async fn a_slow_listener_receives_every_event_of_a_burst_in_order() {
    let twin = start().await;
    let form = [("device_name", "me")];
    let session = twin.api("/v1/stripecli/sessions", &form).await;
    let mut socket = connect(&session).await;
    let mut idle = connect(&session).await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;

    make_customers(&twin, 2_000).await;
    let elsewhere = receiver.wait_for(2_000).await.len();
    let events = events_of(&mut socket, 2_000).await;

    let mut made = Vec::new();
    let mut path = "/v1/events?limit=100&type=customer.created".to_owned();
    while made.len() < 2_000 {
        let page = twin.api_get(&path).await;
        let rows = page["data"].as_array().unwrap();
        made.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let last = made.last().unwrap();
        path = format!("/v1/events?limit=100&type=customer.created&starting_after={last}");
    }
    made.reverse();
    assert_eq!(elsewhere, 2_000, "another receiver waited for the listener");
    assert_eq!(events, made);
    assert_eq!(events_of(&mut idle, 2_000).await, made);
}

#[tokio::test]
async fn an_advance_does_not_wait_for_more_than_the_events_of_a_listener() {
    let twin = start().await;
    let form = [("device_name", "me")];
    let session = twin.api("/v1/stripecli/sessions", &form).await;
    let mut socket = connect(&session).await;
    let reading = tokio::spawn(async move { events_of(&mut socket, 60).await.len() });
    make_customers(&twin, 60).await;
    let began = std::time::Instant::now();

    twin.control("/_twin/clock", json!({"advance": "1d"})).await;

    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(reading.await.unwrap(), 60);
}

#[tokio::test]
async fn the_deliveries_of_a_listener_that_disconnects_hold_no_advance() {
    let twin = start().await;
    let form = [("device_name", "me")];
    let session = twin.api("/v1/stripecli/sessions", &form).await;
    let socket = connect(&session).await;
    make_customers(&twin, 40).await;
    drop(socket);
    let began = std::time::Instant::now();

    let (status, _) = twin.control("/_twin/clock", json!({"advance": "1d"})).await;

    assert_eq!(status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
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
