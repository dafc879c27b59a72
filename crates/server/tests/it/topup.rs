//! Low credits: one email per crossing, and automatic top-up.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use store::auto_topup::{AutoTopup, AutoTopupState};

use crate::metering::Program;
use crate::stage::{Person, Stage, eventually, id_of, on_both};

async fn set(person: &Person<'_>, body: Value) -> (u16, Value) {
    person.put("/api/v1/settings", body).await
}

/// A subscriber with a saved card and an API key.
async fn subscriber(stage: &Stage) -> (Person<'_>, Program<'_>) {
    let person = stage.person("topup@example.com").await;
    person.subscribe("PRO").await;
    person
        .billing_when(|body| body["credits"]["available"] == 1_100)
        .await;
    let program = person.program().await;
    (person, program)
}

async fn turned_on(person: &Person<'_>, month_max: &str) {
    let on = json!({ "autoTopup": {
        "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": month_max } });
    let (status, body) = set(person, on).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["autoTopup"]["state"], "on");
}

/// Waits until an email with this subject has arrived.
async fn mail(stage: &Stage, part: &str) {
    eventually(async || stage.mails_with(part).await, |found| *found > 0).await;
}

async fn row(person: &Person<'_>) -> AutoTopup {
    let account = person.account;
    let found = person
        .stage
        .read(move |tx| store::auto_topup::of_account(tx, account))
        .await;
    found.expect("a row")
}

async fn row_when(person: &Person<'_>, wanted: impl Fn(&AutoTopup) -> bool) -> AutoTopup {
    eventually(async || row(person).await, wanted).await
}

/// Runs the job often enough that no work is left.
async fn finish_top_up(stage: &Stage) {
    for _ in 0..3 {
        billing::jobs::auto_topup::once(&stage.app).await.unwrap();
        stage.settled().await;
    }
}

on_both!(case_c14_parallel_debits_send_one_email_per_crossing_and_a_grant_rearms_it);
async fn case_c14_parallel_debits_send_one_email_per_crossing_and_a_grant_rearms_it(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    let (status, _) = set(&person, json!({ "creditsLowBelow": 1_000 })).await;
    assert_eq!(status, 200);
    let keys: Vec<String> = (0..32).map(|n| format!("k{n}")).collect();

    join_all(keys.iter().map(|key| program.debit(key, 10))).await;
    mail(stage, "left for").await;
    program.debit("more", 10).await;
    billing::jobs::low::once(&stage.app).await.unwrap();

    assert_eq!(stage.mails_with("left for").await, 1);
    person.buy_pack(500).await;
    person
        .billing_when(|body| body["credits"]["available"] == 1_270)
        .await;
    program.debit("again", 300).await;
    billing::jobs::low::once(&stage.app).await.unwrap();
    assert_eq!(stage.mails_with("left for").await, 2);
    program.debit("rest", 970).await;
    mail(stage, "No credits left for").await;
    assert_eq!(stage.mails_with("left for").await, 3);
}

on_both!(optional_emails_can_be_turned_off_and_required_ones_cannot);
async fn optional_emails_can_be_turned_off_and_required_ones_cannot(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    let (status, body) = set(
        &person,
        json!({ "notifications": { "credits": false }, "creditsLowBelow": 1_000 }),
    )
    .await;
    assert_eq!(
        (status, &body["notifications"]["credits"]),
        (200, &json!(false))
    );

    program.debit("all", 1_100).await;
    billing::jobs::low::once(&stage.app).await.unwrap();
    stage.settled().await;

    assert_eq!(stage.mails_with("No credits left").await, 0);
    let (status, body) = set(&person, json!({ "notifications": { "sign-in": false } })).await;
    assert_eq!((status, &body["field"]), (400, &json!("notifications")));
}

on_both!(a_pack_is_bought_once_when_credits_fall_below_the_threshold);
async fn a_pack_is_bought_once_when_credits_fall_below_the_threshold(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "20.00").await;
    let keys: Vec<String> = (0..16).map(|n| format!("k{n}")).collect();

    join_all(keys.iter().map(|key| program.debit(key, 40))).await;
    let body = person
        .billing_when(|body| body["credits"]["available"] == 5_460)
        .await;
    finish_top_up(stage).await;

    let grants = body["credits"]["grants"].as_array().unwrap();
    assert_eq!(grants.last().unwrap()["kind"], "purchase");
    mail(stage, "bought automatically").await;
    assert_eq!(stage.mails_with("bought automatically").await, 1);
    let payments = stage.stripe_get("/v1/payment_intents?limit=100").await;
    let automatic = payments["data"].as_array().unwrap().iter();
    let automatic: Vec<&Value> = automatic.filter(|p| p["amount"] == 500).collect();
    assert_eq!(automatic.len(), 1);
    assert_eq!(automatic[0]["status"], "succeeded");
    let topups = stage.transactions(person.account).await;
    let topups = topups.iter().filter(|(kind, ..)| kind == "CREDIT_TOPUP");
    assert_eq!(topups.count(), 1);
    let (_, settings) = person.get("/api/v1/settings").await;
    assert_eq!(settings["autoTopup"]["spentThisMonth"]["amount"], "5.00");
    stage.audited().await;
}

on_both!(a_declined_card_is_not_charged_again_for_hours_and_a_second_decline_turns_auto_top_up_off);
async fn a_declined_card_is_not_charged_again_for_hours_and_a_second_decline_turns_auto_top_up_off(
    stage: &Stage,
) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "20.00").await;
    stage.decline_next("insufficient_funds").await;

    program.debit("low", 700).await;
    let after = row_when(&person, |row| row.declines == 1).await;
    assert_eq!(after.state, AutoTopupState::On);
    assert!(after.next_attempt_at > stage.app.now().plus_seconds(3_600));
    finish_top_up(stage).await;
    assert_eq!(row(&person).await.declines, 1, "no blind retry");

    stage.decline_next("insufficient_funds").await;
    stage.twin.advance("7h").await.unwrap();
    let after = row_when(&person, |row| row.state == AutoTopupState::Off).await;

    assert_eq!(
        after.off_reason.as_deref(),
        Some("the bank declined the card")
    );
    mail(stage, "Automatic top-up is off").await;
    let (_, billing) = person.get("/api/dashboard/billing").await;
    assert_eq!(billing["credits"]["available"], 400);
    let failed = stage.transactions(person.account).await;
    let failed = failed.iter().filter(|(_, status, _)| status == "FAILED");
    assert_eq!(failed.count(), 2);
}

on_both!(a_card_that_requires_authentication_sends_an_email_and_is_not_retried);
async fn a_card_that_requires_authentication_sends_an_email_and_is_not_retried(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "20.00").await;
    stage.decline_next("authentication_required").await;

    program.debit("low", 700).await;
    row_when(&person, |row| row.state == AutoTopupState::Waiting).await;
    mail(stage, "onfirm").await;
    finish_top_up(stage).await;
    stage.twin.advance("2d").await.unwrap();
    finish_top_up(stage).await;

    assert_eq!(row(&person).await.state, AutoTopupState::Waiting);
    let payments = stage.stripe_get("/v1/payment_intents?limit=100").await;
    let automatic = payments["data"].as_array().unwrap().iter();
    assert_eq!(automatic.filter(|p| p["amount"] == 500).count(), 1);
    person.buy_pack(1_000).await;
    row_when(&person, |row| row.state == AutoTopupState::On).await;
}

on_both!(the_monthly_cap_stops_automatic_top_up_and_sends_an_email);
async fn the_monthly_cap_stops_automatic_top_up_and_sends_an_email(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "7.50").await;
    program.debit("low", 700).await;
    person
        .billing_when(|body| body["credits"]["available"] == 5_400)
        .await;
    stage.twin.advance("1h").await.unwrap();

    program.debit("low again", 5_000).await;
    let row = row_when(&person, |row| row.state == AutoTopupState::Off).await;

    assert_eq!(
        row.off_reason.as_deref(),
        Some("this month's cap of $7.50 was reached")
    );
    mail(stage, "Automatic top-up is off").await;
}

/// The automatic purchases at Stripe.
async fn bought(stage: &Stage) -> usize {
    let payments = stage.stripe_list("/v1/payment_intents?limit=100").await;
    payments.iter().filter(|one| one["amount"] == 500).count()
}

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

on_both!(several_concurrent_processes_make_one_payment);
async fn several_concurrent_processes_make_one_payment(stage: &Stage) {
    let (person, program) = subscriber(stage).await;
    turned_on(&person, "20.00").await;

    program.debit("low", 700).await;
    let rounds = (0..8).map(|_| billing::jobs::auto_topup::once(&stage.app));
    for round in join_all(rounds).await {
        round.unwrap();
    }
    person
        .billing_when(|body| body["credits"]["available"] == 5_400)
        .await;
    finish_top_up(stage).await;

    let payments = stage.stripe_get("/v1/payment_intents?limit=100").await;
    let automatic = payments["data"].as_array().unwrap().iter();
    assert_eq!(automatic.filter(|p| p["amount"] == 500).count(), 1);
    stage.audited().await;
}

on_both!(wrong_settings_are_refused_with_the_field_the_reason_and_the_fix);
async fn wrong_settings_are_refused_with_the_field_the_reason_and_the_fix(stage: &Stage) {
    let person = stage.person("topup@example.com").await;
    let auto = |threshold: Value, pack: Value, max: &str| {
        json!({ "autoTopup": {
            "enabled": true, "threshold": threshold, "pack": pack, "monthlyMax": max } })
    };

    for (body, status, field) in [
        (json!({ "creditsLowBelow": 0 }), 400, "creditsLowBelow"),
        (json!({ "creditsLowBelow": -5 }), 400, "creditsLowBelow"),
        (auto(json!(0), json!(5000), "50.00"), 400, "threshold"),
        (auto(json!(10), json!(777), "50.00"), 400, "pack"),
        (auto(json!(10), json!(5000), "4.99"), 400, "monthlyMax"),
        (auto(json!(10), json!(5000), "lots"), 400, "monthlyMax"),
        (auto(json!(10), json!(5000), "50.00"), 409, "autoTopup"),
    ] {
        let (answered, problem) = set(&person, body.clone()).await;
        assert_eq!(answered, status, "{body} {problem}");
        assert_eq!(problem["field"], field, "{problem}");
    }
    let (status, body) = set(&person, json!({ "creditsLowBelow": null })).await;
    assert_eq!((status, &body["creditsLowBelow"]), (200, &Value::Null));
    assert_eq!(body["autoTopup"]["state"], "off");
}

/// Submits a form as a browser does, and returns the status and the page.
async fn form(person: &Person<'_>, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let request = person
        .request(Method::POST, path)
        .header("accept", "text/html")
        .form(fields);
    let answer = request.send().await.expect("the service answers");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

on_both!(the_settings_page_saves_without_a_script_and_answers_a_wrong_value_in_its_place);
async fn the_settings_page_saves_without_a_script_and_answers_a_wrong_value_in_its_place(
    stage: &Stage,
) {
    let (person, _) = subscriber(stage).await;

    let saved = form(
        &person,
        "/dashboard/settings",
        &[("receipts", "on"), ("credits", "on"), ("low", "1,000")],
    )
    .await;
    assert_eq!(saved.0, 303, "{}", saved.1);
    let (_, settings) = person.get("/api/v1/settings").await;
    assert_eq!(settings["creditsLowBelow"], 1_000);
    assert_eq!(settings["notifications"]["receipts"], true);
    assert_eq!(settings["notifications"]["plan"], false);

    let (status, wrong) = form(&person, "/dashboard/settings", &[("low", "lots")]).await;
    assert_eq!(status, 400);
    assert!(wrong.contains("value=\"lots\"") && wrong.contains("id=\"low-error\""));

    let auto = [
        ("threshold", "500"),
        ("pack", "5000"),
        ("cap", "1"),
        ("act", "on"),
    ];
    let (status, wrong) = form(&person, "/dashboard/billing/auto-top-up", &auto).await;
    assert_eq!(status, 400);
    assert!(wrong.contains("at least the price of the pack"), "{wrong}");
    let auto = [
        ("threshold", "500"),
        ("pack", "5000"),
        ("cap", "50"),
        ("act", "on"),
    ];
    assert_eq!(
        form(&person, "/dashboard/billing/auto-top-up", &auto)
            .await
            .0,
        303
    );
    assert_eq!(row(&person).await.state, AutoTopupState::On);
    let off = [("act", "off")];
    assert_eq!(
        form(&person, "/dashboard/billing/auto-top-up", &off)
            .await
            .0,
        303
    );
    assert_eq!(row(&person).await.state, AutoTopupState::Off);

    let limit = [("subject", "account"), ("window", "day"), ("credits", "x")];
    let (status, wrong) = form(&person, "/dashboard/settings/limits", &limit).await;
    assert_eq!(status, 400);
    assert!(wrong.contains("href=\"#credits\""));
    let limit = [
        ("subject", "account"),
        ("window", "day"),
        ("credits", "250"),
    ];
    assert_eq!(
        form(&person, "/dashboard/settings/limits", &limit).await.0,
        303
    );
    let (_, page) = person.page("/dashboard/settings").await;
    assert!(page.contains("250 credits a day"), "{page}");
    let (_, limits) = person.get("/api/v1/limits").await;
    let id = limits["data"][0]["id"].as_str().unwrap();
    let path = format!("/dashboard/settings/limits/{id}/remove");
    assert_eq!(form(&person, &path, &[]).await.0, 303);
    let (_, limits) = person.get("/api/v1/limits").await;
    assert_eq!(limits["data"], json!([]));
}
