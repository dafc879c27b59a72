//! Low credits: one email per crossing, and automatic top-up.

mod causes;

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
