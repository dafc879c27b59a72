//! How a sync turns Stripe's objects into rows and credits, and when it parks an account.

mod duplicates;
mod history;

use serde_json::{Value, json};

use crate::stage::{
    Row, Stage, balance, eventually, id_of, is, is_canceled, is_tier, on_both, pack, plan_of,
};

/// Changes the subscription's price immediately, with proration.
async fn upgrade(stage: &Stage, tier: &str) {
    let held = stage.subscription().await;
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let form = [
        ("items[0][id]", item),
        ("items[0][price]", &stage.price(tier)),
        ("proration_behavior", "always_invoice"),
    ];
    stage.stripe_post(&path, &form).await;
}

/// Schedules a change of the price at the end of the period; returns the schedule's id.
async fn schedule(stage: &Stage, from: &str, to: &str) -> String {
    let held = stage.subscription().await;
    let id = held["id"].as_str().unwrap();
    let made = stage
        .stripe_post("/v1/subscription_schedules", &[("from_subscription", id)])
        .await;
    let made_id = id_of(&made);
    let (start, end) = (
        made["phases"][0]["start_date"].to_string(),
        made["phases"][0]["end_date"].to_string(),
    );
    let form = [
        ("phases[0][start_date]", start.as_str()),
        ("phases[0][end_date]", &end),
        ("phases[0][items][0][price]", &stage.price(from)),
        ("phases[1][start_date]", &end),
        ("phases[1][iterations]", "1"),
        ("phases[1][items][0][price]", &stage.price(to)),
        ("end_behavior", "release"),
    ];
    let path = format!("/v1/subscription_schedules/{made_id}");
    stage.stripe_post(&path, &form).await;
    made_id
}

on_both!(each_of_the_six_kinds_of_transactions_is_recorded_once);
async fn each_of_the_six_kinds_of_transactions_is_recorded_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    upgrade(stage, "PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    schedule(stage, "PRO_PLUS", "PRO").await;
    let body = maya
        .billing_when(|body| body["subscription"]["pendingChange"].is_object())
        .await;
    let pending = &body["subscription"]["pendingChange"];
    assert_eq!(
        (&pending["kind"], &pending["tier"]),
        (&json!("scheduled"), &json!("PRO"))
    );
    assert_eq!(pending["at"], body["subscription"]["currentPeriodEnd"]);
    let waits = |rows: &[Row]| {
        rows.iter()
            .any(|row| row.0 == "SUBSCRIPTION_DOWNGRADE" && row.1 == "PENDING")
    };
    maya.rows_when(waits).await;

    stage.twin.advance("32d").await.unwrap();
    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    assert!(body["subscription"]["pendingChange"].is_null(), "{body}");
    let charges = stage.stripe_get("/v1/charges?limit=100").await;
    let topup = charges["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["amount"] == 50);
    let topup = topup.unwrap()["id"].as_str().unwrap().to_owned();
    stage.refund(&topup).await;
    let path = format!(
        "{}/v1/subscriptions/{}",
        stage.twin_url,
        stage.subscription().await["id"].as_str().unwrap()
    );
    stage
        .http
        .delete(path)
        .bearer_auth("sk_test_other")
        .send()
        .await
        .unwrap();
    maya.billing_when(is_tier("FREE")).await;
    stage.settled().await;

    let rows = stage.transactions(maya.account).await;
    let of = |kind: &str| {
        let found = rows.iter().filter(|row| row.0 == kind);
        found.map(|row| row.1.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("CREDIT_TOPUP"), ["REFUNDED"], "{rows:?}");
    assert_eq!(of("REFUND"), ["COMPLETED"]);
    assert_eq!(
        of("SUBSCRIPTION_PAYMENT"),
        ["COMPLETED", "COMPLETED"],
        "the first and a renewal"
    );
    assert_eq!(of("SUBSCRIPTION_UPGRADE"), ["COMPLETED"]);
    assert_eq!(of("SUBSCRIPTION_DOWNGRADE"), ["COMPLETED"]);
    assert_eq!(of("SUBSCRIPTION_CANCEL"), ["COMPLETED"]);
}

on_both!(a_withdrawn_downgrade_is_canceled_and_no_longer_pending);
async fn a_withdrawn_downgrade_is_canceled_and_no_longer_pending(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    let schedule = schedule(stage, "PRO_PLUS", "PRO").await;
    maya.billing_when(|body| body["subscription"]["pendingChange"].is_object())
        .await;

    stage
        .stripe_post(
            &format!("/v1/subscription_schedules/{schedule}/release"),
            &[],
        )
        .await;

    maya.billing_when(|body| body["subscription"]["pendingChange"].is_null())
        .await;
    let rows = maya
        .rows_when(|rows| rows.iter().any(|row| row.1 == "CANCELLED"))
        .await;
    assert_eq!(rows.last().unwrap().0, "SUBSCRIPTION_DOWNGRADE");
}

on_both!(a_refund_that_fails_later_restores_the_credits_once);
async fn a_refund_that_fails_later_restores_the_credits_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(5000)).await;
    stage
        .pay(&session, twin::client::PayBy::Method("pm_card_refundFail"))
        .await;
    maya.balance_is(5_100).await;
    stage.refund_newest().await;
    maya.balance_is(100).await;
    let done = |rows: &[Row]| rows.iter().any(|row| row.1 == "REFUNDED");
    maya.rows_when(done).await;

    stage.twin.advance("2h").await.unwrap();

    maya.balance_is(5_100).await;
    stage.settled().await;
    stage.sync(maya.account).await;
    assert_eq!(balance(&maya.billing().await), 5_100.0, "once");
    let mut rows = stage.transactions(maya.account).await;
    rows.sort();
    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 500),
            ("REFUND".into(), "FAILED".into(), 500),
        ]
    );
}

async fn subscribe_in_dashboard(stage: &Stage, customer: &str, price: &str) {
    let card = stage.attach("pm_card_visa", customer).await;
    stage.pays_with(customer, &card).await;
    let form = [("customer", customer), ("items[0][price]", price)];
    stage.stripe_post("/v1/subscriptions", &form).await;
}
