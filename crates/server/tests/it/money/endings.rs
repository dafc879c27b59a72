//! Immediate cancellations.

use super::*;
use store::intents::IntentKind;

async fn end_now(maya: &Person<'_>) -> (Value, (u16, Value)) {
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, preview) = maya.post(CHANGES, asked).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({ "action": "cancel", "when": "now", "quote": preview["quote"] });
    (preview, maya.post(CHANGES, body).await)
}

on_both!(an_immediate_cancellation_sends_one_email_about_the_refund_and_one_about_the_end);
async fn an_immediate_cancellation_sends_one_email_about_the_refund_and_one_about_the_end(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO").await;

    let (preview, (status, done)) = end_now(&maya).await;
    assert_eq!(status, 200, "{done}");
    maya.rows_when(|rows| refunds(rows) == [cents(&preview["refund"]["amount"])])
        .await;
    stage.settled().await;
    for event in stage.stripe_events("charge.refunded").await {
        assert_eq!(stage.deliver(&event).await.status(), 200);
    }
    stage.sync(maya.account).await;

    assert_eq!(
        stage.mails_with("refund").await,
        1,
        "{:?}",
        stage.mail_subjects().await
    );
    assert_eq!(
        stage.mails_with("ended").await + stage.mails_with("over").await,
        1,
        "{:?}",
        stage.mail_subjects().await
    );
}

on_both!(
    credits_that_are_spent_while_a_plan_ends_are_not_paid_back,
    stripe_proxy::install
);
async fn credits_that_are_spent_while_a_plan_ends_are_not_paid_back(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let program = maya.program().await;
    let call = stripe_proxy::of(stage).hold("DELETE", "/v1/subscriptions/");

    let spend = async {
        // The refund is confirmed while the plan is being ended at Stripe.
        call.reached().await;
        let spent = program.debit(&fresh_key(), 850).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        call.open();
    };
    let ((preview, (status, done)), ()) = tokio::join!(end_now(&maya), spend);

    assert_eq!(status, 200, "{done}");
    assert!(cents(&preview["refund"]["amount"]) > 1_850, "{preview}");
    let rows = maya.rows_when(|rows| !refunds(rows).is_empty()).await;
    let back: i64 = refunds(&rows).iter().sum();
    assert!(
        (285..=475).contains(&back),
        "15 to 25 percent of what was paid: {rows:?}"
    );
    let left = maya.billing().await["credits"]["balance"].as_f64().unwrap();
    assert!(left <= 100.0, "{left}");
    stage.audited().await;
}

on_both!(
    an_immediate_cancellation_refunds_what_an_earlier_refund_left_of_the_payment,
    stripe_proxy::install
);
async fn an_immediate_cancellation_refunds_what_an_earlier_refund_left_of_the_payment(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO").await;
    let charge = stage.stripe_id("/v1/charges").await;
    let call = stripe_proxy::of(stage).hold("DELETE", "/v1/subscriptions/");

    let other = async {
        call.reached().await;
        stage.refund_part(&charge, "1000").await;
        call.open();
    };
    let ((_, (status, done)), ()) = tokio::join!(end_now(&maya), other);

    assert_eq!(status, 200, "{done}");
    maya.rows_when(|rows| refunds(rows).iter().sum::<i64>() == 1_900)
        .await;
    let account = maya.account;
    let left = stage
        .read(move |tx| store::intents::under_way(tx, account, IntentKind::PlanEnd))
        .await;
    assert!(left.is_none(), "nothing is left to be done");
}

on_both!(an_immediate_cancellation_counts_an_earlier_refund_once);
async fn an_immediate_cancellation_counts_an_earlier_refund_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    credits_are(&maya, (1_100, 1_100, 0)).await;
    stage
        .refund_part(&stage.charge_of(1_900).await, "950")
        .await;
    credits_are(&maya, (600, 600, 0)).await;
    stage.settled().await;

    let (preview, (status, done)) = end_now(&maya).await;

    assert_eq!(status, 200, "{done}");
    assert_eq!(cents(&preview["refund"]["amount"]), 950, "{preview}");
    maya.rows_when(|rows| refunds(rows) == [950, 950]).await;
    credits_are(&maya, (100, 100, 0)).await;
    stage.audited().await;
}

on_both!(
    an_immediate_cancellation_with_a_disputed_payment_ends_the_plan_without_a_refund,
    stripe_proxy::install
);
async fn an_immediate_cancellation_with_a_disputed_payment_ends_the_plan_without_a_refund(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO").await;
    let charge = stage.stripe_id("/v1/charges").await;
    let call = stripe_proxy::of(stage).hold("DELETE", "/v1/subscriptions/");

    let other = async {
        call.reached().await;
        stage.twin.dispute(&charge, None).await.unwrap();
        call.open();
    };
    let ((_, (status, done)), ()) = tokio::join!(end_now(&maya), other);

    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("FREE")),
        "{done}"
    );
    stage.settled().await;
    assert!(
        stage.stripe_list("/v1/refunds").await.is_empty(),
        "not paid back twice"
    );
    stage.audited().await;
}

on_both!(an_immediate_downgrade_in_the_dashboard_leaves_a_balance_that_is_never_paid_out_twice);
async fn an_immediate_downgrade_in_the_dashboard_leaves_a_balance_that_is_never_paid_out_twice(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO_PLUS").await;
    let held = stage.subscription().await;
    let pro = stage.price("PRO");
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    stage
        .stripe_post(
            &path,
            &[
                (
                    "items[0][id]",
                    held["items"]["data"][0]["id"].as_str().unwrap(),
                ),
                ("items[0][price]", &pro),
                ("proration_behavior", "always_invoice"),
            ],
        )
        .await;

    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    assert!(rows.iter().all(|row| row.2 >= 0), "{rows:?}");
    let balance = |customer: &Value| customer["balance"].as_i64().unwrap();
    let owed = balance(&stage.stripe_list("/v1/customers").await[0]);
    assert!((-3_001..-2_900).contains(&owed), "{owed}");

    // The next period is paid from the customer balance, so there is no payment to refund.
    stage.twin.advance("32d").await.unwrap();
    stage.settled().await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    assert_eq!(maya.billing().await["invoices"][0]["amount"], "0.00");
    let (preview, (status, done)) = end_now(&maya).await;
    assert_eq!(
        (status, cents(&preview["refund"]["amount"])),
        (200, 0),
        "{preview} {done}"
    );
    stage.settled().await;
    assert!(stage.stripe_list("/v1/refunds").await.is_empty());
    maya.in_step().await;
    stage.audited().await;
}

on_both!(ending_a_year_that_was_a_month_before_refunds_nothing_of_the_month);
async fn ending_a_year_that_was_a_month_before_refunds_nothing_of_the_month(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    assert_eq!(spend(&maya, 1_000).await, 201);
    stage.twin.advance("1h").await.unwrap();
    let to_year = |action: &str| json!({ "action": action, "planId": "PRO", "interval": "year" });
    let (status, quote) = maya.post(CHANGES, to_year("preview")).await;
    assert_eq!(status, 200, "{quote}");
    let mut confirmed = to_year("confirm");
    confirmed["quote"] = quote["quote"].clone();
    let (status, changed) = maya.post(CHANGES, confirmed).await;
    assert_eq!(status, 200, "{changed}");

    let (preview, (status, done)) = end_now(&maya).await;

    assert_eq!(status, 200, "{done}");
    let (paid, back) = (
        cents(&quote["amountDue"]["amount"]),
        cents(&preview["refund"]["amount"]),
    );
    assert!(back > 16_000 && back <= paid, "{quote} {preview}");
}
