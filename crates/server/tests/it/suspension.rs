//! A suspended account is charged nothing: its plan's collection is paused at Stripe, and resumed when
//! the suspension is lifted (G10).

mod crossings;

use domain::plan::AccountStatus;
use reqwest::Method;
use serde_json::{Value, json};
use store::intents::{Intent, IntentKind};

use crate::stage::{Person, Stage, eventually, is, is_canceled, on_both, plan_of};
use crate::stripe_proxy;

const CHANGES: &str = "/api/v1/plan-changes";

async fn set(person: &Person<'_>, status: &str) {
    let stage = person.stage;
    let account = stage.account(person.account).await;
    let done = billing::operators::accounts::set_suspended(
        &stage.app,
        &account,
        status == "suspended",
        "Abuse, ticket 9",
        "usr_operator",
    );
    done.await.expect("an open account");
    stage.settled().await;
}

/// Advances to ten minutes after the end of the period: Stripe collects the drafted invoice an hour
/// after it.
async fn until_draft(stage: &Stage) {
    let end = stage.subscription().await["items"]["data"][0]["current_period_end"].clone();
    let wait = end.as_i64().unwrap() + 600 - stage.app.now().seconds();
    stage.twin.advance(&format!("{wait}s")).await.unwrap();
    stage.settled().await;
    assert_eq!(invoices(stage).await[0], "draft");
}

/// The behavior of the pause at Stripe and our mark.
async fn pause(stage: &Stage) -> (Value, bool) {
    let held = stage.subscription().await;
    let has_mark = held["metadata"]["localboxs_suspended"].is_string();
    (held["pause_collection"]["behavior"].clone(), has_mark)
}

async fn paid(stage: &Stage) -> usize {
    let all = stage.stripe_list("/v1/charges?limit=100").await;
    all.iter().filter(|one| one["paid"] == true).count()
}

/// The status of every invoice, the newest first.
async fn invoices(stage: &Stage) -> Vec<Value> {
    let all = stage.stripe_list("/v1/invoices?limit=100").await;
    all.iter().map(|one| one["status"].clone()).collect()
}

async fn intents(person: &Person<'_>) -> Vec<Intent> {
    let account = person.account;
    let kind = IntentKind::Suspension;
    let all = person
        .stage
        .read(move |tx| store::intents::of_kind(tx, account, kind, 100));
    all.await
}

async fn later(stage: &Stage, duration: &str) {
    stage.twin.advance(duration).await.unwrap();
    stage.settled().await;
    billing::jobs::unfinished::once(&stage.app).await;
    stage.settled().await;
}

async fn available(person: &Person<'_>) -> i64 {
    let (_, balance) = person.get("/api/v1/balance").await;
    balance["available"].as_i64().unwrap()
}

on_both!(a_suspended_accounts_plan_is_neither_renewed_nor_charged_at_the_lifting);
async fn a_suspended_accounts_plan_is_neither_renewed_nor_charged_at_the_lifting(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    assert_eq!(pause(stage).await, (Value::Null, false));

    set(&maya, "suspended").await;

    assert_eq!(pause(stage).await, (json!("void"), true));
    assert_eq!(
        maya.billing().await["subscription"]["collectionPaused"],
        true
    );
    // The renewal is voided, and what it would have paid for brings nothing.
    later(stage, "35d").await;
    assert_eq!(invoices(stage).await, ["void", "paid"]);
    assert_eq!((paid(stage).await, available(&maya).await), (1, 0));

    set(&maya, "active").await;

    assert_eq!(pause(stage).await, (Value::Null, false));
    later(stage, "5d").await;
    assert_eq!(paid(stage).await, 1, "nothing was left to be collected");
    assert_eq!(available(&maya).await, 0);
    // The next period is sold as before.
    later(stage, "25d").await;
    assert_eq!(invoices(stage).await, ["paid", "void", "paid"]);
    assert_eq!((paid(stage).await, available(&maya).await), (2, 1_000));
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
    stage.audited().await;
}

on_both!(
    a_suspended_account_earns_nothing_where_a_paused_plan_earns_its_allowance,
    |settings: &mut billing::config::Settings| {
        settings.billing.allowance_while_paused = "full".to_owned();
    }
);
async fn a_suspended_account_earns_nothing_where_a_paused_plan_earns_its_allowance(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    set(&maya, "suspended").await;

    later(stage, "35d").await;

    assert_eq!(available(&maya).await, 0);
    set(&maya, "active").await;
    assert_eq!(available(&maya).await, 0);
}

on_both!(what_stripe_would_still_collect_of_a_suspended_account_is_voided);
async fn what_stripe_would_still_collect_of_a_suspended_account_is_voided(stage: &Stage) {
    // A renewal that failed is retried by Stripe for weeks.
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    stage.decline_next("card_declined").await;
    later(stage, "32d").await;
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    assert_eq!(invoices(stage).await, ["open", "paid"]);

    set(&maya, "suspended").await;

    assert_eq!(invoices(stage).await, ["void", "paid"]);
    later(stage, "20d").await;
    assert_eq!(paid(stage).await, 1);
    set(&maya, "active").await;
    later(stage, "12d").await;
    assert_eq!(paid(stage).await, 2, "the next renewal is paid");
    maya.billing_when(is("PRO", "ACTIVE")).await;

    // At the turn of a period, Stripe collects the drafted invoice an hour later.
    until_draft(stage).await;

    set(&maya, "suspended").await;

    later(stage, "2d").await;
    assert_eq!(invoices(stage).await[0], "draft", "nobody collects it");
    assert_eq!(paid(stage).await, 2);
    set(&maya, "active").await;
    later(stage, "5d").await;
    assert_eq!(invoices(stage).await[0], "draft");
    assert_eq!(paid(stage).await, 2);
    stage.audited().await;
}

on_both!(a_suspended_accounts_balance_at_stripe_pays_nothing);
async fn a_suspended_accounts_balance_at_stripe_pays_nothing(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let customer = format!("/v1/customers/{}", stage.stripe_id("/v1/customers").await);
    stage.stripe_post(&customer, &[("balance", "-5000")]).await;
    until_draft(stage).await;

    set(&maya, "suspended").await;

    let balance = async || stage.stripe_get(&customer).await["balance"].clone();
    later(stage, "2d").await;
    assert_eq!(balance().await, -5_000);
    assert_eq!(invoices(stage).await, ["draft", "paid"]);
    set(&maya, "active").await;
    later(stage, "5d").await;
    assert_eq!(
        (balance().await, available(&maya).await),
        (json!(-5_000), 0)
    );
    // The next period is sold as before.
    later(stage, "30d").await;
    assert_eq!(balance().await, -3_100);
    stage.audited().await;
}

on_both!(a_pause_that_was_made_at_stripe_stays_and_one_that_is_ended_there_comes_back);
async fn a_pause_that_was_made_at_stripe_stays_and_one_that_is_ended_there_comes_back(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let path = stage.subscription_path().await;
    let theirs = [("pause_collection[behavior]", "keep_as_draft")];
    stage.stripe_post(&path, &theirs).await;
    stage.settled().await;

    set(&maya, "suspended").await;
    set(&maya, "active").await;

    assert_eq!(pause(stage).await, (json!("keep_as_draft"), false));
    // A pause of ours that an operator changes is theirs.
    stage.stripe_post(&path, &[("pause_collection", "")]).await;
    set(&maya, "suspended").await;
    assert_eq!(pause(stage).await, (json!("void"), true));
    stage.stripe_post(&path, &theirs).await;
    stage.settled().await;
    set(&maya, "active").await;
    assert_eq!(pause(stage).await, (json!("keep_as_draft"), false));
    // While the account is suspended, a pause that ends is made again.
    set(&maya, "suspended").await;
    stage.stripe_post(&path, &[("pause_collection", "")]).await;
    stage.settled().await;
    let paused = async || pause(stage).await;
    let ours = (json!("void"), true);
    assert_eq!(eventually(paused, |now| *now == ours).await, ours);
    set(&maya, "active").await;
    assert_eq!(pause(stage).await, (Value::Null, false));
}

on_both!(
    a_suspension_is_carried_out_and_lifted_whatever_stripe_answers,
    stripe_proxy::install
);
async fn a_suspension_is_carried_out_and_lifted_whatever_stripe_answers(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let part = "/v1/subscriptions/";
    for is_executed in [false, true] {
        proxy.save_error("POST", part, is_executed);
        set(&maya, "suspended").await;
        assert_eq!(pause(stage).await, (json!("void"), true), "{is_executed}");
        proxy.save_error("POST", part, is_executed);
        set(&maya, "active").await;
        assert_eq!(pause(stage).await, (Value::Null, false), "{is_executed}");
    }
    // Lifted while the pause is still tried, and suspended again: the last word counts.
    let refused = json!({ "error": { "type": "invalid_request_error", "message": "Not now." } });
    proxy.answer("POST", part, 1, 400, &refused);
    set(&maya, "suspended").await;
    let open = intents(&maya).await;
    assert!(
        open[0].is_unfinished() && open[0].needs_attention,
        "{open:?}"
    );
    assert_eq!(pause(stage).await, (Value::Null, false));
    set(&maya, "active").await;
    later(stage, "1m").await;
    assert_eq!(pause(stage).await, (Value::Null, false));
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));

    proxy.answer("POST", part, 1, 400, &refused);
    set(&maya, "suspended").await;
    set(&maya, "active").await;
    set(&maya, "suspended").await;
    later(stage, "1m").await;
    assert_eq!(pause(stage).await, (json!("void"), true));
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
    let calls = proxy.calls("POST", part);

    set(&maya, "suspended").await;

    assert_eq!(proxy.calls("POST", part), calls, "twice changes nothing");
    stage.audited().await;
}

on_both!(
    a_suspension_that_was_only_recorded_is_carried_out_in_the_background,
    stripe_proxy::install
);
async fn a_suspension_that_was_only_recorded_is_carried_out_in_the_background(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let gate = proxy.hold("POST", "/v1/subscriptions/");
    let (app, account) = (stage.app.clone(), stage.account(maya.account).await);
    // The process that suspends it is gone before it has Stripe's answer.
    let call = tokio::spawn(async move {
        let who = "usr_operator";
        billing::operators::accounts::set_suspended(&app, &account, true, "Abuse", who).await
    });
    gate.reached().await;
    call.abort();
    gate.open();

    later(stage, "2m").await;

    assert_eq!(pause(stage).await, (json!("void"), true));
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
    later(stage, "35d").await;
    assert_eq!(paid(stage).await, 1);
}

on_both!(
    a_plan_that_is_bought_after_the_suspension_is_undone_and_refunded,
    stripe_proxy::install
);
async fn a_plan_that_is_bought_after_the_suspension_is_undone_and_refunded(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    let proxy = stripe_proxy::of(stage);
    let broken = json!({ "error": { "type": "api_error", "message": "Try again." } });
    proxy.answer("POST", "/expire", 20, 503, &broken);
    set(&maya, "suspended").await;
    assert!(intents(&maya).await[0].is_unfinished());
    stage.twin.advance("2s").await.unwrap();

    maya.pay(&session).await;
    stage.settled().await;

    let refunded = async || stage.stripe_list("/v1/refunds").await;
    let refunds = eventually(refunded, |all| all.len() == 1).await;
    assert_eq!(refunds[0]["amount"], 1_900);
    assert_eq!(refunds[0]["reason"], "requested_by_customer");
    stage.settled().await;
    let all = stage.stripe_list("/v1/subscriptions?status=all").await;
    assert_eq!(all[0]["status"], "canceled");
    proxy.forget();
    later(stage, "10m").await;
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
    stage.audited().await;
}

on_both!(a_plan_that_is_about_to_change_or_end_is_paused_too);
async fn a_plan_that_is_about_to_change_or_end_is_paused_too(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    stage.settled().await;
    let down = json!({ "action": "confirm", "planId": "PRO" });
    let (status, done) = maya.post(CHANGES, down).await;
    assert_eq!(status, 200, "{done}");
    stage.settled().await;

    set(&maya, "suspended").await;

    assert_eq!(pause(stage).await, (json!("void"), true));
    later(stage, "35d").await;
    assert_eq!(paid(stage).await, 1);
    set(&maya, "active").await;
    assert_eq!(pause(stage).await, (Value::Null, false));
    maya.billing_when(is("PRO", "ACTIVE")).await;

    let (status, done) = maya.post(CHANGES, json!({ "action": "cancel" })).await;
    assert_eq!(status, 200, "{done}");
    maya.billing_when(is_canceled).await;
    set(&maya, "suspended").await;
    assert_eq!(pause(stage).await, (json!("void"), true));
    later(stage, "35d").await;
    set(&maya, "active").await;
    assert_eq!(paid(stage).await, 1);
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
    stage.audited().await;
}

on_both!(
    a_trial_that_ends_during_a_suspension_charges_nothing,
    crate::stage::with_trial
);
async fn a_trial_that_ends_during_a_suspension_charges_nothing(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "TRIALING")).await;

    set(&maya, "suspended").await;
    later(stage, "20d").await;
    set(&maya, "active").await;

    // What is left are the free credits of before.
    assert_eq!((paid(stage).await, available(&maya).await), (0, 100));
    later(stage, "30d").await;
    assert_eq!((paid(stage).await, available(&maya).await), (1, 1_000));
}

on_both!(a_suspended_account_without_a_plan_or_customer_and_a_closed_one_need_no_call);
async fn a_suspended_account_without_a_plan_or_customer_and_a_closed_one_need_no_call(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    set(&maya, "suspended").await;
    set(&maya, "active").await;
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));

    // Its owner may still close it.
    let noah = stage.subscriber("noah@example.com", "PRO").await;
    stage.settled().await;
    set(&noah, "suspended").await;
    let status = noah.request(Method::DELETE, "/api/v1/account").send().await;
    assert_eq!(status.unwrap().status(), 200);
    stage.settled().await;
    let row = stage.account(noah.account).await;
    assert_eq!(row.status, AccountStatus::Closed);
    later(stage, "35d").await;
    assert_eq!(paid(stage).await, 1);
}

on_both!(a_suspended_accounts_new_address_reaches_stripe);
async fn a_suspended_accounts_new_address_reaches_stripe(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    set(&maya, "suspended").await;
    let (app, account) = (stage.app.clone(), maya.account);
    let (id, now) = (app.new_id("int"), app.now());

    stage
        .write(account, move |tx| {
            let email = Some("maya@new.example");
            billing::payments::customer::note_change(tx, account, &id, "Maya", email, now)
        })
        .await;
    billing::payments::customer::send_change(&app, account).await;

    let all = stage.stripe_list("/v1/customers").await;
    assert_eq!(all[0]["email"], "maya@new.example");
}

on_both!(the_portal_of_a_suspended_account_only_ends_its_plan);
async fn the_portal_of_a_suspended_account_only_ends_its_plan(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    set(&maya, "suspended").await;
    let open = async || {
        let (status, portal) = maya.post("/api/stripe/customer-portal", json!({})).await;
        assert_eq!(status, 200, "{portal}");
        portal["url"].as_str().unwrap().to_owned()
    };
    let held = stage.subscription().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let plus = stage.price("PRO_PLUS");

    let url = open().await;
    let form = [("subscription", held.as_str()), ("price", &plus)];
    let plan = format!("{url}/plan");
    let changed = stage.http.post(plan).form(&form).send().await.unwrap();
    assert!(changed.status().is_client_error(), "{}", changed.status());
    assert_eq!(
        stage.subscription().await["items"]["data"][0]["price"]["id"],
        stage.price("PRO")
    );
    let form = [("subscription", held.as_str())];
    let ended = stage.http.post(format!("{url}/cancel")).form(&form).send();
    assert!(!ended.await.unwrap().status().is_client_error());

    maya.billing_when(is_canceled).await;
    // The task is done: its session leads to no other one, and neither does the next.
    for url in [url, open().await] {
        let form = [("subscription", held.as_str()), ("price", &plus)];
        let switch = stage.http.post(format!("{url}/plan")).form(&form).send();
        assert!(switch.await.unwrap().status().is_client_error(), "{url}");
    }
    assert_eq!(
        stage.subscription().await["items"]["data"][0]["price"]["id"],
        stage.price("PRO")
    );
}
