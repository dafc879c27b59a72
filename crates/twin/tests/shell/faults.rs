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
    assert_eq!(second.headers()["stripe-should-retry"], "true");
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

async fn post_customer(twin: &Running, key: &str) -> reqwest::Response {
    let request = twin.http.post(twin.url("/v1/customers")).bearer_auth(KEY);
    let request = request.header("Idempotency-Key", key);
    request
        .form(&[("email", "s@example.com")])
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_failure_during_or_after_a_call_is_replayed_to_its_retries() {
    let twin = start().await;
    for (when, customers_then) in [("during", 0), ("after", 1)] {
        let set = json!({"mode": "status", "status": 500, "when": when});
        let (status, view) = twin.control("/_twin/faults", set).await;
        assert_eq!((status.as_u16(), &view["when"]), (200, &json!(when)));

        let failed = post_customer(&twin, when).await;
        let retried = post_customer(&twin, when).await;

        assert_eq!(
            (failed.status().as_u16(), retried.status().as_u16()),
            (500, 500)
        );
        assert!(!failed.headers().contains_key("idempotent-replayed"));
        assert_eq!(retried.headers()["idempotent-replayed"], "true");
        assert_eq!(customers(&twin).await, customers_then, "{when}");
    }
}

#[tokio::test]
async fn a_fault_before_a_call_is_not_saved_and_a_429_gives_its_reason() {
    let twin = start().await;
    let set = json!({"mode": "status", "status": 429, "key": KEY});
    twin.control("/_twin/faults", set).await;

    let refused = post_customer(&twin, "k1").await;
    let retried = post_customer(&twin, "k1").await;

    assert_eq!(
        (refused.status().as_u16(), retried.status().as_u16()),
        (429, 200)
    );
    assert_eq!(
        refused.headers()["stripe-rate-limited-reason"],
        "global-rate"
    );
    assert!(!refused.headers().contains_key("stripe-should-retry"));
}

#[tokio::test]
async fn rate_limits_apply_once_they_are_turned_on() {
    let twin = start().await;
    let set = json!({"enabled": true, "perSecond": 1000, "perEndpoint": 1});
    twin.control("/_twin/rate-limits", set).await;

    let mut statuses = Vec::new();
    for key in ["k1", "k2", "k3"] {
        let answer = post_customer(&twin, key).await;
        if answer.status() == 429 {
            assert_eq!(
                answer.headers()["stripe-rate-limited-reason"],
                "endpoint-rate"
            );
        }
        statuses.push(answer.status().as_u16());
    }
    twin.control("/_twin/rate-limits", json!({"enabled": false}))
        .await;

    // A second may begin between the calls, but not two.
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(post_customer(&twin, "k4").await.status(), 200);
}

#[tokio::test]
async fn what_is_no_call_of_version_1_is_refused_in_json() {
    let twin = start().await;
    let post = |path: &str| twin.http.post(twin.url(path)).bearer_auth(KEY);
    let form = "application/x-www-form-urlencoded";
    let bad_bytes = b"name=\xff".to_vec();
    let calls = [
        (
            404,
            twin.http.get(twin.url("/v2/core/events")).bearer_auth(KEY),
        ),
        (
            403,
            post("/v1/customers").header("Stripe-Account", "acct_other"),
        ),
        (400, post("/v1/customers").json(&json!({"name": "Ann"}))),
        (
            400,
            post("/v1/customers")
                .header("content-type", form)
                .body(bad_bytes),
        ),
        (
            400,
            post("/v1/customers")
                .header("content-type", form)
                .body("name=%FF"),
        ),
        (
            413,
            post("/v1/customers")
                .header("content-type", form)
                .body(format!("name={}", "a".repeat(1024 * 1024))),
        ),
        (
            401,
            twin.http
                .get(twin.url("/v1/customers"))
                .bearer_auth("rk_test_unknown"),
        ),
    ];
    for (status, call) in calls {
        let answer = call.send().await.unwrap();

        assert_eq!(answer.status(), status);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["type"], "invalid_request_error", "{body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(customers(&twin).await, 0);
}

#[tokio::test]
async fn a_restricted_key_from_the_control_interface_has_its_permissions() {
    let twin = start().await;
    let (_, made) = twin
        .control("/_twin/keys", json!({"permissions": {"customer": "read"}}))
        .await;
    let (status, _) = twin
        .control("/_twin/keys", json!({"permissions": {"moon": "read"}}))
        .await;
    let key = made["key"].as_str().unwrap();

    let read = twin
        .http
        .get(twin.url("/v1/customers"))
        .bearer_auth(key)
        .send();
    let written = try_customer(&twin, key);

    assert_eq!(status, 400);
    assert_eq!(read.await.unwrap().status(), 200);
    assert_eq!(written.await.unwrap(), 403);
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

#[tokio::test]
async fn a_call_that_fails_while_it_is_executed_does_so_for_resends_and_cli_sessions_too() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.customer("ada@example.com").await;
    let id = receiver.wait_for(1).await[0].id();
    let call = async |path: String, when: &str| {
        let fault = json!({"mode": "status", "status": 503, "when": when});
        twin.control("/_twin/faults", fault).await;
        let request = twin.http.post(twin.url(&path)).bearer_auth(KEY);
        request.send().await.unwrap().status().as_u16()
    };
    let again = format!("/v1/events/{id}/retry");

    let session = call("/v1/stripecli/sessions".to_owned(), "during").await;
    let undone = call(again.clone(), "during").await;
    receiver.stays_at(1).await;
    let done = call(again, "after").await;

    assert_eq!([session, undone, done], [503, 503, 503]);
    receiver.wait_for(2).await;
}
