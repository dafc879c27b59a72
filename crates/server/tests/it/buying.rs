//! Plans and packs, from the click to the credits.

use serde_json::{Value, json};

use crate::stage::{Stage, on_both};

fn balance(body: &Value) -> f64 {
    body["credits"]["balance"].as_f64().unwrap()
}

on_both!(a_bought_pack_raises_the_balance_once);
async fn a_bought_pack_raises_the_balance_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya.billing().await), 100.0);

    maya.buy_pack(5_000).await;
    maya.billing_when(|body| balance(body) == 5_100.0).await;
    for event in stage.stripe_events("checkout.session.completed").await {
        assert_eq!(stage.deliver(&event).await.status(), 200);
    }
    stage.settled().await;

    assert_eq!(balance(&maya.billing().await), 5_100.0);
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows, [("CREDIT_TOPUP".into(), "COMPLETED".into(), 500)]);
}

on_both!(a_paid_plan_gives_its_tier_and_its_allowance);
async fn a_paid_plan_gives_its_tier_and_its_allowance(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    maya.subscribe("PRO").await;

    let body = maya
        .billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;
    assert_eq!(body["subscription"]["status"], "ACTIVE");
    assert_eq!(body["credits"]["limit"], 10_000);
    assert_eq!(balance(&body), 1_100.0);
    assert_eq!(body["invoices"][0]["amount"], "19.00");
    let rows = stage.transactions(maya.account).await;
    assert_eq!(
        rows,
        [("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900)]
    );
}

on_both!(case_k12_an_active_plan_is_changed_and_not_bought_again);
async fn case_k12_an_active_plan_is_changed_and_not_bought_again(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;

    let (status, body) = maya
        .checkout(json!({ "type": "subscription", "planId": "PRO_PLUS" }))
        .await;

    assert_eq!((status, &body["code"]), (409, &json!("already_subscribed")));
    assert!(
        body["changePlanUrl"]
            .as_str()
            .unwrap()
            .contains("/dashboard/billing/upgrade?account=acc_")
    );
}

on_both!(the_same_pack_can_be_bought_twice_in_a_day);
async fn the_same_pack_can_be_bought_twice_in_a_day(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    let first = maya.buy_pack(500).await;
    maya.billing_when(|body| balance(body) == 600.0).await;
    let second = maya.buy_pack(500).await;

    maya.billing_when(|body| balance(body) == 1_100.0).await;
    assert_ne!(
        first, second,
        "a page that was paid is not handed out again"
    );
    assert_eq!(stage.transactions(maya.account).await.len(), 2);
}

on_both!(a_plan_paid_in_another_tab_counts_before_another_is_sold);
async fn a_plan_paid_in_another_tab_counts_before_another_is_sold(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.subscribe("PRO").await;

    let (status, body) = maya
        .checkout(json!({ "type": "subscription", "planId": "PRO_PLUS" }))
        .await;

    assert_eq!(
        (status, &body["code"]),
        (409, &json!("already_subscribed")),
        "{body}"
    );
    assert_eq!(maya.billing().await["subscription"]["tier"], "PRO");
}

on_both!(a_customer_deleted_at_stripe_leaves_the_new_one_current);
async fn a_customer_deleted_at_stripe_leaves_the_new_one_current(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| balance(body) == 600.0).await;
    let old = stage.stripe_get("/v1/customers").await["data"][0]["id"].clone();
    let path = format!("{}/v1/customers/{}", stage.twin_url, old.as_str().unwrap());
    stage
        .http
        .delete(path)
        .bearer_auth("sk_test_other")
        .send()
        .await
        .unwrap();
    maya.buy_pack(1_000).await;
    maya.billing_when(|body| balance(body) == 1_600.0).await;

    let report = billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    assert!(report.changes.is_empty(), "{report:?}");
    let account = maya.account;
    let row = stage
        .app
        .read(move |tx| store::accounts::find(tx, account))
        .await
        .unwrap()
        .unwrap();
    assert!(
        row.stripe_customer_id
            .is_some_and(|id| id != old.as_str().unwrap())
    );
}
