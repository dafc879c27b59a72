//! What the host application and the operators are told of, and when: every kind of notice by what
//! it tells of, every alert by its trouble; each once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use billing::config::Settings;
use billing::jobs::alerts;
use billing::jobs::low;
use billing::jobs::nightly;
use billing::jobs::topup;
use billing::notices::EVENTS;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use store::alerts as rows;
use store::{args, events, outbox};

use crate::alerts::{of_rule, states};
use crate::metering::{Program, host as host_program};
use crate::notices::{ENDPOINTS, Host, endpoint};
use crate::stage::{PATIENCE, Person, Stage, fresh_key, on_both};

fn hosted(settings: &mut Settings) {
    settings.webhooks.allow_loopback = true;
}

/// Waits until no notice is on its way.
async fn all_sent(stage: &Stage) {
    let started = Instant::now();
    loop {
        let queued = stage
            .app
            .read(|tx| outbox::next_due(tx, "webhook"))
            .await
            .unwrap();
        if queued.is_none() {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "notices are still on their way"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn charge_of(stage: &Stage, amount: i64) -> String {
    let charges = stage.stripe_get("/v1/charges?limit=100").await;
    let all = charges["data"].as_array().unwrap().clone();
    let found = all.iter().find(|charge| charge["amount"] == amount);
    found.expect("the charge")["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn alerted(stage: &Stage, differences: u64) {
    nightly::note(&stage.app, usize::try_from(differences).unwrap(), 0)
        .await
        .unwrap();
    alerts::once(&stage.app).await.unwrap();
}

on_both!(
    a_plan_that_is_set_and_taken_away_by_hand_is_told_once_each_time,
    hosted
);
async fn a_plan_that_is_set_and_taken_away_by_hand_is_told_once_each_time(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &host, json!(["plan.changed"])).await;
    let ann = stage.person("ann@example.com").await;
    let account = ann.account;
    let find = stage.app.read(move |tx| store::accounts::find(tx, account));
    let path = format!(
        "/admin/accounts/{}/plan",
        find.await.unwrap().unwrap().public_id
    );

    for (tier, changes) in [("PRO", 1), ("", 2), ("PRO_PLUS", 3)] {
        let form = [("tier", tier), ("reason", "Partner")];
        let request = operator
            .request(Method::POST, &path)
            .header("accept", "text/html");
        assert_eq!(request.form(&form).send().await.unwrap().status(), 303);
        // The sync that follows finds what was told.
        billing::sync::account(&stage.app, account).await.unwrap();
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

on_both!(
    every_kind_of_notice_is_sent_once_by_what_it_tells_of,
    hosted
);
async fn every_kind_of_notice_is_sent_once_by_what_it_tells_of(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    let ann = stage.person("ann@example.com").await;
    let program = Program {
        stage,
        secret: ann.meter_key().await,
    };

    ann.subscribe("PRO").await;
    ann.buy_pack(500).await;
    ann.buy_pack(1_000).await;
    ann.billing_when(|body| body["credits"]["available"] == 2_600)
        .await;
    let disputed = charge_of(stage, 50).await;
    let dispute = stage.twin.dispute(&disputed, None).await.unwrap();
    host.until("dispute.changed", 1).await;
    let refunded = charge_of(stage, 100).await;
    stage
        .stripe_post("/v1/refunds", &[("charge", &refunded)])
        .await;
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
    stage
        .twin
        .decline_next(None, Some("insufficient_funds"))
        .await
        .unwrap();
    stage.twin.advance("32d").await.unwrap();
    host.until("payment.failed", 1).await;
    alerted(stage, 3).await;
    alerted(stage, 0).await;
    operator
        .post(&format!("{ENDPOINTS}/{id}/test"), json!({}))
        .await;
    for event in EVENTS {
        host.until(event, 1).await;
    }
    stage.settled().await;
    all_sent(stage).await;
    let before = host.all().len();

    // Said again, nothing is sent again.
    let (account, now) = (ann.account, stage.app.real_now());
    stage
        .app
        .write(account, move |tx| store::sync::ring(tx, account, now))
        .await
        .unwrap();
    stage.app.sync_bell.notify_one();
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

on_both!(credits_are_told_of_once_whichever_way_they_come, hosted);
async fn credits_are_told_of_once_whichever_way_they_come(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &host, json!(["credits.granted"])).await;
    let ann = stage.person("ann@example.com").await;
    let program = Program {
        stage,
        secret: ann.meter_key().await,
    };

    // The first call brings the free allowance.
    program.debit("first", 1).await;
    ann.subscribe("PRO").await;
    ann.billing_when(|body| body["credits"]["available"] == 1_099)
        .await;
    let server = host_program(stage).await;
    let account = ann.account;
    let id = stage
        .app
        .read(move |tx| store::accounts::find(tx, account))
        .await
        .unwrap()
        .unwrap()
        .public_id;
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
    topup::once(&stage.app).await.unwrap();
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
    a_notice_that_did_not_arrive_is_sent_again_by_itself_under_its_id,
    hosted
);
async fn a_notice_that_did_not_arrive_is_sent_again_by_itself_under_its_id(stage: &Stage) {
    let host = Host::start().await;
    host.answers(503);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    operator
        .post(&format!("{ENDPOINTS}/{id}/test"), json!({}))
        .await;
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

/// As if every delivery had failed since so many days and an hour.
async fn failing_for(stage: &Stage, id: &str, days: i64) {
    let (id, since) = (
        id.to_owned(),
        stage.app.real_now().plus_days(-days).plus_seconds(-3_600),
    );
    let noted = stage.app.write(0, move |tx| {
        store::webhook_endpoints::note_success(tx, &id)?;
        store::webhook_endpoints::note_failure(tx, &id, since).map(|_| ())
    });
    noted.await.unwrap();
}

async fn tested_until(operator: &Person<'_>, host: &Host, id: &str, wanted: (&str, bool)) -> Value {
    let seen = host.of("endpoint.test").len();
    operator
        .post(&format!("{ENDPOINTS}/{id}/test"), json!({}))
        .await;
    host.until("endpoint.test", seen + 1).await;
    let started = Instant::now();
    loop {
        let (_, shown) = operator.get(&format!("{ENDPOINTS}/{id}")).await;
        if shown["state"] == wanted.0 && shown["failingSince"].is_string() == wanted.1 {
            return shown;
        }
        assert!(started.elapsed() < PATIENCE, "{shown}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_both!(
    an_endpoint_that_failed_for_days_is_disabled_and_operators_are_told,
    hosted
);
async fn an_endpoint_that_failed_for_days_is_disabled_and_operators_are_told(stage: &Stage) {
    let (lost, other) = (Host::start().await, Host::start().await);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, _) = endpoint(&operator, &lost, json!(["payment.failed"])).await;
    endpoint(&operator, &other, json!(["alert.opened", "alert.closed"])).await;
    let days = stage.app.settings.webhooks.disable_days;

    // One success in between, and the days count anew.
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
    assert_eq!(
        subjects
            .iter()
            .filter(|one| one.contains("was disabled"))
            .count(),
        1,
        "{subjects:?}"
    );
    let before = lost.all().len();
    operator
        .post(&format!("{ENDPOINTS}/{id}/test"), json!({}))
        .await;
    all_sent(stage).await;
    assert_eq!(lost.all().len(), before, "nothing is sent to it");
    lost.answers(200);
    send(&operator, &format!("/admin/webhooks/{id}/enable"), &[]).await;
    alerts::once(&stage.app).await.unwrap();
    other.until("alert.closed", 1).await;
    assert_eq!(states(&operator, "endpoint-disabled").await, ["closed"]);
}

/// Sends a form as a browser does.
async fn send(person: &Person<'_>, path: &str, form: &[(&str, &str)]) -> Response {
    let request = person.request(Method::POST, path);
    let request = request.header("accept", "text/html").form(form);
    request.send().await.expect("the service answers")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text
        .find(start)
        .unwrap_or_else(|| panic!("no {start} in {text}"))
        + start.len();
    let until = text[from..].find(end).unwrap();
    &text[from..from + until]
}

on_both!(
    the_forms_for_endpoints_do_what_they_say_and_refuse_who_may_not,
    hosted
);
async fn the_forms_for_endpoints_do_what_they_say_and_refuse_who_may_not(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let viewer = stage.person_as("look@example.com", "viewer").await;
    let home = "/admin/webhooks";

    let wrong = send(&operator, home, &[("url", "https://10.0.0.1/hook")]).await;
    let (wrong_status, wrong) = (wrong.status().as_u16(), wrong.text().await.unwrap());
    let refused = send(&viewer, home, &[("url", &host.url)])
        .await
        .status()
        .as_u16();
    let made = send(&operator, home, &[("url", &host.url)]).await;
    let (made_status, made) = (made.status().as_u16(), made.text().await.unwrap());
    let first = between(&made, "id=\"new-secret\">", "<").to_owned();
    let (_, list) = operator.page(home).await;
    let id = between(&list, "href=\"/admin/webhooks/we_", "\"");
    let page = format!("{home}/we_{id}");

    assert_eq!((wrong_status, refused, made_status), (400, 403, 201));
    assert!(
        wrong.contains("id=\"url-error\"") && wrong.contains("https://10.0.0.1/hook"),
        "{wrong}"
    );
    assert!(!list.contains(&first), "shown once");
    let act = async |act: &str| send(&operator, &format!("{page}/{act}"), &[]).await;
    assert_eq!(act("test").await.status(), 303);
    let got = host.until("endpoint.test", 1).await;
    assert!(got[0].is_signed_with(&first));
    all_sent(stage).await;
    let shown = act("rotate").await.text().await.unwrap();
    let second = between(&shown, "id=\"new-secret\">", "<").to_owned();
    assert_ne!(first, second);
    let (_, shown) = operator.page(&page).await;
    assert!(!shown.contains(&second), "shown once");
    let delivery = between(&shown, "name=\"delivery\" value=\"", "\"").to_owned();
    let resend = format!("{page}/resend");
    assert_eq!(
        send(&operator, &resend, &[("delivery", &delivery)])
            .await
            .status(),
        303
    );
    let got = host.until("endpoint.test", 2).await;
    assert_eq!(got[0].id, got[1].id);
    assert!(got[1].is_signed_with(&first) && got[1].is_signed_with(&second));
    assert_eq!(
        send(&operator, &resend, &[("delivery", "999999")])
            .await
            .status(),
        404
    );
    assert_eq!(act("disable").await.status(), 303);
    let (_, shown) = operator.page(&page).await;
    assert!(
        shown.contains("Disabled") && shown.contains("Enable"),
        "{shown}"
    );
    assert_eq!(act("enable").await.status(), 303);
    for path in ["test", "rotate", "disable", "delete", "resend"] {
        let status = send(&viewer, &format!("{page}/{path}"), &[]).await.status();
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!(act("explode").await.status(), 404);
    let elsewhere = operator
        .request(Method::POST, &format!("{page}/delete"))
        .header("sec-fetch-site", "cross-site")
        .form(&[("delivery", "")]);
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);
    assert_eq!(act("delete").await.status(), 303);
    let (status, _) = operator.page(&page).await;
    assert_eq!(status, 404);
    let (_, list) = operator.page(home).await;
    assert!(list.contains("No endpoints yet"));
}

/// One rule: its trouble begins, and ends.
async fn begins(stage: &Stage, ann: &Person<'_>, rule: &str) {
    let (account, now) = (ann.account, stage.app.real_now());
    let long_ago = now.plus_days(-2);
    let event = move |event_id| events::NewEvent {
        event_id,
        kind: "invoice.paid",
        state: "received",
        account_id: Some(account),
        ..events::NewEvent::default()
    };
    let rule = rule.to_owned();
    if rule == "audit" {
        nightly::note(&stage.app, 1, 0).await.unwrap();
        return;
    }
    let begun = stage.app.write(0, move |tx| {
        match rule.as_str() {
            "failed-webhooks" => {
                for _ in 0..6 {
                    rows::failed_again(tx)?;
                }
            }
            "inbox-age" => {
                events::insert(tx, &event("evt_old"), long_ago)?;
            }
            "parked" => {
                let n = events::insert(tx, &event("evt_parked"), now)?;
                events::settle(tx, n.unwrap(), "parked", "for a person", now)?;
            }
            "bad-signatures" => {
                rows::add(tx, "bad-signature", 21, now)?;
            }
            "stripe-errors" => {
                rows::add(tx, "stripe-error", 21, now)?;
            }
            "outbox" => {
                let new = outbox::NewMessage {
                    key: "mail:old",
                    kind: "mail",
                    account_id: None,
                    recipient: "somebody@example.com",
                    payload: "{}",
                };
                outbox::enqueue(tx, &new, long_ago)?;
                let row = outbox::by_key(tx, "mail:old")?.unwrap();
                outbox::set_failed(tx, row.id, "not reached", Some(now.plus_days(1)))?;
            }
            "stuck-holds" => {
                tx.execute(
                    "update hold set expires_at = expires_at - 86400000000 where account_id = $1",
                    args![account],
                )?;
            }
            "uncollected" => {
                tx.execute(
                    "update hold set uncollected = 1001000000, resolved_at = authorized_at
                      where account_id = $1",
                    args![account],
                )?;
            }
            "endpoint-disabled" => {
                let all = store::webhook_endpoints::all(tx)?;
                let id = &all[0].public_id;
                store::webhook_endpoints::disable(tx, id, "it answered 410", now)?;
            }
            other => panic!("how does {other} begin?"),
        }
        Ok(())
    });
    begun.await.unwrap();
}

async fn ends(stage: &Stage, ann: &Person<'_>, rule: &str) {
    let (account, now) = (ann.account, stage.app.real_now());
    let rule = rule.to_owned();
    if rule == "audit" {
        nightly::note(&stage.app, 0, 0).await.unwrap();
        return;
    }
    let ended = stage.app.write(0, move |tx| {
        let settle = |tx: &mut store::Tx<'_>, id: &str| {
            let event = events::find(tx, id)?.unwrap();
            events::settle(tx, event.n, "done", "applied", now).map(|_| ())
        };
        match rule.as_str() {
            "failed-webhooks" => {
                rows::succeeded(tx)?;
            }
            "inbox-age" => settle(tx, "evt_old")?,
            "parked" => settle(tx, "evt_parked")?,
            "bad-signatures" | "stripe-errors" => {
                rows::forget_tallies(tx, now.plus_seconds(7_200))?;
            }
            "outbox" => {
                let row = outbox::by_key(tx, "mail:old")?.unwrap();
                outbox::set_sent(tx, row.id, now)?;
            }
            "stuck-holds" => {
                tx.execute(
                    "update hold set expires_at = expires_at + 86400000000 where account_id = $1",
                    args![account],
                )?;
            }
            "uncollected" => {
                tx.execute(
                    "update hold set uncollected = 0, resolved_at = null where account_id = $1",
                    args![account],
                )?;
            }
            "endpoint-disabled" => {
                let all = store::webhook_endpoints::all(tx)?;
                store::webhook_endpoints::enable(tx, &all[0].public_id, now)?;
            }
            other => panic!("how does {other} end?"),
        }
        Ok(())
    });
    ended.await.unwrap();
}

on_both!(
    every_rule_opens_one_incident_tells_of_it_and_closes_it_by_itself,
    hosted
);
async fn every_rule_opens_one_incident_tells_of_it_and_closes_it_by_itself(stage: &Stage) {
    let (quiet, host) = (Host::start().await, Host::start().await);
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &quiet, json!(["payment.failed"])).await;
    endpoint(&operator, &host, json!(["alert.opened", "alert.closed"])).await;
    let ann = stage.person("ann@example.com").await;
    let program = Program {
        stage,
        secret: ann.meter_key().await,
    };
    let held = program
        .post(
            "/api/v1/holds",
            &fresh_key(),
            json!({ "credits": 10, "ttlSeconds": 80_000 }),
        )
        .await;
    assert_eq!(held.status, 201, "{}", held.body);
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(
        operator.get("/api/admin/alerts").await.1["data"],
        json!([]),
        "all is well"
    );

    // What is compared once a day has a story of its own.
    let rules = alerts::RULES
        .iter()
        .filter(|rule| **rule != alerts::REVENUE);
    for (number, rule) in rules.enumerate() {
        begins(stage, &ann, rule).await;
        alerts::once(&stage.app).await.unwrap();
        alerts::once(&stage.app).await.unwrap();
        let open = operator.get("/api/admin/alerts?state=open").await.1["data"].clone();
        let open: Vec<&str> = open
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["rule"].as_str().unwrap())
            .collect();
        assert_eq!(open, [*rule], "this and no other");
        let opened = host.until("alert.opened", number + 1).await;
        ends(stage, &ann, rule).await;
        alerts::once(&stage.app).await.unwrap();
        alerts::once(&stage.app).await.unwrap();
        let closed = host.until("alert.closed", number + 1).await;

        assert_eq!(states(&operator, rule).await, ["closed"], "{rule}");
        assert_eq!(
            (opened.len(), closed.len()),
            (number + 1, number + 1),
            "{rule}: once each"
        );
        assert_eq!(opened[number].json()["data"]["rule"], *rule);
        assert_eq!(closed[number].json()["data"]["rule"], *rule);
        stage.settled().await;
        let summary = opened[number].json()["data"]["summary"]
            .as_str()
            .unwrap()
            .trim_end_matches('.')
            .to_owned();
        let subjects = stage.mail_subjects().await;
        let told = |start: &str| {
            let wanted = format!("{start}: {summary}");
            subjects.iter().filter(|one| **one == wanted).count()
        };
        assert_eq!(
            (told("Alert"), told("Over")),
            (1, 1),
            "{rule}: {subjects:?}"
        );
    }
}
