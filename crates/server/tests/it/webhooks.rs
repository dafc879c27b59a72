//! Webhook deliveries from Stripe, valid and invalid, in any order and any number of times.

mod failures;

use std::time::{Duration, Instant};
use store::events::EventState;

use serde_json::{Value, json};

use crate::stage::{Person, Stage, balance, eventually, is_tier, on_both, pack};

/// The same event with another id, since Stripe can report one change with several events.
fn renamed(event: &Value, id: &str) -> Value {
    let mut other = event.clone();
    other["id"] = json!(id);
    other
}

fn some_event() -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_800_000_000,
        "livemode": false, "api_version": "2026-08-26.dahlia",
        "data": { "object": { "id": "in_1", "object": "invoice", "customer": "cus_unknown" } },
    })
}

/// A user who bought 1,000 credits, and the event that no webhook delivered.
async fn undelivered(stage: &Stage) -> (Person<'_>, Value) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    let event = stage.stripe_event("checkout.session.completed").await;
    (maya, event)
}

async fn refused(stage: &Stage, body: Vec<u8>, signature: &str) {
    let answer = stage.deliver_signed(body, signature).await;
    assert_eq!(answer.status(), 400, "{signature}");
    assert!(stage.events().await.is_empty(), "nothing is stored");
}

on_both!(case_w1_w2_w3_w5_what_is_not_signed_by_stripe_is_refused_and_not_stored);
async fn case_w1_w2_w3_w5_what_is_not_signed_by_stripe_is_refused_and_not_stored(stage: &Stage) {
    let body = some_event().to_string().into_bytes();
    let now = stage.app.real_now().seconds();
    let secret = stage.webhook_secret();
    let good = stripe::sign(&body, &secret, now);
    let without = stage
        .http
        .post(format!("{}/api/stripe/webhook", stage.base))
        .body(body.clone());
    assert_eq!(without.send().await.unwrap().status(), 400);

    refused(stage, body.clone(), "garbled").await;
    refused(stage, body.clone(), &format!("{good},{good}")).await;
    refused(
        stage,
        body.clone(),
        &stripe::sign(&body, "whsec_wrong", now),
    )
    .await;
    refused(stage, body.clone(), &stripe::sign(&body, "", now)).await;
    refused(stage, body.clone(), &good.replace("v1=", "v0=")).await;
    refused(
        stage,
        body.clone(),
        &stripe::sign(&body, &secret, now - 301),
    )
    .await;
    refused(
        stage,
        body.clone(),
        &stripe::sign(&body, &secret, now + 400),
    )
    .await;
    let mut changed = body.clone();
    changed[5] ^= 1;
    refused(stage, changed, &good).await;

    let late = stripe::sign(&body, &secret, now - 240);
    assert_eq!(stage.deliver_signed(body, &late).await.status(), 200);
}

on_both!(case_w4_any_of_several_signatures_is_enough);
async fn case_w4_any_of_several_signatures_is_enough(stage: &Stage) {
    let body = some_event().to_string().into_bytes();
    let now = stage.app.real_now().seconds();
    let secret = stage.webhook_secret();

    let header = stripe::sign_with_all(&body, &["whsec_old", &secret], now) + ",v1=zz";

    assert_eq!(stage.deliver_signed(body, &header).await.status(), 200);
}

on_both!(case_w6_a_signed_body_that_is_not_an_event_is_refused_quickly);
async fn case_w6_a_signed_body_that_is_not_an_event_is_refused_quickly(stage: &Stage) {
    let deep = "[".repeat(20_000);
    for body in ["not json", "[]", "{\"id\":NaN}", deep.as_str(), "{}"] {
        let started = Instant::now();
        assert_eq!(stage.deliver_bytes(body.into()).await.status(), 400);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    assert!(stage.events().await.is_empty());
}

on_both!(case_w7_a_body_over_a_mebibyte_is_refused);
async fn case_w7_a_body_over_a_mebibyte_is_refused(stage: &Stage) {
    let body = vec![b' '; 1024 * 1024 + 1];

    assert_eq!(stage.deliver_bytes(body).await.status(), 413);
}

on_both!(case_w8_an_unhandled_event_is_stored_as_ignored);
async fn case_w8_an_unhandled_event_is_stored_as_ignored(stage: &Stage) {
    let mut unknown = some_event();
    unknown["type"] = json!("issuing_card.created");
    let mut connected = renamed(&some_event(), "evt_2");
    connected["account"] = json!("acct_other");
    let mut live = renamed(&some_event(), "evt_3");
    live["livemode"] = json!(true);

    for event in [&unknown, &connected, &live] {
        assert_eq!(stage.deliver(event).await.status(), 200);
    }

    let events = stage.events().await;
    assert_eq!(events.len(), 3);
    assert!(
        events
            .iter()
            .all(|event| event.state == EventState::Ignored),
        "{events:?}"
    );
}

on_both!(case_w9_an_event_delivered_fifty_times_concurrently_has_one_effect);
async fn case_w9_an_event_delivered_fifty_times_concurrently_has_one_effect(stage: &Stage) {
    let (maya, event) = undelivered(stage).await;

    let deliveries = (0..50).map(|_| stage.deliver(&event));
    let answers = futures_util::future::join_all(deliveries).await;

    assert!(answers.iter().all(|answer| answer.status() == 200));
    maya.balance_is(1_100).await;
    stage.settled().await;
    assert_eq!(balance(&maya.billing().await), 1_100.0);
    assert_eq!(stage.events().await.len(), 1);
}

on_both!(case_w10_a_payment_with_several_events_grants_credits_once);
async fn case_w10_a_payment_with_several_events_grants_credits_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    let completed = stage.stripe_event("checkout.session.completed").await;
    let paid = stage.stripe_event("payment_intent.succeeded").await;

    for (index, event) in [&completed, &paid, &completed, &paid]
        .into_iter()
        .enumerate()
    {
        stage
            .deliver(&renamed(event, &format!("evt_again_{index}")))
            .await;
        stage.settled().await;
    }

    assert_eq!(balance(&maya.billing().await), 1_100.0);
    assert_eq!(stage.transactions(maya.account).await.len(), 1);
}

on_both!(case_w11_a_delayed_payment_grants_credits_when_it_succeeds);
async fn case_w11_a_delayed_payment_grants_credits_when_it_succeeds(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(1000)).await;
    stage.pay_later(&session).await;
    stage.settled().await;
    assert_eq!(balance(&maya.billing().await), 100.0);
    let pending = [("CREDIT_TOPUP".to_owned(), "PENDING".to_owned(), 100)];
    maya.rows_when(|rows| rows == pending).await;

    stage.twin.settle(&session, true).await.unwrap();

    maya.balance_is(1_100).await;
    let done = [("CREDIT_TOPUP".to_owned(), "COMPLETED".to_owned(), 100)];
    assert_eq!(stage.transactions(maya.account).await, done);
}

on_both!(a_payment_that_took_weeks_has_a_receipt_or_an_email_that_it_failed);
async fn a_payment_that_took_weeks_has_a_receipt_or_an_email_that_it_failed(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let session = maya.session(pack(1000)).await;
        stage.pay_later(&session).await;
        stage.settled().await;
        sessions.push(session);
    }
    stage.twin.advance("14d").await.unwrap();
    stage.settled().await;
    let failed = "Your payment of $1.00 did not go through";
    let mails = async || {
        (
            stage.mails_with("receipt").await,
            stage.mails_with(failed).await,
        )
    };
    assert_eq!(mails().await, (0, 0), "in progress");

    for (session, succeeded) in sessions.iter().zip([true, false]) {
        stage.twin.settle(session, succeeded).await.unwrap();
        stage.settled().await;
    }

    maya.rows_when(|rows| rows.iter().all(|row| row.1 != "PENDING"))
        .await;
    assert_eq!(mails().await, (1, 1), "{:?}", stage.mail_subjects().await);
    stage.sync(maya.account).await;
    assert_eq!(mails().await, (1, 1), "once");
    stage.audited().await;
}

on_both!(case_w11_a_delayed_payment_that_fails_grants_nothing);
async fn case_w11_a_delayed_payment_that_fails_grants_nothing(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(1000)).await;
    stage.pay_later(&session).await;

    stage.twin.settle(&session, false).await.unwrap();

    let failed = [("CREDIT_TOPUP".to_owned(), "FAILED".to_owned(), 100)];
    maya.rows_when(|rows| rows == failed).await;
    assert_eq!(balance(&maya.billing().await), 100.0);
}

on_both!(case_w12_subscription_events_in_any_order_end_in_stripes_state);
async fn case_w12_subscription_events_in_any_order_end_in_stripes_state(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.subscribe("PRO").await;
    let subscription = stage.stripe_id("/v1/subscriptions").await;
    let path = format!("/v1/subscriptions/{}", &subscription);
    stage
        .stripe_post(&path, &[("metadata[note]", "changed")])
        .await;
    let created = stage.stripe_event("customer.subscription.created").await;
    let updated = stage.stripe_event("customer.subscription.updated").await;

    for order in [[&created, &updated], [&updated, &created]] {
        for (index, event) in order.into_iter().enumerate() {
            let id = format!("{}_{index}_{}", event["id"].as_str().unwrap(), order.len());
            stage.deliver(&renamed(event, &id)).await;
        }
    }
    maya.billing_when(is_tier("PRO")).await;
    stage.stripe_delete(&path).await;
    let deleted = stage.stripe_event("customer.subscription.deleted").await;
    stage.deliver(&deleted).await;
    maya.billing_when(is_tier("FREE")).await;
    for event in [&updated, &created] {
        stage
            .deliver(&renamed(
                event,
                &format!("late_{}", event["id"].as_str().unwrap()),
            ))
            .await;
    }
    stage.settled().await;

    assert_eq!(maya.billing().await["subscription"]["tier"], "FREE");
}

on_both!(case_w13_a_late_event_about_the_end_of_an_old_subscription_keeps_the_new_one);
async fn case_w13_a_late_event_about_the_end_of_an_old_subscription_keeps_the_new_one(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.stripe_delete(&stage.subscription_path().await).await;
    maya.billing_when(is_tier("FREE")).await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(is_tier("PRO_PLUS")).await;

    let deleted = stage.stripe_event("customer.subscription.deleted").await;
    stage.deliver(&renamed(&deleted, "evt_late")).await;
    stage.settled().await;

    assert_eq!(maya.billing().await["subscription"]["tier"], "PRO_PLUS");
}

on_both!(case_w16_a_payment_is_one_row_whichever_of_its_two_events_arrives);
async fn case_w16_a_payment_is_one_row_whichever_of_its_two_events_arrives(stage: &Stage) {
    for (name, kind) in [
        ("one", "invoice.paid"),
        ("two", "invoice.payment_succeeded"),
    ] {
        let person = stage.person(&format!("{name}@example.com")).await;
        stage.webhooks(false).await;
        person.subscribe("PRO").await;
        let event = stage.stripe_event(kind).await;

        stage.deliver(&event).await;

        person.billing_when(is_tier("PRO")).await;
        stage.settled().await;
        let rows = stage.transactions(person.account).await;
        assert_eq!(
            rows,
            [("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900)],
            "{kind}"
        );
    }
}

on_both!(case_w18_an_event_that_comes_before_our_own_commit_is_not_lost);
async fn case_w18_an_event_that_comes_before_our_own_commit_is_not_lost(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    let account = maya.account;
    // Restores the state before the created customer was stored.
    stage
        .write(account, move |tx| {
            store::testing::forget_customers(tx, account)
        })
        .await;
    let event = stage.stripe_event("payment_intent.succeeded").await;

    assert_eq!(stage.deliver(&event).await.status(), 200);

    maya.balance_is(1_100).await;
}

on_both!(case_w19_an_event_of_an_unknown_customer_waits_and_is_shown);
async fn case_w19_an_event_of_an_unknown_customer_waits_and_is_shown(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    let known = stage.events().await.len();
    assert_eq!(stage.deliver(&some_event()).await.status(), 200);

    let newest = async || stage.events().await.remove(0);
    let event = eventually(newest, |event| event.last_error.is_some()).await;

    assert_eq!(
        (event.event_id.as_str(), event.state),
        ("evt_1", EventState::Unmatched)
    );
    assert_eq!(stage.events().await.len(), known + 1);
    let why = event.last_error.as_deref().unwrap();
    assert!(why.contains("Stripe has no such object"), "{why}");
    assert_eq!((event.account_id, event.attempts), (None, 1));
    assert_eq!(balance(&maya.billing().await), 600.0);
    let admin = stage.person_as("ops@example.com", "admin").await;
    let (status, listed) = admin.get("/api/admin/events?state=unmatched").await;
    assert_eq!(
        (status, &listed["data"][0]["id"]),
        (200, &json!(event.event_id)),
        "{listed}"
    );
    assert_eq!(listed["data"][0]["lastError"], why, "{listed}");
    let (_, page) = admin.page("/admin/events/evt_1").await;
    assert!(page.contains("Stripe has no such object"), "{page}");
    let (_, page) = admin.page("/admin/events").await;
    assert!(page.contains(&event.event_id), "{page}");
}

on_both!(case_w22_events_of_older_and_newer_versions_have_the_same_result);
async fn case_w22_events_of_older_and_newer_versions_have_the_same_result(stage: &Stage) {
    let versions = [
        "2024-11-20.acacia",
        "2025-03-31.basil",
        "2026-08-26.dahlia",
        "2026-10-28.endive",
    ];
    for (index, version) in versions.into_iter().enumerate() {
        let person = stage.person(&format!("p{index}@example.com")).await;
        stage.webhooks(false).await;
        person.subscribe("PRO").await;
        let mut event = stage.stripe_event("invoice.paid").await;
        event["api_version"] = json!(version);
        if version.ends_with("acacia") {
            let invoice = &mut event["data"]["object"];
            invoice["subscription"] =
                invoice["parent"]["subscription_details"]["subscription"].take();
            invoice.as_object_mut().unwrap().remove("parent");
        }

        assert_eq!(stage.deliver(&event).await.status(), 200);

        person.billing_when(is_tier("PRO")).await;
    }
}
