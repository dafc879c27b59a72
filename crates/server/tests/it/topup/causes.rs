//! What triggers an automatic top-up, and what switches it off.

use super::*;

/// Whether automatic top-up is off for this reason, nothing was bought, and one email says so.
async fn is_off(person: &Person<'_>, reason: &str) {
    let stage = person.stage;
    let row = row_when(person, |row| row.state == AutoTopupState::Off).await;
    assert_eq!(row.off_reason.as_deref(), Some(reason));
    finish_top_up(stage).await;
    assert_eq!(bought(stage).await, 0, "{reason}");
    assert_eq!(
        stage.mails_with("Automatic top-up is off").await,
        1,
        "{reason}"
    );
    let (_, page) = person.page("/dashboard/billing/credits").await;
    assert!(page.contains(reason), "{reason}: {page}");
    assert_eq!(
        stage.mails_with("left for").await,
        0,
        "no one spent anything"
    );
}

on_both!(only_calls_buy_credits_and_a_refund_or_dispute_turns_automatic_top_up_off);
async fn only_calls_buy_credits_and_a_refund_or_dispute_turns_automatic_top_up_off(stage: &Stage) {
    let person = stage.person("topup@example.com").await;
    person.buy_pack(1_000).await;
    person.balance_is(1_100).await;
    stage.settled().await;
    let customer = stage.stripe_id("/v1/customers").await;
    let card = stage.attach("pm_card_visa", &customer).await;
    stage.pays_with(&customer, &card).await;
    let account = person.account;
    let card = async || {
        let card = stage.read(move |tx| store::payment_methods::of_account(tx, account));
        card.await.is_some()
    };
    eventually(card, |is_seen| *is_seen).await;
    turned_on(&person, "20.00").await;

    stage.refund_newest().await;

    person.balance_is(100).await;
    is_off(&person, "a payment was refunded or reversed").await;
}

on_both!(a_dispute_turns_automatic_top_up_off_and_buys_nothing);
async fn a_dispute_turns_automatic_top_up_off_and_buys_nothing(stage: &Stage) {
    let (person, _) = subscriber(stage).await;
    person.buy_pack(1_000).await;
    person.balance_is(2_100).await;
    let (status, _) = set(
        &person,
        json!({ "autoTopup": {
        "enabled": true, "threshold": 1_500, "pack": 5000, "monthlyMax": "20.00" } }),
    )
    .await;
    assert_eq!(status, 200);
    let charge = stage.charge_of(100).await;

    stage.twin.dispute(&charge, None).await.unwrap();

    person
        .billing_when(|body| body["credits"]["available"] == 1_100)
        .await;
    is_off(&person, "a payment is disputed").await;
}

on_both!(an_adjustment_below_the_threshold_or_a_suspension_turns_automatic_top_up_off);
async fn an_adjustment_below_the_threshold_or_a_suspension_turns_automatic_top_up_off(
    stage: &Stage,
) {
    let (person, _) = subscriber(stage).await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    turned_on(&person, "20.00").await;
    let path = format!(
        "/api/v1/accounts/{}/credits/adjustments",
        person.account_id().await
    );
    let take = |key: &'static str, credits: i64| {
        let body = json!({ "credits": credits, "reason": "correction" });
        let request = boss.request(Method::POST, &path).json(&body);
        crate::stage::answer(request.header("idempotency-key", key))
    };

    assert_eq!(take("a", -100).await.0, 201);
    finish_top_up(stage).await;
    assert_eq!(
        row(&person).await.state,
        AutoTopupState::On,
        "1,000 are left"
    );
    assert_eq!(take("b", -600).await.0, 201);
    is_off(&person, "support took credits back").await;

    let other = stage.subscriber("other@example.com", "PRO").await;
    turned_on(&other, "20.00").await;
    let path = format!("/admin/accounts/{}/status", other.account_id().await);
    let form = [("status", "suspended"), ("reason", "Fraud check")];
    assert_eq!(crate::pages::send(&boss, &path, &form).await.status(), 303);
    let after = row(&other).await;
    assert_eq!(
        after.off_reason.as_deref(),
        Some("this account is suspended")
    );
    assert_eq!(after.state, AutoTopupState::Off);
}

on_both!(automatic_top_up_buys_until_the_cap_while_calls_go_on);
async fn automatic_top_up_buys_until_the_cap_while_calls_go_on(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    let on = json!({ "autoTopup": {
        "enabled": true, "threshold": 1_000, "pack": 500, "monthlyMax": "1.20" } });
    assert_eq!(set(&person, on).await.0, 200);

    program.debit("first", 1_000).await;
    // 600 after the first purchase, so a second one follows without a pause.
    person
        .billing_when(|body| body["credits"]["available"] == 1_100)
        .await;
    program.debit("second", 600).await;
    let row = row_when(&person, |row| row.state == AutoTopupState::Off).await;

    assert_eq!(
        row.off_reason.as_deref(),
        Some("this month's cap of $1.20 was reached")
    );
    stage.settled().await;
    assert_eq!(person.billing().await["credits"]["available"], 500);
    let topups = stage.transactions(person.account).await;
    let topups = topups.iter().filter(|(kind, ..)| kind == "CREDIT_TOPUP");
    assert_eq!(topups.count(), 2);
    stage.audited().await;
}

on_both!(a_call_that_is_refused_for_lack_of_credits_buys_them);
async fn a_call_that_is_refused_for_lack_of_credits_buys_them(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    program.debit("all", 1_100).await;
    stage.settled().await;
    turned_on(&person, "20.00").await;
    finish_top_up(stage).await;
    assert_eq!(bought(stage).await, 0, "no call asked for it");

    assert_eq!(program.debit("more", 10).await.status, 402);

    person
        .billing_when(|body| body["credits"]["available"] == 5_000)
        .await;
    assert_eq!(program.debit("more", 10).await.status, 201);
}

on_both!(a_saved_bank_debit_that_cannot_pay_in_the_currency_turns_automatic_top_up_off);
async fn a_saved_bank_debit_that_cannot_pay_in_the_currency_turns_automatic_top_up_off(
    stage: &Stage,
) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "20.00").await;
    let customer = stage.stripe_id("/v1/customers").await;
    let debit = [
        ("type", "sepa_debit"),
        ("sepa_debit[iban]", "AT611904300234573201"),
        ("billing_details[name]", "Maya"),
        ("billing_details[email]", "maya@example.com"),
    ];
    let debit = id_of(&stage.stripe_post("/v1/payment_methods", &debit).await);
    let debit = stage.attach(&debit, &customer).await;
    let form = [("default_payment_method", debit.as_str())];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;

    program.debit("low", 700).await;

    let row = row_when(&person, |row| row.state == AutoTopupState::Off).await;
    assert_eq!(
        row.off_reason.as_deref(),
        Some("your saved SEPA bank debit can't pay in USD")
    );
    mail(stage, "Automatic top-up is off").await;
    assert_eq!(bought(stage).await, 0, "Stripe was not asked");
}
