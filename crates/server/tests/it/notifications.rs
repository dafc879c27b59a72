//! Notifications of the host application and the operators: every kind of webhook and every alert
//! is sent once.

mod alert_rules;
mod endpoints;
mod mails;

pub use alert_rules::put_owed;

use std::collections::BTreeSet;

use billing::config::Settings;
use billing::jobs::alerts;
use billing::jobs::auto_topup;
use billing::jobs::low;
use billing::jobs::nightly;
use billing::notices::EVENTS;
use reqwest::Method;
use serde_json::{Value, json};
use store::alerts as rows;
use store::outbox::MessageKind;
use store::{args, events, outbox};

use crate::alerts::{of_rule, states};
use crate::metering::host as host_program;
use crate::notices::{ENDPOINTS, Host, endpoint, test_endpoint};
use crate::pages::send;
use crate::stage::{Person, Stage, eventually, fresh_key, on_both};

fn hosted(settings: &mut Settings) {
    settings.webhooks.allow_loopback = true;
}

/// Waits until no outgoing webhook is pending.
async fn all_sent(stage: &Stage) {
    let queued = async || {
        stage
            .read(|tx| outbox::next_due(tx, MessageKind::Webhook))
            .await
    };
    eventually(queued, Option::is_none).await;
}

async fn alerted(stage: &Stage, differences: u64) {
    nightly::note(&stage.app, usize::try_from(differences).unwrap(), 0)
        .await
        .unwrap();
    alerts::once(&stage.app).await.unwrap();
}

on_both!(
    setting_and_removing_a_plan_override_each_send_one_email,
    hosted
);
async fn setting_and_removing_a_plan_override_each_send_one_email(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &host, json!(["plan.changed"])).await;
    let ann = stage.person("ann@example.com").await;
    let account = ann.account;
    let find = stage.account(account).await;
    let path = format!("/admin/accounts/{}/plan", find.public_id);

    for (tier, changes) in [("PRO", 1), ("", 2), ("PRO_PLUS", 3)] {
        let form = [("tier", tier), ("reason", "Partner")];
        let request = operator
            .request(Method::POST, &path)
            .header("accept", "text/html");
        assert_eq!(request.form(&form).send().await.unwrap().status(), 303);
        // The sync that follows finds a change that has already been reported.
        stage.sync(account).await;
        host.until("plan.changed", changes).await;
    }
    stage.settled().await;
    all_sent(stage).await;

    let told: Vec<_> = host
        .all()
        .iter()
        .map(|one| one.json()["data"].clone())
        .collect();
    let mut steps: Vec<_> = told
        .iter()
        .map(|data| {
            (
                data["formerTier"].as_str().unwrap(),
                data["tier"].as_str().unwrap(),
            )
        })
        .collect();
    steps.sort_unstable();
    assert_eq!(
        steps,
        [("FREE", "PRO"), ("FREE", "PRO_PLUS"), ("PRO", "FREE")]
    );
}

on_both!(every_kind_of_webhook_is_sent_once_per_change, hosted);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn every_kind_of_webhook_is_sent_once_per_change(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    let ann = stage.person("ann@example.com").await;
    let program = ann.program().await;

    ann.subscribe("PRO").await;
    ann.buy_pack(500).await;
    ann.buy_pack(1_000).await;
    ann.billing_when(|body| body["credits"]["available"] == 2_600)
        .await;
    let disputed = stage.charge_of(50).await;
    let dispute = stage.twin.dispute(&disputed, None).await.unwrap();
    host.until("dispute.changed", 1).await;
    let refunded = stage.charge_of(100).await;
    stage.refund(&refunded).await;
    host.until("refund.created", 1).await;
    ann.billing_when(|body| body["credits"]["available"] == 1_100)
        .await;
    program.debit("most", 1_060).await;
    low::once(&stage.app).await.unwrap();
    host.until("credits.low", 1).await;
    program.debit("rest", 40).await;
    low::once(&stage.app).await.unwrap();
    host.until("credits.gone", 1).await;
    stage
        .twin
        .close_dispute(dispute["id"].as_str().unwrap(), true)
        .await
        .unwrap();
    host.until("dispute.changed", 2).await;
    stage.decline_next("insufficient_funds").await;
    stage.twin.advance("32d").await.unwrap();
    host.until("payment.failed", 1).await;
    alerted(stage, 3).await;
    alerted(stage, 0).await;
    test_endpoint(&operator, &id).await;
    for event in EVENTS {
        host.until(event, 1).await;
    }
    stage.settled().await;
    all_sent(stage).await;
    let before = host.all().len();

    // Repeating the request sends nothing again.
    stage.mark_for_sync(ann.account).await;
    stage.settled().await;
    low::once(&stage.app).await.unwrap();
    alerts::once(&stage.app).await.unwrap();
    all_sent(stage).await;

    let all = host.all();
    assert_eq!(all.len(), before);
    let ids: BTreeSet<&str> = all.iter().map(|got| got.id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "each once");
    for got in &all {
        assert!(got.is_signed_with(&secret), "{got:?}");
        assert!(
            !got.json().to_string().contains('@'),
            "nothing of a person: {got:?}"
        );
        let kind = got.json()["type"].as_str().unwrap().to_owned();
        assert!(EVENTS.contains(&kind.as_str()), "{kind} is documented");
    }
    let data = |event: &str, at: usize| host.of(event)[at].json()["data"].clone();
    assert_eq!(data("dispute.changed", 0)["amount"], "0.50");
    let statuses: Vec<Value> = host
        .of("dispute.changed")
        .iter()
        .map(|got| got.json()["data"]["status"].clone())
        .collect();
    assert_eq!(statuses, ["needs_response", "won"]);
    assert_eq!(data("refund.created", 0)["amount"], "1.00");
    assert_eq!(data("credits.low", 0)["available"], 40);
    assert_eq!(data("credits.low", 0)["threshold"], 50);
    assert_eq!(data("credits.gone", 0)["available"], 0);
    assert_eq!(
        data("alert.opened", 0)["alert"],
        data("alert.closed", 0)["alert"]
    );
    let (_, log) = operator
        .get(&format!("{ENDPOINTS}/{id}/deliveries?limit=100"))
        .await;
    assert_eq!(log["data"].as_array().unwrap().len(), all.len());
    assert!(
        log["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["state"] == "sent"),
        "{log}"
    );
}

on_both!(
    each_change_of_credits_sends_one_webhook_whatever_its_source,
    hosted
);
async fn each_change_of_credits_sends_one_webhook_whatever_its_source(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &host, json!(["credits.granted"])).await;
    let ann = stage.person("ann@example.com").await;
    let program = ann.program().await;

    // The first call grants the free allowance.
    program.debit("first", 1).await;
    ann.subscribe("PRO").await;
    ann.billing_when(|body| body["credits"]["available"] == 1_099)
        .await;
    let server = host_program(stage).await;
    let account = ann.account;
    let id = stage.public_id(account).await;
    let adjust = format!("/api/v1/accounts/{id}/credits/adjustments");
    for _ in 0..2 {
        let up = json!({ "credits": 7, "reason": "goodwill" });
        assert_eq!(server.post(&adjust, "up", up).await.status, 201);
        let down = json!({ "credits": -6, "reason": "correction" });
        assert_eq!(server.post(&adjust, "down", down).await.status, 201);
        let promo = json!({ "credits": 40 });
        assert_eq!(
            server
                .post(&format!("/api/v1/accounts/{id}/grants"), "promo", promo)
                .await
                .status,
            201
        );
    }
    let on = json!({ "autoTopup": {
    "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": "50.00" } });
    ann.request(Method::PUT, "/api/v1/settings")
        .json(&on)
        .send()
        .await
        .unwrap();
    program.debit("most", 1_000).await;
    auto_topup::once(&stage.app).await.unwrap();
    ann.billing_when(|body| body["credits"]["available"] == 5_140)
        .await;
    host.until("credits.granted", 5).await;
    stage.settled().await;
    all_sent(stage).await;

    let mut told: Vec<(String, String)> = host
        .all()
        .iter()
        .map(|got| got.json()["data"].clone())
        .map(|data| {
            (
                data["kind"].as_str().unwrap().to_owned(),
                data["credits"].to_string(),
            )
        })
        .collect();
    told.sort();
    let wanted = [
        ("adjustment", "7"),
        ("allowance", "100"),
        ("allowance", "1000"),
        ("promo", "40"),
        ("purchase", "5000"),
    ];
    assert_eq!(
        told,
        wanted.map(|(kind, credits)| (kind.to_owned(), credits.to_owned()))
    );
}

on_both!(
    a_failed_webhook_delivery_is_retried_automatically_with_the_same_id,
    hosted
);
async fn a_failed_webhook_delivery_is_retried_automatically_with_the_same_id(stage: &Stage) {
    let host = Host::start().await;
    host.answers(503);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    test_endpoint(&operator, &id).await;
    host.until("endpoint.test", 1).await;

    host.answers(200);
    let got = host.until("endpoint.test", 2).await;
    all_sent(stage).await;

    assert_eq!(got[0].id, got[1].id);
    assert!(got.iter().all(|got| got.is_signed_with(&secret)));
    let (_, log) = operator.get(&format!("{ENDPOINTS}/{id}/deliveries")).await;
    let row = &log["data"][0];
    assert_eq!(
        (&row["state"], &row["attempts"], &row["status"]),
        (&json!("sent"), &json!(2), &json!(200)),
        "{log}"
    );
}

/// Sets the endpoint's failures as if every delivery had failed for this many days and an hour.
async fn failing_for(stage: &Stage, id: &str, days: i64) {
    let (id, since) = (
        id.to_owned(),
        stage.app.real_now().plus_days(-days).plus_seconds(-3_600),
    );
    stage
        .write(0, move |tx| {
            store::webhook_endpoints::note_success(tx, &id)?;
            store::webhook_endpoints::note_failure(tx, &id, since).map(|_| ())
        })
        .await;
}

async fn tested_until(operator: &Person<'_>, host: &Host, id: &str, wanted: (&str, bool)) -> Value {
    let seen = host.of("endpoint.test").len();
    test_endpoint(operator, id).await;
    host.until("endpoint.test", seen + 1).await;
    let shown = async || operator.get(&format!("{ENDPOINTS}/{id}")).await.1;
    eventually(shown, |shown| {
        shown["state"] == wanted.0 && shown["failingSince"].is_string() == wanted.1
    })
    .await
}

on_both!(
    an_endpoint_that_failed_for_days_is_disabled_and_operators_are_notified,
    hosted
);
async fn an_endpoint_that_failed_for_days_is_disabled_and_operators_are_notified(stage: &Stage) {
    let (lost, other) = (Host::start().await, Host::start().await);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, _) = endpoint(&operator, &lost, json!(["payment.failed"])).await;
    endpoint(&operator, &other, json!(["alert.opened", "alert.closed"])).await;
    let days = stage.app.settings.webhooks.disable_days;

    // A success resets the count of days.
    failing_for(stage, &id, days).await;
    tested_until(&operator, &lost, &id, ("enabled", false)).await;
    lost.answers(500);
    failing_for(stage, &id, days - 1).await;
    tested_until(&operator, &lost, &id, ("enabled", true)).await;
    failing_for(stage, &id, days).await;
    let shown = tested_until(&operator, &lost, &id, ("disabled", true)).await;
    alerts::once(&stage.app).await.unwrap();
    alerts::once(&stage.app).await.unwrap();
    other.until("alert.opened", 1).await;
    stage.settled().await;

    assert_eq!(
        shown["disabledReason"],
        "every delivery failed for too long"
    );
    assert_eq!(states(&operator, "endpoint-disabled").await, ["open"]);
    assert_eq!(
        of_rule(&operator, "endpoint-disabled").await[0]["subject"],
        id.as_str()
    );
    let subjects = stage.mail_subjects().await;
    assert_eq!(stage.mails_with("was disabled").await, 1, "{subjects:?}");
    let before = lost.all().len();
    test_endpoint(&operator, &id).await;
    all_sent(stage).await;
    assert_eq!(lost.all().len(), before, "nothing is sent to it");
    lost.answers(200);
    send(&operator, &format!("/admin/webhooks/{id}/enable"), &[]).await;
    alerts::once(&stage.app).await.unwrap();
    other.until("alert.closed", 1).await;
    assert_eq!(states(&operator, "endpoint-disabled").await, ["closed"]);
}
