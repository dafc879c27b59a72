//! Alerts: one for each incident, closed when the incident is resolved.

use billing::jobs::alerts;
use billing::jobs::nightly;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use serde_json::{Value, json};
use store::alerts as rows;
use store::events::EventState;

use crate::stage::{Person, Stage, eventually, on_both};

const ALERTS: &str = "/api/admin/alerts";

/// The incidents of a rule, newest first, as (state, whether acknowledged).
pub async fn of_rule(operator: &Person<'_>, rule: &str) -> Vec<Value> {
    let (status, body) = operator.get(&format!("{ALERTS}?limit=100")).await;
    assert_eq!(status, 200, "{body}");
    let all = body["data"].as_array().unwrap().clone();
    all.into_iter().filter(|one| one["rule"] == rule).collect()
}

pub async fn states(operator: &Person<'_>, rule: &str) -> Vec<String> {
    let found = of_rule(operator, rule).await;
    let state = |one: &Value| one["state"].as_str().unwrap().to_owned();
    found.iter().map(state).collect()
}

async fn failed_again(stage: &Stage, times: usize) {
    for _ in 0..times {
        stage.write(0, rows::failed_again).await;
    }
}

on_both!(six_failures_in_a_row_open_one_alert_which_a_success_closes);
async fn six_failures_in_a_row_open_one_alert_which_a_success_closes(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let rule = "failed-webhooks";

    failed_again(stage, 5).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(
        states(&operator, rule).await,
        [""; 0],
        "five are not more than five"
    );
    failed_again(stage, 1).await;
    alerts::once(&stage.app).await.unwrap();
    failed_again(stage, 3).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(states(&operator, rule).await, ["open"], "once");

    // A successful sync closes the alert.
    stage.person("ann@example.com").await.buy_pack(500).await;
    stage.settled().await;
    alerts::once(&stage.app).await.unwrap();
    stage.settled().await;

    assert_eq!(states(&operator, rule).await, ["closed"]);
    let subjects = stage.mail_subjects().await;
    let told = |start: &str| subjects.iter().filter(|one| one.starts_with(start)).count();
    assert_eq!(
        (told("Alert: More than 5"), told("Resolved: More than 5")),
        (1, 1),
        "{subjects:?}"
    );
    failed_again(stage, 5).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(
        states(&operator, rule).await,
        ["closed"],
        "counted from the success"
    );
    failed_again(stage, 1).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(states(&operator, rule).await, ["open", "closed"]);
}

on_both!(a_sync_that_fails_counts_as_a_failure);
async fn a_sync_that_fails_counts_as_a_failure(stage: &Stage) {
    let ann = stage.person("ann@example.com").await;
    ann.buy_pack(500).await;
    stage.settled().await;
    assert_eq!(stage.read(rows::failed_in_a_row).await, 0);
    stage.answers(400, 50).await;

    stage.mark_for_sync(ann.account).await;
    let failures = async || stage.read(rows::failed_in_a_row).await;
    eventually(failures, |failures| *failures > 0).await;

    assert!(stage.app.stripe_failures() > 0);
    stage.no_faults().await;
}

/// A completed payment of `minor` on this day.
pub async fn paid(stage: &Stage, account: i64, day: i64, number: i64, minor: i64) {
    let at = Timestamp::from_seconds(day * SECONDS_PER_DAY + 60);
    let key = format!("test:{day}:{number}");
    stage
        .write(account, move |tx| {
            let new = store::transactions::NewTransaction {
                public_id: &key,
                account_id: account,
                natural_key: &key,
                amount_minor: minor,
                attempts: 1,
                occurred_at: at,
                ..store::testing::transaction()
            };
            store::transactions::put(tx, &new, at)
        })
        .await;
}

async fn compare_again(stage: &Stage, day: i64) {
    let before = (day - 1).to_string();
    stage
        .write(0, move |tx| {
            store::jobs::put(
                tx,
                alerts::REVENUE,
                Some(&before),
                Timestamp::from_seconds(0),
            )
        })
        .await;
    alerts::once(&stage.app).await.unwrap();
}

on_both!(a_revenue_drop_of_more_than_a_tenth_sends_an_alert_if_there_were_enough_payments);
async fn a_revenue_drop_of_more_than_a_tenth_sends_an_alert_if_there_were_enough_payments(
    stage: &Stage,
) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let ann = stage.person("ann@example.com").await;
    let hour = stage.app.settings.alerts.revenue_hour * 3_600;
    let day = (stage.app.now().seconds() - hour).div_euclid(SECONDS_PER_DAY) - 1;

    for number in 0..19 {
        paid(stage, ann.account, day - 1, number, 1_000).await;
    }
    compare_again(stage, day).await;
    assert_eq!(
        states(&operator, alerts::REVENUE).await,
        [""; 0],
        "too few to compare with"
    );

    paid(stage, ann.account, day - 1, 19, 1_000).await;
    paid(stage, ann.account, day, 0, 17_999).await;
    compare_again(stage, day).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(states(&operator, alerts::REVENUE).await, ["open"]);

    paid(stage, ann.account, day, 1, 1).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(
        states(&operator, alerts::REVENUE).await,
        ["open"],
        "compared once a day"
    );
    compare_again(stage, day).await;
    assert_eq!(
        states(&operator, alerts::REVENUE).await,
        ["closed"],
        "exactly a tenth"
    );
}

on_both!(each_alert_rule_detects_its_own_problem_and_no_other);
async fn each_alert_rule_detects_its_own_problem_and_no_other(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let ann = stage.person("ann@example.com").await;
    stage.settled().await;
    alerts::once(&stage.app).await.unwrap();
    let (_, calm) = operator.get(ALERTS).await;
    assert_eq!(calm["data"], json!([]), "all is well");

    let account = ann.account;
    let (now, long_ago) = (stage.app.real_now(), stage.app.real_now().plus_days(-2));
    stage
        .write(0, move |tx| {
            rows::add(tx, "bad-signature", 21, now)?;
            rows::add(tx, "stripe-error", 21, now)?;
            let event = |event_id, state| store::events::NewEvent {
                event_id,
                kind: "invoice.paid",
                state,
                account_id: Some(account),
                ..store::events::NewEvent::default()
            };
            store::events::insert(tx, &event("evt_old", EventState::Received), long_ago)?;
            let parked =
                store::events::insert(tx, &event("evt_parked", EventState::Received), now)?;
            store::events::settle(tx, parked.unwrap(), EventState::Parked, "for a person", now)?;
            let new = store::webhook_endpoints::NewEndpoint {
                public_id: "we_gone",
                url: "https://hooks.example.com/",
                description: "",
                events: "alert.opened",
                secret: "whsec_x",
                created_by: "test",
            };
            store::webhook_endpoints::insert(tx, &new, now)?;
            store::webhook_endpoints::disable(tx, "we_gone", "it answered 410", now)?;
            Ok(())
        })
        .await;
    nightly::note(&stage.app, 3, 0).await.unwrap();
    alerts::once(&stage.app).await.unwrap();

    let (_, body) = operator.get(&format!("{ALERTS}?state=open")).await;
    let mut found: Vec<&str> = body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    let wanted = [
        "audit",
        "bad-signatures",
        "endpoint-disabled",
        "inbox-age",
        "parked",
        "stripe-errors",
    ];
    assert_eq!(found, wanted);
    let of_endpoint = of_rule(&operator, "endpoint-disabled").await;
    assert_eq!(of_endpoint[0]["subject"], "we_gone");
    nightly::note(&stage.app, 0, 0).await.unwrap();
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(states(&operator, "audit").await, ["closed"]);
}

on_both!(an_operator_acknowledges_an_alert_and_a_viewer_can_only_read_it);
async fn an_operator_acknowledges_an_alert_and_a_viewer_can_only_read_it(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let viewer = stage.person_as("look@example.com", "viewer").await;
    let user = stage.person("ann@example.com").await;
    nightly::note(&stage.app, 3, 0).await.unwrap();
    alerts::once(&stage.app).await.unwrap();
    let alert = of_rule(&operator, "audit").await[0].clone();
    let path = format!("{ALERTS}/{}/acknowledge", alert["id"].as_str().unwrap());

    assert_eq!(user.get(ALERTS).await.0, 403);
    assert_eq!(user.post(&path, json!({})).await.0, 403);
    assert_eq!(viewer.get(ALERTS).await.0, 200);
    assert_eq!(viewer.post(&path, json!({})).await.0, 403);
    let (status, first) = operator.post(&path, json!({})).await;
    assert_eq!(status, 200, "{first}");
    assert!(first["acknowledgedAt"].is_string());
    let (status, page) = operator.page("/admin/alerts").await;
    assert!(status == 200 && page.contains("Open, known"), "{page}");
    let (status, page) = operator.page("/admin/webhooks").await;
    assert!(status == 200 && page.contains("No endpoints yet"), "{page}");
    assert_eq!(
        operator
            .post(&format!("{ALERTS}/alr_none/acknowledge"), json!({}))
            .await
            .0,
        404
    );
}
