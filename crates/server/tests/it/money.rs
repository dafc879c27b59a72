//! Refunds, pending and late money: credit notes, add-ons, duplicate purchases, immediate
//! cancellations and bank debits. Nothing is granted twice, and nothing owed is withheld.

mod addons;
mod automatic;
mod credit_notes;
mod duplicates;
mod endings;
mod portal;

use std::time::{Duration, Instant};

use billing::config::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::Program;
use crate::stage::{PATIENCE, Person, Stage, answer, fresh_key, on_both};
use crate::stripe_proxy;

const CATALOG: &str = include_str!("../../../../catalog.toml");
const CHANGES: &str = "/api/v1/plan-changes";

fn is(tier: &'static str, status: &'static str) -> impl Fn(&Value) -> bool {
    move |body| {
        body["subscription"]["accessTier"] == tier && body["subscription"]["status"] == status
    }
}

fn cents(text: &Value) -> i64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

async fn audited(stage: &Stage) {
    let report =
        billing::books::audit::run(&stage.app, billing::books::audit::Scope::Everything).await;
    let report = report.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn on_plan<'a>(stage: &'a Stage, plan: &'static str) -> Person<'a> {
    let person = stage.person("maya@example.com").await;
    person.subscribe(plan).await;
    person.billing_when(is(plan, "ACTIVE")).await;
    stage.settled().await;
    person
}

async fn subscription(stage: &Stage) -> Value {
    stage.stripe_get("/v1/subscriptions?status=all").await["data"][0].clone()
}

async fn invoice(stage: &Stage) -> String {
    let held = subscription(stage).await;
    held["latest_invoice"].as_str().unwrap().to_owned()
}

async fn listed(stage: &Stage, path: &str) -> Vec<Value> {
    stage.stripe_get(path).await["data"]
        .as_array()
        .unwrap()
        .clone()
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

fn refunds(rows: &[(String, String, i64)]) -> Vec<i64> {
    let refunds = rows
        .iter()
        .filter(|row| row.0 == "REFUND" && row.1 == "COMPLETED");
    refunds.map(|row| row.2).collect()
}

async fn mails_with(stage: &Stage, part: &str) -> usize {
    stage.settled().await;
    let subjects = stage.mail_subjects().await;
    let with = |subject: &&String| subject.to_lowercase().contains(part);
    subjects.iter().filter(with).count()
}

/// Asserts that an account's rows match Stripe exactly.
async fn in_step(person: &Person<'_>) {
    let report = billing::sync::account(&person.stage.app, person.account)
        .await
        .unwrap();
    assert!(report.changes.is_empty(), "{report:?}");
    let lines = billing::sync::differences::account(&person.stage.app, person.account)
        .await
        .unwrap();
    assert!(lines.is_empty(), "{lines:?}");
}
