//! The questions that the specification left open (section 21.3): a configuration value answers
//! each, and another value changes the answer.

use billing::config::Settings;
use serde_json::{Value, json};

use crate::metering::host;
use crate::stage::{Stage, answer, is_tier, on_both};

/// The answers to the four questions on this deployment.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    /// Do credits expire? The days that purchased and promotional credits last.
    bought_days: Option<i64>,
    promo_days: Option<i64>,
    /// What does a credit cost? The credits of a call, and the price of 500 credits.
    call_costs: Value,
    pack_costs: String,
    /// Does FREE include credits? How many per month.
    free_credits: Value,
    /// What is refunded? The amount for a plan that ends immediately after 10 days.
    pays_back: bool,
}

fn days(grant: &Value, now: domain::time::Timestamp) -> Option<i64> {
    let end = domain::time::parse(grant["expiresAt"].as_str()?).unwrap();
    // Rounded, since the purchase was a moment ago.
    Some((end.seconds() - now.seconds() + 43_200).div_euclid(86_400))
}

async fn answers(stage: &Stage) -> Answers {
    let ann = stage.person("ann@example.com").await;
    let program = ann.program().await;
    let free = ann.billing().await["credits"]["balance"].clone();
    let call = program
        .post("/api/v1/debits", "call", json!({ "operation": "call" }))
        .await;
    ann.buy_pack(500).await;
    ann.billing_when(|body| body["credits"]["available"].as_f64() >= Some(500.0))
        .await;
    let account = ann.account;
    let id = stage.account(account).await;
    let id = id.public_id;
    let path = format!("/api/v1/accounts/{id}/grants");
    host(stage)
        .await
        .post(&path, "promo", json!({ "credits": 40 }))
        .await;
    let now = stage.app.now();
    let (_, grants) = ann.get("/api/v1/grants").await;
    let of = |kind: &str| {
        let all = grants["data"].as_array().unwrap();
        all.iter().find(|one| one["kind"] == kind).unwrap().clone()
    };
    let (_, pricing) = answer(stage.http.get(format!("{}/api/pricing", stage.base))).await;
    let packs = pricing["packs"].as_array().unwrap();
    let pack = packs.iter().find(|pack| pack["credits"] == 500).unwrap();
    ann.subscribe("PRO").await;
    ann.billing_when(is_tier("PRO")).await;
    stage.twin.advance("10d").await.unwrap();
    stage.settled().await;
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (_, preview) = ann.post("/api/v1/plan-changes", asked).await;
    Answers {
        bought_days: days(&of("purchase"), now),
        promo_days: days(&of("promo"), now),
        call_costs: call.body["credits"].clone(),
        pack_costs: pack["price"]["amount"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        free_credits: free,
        pays_back: preview["refund"]["amount"]
            .as_str()
            .is_some_and(|text| text != "0.00"),
    }
}

on_both!(requirement_21_3_by_default_the_open_questions_are_answered_as_decided);
async fn requirement_21_3_by_default_the_open_questions_are_answered_as_decided(stage: &Stage) {
    let found = answers(stage).await;

    let decided = Answers {
        bought_days: None,
        promo_days: Some(90),
        call_costs: json!(1),
        pack_costs: "0.50".to_owned(),
        free_credits: json!(100),
        pays_back: true,
    };
    assert_eq!(found, decided);
}

/// Changes the answer to each question through the catalog and the settings.
fn with_other_answers(settings: &mut Settings) {
    let text = include_str!("../../../../catalog.toml")
        .replace(
            "credits = 500\nprice = \"0.50\"",
            "credits = 500\nprice = \"0.75\"\nexpires_after_days = 365",
        )
        .replace("allowance = \"100\"\n", "allowance = \"250\"\n")
        .replace(
            "name = \"call\"\ntitle = \"API call\"\ncost = \"1\"",
            "name = \"call\"\ntitle = \"API call\"\ncost = \"2\"",
        );
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("catalog.toml");
    std::fs::write(&path, text).unwrap();
    settings.billing.catalog = path.display().to_string();
    settings.billing.promo_days = 30;
    settings.billing.cancel_now = "keep".to_owned();
}

on_both!(
    requirement_21_3_another_value_gives_another_answer,
    with_other_answers
);
async fn requirement_21_3_another_value_gives_another_answer(stage: &Stage) {
    let found = answers(stage).await;

    let chosen = Answers {
        bought_days: Some(365),
        promo_days: Some(30),
        call_costs: json!(2),
        pack_costs: "0.75".to_owned(),
        free_credits: json!(250),
        pays_back: false,
    };
    assert_eq!(found, chosen);
}
