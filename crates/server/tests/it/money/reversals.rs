//! Money that goes back: refunds and disputes take the credits that the payment brought, of packs
//! and of plans alike.

use super::*;

/// The id of an open dispute about the newest charge of this amount.
async fn dispute(stage: &Stage, amount: i64) -> String {
    let charge = stage.charge_of(amount).await;
    id_of(&stage.twin.dispute(&charge, None).await.unwrap())
}

async fn close(stage: &Stage, dispute: &str, won: bool) {
    stage.twin.close_dispute(dispute, won).await.unwrap();
}

on_both!(a_plan_payment_refunded_at_stripe_takes_its_allowance_in_proportion);
async fn a_plan_payment_refunded_at_stripe_takes_its_allowance_in_proportion(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    credits_are(&maya, (6_100, 6_100, 0)).await;

    stage
        .refund_part(&stage.charge_of(4_900).await, "2450")
        .await;
    credits_are(&maya, (3_100, 3_100, 0)).await;

    stage.refund(&stage.charge_of(4_900).await).await;
    credits_are(&maya, (100, 100, 0)).await;

    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    let paid = ("SUBSCRIPTION_PAYMENT".into(), "REFUNDED".into(), 4_900);
    assert!(rows.contains(&paid), "{rows:?}");
    maya.in_step().await;
    stage.audited().await;
}

on_both!(what_was_spent_of_a_refunded_allowance_is_owed);
async fn what_was_spent_of_a_refunded_allowance_is_owed(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
    assert_eq!(spend(&maya, 900).await, 201);

    stage.refund(&stage.charge_of(1_900).await).await;

    let (posted, available, debt) = eventually(
        async || credits(&maya).await,
        |(_, available, debt)| *debt > 0 && *available == 0,
    )
    .await;
    // 1,000 were brought and 200 of all 1,100 were left: 800 are missing.
    assert_eq!((posted, available, debt), (0, 0, 800));
    assert_eq!(spend(&maya, 1).await, 402);
    stage.audited().await;
}

on_both!(an_upgrade_and_its_period_are_refunded_each_for_itself);
async fn an_upgrade_and_its_period_are_refunded_each_for_itself(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
    let preview = json!({ "action": "preview", "planId": "PRO_PLUS" });
    let (_, preview) = maya.post(CHANGES, preview).await;
    let quote = &preview["quote"];
    let change = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": quote });
    let (status, body) = maya.post(CHANGES, change).await;
    assert!(status < 300, "{body}");
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    stage.settled().await;
    let (all, ..) = credits(&maya).await;
    assert!((6_090..=6_100).contains(&all), "the difference: {all}");

    // The upgrade's payment brought the difference.
    let upgrade = stage.stripe_list("/v1/charges").await;
    assert_ne!(upgrade[0]["amount"], 1_900);
    stage.refund(&id_of(&upgrade[0])).await;
    credits_are(&maya, (1_100, 1_100, 0)).await;

    stage.refund(&stage.charge_of(1_900).await).await;
    credits_are(&maya, (100, 100, 0)).await;
    stage.settled().await;
    maya.in_step().await;
    stage.audited().await;
}

on_both!(a_disputed_plan_is_frozen_then_taken_and_an_operator_is_asked);
async fn a_disputed_plan_is_frozen_then_taken_and_an_operator_is_asked(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    credits_are(&maya, (6_100, 6_100, 0)).await;

    let id = dispute(stage, 4_900).await;

    credits_are(&maya, (6_100, 100, 0)).await;
    assert_eq!(spend(&maya, 101).await, 402);
    stage.settled().await;
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    let alerts = stage.read(|tx| store::alerts::all_open(tx, 100)).await;
    let alert = alerts.iter().find(|one| one.rule == "dispute").unwrap();
    assert_eq!(alert.subject, id);
    let held = stage.stripe_get(&format!("/v1/disputes/{id}")).await;
    let due = held["evidence_details"]["due_by"].as_i64().unwrap();
    let due = domain::time::Timestamp::from_seconds(due).date_text();
    assert!(alert.summary.contains(&due), "{}", alert.summary);
    assert_eq!(stage.mails_with("payment of $49.00 is disputed").await, 1);

    close(stage, &id, false).await;

    credits_are(&maya, (100, 100, 0)).await;
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    let paid = ("SUBSCRIPTION_PAYMENT".into(), "REFUNDED".into(), 4_900);
    assert!(rows.contains(&paid), "{rows:?}");
    let lost = ("REFUND".into(), "COMPLETED".into(), 4_900);
    assert!(rows.contains(&lost), "{rows:?}");
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!((figures.revenue.amount, figures.mrr.amount), (0, 0));
    assert_eq!((figures.paying, figures.arpu), (0, None));
    assert_eq!(stage.mails_with("payment of $49.00 was returned").await, 1);
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    let alerts = stage.read(|tx| store::alerts::all_open(tx, 100)).await;
    let rules: Vec<_> = alerts.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["lost-dispute"]);

    let admin = stage.person_as("ops@example.com", "admin").await;
    let path = format!("/api/admin/disputes/{id}/decision");
    let (status, body) = admin.post(&path, json!({ "plan": "perhaps" })).await;
    assert_eq!((status, &body["field"]), (400, &json!("plan")), "{body}");
    assert_eq!(maya.post(&path, json!({ "plan": "end" })).await.0, 403);
    let (status, body) = admin.post(&path, json!({ "plan": "end" })).await;
    assert_eq!(
        (status, &body["decision"]),
        (200, &json!("ended")),
        "{body}"
    );

    maya.billing_when(is("FREE", "CANCELED")).await;
    assert_eq!(admin.post(&path, json!({ "plan": "end" })).await.0, 200);
    let (status, body) = admin.post(&path, json!({ "plan": "keep" })).await;
    assert_eq!((status, &body["code"]), (409, &json!("already_decided")));
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    let alerts = stage.read(|tx| store::alerts::all_open(tx, 100)).await;
    assert!(alerts.is_empty(), "{alerts:?}");
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 0);
    stage.audited().await;
}

on_both!(a_won_dispute_gives_the_plans_credits_back);
async fn a_won_dispute_gives_the_plans_credits_back(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
    let id = dispute(stage, 1_900).await;
    credits_are(&maya, (1_100, 100, 0)).await;

    close(stage, &id, true).await;

    credits_are(&maya, (1_100, 1_100, 0)).await;
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    assert_eq!(
        rows,
        [("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900)]
    );
    assert_eq!(stage.mails_with("dispute about $19.00 has ended").await, 1);
    maya.in_step().await;
}

on_both!(
    a_plan_ends_after_a_lost_dispute_where_the_setting_says_so,
    |settings: &mut Settings| settings.billing.plan_after_lost_dispute = "end".to_owned()
);
async fn a_plan_ends_after_a_lost_dispute_where_the_setting_says_so(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let id = dispute(stage, 1_900).await;
    credits_are(&maya, (1_100, 100, 0)).await;

    close(stage, &id, false).await;

    maya.billing_when(is("FREE", "CANCELED")).await;
    credits_are(&maya, (100, 100, 0)).await;
    stage.settled().await;
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    assert!(
        stage
            .read(|tx| store::alerts::all_open(tx, 100))
            .await
            .is_empty()
    );
}

on_both!(nothing_stays_of_the_allowance_of_a_second_plan_that_was_undone);
async fn nothing_stays_of_the_allowance_of_a_second_plan_that_was_undone(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    let old_page = maya.session(plan_of("PRO_PLUS")).await;
    let card = stage.attach("pm_card_visa", &customer).await;
    stage.pays_with(&customer, &card).await;
    let price = stage.price("PRO");
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", price.as_str()),
    ];
    stage.stripe_post("/v1/subscriptions", &form).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    credits_are(&maya, (1_600, 1_600, 0)).await;

    maya.pay(&old_page).await;

    maya.rows_when(|rows| !refunds(rows).is_empty()).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    credits_are(&maya, (1_600, 1_600, 0)).await;
    stage.settled().await;
    stage.audited().await;
}

on_both!(a_refund_that_fails_later_gives_the_plans_credits_back);
async fn a_refund_that_fails_later_gives_the_plans_credits_back(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let page = maya.session(plan_of("PRO")).await;
    let method = twin::client::PayBy::Method("pm_card_refundFail");
    stage.pay(&page, method).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
    stage.refund(&stage.charge_of(1_900).await).await;
    credits_are(&maya, (100, 100, 0)).await;

    stage.twin.advance("1d").await.unwrap();

    credits_are(&maya, (1_100, 1_100, 0)).await;
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    let paid = ("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900);
    assert!(rows.contains(&paid), "{rows:?}");
}

on_both!(a_pack_voided_by_hand_and_then_refunded_leaves_the_free_credits);
async fn a_pack_voided_by_hand_and_then_refunded_leaves_the_free_credits(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    credits_are(&maya, (5_100, 5_100, 0)).await;
    let (account, rules, now) = (maya.account, stage.app.rules(), stage.app.now());
    let payment = stage.stripe_id("/v1/payment_intents").await;
    let void = domain::ledger::Request::internal(domain::ledger::Command::Void {
        source_key: format!("topup:{payment}"),
    });
    let voided = move |tx: &mut store::Tx<'_>| {
        store::ledger::execute(tx, &rules, account, std::slice::from_ref(&void), now)
    };
    stage.write(account, voided).await;
    credits_are(&maya, (100, 100, 0)).await;

    stage.refund_newest().await;

    maya.rows_when(|rows| !refunds(rows).is_empty()).await;
    stage.settled().await;
    assert_eq!(credits(&maya).await, (100, 100, 0));
    assert_eq!(spend(&maya, 100).await, 201);
    maya.in_step().await;
    stage.audited().await;
}

on_both!(
    an_open_dispute_is_read_once_in_a_sync,
    stripe_proxy::install
);
async fn an_open_dispute_is_read_once_in_a_sync(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let open = dispute(stage, 1_900).await;
    credits_are(&maya, (1_100, 100, 0)).await;
    stage.settled().await;
    stage.sync(maya.account).await;
    let proxy = stripe_proxy::of(stage);
    let before = proxy.calls("GET", "/v1/disputes/");

    stage.sync(maya.account).await;

    assert_eq!(proxy.calls("GET", "/v1/disputes/") - before, 1);
    close(stage, &open, true).await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
}
