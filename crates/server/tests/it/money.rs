//! Refunds and pending or late payments: credit notes, add-ons, duplicate purchases, immediate
//! cancellations and bank debits. Nothing is granted twice, and every customer gets what they paid
//! for.

mod addons;
mod automatic;
mod credit_notes;
mod duplicates;
mod endings;
mod portal;

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
