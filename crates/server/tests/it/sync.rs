//! What the sync makes of Stripe's objects: rows, credits and what waits.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{PATIENCE, Person, Stage, on_both};

fn is(tier: &'static str, status: &'static str) -> impl Fn(&Value) -> bool {
    move |body| {
        body["subscription"]["accessTier"] == tier && body["subscription"]["status"] == status
    }
}

fn balance(body: &Value) -> f64 {
    body["credits"]["balance"].as_f64().unwrap()
}

/// The newest subscription at Stripe.
async fn subscription(stage: &Stage) -> Value {
    let listed = stage.stripe_get("/v1/subscriptions").await;
    listed["data"][0].clone()
}

fn price(stage: &Stage, tier: &str) -> String {
    stage.app.prices().price_of_tier[tier].clone()
}

/// Changes the subscription's price now, for money.
async fn upgrade(stage: &Stage, tier: &str) {
    let held = subscription(stage).await;
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let form = [
        ("items[0][id]", item),
        ("items[0][price]", &price(stage, tier)),
        ("proration_behavior", "always_invoice"),
    ];
    stage.stripe_post(&path, &form).await;
}

/// Has a schedule change the price at the period's end; answers the schedule's id.
async fn schedule(stage: &Stage, from: &str, to: &str) -> String {
    let held = subscription(stage).await;
    let id = held["id"].as_str().unwrap();
    let made = stage
        .stripe_post("/v1/subscription_schedules", &[("from_subscription", id)])
        .await;
    let made_id = made["id"].as_str().unwrap().to_owned();
    let (start, end) = (
        made["phases"][0]["start_date"].to_string(),
        made["phases"][0]["end_date"].to_string(),
    );
    let form = [
        ("phases[0][start_date]", start.as_str()),
        ("phases[0][end_date]", &end),
        ("phases[0][items][0][price]", &price(stage, from)),
        ("phases[1][start_date]", &end),
        ("phases[1][iterations]", "1"),
        ("phases[1][items][0][price]", &price(stage, to)),
        ("end_behavior", "release"),
    ];
    let path = format!("/v1/subscription_schedules/{made_id}");
    stage.stripe_post(&path, &form).await;
    made_id
}

/// Waits until the account's rows satisfy `wanted`.
async fn rows_when(
    person: &Person<'_>,
    wanted: impl Fn(&[(String, String, i64)]) -> bool,
) -> Vec<(String, String, i64)> {
    let started = Instant::now();
    loop {
        let rows = person.stage.transactions(person.account).await;
        if wanted(&rows) {
            return rows;
        }
        assert!(started.elapsed() < PATIENCE, "they never came: {rows:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

on_both!(the_six_kinds_of_transactions_are_each_written_once);
async fn the_six_kinds_of_transactions_are_each_written_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    upgrade(stage, "PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    schedule(stage, "PRO_PLUS", "PRO").await;
    let body = maya
        .billing_when(|body| body["subscription"]["pendingChange"].is_object())
        .await;
    let pending = &body["subscription"]["pendingChange"];
    assert_eq!(
        (&pending["kind"], &pending["tier"]),
        (&json!("scheduled"), &json!("PRO"))
    );
    assert_eq!(pending["at"], body["subscription"]["currentPeriodEnd"]);
    let waits = |rows: &[(String, String, i64)]| {
        rows.iter()
            .any(|row| row.0 == "SUBSCRIPTION_DOWNGRADE" && row.1 == "PENDING")
    };
    rows_when(&maya, waits).await;

    stage.twin.advance("32d").await.unwrap();
    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    assert!(body["subscription"]["pendingChange"].is_null(), "{body}");
    let charges = stage.stripe_get("/v1/charges?limit=100").await;
    let topup = charges["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["amount"] == 50);
    let topup = topup.unwrap()["id"].as_str().unwrap().to_owned();
    stage
        .stripe_post("/v1/refunds", &[("charge", &topup)])
        .await;
    let path = format!(
        "{}/v1/subscriptions/{}",
        stage.twin_url,
        subscription(stage).await["id"].as_str().unwrap()
    );
    stage
        .http
        .delete(path)
        .bearer_auth("sk_test_other")
        .send()
        .await
        .unwrap();
    maya.billing_when(|body| body["subscription"]["tier"] == "FREE")
        .await;
    stage.settled().await;

    let rows = stage.transactions(maya.account).await;
    let of = |kind: &str| {
        let found = rows.iter().filter(|row| row.0 == kind);
        found.map(|row| row.1.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("CREDIT_TOPUP"), ["REFUNDED"], "{rows:?}");
    assert_eq!(of("REFUND"), ["COMPLETED"]);
    assert_eq!(
        of("SUBSCRIPTION_PAYMENT"),
        ["COMPLETED", "COMPLETED"],
        "the first and a renewal"
    );
    assert_eq!(of("SUBSCRIPTION_UPGRADE"), ["COMPLETED"]);
    assert_eq!(of("SUBSCRIPTION_DOWNGRADE"), ["COMPLETED"]);
    assert_eq!(of("SUBSCRIPTION_CANCEL"), ["COMPLETED"]);
}

on_both!(a_downgrade_that_is_taken_back_is_cancelled_and_waits_no_more);
async fn a_downgrade_that_is_taken_back_is_cancelled_and_waits_no_more(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    let schedule = schedule(stage, "PRO_PLUS", "PRO").await;
    maya.billing_when(|body| body["subscription"]["pendingChange"].is_object())
        .await;

    stage
        .stripe_post(
            &format!("/v1/subscription_schedules/{schedule}/release"),
            &[],
        )
        .await;

    maya.billing_when(|body| body["subscription"]["pendingChange"].is_null())
        .await;
    let rows = rows_when(&maya, |rows| rows.iter().any(|row| row.1 == "CANCELLED")).await;
    assert_eq!(rows.last().unwrap().0, "SUBSCRIPTION_DOWNGRADE");
}

on_both!(a_refund_that_fails_in_the_end_gives_the_credits_back_once);
async fn a_refund_that_fails_in_the_end_gives_the_credits_back_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya
        .session(json!({ "type": "topup", "amount": 5000 }))
        .await;
    stage
        .twin
        .pay(&session, twin::client::PayBy::Method("pm_card_refundFail"))
        .await
        .unwrap();
    maya.billing_when(|body| balance(body) == 5_100.0).await;
    let charge = stage.stripe_get("/v1/charges").await["data"][0]["id"].clone();
    stage
        .stripe_post("/v1/refunds", &[("charge", charge.as_str().unwrap())])
        .await;
    maya.billing_when(|body| balance(body) == 100.0).await;
    let done = |rows: &[(String, String, i64)]| rows.iter().any(|row| row.1 == "REFUNDED");
    rows_when(&maya, done).await;

    stage.twin.advance("2h").await.unwrap();

    maya.billing_when(|body| balance(body) == 5_100.0).await;
    stage.settled().await;
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert_eq!(balance(&maya.billing().await), 5_100.0, "once");
    let mut rows = stage.transactions(maya.account).await;
    rows.sort();
    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 500),
            ("REFUND".into(), "FAILED".into(), 500),
        ]
    );
}

async fn customer(stage: &Stage) -> String {
    let listed = stage.stripe_get("/v1/customers").await;
    listed["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn subscribe_by_hand(stage: &Stage, customer: &str, price: &str) {
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let method = stage.stripe_post(attach, &[("customer", customer)]).await;
    let method = method["id"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    let form = [("invoice_settings[default_payment_method]", method)];
    stage.stripe_post(&path, &form).await;
    let form = [("customer", customer), ("items[0][price]", price)];
    stage.stripe_post("/v1/subscriptions", &form).await;
}

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

on_both!(case_k12_a_second_plan_paid_on_an_old_page_is_cancelled_and_refunded);
async fn case_k12_a_second_plan_paid_on_an_old_page_is_cancelled_and_refunded(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = customer(stage).await;
    let old_page = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    subscribe_by_hand(stage, &customer, &price(stage, "PRO_PLUS")).await;
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

on_both!(case_k12_a_second_plan_is_undone_once_however_often_it_is_looked_at);
async fn case_k12_a_second_plan_is_undone_once_however_often_it_is_looked_at(stage: &Stage) {
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
        .find(|one| one.kind == "second_subscription")
        .unwrap();
    assert_eq!(undone.state, "done", "{undone:?}");
    billing::sync::account(&stage.app, account).await.unwrap();

    assert_eq!(live_subscriptions(stage).await.len(), 1);
    let intents = stage
        .app
        .read(move |tx| store::intents::of_account(tx, account, 100));
    let kinds = intents.await.unwrap();
    let count = kinds
        .iter()
        .filter(|one| one.kind == "second_subscription")
        .count();
    assert_eq!(count, 1, "one intent a purchase");
}

on_both!(case_k12_a_second_plan_made_at_stripe_by_hand_is_shown_and_left_alone);
async fn case_k12_a_second_plan_made_at_stripe_by_hand_is_shown_and_left_alone(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let customer = customer(stage).await;

    subscribe_by_hand(stage, &customer, &price(stage, "PRO_PLUS")).await;

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

on_both!(a_refund_of_an_old_payment_is_found_by_the_event_that_names_it);
async fn a_refund_of_an_old_payment_is_found_by_the_event_that_names_it(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(5_000).await;
    maya.billing_when(|body| balance(body) == 5_100.0).await;
    stage.twin.advance("80d").await.unwrap();
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    let charge = stage.stripe_get("/v1/charges").await["data"][0]["id"].clone();

    stage
        .stripe_post("/v1/refunds", &[("charge", charge.as_str().unwrap())])
        .await;

    maya.billing_when(|body| balance(body) == 100.0).await;
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows[0], ("CREDIT_TOPUP".into(), "REFUNDED".into(), 500));
}

on_both!(a_history_of_more_than_a_thousand_payments_is_read_to_its_beginning);
async fn a_history_of_more_than_a_thousand_payments_is_read_to_its_beginning(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(5_000).await;
    maya.subscribe("PRO").await;
    let customer = customer(stage).await;
    stage.twin.advance("3d").await.unwrap();
    let form = [
        ("customer", customer.as_str()),
        ("amount", "100"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    for _ in 0..2 {
        for _ in 0..600 {
            stage.stripe_post("/v1/payment_intents", &form).await;
        }
        stage.twin.advance("1d").await.unwrap();
    }

    billing::sync::whole_account(&stage.app, maya.account)
        .await
        .unwrap();

    let body = maya.billing().await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(balance(&body), 6_100.0, "the oldest purchase of all, too");
    let account = maya.account;
    let state = stage
        .app
        .read(move |tx| store::sync::of_account(tx, account))
        .await;
    let state = state.unwrap().unwrap();
    assert_eq!(
        (state.backfill_until, state.parked_at),
        (None, None),
        "{state:?}"
    );
    assert!(state.read_until.is_some());
}

on_both!(case_w20_an_account_with_an_unknown_price_is_parked_until_the_price_is_known);
async fn case_w20_an_account_with_an_unknown_price_is_parked_until_the_price_is_known(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| balance(body) == 600.0).await;
    let customer = customer(stage).await;
    let pro = stage
        .stripe_get(&format!("/v1/prices/{}", price(stage, "PRO")))
        .await;
    let form = [
        ("product", pro["product"].as_str().unwrap()),
        ("currency", "usd"),
        ("unit_amount", "1500"),
        ("recurring[interval]", "month"),
    ];
    let secret = stage.stripe_post("/v1/prices", &form).await["id"].clone();
    let secret = secret.as_str().unwrap().to_owned();

    subscribe_by_hand(stage, &customer, &secret).await;

    let account = maya.account;
    let started = Instant::now();
    let parked = loop {
        let state = stage
            .app
            .read(move |tx| store::sync::of_account(tx, account))
            .await;
        let state = state.unwrap().unwrap();
        if state.parked_at.is_some() {
            break state;
        }
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    assert_eq!(parked.waits_for_price.as_deref(), Some(secret.as_str()));
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "FREE");
    let about = |state: &'static str| async move {
        let events = stage.events().await;
        let ours = events
            .iter()
            .filter(|event| event.kind == "customer.subscription.created");
        ours.filter(|event| event.state == state).count()
    };
    stage.settled().await;
    assert_eq!(about("parked").await, 1);

    let known = secret.clone();
    stage
        .app
        .write(0, move |tx| {
            store::catalog::put_price(
                tx,
                &store::catalog::Price {
                    price_id: known.clone(),
                    lookup_key: "by hand".to_owned(),
                    kind: "tier".to_owned(),
                    name: "PRO".to_owned(),
                    currency: "usd".to_owned(),
                    amount_minor: 1_500,
                    first_version: 1,
                    archived_at: None,
                },
            )
        })
        .await
        .unwrap();
    stage.app.load_prices().await.unwrap();

    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(about("parked").await, 0);
    let state = stage
        .app
        .read(move |tx| store::sync::of_account(tx, account))
        .await;
    assert_eq!(state.unwrap().unwrap().waits_for_price, None);
}

/// A service that polls Stripe's events, and gets no webhook at all.
async fn polls_and_converges(database: store::testing::TestDatabase) {
    let stage = Stage::with(database, |settings| settings.stripe.events_poll_seconds = 1).await;
    stage.webhooks(false).await;
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(5_000).await;
    maya.billing_when(|body| balance(body) == 5_100.0).await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let charges = stage.stripe_get("/v1/charges").await;
    let topup = charges["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["amount"] == 500);
    let topup = topup.unwrap()["id"].as_str().unwrap().to_owned();
    stage
        .stripe_post("/v1/refunds", &[("charge", &topup)])
        .await;
    let path = format!(
        "/v1/subscriptions/{}",
        subscription(&stage).await["id"].as_str().unwrap()
    );
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;

    maya.billing_when(|body| body["subscription"]["cancelAt"].is_string())
        .await;
    maya.billing_when(|body| balance(body) == 1_100.0).await;
    let settled = |events: &[store::events::Event]| {
        !events.is_empty() && events.iter().all(|event| event.state == "done")
    };
    let started = Instant::now();
    while !settled(&stage.events().await) {
        assert!(started.elapsed() < PATIENCE, "{:?}", stage.events().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_the_poll_hears_of_everything_on_sqlite() {
    polls_and_converges(store::testing::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_the_poll_hears_of_everything_on_postgres() {
    let database = tokio::task::spawn_blocking(store::testing::postgres)
        .await
        .unwrap();
    polls_and_converges(database).await;
}

on_both!(a_trials_end_is_told_once_even_if_no_event_comes);
async fn a_trials_end_is_told_once_even_if_no_event_comes(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = customer(stage).await;
    let trial = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price(stage, "PRO")),
        ("trial_period_days", "14"),
    ];
    stage.stripe_post("/v1/subscriptions", &trial).await;
    maya.billing_when(is("PRO", "TRIALING")).await;
    stage.webhooks(false).await;
    let told = || async {
        stage.settled().await;
        let mails = stage.mail_subjects().await;
        mails
            .iter()
            .filter(|subject| subject.to_lowercase().contains("trial"))
            .count()
    };

    stage.twin.advance("10d").await.unwrap();
    assert_eq!(told().await, 0);
    stage.twin.advance("2d").await.unwrap();
    assert_eq!(told().await, 1, "{:?}", stage.mail_subjects().await);
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    stage.twin.advance("1h").await.unwrap();
    assert_eq!(told().await, 1, "once");
}

on_both!(a_renewal_and_a_retry_are_seen_although_every_event_is_lost);
async fn a_renewal_and_a_retry_are_seen_although_every_event_is_lost(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.webhooks(false).await;
    stage
        .twin
        .decline_next(None, Some("insufficient_funds"))
        .await
        .unwrap();

    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    stage.twin.advance("6d").await.unwrap();

    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    let mails = stage.mail_subjects().await;
    let failed = mails
        .iter()
        .filter(|subject| subject.contains("did not go through"))
        .count();
    assert_eq!(failed, 1, "{mails:?}");
}
