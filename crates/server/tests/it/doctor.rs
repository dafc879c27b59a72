//! `doctor`, the deployment checklist: each check when it passes and when it fails.

use billing::app::App;
use billing::config::Settings;
use billing::jobs::alerts;
use billing::jobs::nightly;
use secrecy::SecretString;
use serde_json::Value;
use store::args;

use crate::audit::run_on;
use crate::stage::{Stage, is_tier, on_both};

/// The names of the checks that fail.
async fn failing(app: &App, line: &[&str]) -> Vec<String> {
    let (code, said) = run_on(app, line).await;
    let checks = said["checks"].as_array().unwrap();
    let failing = checks.iter().filter(|check| check["ok"] == false);
    let names: Vec<String> = failing
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(code, u8::from(!names.is_empty()), "{said}");
    assert_eq!(said["ok"], names.is_empty());
    for check in checks {
        assert!(!check["detail"].as_str().unwrap().is_empty(), "{check}");
    }
    names
}

async fn now_failing(stage: &Stage) -> Vec<String> {
    failing(&stage.app, &["doctor"]).await
}

/// An app on the same database with other settings.
async fn with_settings(stage: &Stage, change: impl FnOnce(&mut Settings)) -> App {
    let mut settings = stage.app.settings.clone();
    change(&mut settings);
    App::with_db(settings, stage.app.db.clone()).await.unwrap()
}

async fn write(stage: &Stage, statement: &'static str) {
    let done = stage
        .write(0, move |tx| tx.execute(statement, args![]))
        .await;
    assert!(done > 0, "{statement}");
}

on_both!(each_check_of_the_doctor_fails_separately_and_passes_once_it_is_fixed);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn each_check_of_the_doctor_fails_separately_and_passes_once_it_is_fixed(stage: &Stage) {
    assert_eq!(
        now_failing(stage).await,
        ["webhooks", "monitoring", "backup"],
        "as after `setup`"
    );
    stage.person_as("boss@example.com", "admin").await;
    assert_eq!(now_failing(stage).await, ["webhooks", "backup"]);
    let (code, noted) = run_on(&stage.app, &["backup", "--noted"]).await;
    assert_eq!(code, 0, "{noted}");
    assert_eq!(now_failing(stage).await, ["webhooks"]);
    let ann = stage.person("ann@example.com").await;
    ann.buy_pack(500).await;
    ann.billing_when(|body| body["credits"]["available"] == 600)
        .await;
    stage.settled().await;
    assert_eq!(now_failing(stage).await, [""; 0], "ready");

    // Settings.
    let no_key = with_settings(stage, |settings| {
        settings.stripe.secret_key = SecretString::from(String::new());
    })
    .await;
    assert!(
        failing(&no_key, &["doctor"])
            .await
            .contains(&"configuration".to_owned())
    );
    let no_mail = with_settings(stage, |settings| settings.mail.host = String::new()).await;
    assert_eq!(failing(&no_mail, &["doctor"]).await, ["mail"]);
    let elsewhere = with_settings(stage, |settings| {
        settings.service.base_url = "http://127.0.0.1:9".to_owned();
    })
    .await;
    let lines = failing(&elsewhere, &["doctor"]).await;
    assert!(lines.contains(&"webhook endpoint".to_owned()), "{lines:?}");

    // Stripe.
    stage.answers(401, 1_000).await;
    assert_eq!(
        now_failing(stage).await,
        ["Stripe", "catalog", "webhook endpoint"]
    );
    stage.no_faults().await;
    let pro = stage.price("PRO");
    let path = format!("/v1/prices/{pro}");
    let key = stage.stripe_get(&path).await["lookup_key"]
        .as_str()
        .unwrap()
        .to_owned();
    stage
        .stripe_post(&path, &[("lookup_key", "somebody-elses")])
        .await;
    assert_eq!(now_failing(stage).await, ["catalog"]);
    stage.stripe_post(&path, &[("lookup_key", &key)]).await;
    stage.settled().await;

    // Problems that require manual review.
    write(stage, "update account_sync set parked_at = 1").await;
    assert_eq!(now_failing(stage).await, ["sync"]);
    write(stage, "update account_sync set parked_at = null").await;
    write(
        stage,
        "update stripe_event set state = 'parked' where n = 1",
    )
    .await;
    assert_eq!(now_failing(stage).await, ["webhooks"]);
    write(stage, "update stripe_event set state = 'done' where n = 1").await;
    nightly::note(&stage.app, 2, 0).await.unwrap();
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(now_failing(stage).await, ["monitoring"]);
    nightly::note(&stage.app, 0, 0).await.unwrap();
    alerts::once(&stage.app).await.unwrap();

    // Time.
    let old = stage.app.real_now().plus_days(-8);
    stage
        .write(0, move |tx| {
            store::settings::put(tx, server::cli::backup::LAST, &old.rfc3339(), old).map(|_| ())
        })
        .await;
    assert_eq!(now_failing(stage).await, ["backup"]);
    run_on(&stage.app, &["backup", "--noted"]).await;
    assert_eq!(now_failing(stage).await, [""; 0]);
    write(
        stage,
        "delete from refinery_schema_history
                   where version = (select max(version) from refinery_schema_history)",
    )
    .await;
    assert_eq!(now_failing(stage).await, ["schema"]);
}

on_both!(checks_after_a_deployment_are_requested_separately);
async fn checks_after_a_deployment_are_requested_separately(stage: &Stage) {
    let later = |names: Vec<String>| -> Vec<String> {
        let first = ["webhooks", "monitoring", "backup"];
        names
            .into_iter()
            .filter(|name| !first.contains(&name.as_str()))
            .collect()
    };
    let asked = ["doctor", "--deployed"];
    assert_eq!(
        later(failing(&stage.app, &asked).await),
        ["payments", "credits", "plan changes", "books"]
    );

    let ann = stage.subscriber("ann@example.com", "PRO").await;
    assert_eq!(
        later(failing(&stage.app, &asked).await),
        ["credits", "plan changes", "books"]
    );
    let program = ann.program().await;
    program.debit("one", 1).await;
    assert_eq!(
        later(failing(&stage.app, &asked).await),
        ["plan changes", "books"]
    );
    let account = ann.account;
    let subscription = stage
        .read(move |tx| store::subscriptions::of_account(tx, account))
        .await;
    let id = subscription[0].subscription_id.clone();
    canceled(stage, &id).await;
    ann.billing_when(is_tier("FREE")).await;
    stage.settled().await;
    assert_eq!(later(failing(&stage.app, &asked).await), ["books"]);
    nightly::note(&stage.app, 1, 0).await.unwrap();
    assert_eq!(later(failing(&stage.app, &asked).await), ["books"]);
    assert_eq!(run_on(&stage.app, &["audit"]).await.0, 0);
    assert_eq!(later(failing(&stage.app, &asked).await), [""; 0]);
}

async fn canceled(stage: &Stage, subscription: &str) -> Value {
    let url = format!("{}/v1/subscriptions/{subscription}", stage.twin_url);
    let answer = stage.http.delete(url).bearer_auth("sk_test_other").send();
    answer.await.unwrap().json().await.unwrap()
}
