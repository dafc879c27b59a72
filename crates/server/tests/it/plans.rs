//! The lifecycle of plans: immediate upgrades, scheduled downgrades, cancellations, trials and
//! custom prices.

mod agreed;
mod endings;
mod pages;
mod scheduled;
mod trials;
mod upgrades;
mod yearly;

use billing::config::Settings;
use serde_json::{Value, json};

use crate::stage::{Person, Stage, code, id_of, is_tier, on_both, pack, plan_of, with_trial};

const CHANGES: &str = "/api/v1/plan-changes";

async fn change(person: &Person<'_>, body: Value) -> (u16, Value) {
    person.post(CHANGES, body).await
}

/// Previews a change and confirms the previewed amount.
async fn confirm(person: &Person<'_>, plan: &str) -> (u16, Value) {
    let (status, preview) = change(person, json!({ "action": "preview", "planId": plan })).await;
    assert_eq!(status, 200, "{preview}");
    let quote = preview["quote"].clone();
    change(
        person,
        json!({ "action": "confirm", "planId": plan, "quote": quote }),
    )
    .await
}

fn cents(money: &Value) -> i64 {
    let text = money["amount"].as_str().unwrap().replace('.', "");
    text.parse().unwrap()
}

/// Sets the card for the next payment.
async fn pays_with(stage: &Stage, card: &str) {
    let held = stage.subscription().await;
    let customer = held["customer"].as_str().unwrap();
    let method = stage.attach(card, customer).await;
    let form = [("default_payment_method", method.as_str())];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;
}
