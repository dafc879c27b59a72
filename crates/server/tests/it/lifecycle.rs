//! A plan over time, on the twin's clock: renewed, canceled, unpaid and paid again.

use crate::stage::{Stage, balance, column, is, is_canceled, is_tier, on_both, pack};

on_both!(a_renewal_records_a_payment_and_grants_the_next_allowance);
async fn a_renewal_records_a_payment_and_grants_the_next_allowance(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;

    stage.twin.advance("32d").await.unwrap();

    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    let rows = stage.transactions(maya.account).await;
    let payment = (
        "SUBSCRIPTION_PAYMENT".to_owned(),
        "COMPLETED".to_owned(),
        1_900,
    );
    assert_eq!(rows, [payment.clone(), payment]);
    let kinds = column(&body["credits"]["grants"], "kind");
    assert_eq!(
        kinds,
        ["allowance"],
        "the old ones ended with their periods"
    );
    assert_eq!(balance(&body), 1_000.0);
}

on_both!(a_canceled_plan_lasts_until_its_period_ends_and_purchased_credits_stay);
async fn a_canceled_plan_lasts_until_its_period_ends_and_purchased_credits_stay(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;
    let body = maya.billing_when(is_canceled).await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");

    stage
        .stripe_post(&path, &[("cancel_at_period_end", "false")])
        .await;
    maya.billing_when(|body| body["subscription"]["cancelAt"].is_null())
        .await;
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;
    maya.billing_when(is_canceled).await;
    let held = stage.subscription().await;
    let end = held["items"]["data"][0]["current_period_end"].as_i64();
    let left = end.unwrap() - 3_600 - stage.app.now().seconds();
    stage.twin.advance(&format!("{left}s")).await.unwrap();
    stage.settled().await;

    // An hour before the end nothing has ended.
    let body = maya.billing().await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(body["credits"]["limit"], 10_000);
    assert_eq!(balance(&body), 1_600.0);
    stage.twin.advance("61m").await.unwrap();

    let body = maya.billing_when(is_tier("FREE")).await;
    assert_eq!(body["credits"]["limit"], 1_000);
    assert_eq!(
        balance(&body),
        600.0,
        "the bought ones and the free month's"
    );
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    let canceled = ("SUBSCRIPTION_CANCEL".to_owned(), "COMPLETED".to_owned(), 0);
    assert_eq!(rows.last(), Some(&canceled));
    assert_eq!(stage.mails_with("pro plan has ended").await, 1);
}

on_both!(a_failed_renewal_is_reported_has_a_grace_period_and_can_be_paid);
async fn a_failed_renewal_is_reported_has_a_grace_period_and_can_be_paid(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.decline_next("insufficient_funds").await;

    stage.twin.advance("31d").await.unwrap();

    let body = maya.billing_when(is("PRO", "PAST_DUE")).await;
    assert!(body["subscription"]["graceUntil"].is_string());
    assert_eq!(stage.mails_with("did not go through").await, 1);
    let invoices = stage.stripe_get("/v1/invoices?limit=10").await;
    let open = invoices["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|i| i["status"] == "open");
    let path = format!("/v1/invoices/{}/pay", open.unwrap()["id"].as_str().unwrap());
    stage.stripe_post(&path, &[]).await;

    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    assert!(body["subscription"]["graceUntil"].is_null());
    assert_eq!(balance(&body), 1_000.0);
}

on_both!(a_payment_that_is_never_made_ends_the_access_and_then_the_plan);
async fn a_payment_that_is_never_made_ends_the_access_and_then_the_plan(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let customer = stage.stripe_id("/v1/customers").await;
    let path = format!("/v1/customers/{}", &customer);
    let method = &stage.attach("pm_card_chargeCustomerFail", &customer).await;
    stage
        .stripe_post(
            &path,
            &[("invoice_settings[default_payment_method]", method)],
        )
        .await;
    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("default_payment_method", method)])
        .await;

    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    stage.twin.advance("8d").await.unwrap();
    maya.billing_when(is("FREE", "PAST_DUE")).await;
    stage.twin.advance("30d").await.unwrap();

    let body = maya.billing_when(is_tier("FREE")).await;
    assert_eq!(body["subscription"]["status"], "CANCELED", "{body}");
}

on_both!(a_refund_removes_the_credits_of_its_payment);
async fn a_refund_removes_the_credits_of_its_payment(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    let charge = stage.stripe_id("/v1/charges").await;

    stage.refund_part(&charge, "250").await;
    maya.balance_is(2_600).await;
    stage.refund(&charge).await;
    maya.balance_is(100).await;

    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows[0], ("CREDIT_TOPUP".into(), "REFUNDED".into(), 500));
    assert_eq!(rows.iter().filter(|row| row.0 == "REFUND").count(), 2);
}

on_both!(an_abandoned_checkout_is_canceled_when_it_expires);
async fn an_abandoned_checkout_is_canceled_when_it_expires(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.session(pack(500)).await;

    stage.twin.advance("25h").await.unwrap();
    stage.settled().await;

    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows, [("CREDIT_TOPUP".into(), "CANCELLED".into(), 50)]);
    let fresh = maya.session(pack(500)).await;
    maya.pay(&fresh).await;
    maya.balance_is(600).await;
}
