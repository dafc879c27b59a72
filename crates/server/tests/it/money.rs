//! Refunds and pending or late payments: credit notes, add-ons, duplicate purchases, immediate
//! cancellations and bank debits. Nothing is granted twice, and every customer gets what they paid
//! for.

mod addons;
mod automatic;
mod credit_notes;
mod debits;
mod duplicates;
mod endings;
mod next_charge;
mod portal;
mod reversals;
mod tax;
mod turn;

use billing::config::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{
    CATALOG, Person, Row, Stage, answer, column, eventually, fresh_key, id_of, is, on_both,
    own_catalog, pack, plan_of, with_trial,
};
use crate::stripe_proxy;

const CHANGES: &str = "/api/v1/plan-changes";

fn cents(text: &Value) -> i64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

async fn on_plan<'a>(stage: &'a Stage, plan: &'static str) -> Person<'a> {
    let person = stage.person("maya@example.com").await;
    person.subscribe(plan).await;
    person.billing_when(is(plan, "ACTIVE")).await;
    stage.settled().await;
    person
}

async fn invoice(stage: &Stage) -> String {
    let held = stage.subscription().await;
    held["latest_invoice"].as_str().unwrap().to_owned()
}

fn refunds(rows: &[Row]) -> Vec<i64> {
    let refunds = rows
        .iter()
        .filter(|row| row.0 == "REFUND" && row.1 == "COMPLETED");
    refunds.map(|row| row.2).collect()
}

/// Spends credits with a key of the person's account; the status of the answer.
async fn spend(person: &Person<'_>, credits: i64) -> u16 {
    let stage = person.stage;
    let key = person.meter_key().await;
    let debit = stage
        .http
        .post(format!("{}/api/v1/debits", stage.base))
        .bearer_auth(key)
        .header("idempotency-key", fresh_key())
        .json(&json!({ "credits": credits }));
    answer(debit).await.0
}

/// All credits, what can be spent of them, and the debt, in whole credits.
async fn credits(person: &Person<'_>) -> (i64, i64, i64) {
    let stage = person.stage;
    let (account, rules, now) = (person.account, stage.app.rules(), stage.app.now());
    let settle = move |tx: &mut store::Tx<'_>| store::ledger::settle(tx, &rules, account, now);
    let ledger = stage.write(account, settle).await;
    let (posted, debt) = (ledger.wallet.posted.floor(), ledger.wallet.debt.floor());
    (posted, ledger.available(now).floor(), debt)
}

async fn credits_are(person: &Person<'_>, wanted: (i64, i64, i64)) {
    eventually(async || credits(person).await, |is| *is == wanted).await;
}
