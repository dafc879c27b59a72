//! Duplicate subscriptions (case K12).

use super::*;
use store::intents::{IntentKind, IntentState};

async fn live_subscriptions(stage: &Stage) -> Vec<Value> {
    let listed = stage.stripe_get("/v1/subscriptions").await;
    listed["data"].as_array().unwrap().clone()
}

async fn findings(stage: &Stage, account: i64) -> String {
    let state = stage
        .app
        .read(move |tx| store::sync::of_account(tx, account));
    state.await.unwrap().unwrap().findings.unwrap_or_default()
}

on_both!(case_k12_a_duplicate_subscription_paid_in_an_old_checkout_is_canceled_and_refunded);
async fn case_k12_a_duplicate_subscription_paid_in_an_old_checkout_is_canceled_and_refunded(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = customer(stage).await;
    let old_page = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    subscribe_in_dashboard(stage, &customer, &price(stage, "PRO_PLUS")).await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;

    maya.pay(&old_page).await;

    let refunded = |rows: &[(String, String, i64)]| {
        rows.iter()
            .any(|row| row.0 == "REFUND" && row.1 == "COMPLETED")
    };
    let rows = rows_when(&maya, refunded).await;
    assert!(
        rows.contains(&("SUBSCRIPTION_PAYMENT".into(), "REFUNDED".into(), 1_900)),
        "{rows:?}"
    );
    assert!(
        rows.iter().any(|row| row.0 == "SUBSCRIPTION_CANCEL"),
        "{rows:?}"
    );
    stage.settled().await;
    let live = live_subscriptions(stage).await;
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(
        live[0]["items"]["data"][0]["price"]["id"],
        price(stage, "PRO_PLUS")
    );
    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1, "once");
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
}

on_both!(case_k12_a_duplicate_subscription_is_undone_once_however_often_it_is_synced);
async fn case_k12_a_duplicate_subscription_is_undone_once_however_often_it_is_synced(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = customer(stage).await;
    let old_page = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    let trial = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price(stage, "PRO_PLUS")),
        ("trial_period_days", "14"),
    ];
    stage.stripe_post("/v1/subscriptions", &trial).await;
    maya.billing_when(is("PRO_PLUS", "TRIALING")).await;
    stage.webhooks(false).await;
    maya.pay(&old_page).await;
    let account = maya.account;
    billing::sync::account(&stage.app, account).await.unwrap();
    let intents = stage
        .app
        .read(move |tx| store::intents::of_account(tx, account, 100));
    let intents = intents.await.unwrap();
    let undone = intents
        .iter()
        .find(|one| one.kind == IntentKind::DuplicateSubscription)
        .unwrap();
    assert_eq!(undone.state, IntentState::Done, "{undone:?}");
    billing::sync::account(&stage.app, account).await.unwrap();

    assert_eq!(live_subscriptions(stage).await.len(), 1);
    let intents = stage
        .app
        .read(move |tx| store::intents::of_account(tx, account, 100));
    let kinds = intents.await.unwrap();
    let count = kinds
        .iter()
        .filter(|one| one.kind == IntentKind::DuplicateSubscription)
        .count();
    assert_eq!(count, 1, "one intent a purchase");
}

on_both!(case_k12_a_duplicate_subscription_made_in_the_dashboard_is_reported_and_not_changed);
async fn case_k12_a_duplicate_subscription_made_in_the_dashboard_is_reported_and_not_changed(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let customer = customer(stage).await;

    subscribe_in_dashboard(stage, &customer, &price(stage, "PRO_PLUS")).await;

    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(live_subscriptions(stage).await.len(), 2);
    assert!(
        findings(stage, maya.account)
            .await
            .contains("beside another one")
    );
    let report =
        billing::books::audit::run(&stage.app, billing::books::audit::Scope::Everything).await;
    let warnings = report.unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|one| one.what.contains("beside another one"))
    );
}
