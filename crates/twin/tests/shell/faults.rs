use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use std::time::Instant;

use crate::harness::*;

#[expect(clippy::disallowed_methods, reason = "a test's own client")]
async fn try_customer(twin: &Running, key: &str) -> Result<StatusCode, reqwest::Error> {
    // Use a new connection, because the client could retry on a pooled one that was closed.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(twin.url("/v1/customers")).bearer_auth(key);
    let response = request
        .form(&[("email", "f@example.com")])
        .timeout(Duration::from_secs(5));
    Ok(response.send().await?.status())
}

async fn customers(twin: &Running) -> usize {
    twin.api_get("/v1/customers").await["data"]
        .as_array()
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_status_fault_applies_to_the_next_calls_of_the_product_and_not_to_other_keys() {
    let twin = start_with(|config| config.product_key = Some("sk_test_product".to_owned())).await;
    let set = json!({"mode": "status", "status": 503, "count": 2});
    twin.control("/_twin/faults", set).await;

    assert_eq!(try_customer(&twin, KEY).await.unwrap(), 200);
    assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 503);
    assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 503);
    assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 200);
    assert_eq!(customers(&twin).await, 2);
}

#[tokio::test]
async fn cut_closes_the_connection_before_the_call_is_executed_and_cut_after_closes_it_afterward() {
    let twin = start().await;

    twin.control("/_twin/faults", json!({"mode": "cut"})).await;
    assert!(try_customer(&twin, KEY).await.is_err());
    assert_eq!(customers(&twin).await, 0);

    twin.control("/_twin/faults", json!({"mode": "cut_after"}))
        .await;
    assert!(try_customer(&twin, KEY).await.is_err());
    assert_eq!(customers(&twin).await, 1);
}

#[tokio::test]
async fn a_call_that_hangs_holds_its_idempotency_key_until_it_is_answered() {
    let twin = start().await;
    let set = json!({"mode": "hang", "seconds": 1, "count": 1});
    twin.control("/_twin/faults", set).await;
    let call = || {
        let request = twin.http.post(twin.url("/v1/customers")).bearer_auth(KEY);
        request
            .header("Idempotency-Key", "k1")
            .form(&[("email", "h@example.com")])
            .send()
    };

    let began = Instant::now();
    let (first, second) = tokio::join!(call(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        call().await
    });

    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(first.unwrap().status(), 200);
    let second = second.unwrap();
    assert_eq!(second.status(), 409);
    let body: Value = second.json().await.unwrap();
    assert_eq!(body["error"]["code"], "idempotency_key_in_use");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
async fn a_call_that_hangs_is_not_executed_if_its_client_disconnects() {
    let twin = start().await;
    twin.control("/_twin/faults", json!({"mode": "hang", "seconds": 1}))
        .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(twin.url("/v1/customers")).bearer_auth(KEY);
    let request = request.form(&[("email", "h@example.com")]);

    let answer = request.timeout(Duration::from_millis(200)).send().await;

    assert!(answer.unwrap_err().is_timeout());
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(customers(&twin).await, 0);
}

#[tokio::test]
async fn the_log_contains_the_names_of_parameters_but_not_their_values() {
    let twin = start().await;
    twin.customer("secret@example.com").await;

    let log = twin.control_get("/_twin/requests").await;

    let call = &log["data"][0];
    assert_eq!(
        (&call["method"], &call["path"]),
        (&json!("POST"), &json!("/v1/customers"))
    );
    assert_eq!(call["params"], json!(["email"]));
    assert_eq!(call["status"], 200);
    assert!(!log.to_string().contains("secret@"));
}

#[tokio::test]
async fn an_invalid_control_call_is_refused_with_a_message() {
    let twin = start().await;
    for (path, body) in [
        ("/_twin/faults", json!({"mode": "burn"})),
        ("/_twin/clock", json!({"advance": "soon"})),
        ("/_twin/clock", json!({})),
        ("/_twin/clock", json!({"to": START - 10})),
        ("/_twin/webhooks", json!({"enabled": "yes"})),
        ("/_twin/chaos", json!({"drop": 7})),
        (
            "/_twin/dispute/close",
            json!({"dispute": "dp_1", "outcome": "draw"}),
        ),
    ] {
        let (status, answer) = twin.control(path, body).await;
        assert_eq!(status, 400, "{path}");
        let sentence = answer["error"]["message"].as_str().unwrap();
        assert!(sentence.ends_with('.'), "{sentence}");
    }
}
