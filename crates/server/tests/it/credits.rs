//! Manual credits, bonus credits, exports of credits, and receipts of debits.

use domain::catalog::Catalog;
use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::Program;
use crate::stage::{Person, Stage, answer, column, id_of, on_both};

/// Makes a manual change of credits as an operator.
async fn change_credits(operator: &Person<'_>, path: &str, key: &str, body: Value) -> (u16, Value) {
    let request = operator
        .request(Method::POST, path)
        .header("idempotency-key", key)
        .json(&body);
    answer(request).await
}

fn available(body: &Value, credits: i64) -> bool {
    body["credits"]["available"] == credits
}

on_both!(a_grant_is_voided_once_with_a_reason_except_for_credits_in_holds);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_grant_is_voided_once_with_a_reason_except_for_credits_in_holds(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    let operator = stage.person_as("olga@example.com", "admin").await;
    person.buy_pack(1_000).await;
    person.billing_when(|body| available(body, 1_100)).await;
    let program = person.program().await;
    let hold = program
        .post("/api/v1/holds", "h", json!({ "credits": 300 }))
        .await;
    let (_, grants) = person.get("/api/v1/grants").await;
    let grant = grants["data"].as_array().unwrap().iter();
    let mut grant = grant
        .filter(|g| g["kind"] == "purchase")
        .map(|g| g["id"].as_str().unwrap());
    let path = format!(
        "/api/v1/accounts/{}/grants/{}/void",
        person.account_id().await,
        grant.next_back().unwrap()
    );

    let (status, problem) =
        change_credits(&operator, &path, "v0", json!({ "reason": "whim" })).await;
    assert_eq!((status, &problem["field"]), (400, &json!("reason")));
    assert_eq!(
        change_credits(&person, &path, "v0", json!({ "reason": "other" }))
            .await
            .0,
        403
    );
    let body = json!({ "reason": "correction", "note": "bought twice" });
    let (status, voided) = change_credits(&operator, &path, "v1", body.clone()).await;
    let left = person.billing().await;
    assert_eq!(
        (&left["credits"]["balance"], &left["credits"]["available"]),
        (&json!(300), &json!(0)),
        "only what the hold pins is left: 100 free credits and 200 bought ones"
    );
    let (replayed, again) = change_credits(&operator, &path, "v1", body.clone()).await;
    let (second, already) = change_credits(&operator, &path, "v2", body.clone()).await;
    let other = json!({ "reason": "goodwill" });
    let (reused, problem) = change_credits(&operator, &path, "v1", other).await;

    assert_eq!(status, 201, "{voided}");
    assert_eq!(voided["credits"], 800, "200 of it are pinned by the hold");
    assert_eq!((replayed, &again["credits"]), (201, &json!(800)));
    assert_eq!((second, &already["code"]), (409, &json!("already_voided")));
    assert_eq!(
        (reused, &problem["code"]),
        (409, &json!("idempotency_key_reused"))
    );
    let acts = stage
        .read(|tx| store::audit_log::list(tx, None, None, Some("grant.void"), None, 10))
        .await;
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert!(acts[0].detail.contains("correction") && acts[0].detail.contains("-800"));
    let (_, grants) = person.get("/api/v1/grants").await;
    let grants = grants["data"].as_array().unwrap().iter();
    let bought: Vec<&Value> = grants.filter(|one| one["kind"] == "purchase").collect();
    assert_eq!(bought.len(), 1);
    assert_eq!(
        (
            &bought[0]["state"],
            &bought[0]["remaining"],
            &bought[0]["held"]
        ),
        (&json!("voided"), &json!(200), &json!(200))
    );
    let id = hold.body["id"].as_str().unwrap();
    let captured = program
        .post(&format!("/api/v1/holds/{id}/capture"), "c", json!({}))
        .await;
    assert_eq!(captured.body["captured"], 300, "{}", captured.body);
    let billing = person.billing().await;
    assert_eq!(billing["credits"]["balance"], 0, "{billing}");
    stage.audited().await;
}

on_both!(a_debt_is_forgiven_with_a_reason_and_calls_work_again);
async fn a_debt_is_forgiven_with_a_reason_and_calls_work_again(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    let operator = stage.person_as("olga@example.com", "admin").await;
    person.buy_pack(1_000).await;
    person.billing_when(|body| available(body, 1_100)).await;
    let program = person.program().await;
    program.debit("spend", 1_000).await;
    stage.refund_newest().await;
    person
        .billing_when(|body| body["credits"]["debt"] == 900)
        .await;
    assert_eq!(program.debit("refused", 1).await.body["code"], "debt");
    let path = format!(
        "/api/v1/accounts/{}/credits/forgiveness",
        person.account_id().await
    );

    let body = json!({ "reason": "goodwill", "credits": 901 });
    assert_eq!(change_credits(&operator, &path, "f0", body).await.0, 409);
    let (status, forgiven) =
        change_credits(&operator, &path, "f1", json!({ "reason": "goodwill" })).await;

    assert_eq!(
        (status, &forgiven["credits"]),
        (201, &json!(900)),
        "{forgiven}"
    );
    person.buy_pack(500).await;
    person.billing_when(|body| available(body, 500)).await;
    assert_eq!(program.debit("works", 1).await.status, 201);
    stage.audited().await;
}

/// The demo's catalog with a bonus on its largest pack, which expires after a year, and an
/// allowance of PRO that carries over.
fn rich_catalog(folder: &std::path::Path) -> String {
    let text = include_str!("../../../../catalog.toml")
        .replace(
            "credits = 10000\n",
            "credits = 10000\nbonus = 1000\nexpires_after_days = 365\n",
        )
        .replace(
            "allowance = \"1000\"\n",
            "allowance = \"1000\"\nrollover_cap = \"600\"\n",
        );
    Catalog::parse(&text).expect("it is valid");
    let path = folder.join("catalog.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

async fn a_refund_removes_the_bonus_with_its_purchase(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    person.buy_pack(10_000).await;
    let body = person.billing_when(|body| available(body, 11_100)).await;
    let kinds = column(&body["credits"]["grants"], "kind");
    assert_eq!(
        kinds,
        ["allowance", "bonus", "purchase"],
        "as they are spent"
    );
    assert!(body["credits"]["grants"][1]["expiresAt"].is_string());
    let (_, balance) = person.get("/api/v1/balance").await;
    let same = column(&balance["grants"], "kind");
    assert_eq!(same, kinds, "every answer lists them in one order");

    let charge = stage.stripe_id("/v1/charges").await;

    stage.refund_part(&charge, "250").await;
    person.billing_when(|body| available(body, 8_350)).await;
    stage.refund(&charge).await;
    person.billing_when(|body| available(body, 100)).await;
    stage.audited().await;
}

async fn an_allowance_is_carried_over(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    person.subscribe("PRO").await;
    person.billing_when(|body| available(body, 1_100)).await;
    let program = person.program().await;
    assert_eq!(program.debit("some", 300).await.status, 201);

    stage.twin.advance("32d").await.unwrap();

    let body = person.billing_when(|body| available(body, 1_600)).await;
    assert_eq!(body["credits"]["grants"][0]["kind"], "rollover", "{body}");
    stage.audited().await;
}

/// Creates two tests of the same function, one for each database, with the catalog above.
macro_rules! with_rich_catalog {
    ($name:ident, $story:path) => {
        mod $name {
            use super::*;

            async fn on(database: store::testing::TestDatabase) {
                let folder = tempfile::tempdir().unwrap();
                let catalog = rich_catalog(folder.path());
                let stage =
                    Stage::with(database, |settings| settings.billing.catalog = catalog).await;
                $story(&stage).await;
                stage.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                on(store::testing::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = tokio::task::spawn_blocking(store::testing::postgres);
                on(database.await.unwrap()).await;
            }
        }
    };
}

with_rich_catalog!(
    a_bonus_comes_ends_and_goes_back_with_its_purchase,
    a_refund_removes_the_bonus_with_its_purchase
);
with_rich_catalog!(
    what_is_left_of_an_allowance_is_carried_on_up_to_the_cap,
    an_allowance_is_carried_over
);

on_both!(usage_and_keys_are_files_too_and_a_key_filters_them);
async fn usage_and_keys_are_files_too_and_a_key_filters_them(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    let (_, made) = person.post("/api/v1/keys", json!({ "name": "=web" })).await;
    let web = Program {
        stage,
        secret: made["secret"].as_str().unwrap().to_owned(),
    };
    let other = person.program().await;
    let key = made["id"].as_str().unwrap();
    web.post(
        "/api/v1/debits",
        "a",
        json!({ "operation": "chat", "units": 2 }),
    )
    .await;
    other.debit("b", 7).await;

    let file = |path: String| {
        let request = person
            .request(Method::GET, &path)
            .header("accept", "text/csv");
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let all = file("/api/v1/usage".to_owned()).await;
    let one = file(format!("/dashboard/usage.csv?key={key}")).await;
    let keys = file("/api/v1/keys".to_owned()).await;
    let (_, filtered) = person.get(&format!("/api/v1/usage?key={key}")).await;

    assert!(
        all.starts_with("date,operation,key,key_name,calls,credits,meters\r\n"),
        "{all}"
    );
    assert_eq!(all.lines().count(), 3);
    assert_eq!(one.lines().count(), 2, "{one}");
    assert!(
        one.contains(&format!(",chat,{key},\"'=web\",1,4,\r\n")),
        "{one}"
    );
    assert!(
        keys.contains(key) && keys.starts_with("id,name,prefix"),
        "{keys}"
    );
    assert_eq!(filtered["total"]["credits"], 4);
    assert_eq!(filtered["keys"].as_array().unwrap().len(), 1);
    let (status, page) = person.page(&format!("/dashboard/usage?key={key}")).await;
    assert_eq!(status, 200);
    assert!(page.contains("selected>=web</option>"), "{page}");
    let stranger = stage.person("other@example.com").await;
    assert_eq!(
        stranger.get(&format!("/api/v1/usage?key={key}")).await.0,
        404
    );
}

on_both!(every_call_has_a_receipt_that_says_why_it_was_charged);
async fn every_call_has_a_receipt_that_says_why_it_was_charged(stage: &Stage) {
    let person = stage.person("maya@example.com").await;
    let program = person.program().await;
    let hold = program
        .post(
            "/api/v1/holds",
            "h",
            json!({ "operation": "chat", "units": 3, "endpoint": "/v1/chat" }),
        )
        .await;
    let id = id_of(&hold.body);
    program
        .post(
            &format!("/api/v1/holds/{id}/capture"),
            "c",
            json!({ "units": 2 }),
        )
        .await;

    let (_, log) = person.page("/dashboard/usage/calls").await;
    let start = log
        .find("/dashboard/usage/calls/")
        .expect("a link to a receipt");
    let rest = &log[start..];
    let href = &rest[..rest.find('"').unwrap()].replace("&amp;", "&");
    let (status, receipt) = person.page(href).await;

    assert_eq!(status, 200);
    for said in [
        "2 × chat",
        "/v1/chat",
        "version 1",
        "6 credits",
        "2 credits",
        "4 credits",
        "Monthly credits",
        &id,
    ] {
        assert!(receipt.contains(said), "{said} is not in {receipt}");
    }
    let stranger = stage.person("other@example.com").await;
    let path = href.split('?').next().unwrap();
    assert_eq!(stranger.page(path).await.0, 404);
}
