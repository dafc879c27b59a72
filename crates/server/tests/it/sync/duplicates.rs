//! Duplicate subscriptions (case K12).

use super::*;
use store::intents::{IntentKind, IntentState};

async fn live_subscriptions(stage: &Stage) -> Vec<Value> {
    stage.stripe_list("/v1/subscriptions").await
}

/// The states of the intents that cancel and refund a second subscription.
async fn undone(stage: &Stage, account: i64) -> Vec<IntentState> {
    let intents = stage.read(move |tx| store::intents::of_account(tx, account, 100));
    let intents = intents.await.into_iter();
    let undone = intents.filter(|one| one.kind == IntentKind::DuplicateSubscription);
    undone.map(|one| one.state).collect()
}

on_both!(case_k12_a_duplicate_subscription_paid_in_an_old_checkout_is_canceled_and_refunded);
async fn case_k12_a_duplicate_subscription_paid_in_an_old_checkout_is_canceled_and_refunded(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    let old_page = maya.session(plan_of("PRO")).await;
    subscribe_in_dashboard(stage, &customer, &stage.price("PRO_PLUS")).await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;

    maya.pay(&old_page).await;

    let refunded = |rows: &[Row]| {
        rows.iter()
            .any(|row| row.0 == "REFUND" && row.1 == "COMPLETED")
    };
    let rows = maya.rows_when(refunded).await;
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
        stage.price("PRO_PLUS")
    );
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1, "once");
    let body = maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    assert_eq!(
        body["credits"]["balance"], 6_600,
        "500 bought, 100 free and the 6,000 of the plan that stays: nothing of the other"
    );
    stage.audited().await;
}

on_both!(case_k12_a_duplicate_subscription_is_undone_once_however_often_it_is_synced);
async fn case_k12_a_duplicate_subscription_is_undone_once_however_often_it_is_synced(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    let old_page = maya.session(plan_of("PRO")).await;
    stage.start_trial(&customer, "PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "TRIALING")).await;
    stage.settled().await;
    let before = maya.billing().await["credits"]["balance"].clone();
    stage.webhooks(false).await;
    maya.pay(&old_page).await;
    let account = maya.account;
    stage.sync(account).await;
    // Events that arrive late can have started the same work in the background.
    let done = |states: &Vec<IntentState>| *states == [IntentState::Done];
    eventually(async || undone(stage, account).await, done).await;
    stage.sync(account).await;

    assert_eq!(live_subscriptions(stage).await.len(), 1);
    let rows = stage.transactions(account).await;
    let refunds = rows.iter().filter(|row| row.0 == "REFUND");
    assert_eq!(refunds.map(|row| row.2).collect::<Vec<_>>(), [1_900]);
    assert_eq!(
        maya.billing().await["credits"]["balance"],
        before,
        "the purchase brought and took nothing"
    );
    assert_eq!(
        undone(stage, account).await.len(),
        1,
        "one intent a purchase"
    );
}

on_both!(case_k12_a_duplicate_subscription_made_in_the_dashboard_is_reported_and_not_changed);
async fn case_k12_a_duplicate_subscription_made_in_the_dashboard_is_reported_and_not_changed(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let customer = stage.stripe_id("/v1/customers").await;

    subscribe_in_dashboard(stage, &customer, &stage.price("PRO_PLUS")).await;

    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(live_subscriptions(stage).await.len(), 2);
    // 100 free credits, the plan's 1,000, and 5,000 more for what is left of the month; 6,000 if the
    // second plan's month began later than the first one's.
    let credits = maya.billing().await["credits"]["balance"].as_i64().unwrap();
    let is_right = (6_095..=6_100).contains(&credits) || credits == 7_100;
    assert!(is_right, "{credits}");
    let state = stage.sync_state(maya.account).await;
    assert!(
        state
            .findings
            .unwrap_or_default()
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
