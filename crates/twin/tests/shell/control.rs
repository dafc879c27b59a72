//! What the control interface and the edges of the API refuse.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn every_control_request_refuses_an_unknown_field() {
    let twin = start().await;

    for path in [
        "checkout/sessions/cs_1/pay",
        "checkout/sessions/cs_1/settle",
        "webhooks",
        "chaos",
        "faults",
        "rate-limits",
        "portal-configuration",
        "keys",
        "tax",
        "webhook-endpoints/we_1/roll",
        "clock",
        "trigger",
        "decline-next",
        "dispute",
        "dispute/close",
    ] {
        let path = format!("/_twin/{path}");
        let (status, body) = twin.control(&path, json!({"nonsense": 1})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        let message = body["error"]["message"].to_string();
        assert!(message.contains("nonsense"), "{path}: {message}");
    }
}

#[tokio::test]
async fn an_unknown_decline_code_or_dispute_reason_is_refused() {
    let twin = start().await;

    let known = json!({"code": "lost_card"});
    let (accepted, _) = twin.control("/_twin/decline-next", known).await;
    let unknown = json!({"code": "nope"});
    let (code, _) = twin.control("/_twin/decline-next", unknown).await;
    let unknown = json!({"charge": "ch_1", "reason": "nope"});
    let (reason, body) = twin.control("/_twin/dispute", unknown).await;

    assert_eq!(
        (accepted.as_u16(), code.as_u16(), reason.as_u16()),
        (200, 400, 400)
    );
    assert_eq!(body["error"]["message"], "There is no dispute reason nope.");
}

#[tokio::test]
async fn the_root_of_the_api_is_an_unknown_path_like_any_other() {
    let twin = start().await;

    let body = twin.api_get("/v1/").await;

    assert_eq!(body["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn an_event_is_not_sent_again_to_an_endpoint_that_cannot_receive() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
    twin.customer("ada@example.com").await;
    let event = receiver.wait_for(1).await[0].id();
    let id = endpoint["id"].as_str().unwrap();
    let again = format!("/v1/events/{event}/retry");
    let disable = format!("/v1/webhook_endpoints/{id}");

    let unknown = send(&twin, &again, &[("webhook_endpoint", "we_nope")]).await;
    send(&twin, &disable, &[("disabled", "true")]).await;
    let disabled = send(&twin, &again, &[("webhook_endpoint", id)]).await;

    assert_eq!(unknown, (404, json!("No such webhook endpoint: 'we_nope'")));
    let message = format!("The webhook endpoint {id} is disabled.");
    assert_eq!(disabled, (400, json!(message)));
    receiver.stays_at(1).await;
}

/// The status of an answer and the message of its error.
async fn send(twin: &Running, path: &str, form: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let request = twin.http.post(twin.url(path)).bearer_auth(KEY);
    let answer = request.form(form).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: serde_json::Value = answer.json().await.unwrap();
    (status, body["error"]["message"].clone())
}
