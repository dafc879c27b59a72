//! Plans and packs, from the click to the credits.

use crate::stage::{Stage, balance, code, is_tier, on_both, plan_of};

on_both!(a_bought_pack_raises_the_balance_once);
async fn a_bought_pack_raises_the_balance_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya.billing().await), 100.0);

    maya.buy_pack(5_000).await;
    maya.balance_is(5_100).await;
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

    let body = maya.billing_when(is_tier("PRO")).await;
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
    let maya = stage.subscriber("maya@example.com", "PRO").await;

    let (status, body) = maya.checkout(plan_of("PRO_PLUS")).await;

    assert_eq!((status, code(&body)), (409, "already_subscribed"));
    assert!(
        body["changePlanUrl"]
            .as_str()
            .unwrap()
            .contains("/dashboard/billing/upgrade?account=acc_")
    );
    stage.settled().await;
    let sessions = stage.stripe_list("/v1/checkout/sessions").await;
    assert_eq!(sessions.len(), 1, "no second page: {sessions:?}");
    assert_eq!(stage.stripe_list("/v1/subscriptions").await.len(), 1);
    assert_eq!(balance(&maya.billing().await), 1_100.0);
}

on_both!(the_same_pack_can_be_bought_twice_in_a_day);
async fn the_same_pack_can_be_bought_twice_in_a_day(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    let first = maya.buy_pack(500).await;
    maya.balance_is(600).await;
    let second = maya.buy_pack(500).await;

    maya.balance_is(1_100).await;
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

    let (status, body) = maya.checkout(plan_of("PRO_PLUS")).await;

    assert_eq!((status, code(&body)), (409, "already_subscribed"), "{body}");
    assert_eq!(maya.billing().await["subscription"]["tier"], "PRO");
}

on_both!(a_customer_deleted_at_stripe_leaves_the_new_one_current);
async fn a_customer_deleted_at_stripe_leaves_the_new_one_current(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let old = stage.stripe_id("/v1/customers").await;
    stage.stripe_delete(&format!("/v1/customers/{old}")).await;
    maya.buy_pack(1_000).await;
    maya.balance_is(1_600).await;

    let report = stage.sync(maya.account).await;

    assert!(report.changes.is_empty(), "{report:?}");
    let account = maya.account;
    let row = stage.account(account).await;
    assert!(row.stripe_customer_id.is_some_and(|id| id != old));
}
