//! The catalog is configuration: a change of its file is applied without a restart.

use std::time::Duration;

use serde_json::Value;

use crate::metering::Program;
use crate::stage::{Stage, eventually, fresh_key};

const TEXT: &str = include_str!("../../../../catalog.toml");

async fn pricing(stage: &Stage) -> (String, Value) {
    let request = stage.http.get(format!("{}/api/pricing", stage.base));
    let answer = request.send().await.expect("the service answers");
    let etag = answer.headers()["etag"].to_str().expect("ASCII").to_owned();
    (etag, answer.json().await.expect("JSON"))
}

/// Waits until the prices satisfy `wanted`.
async fn pricing_when(stage: &Stage, wanted: impl Fn(&Value) -> bool) -> (String, Value) {
    eventually(async || pricing(stage).await, |(_, body)| wanted(body)).await
}

fn free_limit(body: &Value) -> i64 {
    let plans = body["plans"].as_array().expect("plans");
    let free = plans.iter().find(|plan| plan["tier"] == "FREE");
    free.expect("there is FREE")["limits"]["calls"]
        .as_i64()
        .expect("a limit")
}

async fn follows_its_text(database: store::testing::TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.toml");
    std::fs::write(&path, TEXT).unwrap();
    let named = path.to_str().unwrap().to_owned();
    let stage = Stage::with(database, |settings| settings.billing.catalog = named).await;
    let maya = stage.person("maya@example.com").await;
    let program = Program {
        stage: &stage,
        secret: maya.meter_key().await,
    };
    assert_eq!(program.debit(&fresh_key(), 1).await.status, 201);
    let (etag, body) = pricing(&stage).await;
    assert_eq!((free_limit(&body), &body["version"]), (1_000, &1.into()));

    // An invalid file changes nothing.
    std::fs::write(&path, "currency = 7").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(pricing(&stage).await.0, etag);

    std::fs::write(
        &path,
        TEXT.replace("calls_limit = 1000\n", "calls_limit = 2\n"),
    )
    .unwrap();
    let (other, body) = pricing_when(&stage, |body| free_limit(body) == 2).await;

    assert_ne!(other, etag);
    assert_eq!(body["version"], 2);
    // The new catalog applies to existing accounts from their next call.
    assert_eq!(program.debit(&fresh_key(), 1).await.status, 201);
    let refused = program.debit(&fresh_key(), 1).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (402, &"plan_limit".into())
    );
    assert_eq!(maya.billing().await["credits"]["limit"], 2);
    let balance = maya.billing().await["credits"]["balance"].clone();
    assert_eq!(balance, 98, "the allowance of the period came once");

    std::fs::write(&path, TEXT).unwrap();
    let (back, body) = pricing_when(&stage, |body| free_limit(body) == 1_000).await;
    assert_eq!((back, &body["version"]), (etag, &1.into()));
    assert_eq!(program.debit(&fresh_key(), 1).await.status, 201);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_catalog_is_applied_without_a_restart_on_sqlite() {
    follows_its_text(store::testing::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_catalog_is_applied_without_a_restart_on_postgres() {
    let database = tokio::task::spawn_blocking(store::testing::postgres);
    follows_its_text(database.await.unwrap()).await;
}
