use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::harness::*;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads the real clock")]
async fn an_event_is_posted_to_the_subscribed_endpoint_and_signed_with_real_time() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    let other = Receiver::start().await;
    let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
    twin.endpoint(&other, &["customer.deleted"]).await;

    let customer = twin.customer("ada@example.com").await;

    let got = &receiver.wait_for(1).await[0];
    assert_eq!(got.event()["data"]["object"]["id"], customer);
    assert_eq!(got.event()["pending_webhooks"], 1);
    assert_eq!(
        got.headers["content-type"],
        "application/json; charset=utf-8"
    );
    let signature = got.headers["stripe-signature"].to_str().unwrap();
    let secret = endpoint["secret"].as_str().unwrap();
    let now = jiff::Timestamp::now().as_second();
    stripe::verify(&got.body, signature, &[secret], now, 30).unwrap();
    other.stays_at(0).await;
}

#[tokio::test]
async fn a_deleted_endpoint_no_longer_counts_among_the_pending_webhooks_of_an_event() {
    let twin = start().await;
    let (receiver, dead) = (Receiver::start().await, Receiver::start().await);
    dead.answer(500);
    twin.endpoint(&receiver, &["customer.created"]).await;
    let gone = twin.endpoint(&dead, &["customer.created"]).await;
    twin.customer("ada@example.com").await;
    let event = receiver.wait_for(1).await[0].id();
    dead.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let path = format!("/v1/events/{event}");
    let before = twin.api_get(&path).await;

    let endpoint = format!("/v1/webhook_endpoints/{}", gone["id"].as_str().unwrap());
    let delete = twin.http.delete(twin.url(&endpoint)).bearer_auth(KEY);
    delete.send().await.unwrap();

    let after = twin.api_get(&path).await;
    let pending = (&before["pending_webhooks"], &after["pending_webhooks"]);
    assert_eq!(pending, (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_failed_delivery_is_retried_within_ten_seconds_signed_again_and_logged() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
    receiver.answer(500);
    twin.customer("ada@example.com").await;
    let first = receiver.wait_for(1).await[0].clone();
    receiver.answer(200);

    let second = receiver.wait_for(2).await[1].clone();

    assert!(second.at - first.at < Duration::from_secs(10));
    assert_eq!(first.body, second.body);
    assert_ne!(
        first.headers["stripe-signature"],
        second.headers["stripe-signature"]
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    let log = twin.control_get("/_twin/deliveries").await;
    let entry = &log["data"][0];
    assert_eq!(entry["outcome"], "delivered");
    assert_eq!(entry["endpoint"], endpoint["id"]);
    let statuses: Vec<_> = entry["tries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [500, 200]);
    let event = twin.api_get(&format!("/v1/events/{}", first.id())).await;
    assert_eq!(event["pending_webhooks"], 0);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    receiver.answer(302);

    twin.customer("ada@example.com").await;

    receiver.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let log = twin.control_get("/_twin/deliveries").await;
    assert_eq!(log["data"][0]["outcome"], "waiting");
}

#[tokio::test]
async fn events_that_occur_while_deliveries_are_off_are_never_delivered() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["*"]).await;
    twin.control("/_twin/webhooks", json!({"enabled": false}))
        .await;
    twin.customer("lost@example.com").await;
    twin.control("/_twin/webhooks", json!({"enabled": true}))
        .await;

    twin.customer("kept@example.com").await;

    let got = receiver.wait_for(1).await;
    assert_eq!(
        got[0].event()["data"]["object"]["email"],
        "kept@example.com"
    );
    receiver.stays_at(1).await;
}

#[tokio::test]
async fn an_event_is_sent_again_on_request_even_while_deliveries_are_off() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.control("/_twin/webhooks", json!({"enabled": false}))
        .await;
    twin.customer("ada@example.com").await;
    let events = twin.api_get("/v1/events?type=customer.created").await;
    let id = events["data"][0]["id"].as_str().unwrap().to_owned();

    let answer = twin.api(&format!("/v1/events/{id}/retry"), &[]).await;

    assert_eq!(answer["id"], id.as_str());
    assert_eq!(receiver.wait_for(1).await[0].id(), id);
}

#[tokio::test]
async fn a_triggered_event_is_delivered_like_any_other() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["charge.dispute.created"]).await;

    let (status, answer) = twin
        .control("/_twin/trigger", json!({"type": "charge.dispute.created"}))
        .await;
    let (unknown, sentence) = twin.control("/_twin/trigger", json!({"type": "a.b"})).await;

    assert_eq!((status.as_u16(), unknown.as_u16()), (200, 400));
    assert!(!answer["events"].as_array().unwrap().is_empty());
    assert!(
        sentence["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with('.')
    );
    assert_eq!(
        receiver.wait_for(1).await[0].kind(),
        "charge.dispute.created"
    );
    receiver.stays_at(1).await;
}

#[tokio::test]
async fn at_most_eight_deliveries_to_one_endpoint_run_at_a_time() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    receiver.delay_ms.store(100, Ordering::SeqCst);

    for number in 0..20 {
        twin.customer(&format!("c{number}@example.com")).await;
    }

    receiver.wait_for(20).await;
    assert!(receiver.in_flight_max.load(Ordering::SeqCst) <= 8);
}

#[tokio::test]
async fn chaos_doubles_and_drops_by_the_seed_and_an_empty_body_ends_it() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;

    twin.control(
        "/_twin/chaos",
        json!({"duplicate": 3, "reorder": true, "delay": "1s"}),
    )
    .await;
    twin.customer("thrice@example.com").await;
    let got = receiver.wait_for(3).await;
    assert!(got.iter().all(|one| one.id() == got[0].id()));
    receiver.stays_at(3).await;

    twin.control("/_twin/chaos", json!({"drop": 1})).await;
    twin.customer("never@example.com").await;
    receiver.stays_at(3).await;
    assert_eq!(
        twin.control_get("/_twin/deliveries").await["data"][0]["outcome"],
        "dropped"
    );

    twin.control("/_twin/chaos", json!({})).await;
    twin.customer("once@example.com").await;
    receiver.wait_for(4).await;
    receiver.stays_at(4).await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test reads the real clock")]
async fn a_rolled_secret_signs_together_with_the_old_one_until_that_expires() {
    let receiver = Receiver::start().await;
    let twin = start().await;
    let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
    let id = endpoint["id"].as_str().unwrap();
    let old = endpoint["secret"].as_str().unwrap();
    let path = format!("/_twin/webhook-endpoints/{id}/roll");

    let (_, rolled) = twin.control(&path, json!({"expires_in": "1h"})).await;
    twin.customer("first@example.com").await;
    let both = receiver.wait_for(1).await[0].clone();
    let (_, again) = twin.control(&path, json!({})).await;
    twin.customer("second@example.com").await;
    let one = receiver.wait_for(2).await[1].clone();

    let accepts = |delivery: &Delivery, secret: &str| {
        let signature = delivery.headers["stripe-signature"].to_str().unwrap();
        let now = jiff::Timestamp::now().as_second();
        stripe::verify(&delivery.body, signature, &[secret], now, 30).is_ok()
    };
    let (new, newest) = (
        rolled["secret"].as_str().unwrap(),
        again["secret"].as_str().unwrap(),
    );
    assert!(accepts(&both, old) && accepts(&both, new));
    assert!(accepts(&one, newest) && !accepts(&one, new));
}

#[tokio::test]
async fn an_undelivered_event_is_sent_after_a_restart_from_the_saved_state() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.json");
    let receiver = Receiver::start().await;
    let twin = start_with(|config| config.save_file = Some(file.clone())).await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.customer("kept@example.com").await;
    receiver.wait_for(1).await;
    receiver.answer(500);
    twin.customer("lost@example.com").await;
    receiver.wait_for(2).await;
    twin.handle.shutdown();
    twin.handle.join().await;
    receiver.answer(200);

    let twin = start_with(|config| config.save_file = Some(file)).await;

    let got = receiver.wait_for(3).await;
    assert_eq!(got[2].id(), got[1].id());
    receiver.stays_at(3).await;
    drop(twin);
}

#[tokio::test]
async fn an_invoice_waits_to_be_finalized_until_its_creation_is_acknowledged() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["invoice.created"]).await;
    receiver.answer(500);
    let customer = twin.customer("ada@example.com").await;
    let item = [
        ("customer", customer.as_str()),
        ("amount", "500"),
        ("currency", "usd"),
    ];
    twin.api("/v1/invoiceitems", &item).await;
    let form = [
        ("customer", customer.as_str()),
        ("auto_advance", "true"),
        ("pending_invoice_items_behavior", "include"),
        ("collection_method", "send_invoice"),
        ("days_until_due", "7"),
    ];
    let invoice = twin.api("/v1/invoices", &form).await;
    let path = format!("/v1/invoices/{}", invoice["id"].as_str().unwrap());

    receiver.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let held = twin.api_get(&path).await;
    twin.control("/_twin/clock", json!({"advance": "2h"})).await;
    let still = twin.api_get(&path).await;
    receiver.answer(200);
    twin.control("/_twin/clock", json!({"advance": "3d"})).await;
    let finalized = twin.api_get(&path).await;

    assert_eq!(held["webhooks_delivered_at"], json!(null));
    assert_eq!(still["status"], "draft");
    assert_eq!(finalized["status"], "open");
}

#[tokio::test]
async fn an_endpoint_can_have_the_version_of_the_official_clients() {
    let twin = start().await;
    let form = [
        ("url", "http://127.0.0.1:9/hook"),
        ("enabled_events[]", "*"),
        ("api_version", "2026-10-28.endive"),
    ];

    let endpoint = twin.api("/v1/webhook_endpoints", &form).await;

    assert_eq!(endpoint["api_version"], "2026-10-28.endive");
}

#[tokio::test]
async fn events_are_listed_by_whether_all_their_deliveries_succeeded() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.customer("ada@example.com").await;
    receiver.wait_for(1).await;
    receiver.answer(500);
    twin.customer("bob@example.com").await;
    let failing = receiver.wait_for(2).await[1].id();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ids = |list: serde_json::Value| -> Vec<String> {
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = "/v1/events?type=customer.created&delivery_success";

    let failed = ids(twin.api_get(&format!("{path}=false")).await);
    let delivered = ids(twin.api_get(&format!("{path}=true")).await);
    receiver.answer(200);
    receiver.wait_for(3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let none = ids(twin.api_get(&format!("{path}=false")).await);

    assert_eq!(failed, std::slice::from_ref(&failing));
    assert_eq!(delivered.len(), 1);
    assert!(!delivered.contains(&failing) && none.is_empty());
}

#[tokio::test]
async fn an_event_that_is_resent_successfully_counts_as_delivered() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.control("/_twin/chaos", json!({"drop": 1})).await;
    twin.customer("ada@example.com").await;
    let events = twin.api_get("/v1/events?delivery_success=false").await;
    let id = events["data"][0]["id"].as_str().unwrap().to_owned();
    twin.control("/_twin/chaos", json!({})).await;

    twin.api(&format!("/v1/events/{id}/retry"), &[]).await;
    receiver.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let left = twin.api_get("/v1/events?delivery_success=false").await;
    assert_eq!(left["data"], json!([]));
}

#[tokio::test]
async fn chaos_applies_to_events_that_are_sent_again() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["customer.created"]).await;
    twin.customer("ada@example.com").await;
    let id = receiver.wait_for(1).await[0].id();
    let again = format!("/v1/events/{id}/retry");

    twin.control("/_twin/chaos", json!({"drop": 1})).await;
    twin.api(&again, &[]).await;
    receiver.stays_at(1).await;
    twin.control("/_twin/chaos", json!({"duplicate": 2})).await;
    twin.api(&again, &[]).await;

    receiver.wait_for(3).await;
    receiver.stays_at(3).await;
}
