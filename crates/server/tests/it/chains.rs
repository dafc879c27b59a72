//! Requests to Stripe that take several steps: whatever fails after the first, the rest is owed, shown,
//! tried again and made once.

mod auto_topup;
mod closing;
mod endings;
mod plans;
mod refunds;

use domain::plan::AccountStatus;
use reqwest::Method;
use serde_json::{Value, json};
use store::intents::{IntentKind, IntentState};

use crate::metering::Answer;
use crate::pages::send;
use crate::stage::{Person, Stage, eventually, fresh_key, id_of, is, on_both, pack, plan_of};
use crate::stripe_proxy;

const CHANGES: &str = "/api/v1/plan-changes";

/// Stripe's answer when the platform has too little money for a refund.
fn too_little() -> Value {
    json!({ "error": {
        "type": "invalid_request_error", "code": "balance_insufficient",
        "message": "Your available balance is insufficient to cover this refund.",
    } })
}

/// Cancels the plan immediately, and returns the quoted refund in cents and the response.
async fn end_now(person: &Person<'_>) -> (i64, (u16, Value)) {
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, preview) = person.post(CHANGES, asked).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({ "action": "cancel", "when": "now", "quote": preview["quote"] });
    let quoted = preview["refund"]["amount"]
        .as_str()
        .unwrap()
        .replace('.', "");
    (quoted.parse().unwrap(), person.post(CHANGES, body).await)
}

/// The amounts of all refunds at Stripe.
async fn refunded(stage: &Stage) -> Vec<i64> {
    let all = stage.stripe_list("/v1/refunds?limit=100").await;
    all.iter()
        .map(|one| one["amount"].as_i64().unwrap())
        .collect()
}

/// The states of the account's intents of a kind, the newest first.
async fn states(stage: &Stage, account: i64, kind: IntentKind) -> Vec<IntentState> {
    let all = stage.read(move |tx| store::intents::of_kind(tx, account, kind, 100));
    all.await.into_iter().map(|one| one.state).collect()
}

/// Moves the clock, and lets the janitor continue what is due.
async fn later(stage: &Stage, duration: &str) {
    stage.twin.advance(duration).await.unwrap();
    stage.settled().await;
    billing::jobs::unfinished::once(&stage.app).await;
    stage.settled().await;
}

on_both!(
    a_customer_is_created_once_when_stripe_saves_an_error_for_its_creation,
    stripe_proxy::install
);
async fn a_customer_is_created_once_when_stripe_saves_an_error_for_its_creation(stage: &Stage) {
    for (email, is_executed) in [("maya@example.com", true), ("noah@example.com", false)] {
        let person = stage.person(email).await;
        stripe_proxy::of(stage).save_error("POST", "/v1/customers", is_executed);

        let session = person.session(pack(500)).await;

        let all = stage
            .stripe_list(&format!("/v1/customers?email={email}"))
            .await;
        assert_eq!(all.len(), 1, "{is_executed}: {all:?}");
        person.pay(&session).await;
        person.balance_is(600).await;
        let known = stage.account(person.account).await.stripe_customer_id;
        assert_eq!(known.as_deref(), all[0]["id"].as_str());
    }
}

/// Someone who paid for a second plan, whose refund Stripe refuses once.
async fn bought_twice(stage: &Stage) -> Person<'_> {
    let maya = stage.person("maya@example.com").await;
    let old_page = maya.session(plan_of("PRO")).await;
    let customer = stage.stripe_id("/v1/customers").await;
    stage.start_trial(&customer, "PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "TRIALING")).await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());
    maya.pay(&old_page).await;
    let called = async || proxy.calls("POST", "/v1/refunds");
    eventually(called, |count| *count == 1).await;
    stage.settled().await;
    maya
}

on_both!(
    a_duplicate_whose_refund_was_refused_is_owed_and_refunded_later,
    stripe_proxy::install
);
async fn a_duplicate_whose_refund_was_refused_is_owed_and_refunded_later(stage: &Stage) {
    let maya = bought_twice(stage).await;

    let kind = IntentKind::DuplicateSubscription;
    assert_eq!(refunded(stage).await, [0; 0]);
    assert_eq!(
        states(stage, maya.account, kind).await,
        [IntentState::Calling]
    );
    let owed = maya.billing().await["owedRefunds"].clone();
    assert_eq!(
        (&owed[0]["amount"], &owed[0]["state"]),
        (&json!("19.00"), &json!("delayed"))
    );
    stage.sync(maya.account).await;
    let findings = stage
        .sync_state(maya.account)
        .await
        .findings
        .unwrap_or_default();
    assert!(findings.contains("has not been undone yet"), "{findings}");

    later(stage, "1m").await;

    assert_eq!(refunded(stage).await, [1_900]);
    assert_eq!(states(stage, maya.account, kind).await, [IntentState::Done]);
    assert_eq!(maya.billing().await["owedRefunds"], json!([]));
    stage.sync(maya.account).await;
    let findings = stage
        .sync_state(maya.account)
        .await
        .findings
        .unwrap_or_default();
    assert!(!findings.contains("bought twice"), "{findings}");
}

on_both!(
    a_duplicate_whose_refund_was_settled_another_way_is_not_refunded_again,
    stripe_proxy::install
);
async fn a_duplicate_whose_refund_was_settled_another_way_is_not_refunded_again(stage: &Stage) {
    let maya = bought_twice(stage).await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let kind = IntentKind::DuplicateSubscription;
    let account = maya.account;
    let owed = stage.read(move |tx| store::intents::of_kind(tx, account, kind, 9));
    let id = owed.await.remove(0).id;
    let home = format!("/admin/accounts/{}", maya.account_id().await);

    let path = format!("{home}/requests/{id}/dismiss");
    let ended = send(&boss, &path, &[("reason", "Paid by bank transfer")]).await;
    stage.sync(account).await;
    later(stage, "1d").await;
    stage.sync(account).await;
    stage.settled().await;

    assert_eq!(ended.status(), 303);
    assert_eq!(refunded(stage).await, [0; 0]);
    assert_eq!(states(stage, account, kind).await, [IntentState::Closed]);
}
