//! Numbers that callers name: read exactly in every form, bounded, and never able to stop a report.

use billing::jobs::alerts;
use reqwest::Method;
use serde_json::{Value, json};
use store::args;

use crate::metering::{Program, host, program};
use crate::notifications::put_owed;
use crate::stage::{Stage, fresh_key, on_both, pack};

impl Program<'_> {
    /// Posts this text, which `json!` would write differently.
    async fn send(&self, path: &str, body: &str) -> (u16, Value) {
        let answer = self
            .call(Method::POST, path, Some(&fresh_key()), body)
            .await;
        (answer.status, answer.body)
    }
}

async fn open_alerts(stage: &Stage) -> Vec<String> {
    let open = stage.read(|tx| store::alerts::all_open(tx, 100)).await;
    open.into_iter().map(|alert| alert.rule).collect()
}

on_both!(a_capture_far_above_its_hold_is_refused_and_the_hold_stays);
async fn a_capture_far_above_its_hold_is_refused_and_the_hold_stays(stage: &Stage) {
    let program = program(stage, "free@example.com").await;
    let mut holds = Vec::new();
    for _ in 0..11 {
        holds.push(program.hold(1).await);
    }

    for hold in &holds {
        for credits in ["1e12", "1000000000", "101", "100.000001"] {
            let path = format!("/api/v1/holds/{hold}/capture");
            let (status, body) = program
                .send(&path, &format!("{{\"credits\":{credits}}}"))
                .await;
            assert_eq!((status, &body["field"]), (400, &json!("credits")), "{body}");
            assert!(body["detail"].as_str().unwrap().contains("at most 100"));
        }
    }
    assert_eq!(program.available().await, 89.0, "nothing changed");
    let hundred = program.capture(&holds[0], json!({ "credits": 100 })).await;
    alerts::once(&stage.app).await.unwrap();

    assert_eq!(
        (&hundred.body["captured"], &hundred.body["uncollected"]),
        (&json!(90), &json!(10))
    );
    assert_eq!(open_alerts(stage).await, [""; 0]);
}

on_both!(a_capture_of_units_may_be_far_above_the_hold_of_one_unit);
async fn a_capture_of_units_may_be_far_above_the_hold_of_one_unit(stage: &Stage) {
    let program = program(stage, "free@example.com").await;
    let hold = program
        .post("/api/v1/holds", "h", json!({ "operation": "embeddings" }))
        .await;
    let hold = hold.body["id"].as_str().unwrap();

    let too_many = program.capture(hold, json!({ "units": 1e11 })).await;
    let captured = program.capture(hold, json!({ "units": 900 })).await;

    assert_eq!(too_many.refusal(), (400, "invalid_field"));
    assert_eq!(captured.body["captured"], 90, "{}", captured.body);
}

on_both!(absurd_rows_stop_no_alert_rule_no_report_and_no_page);
async fn absurd_rows_stop_no_alert_rule_no_report_and_no_page(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    for number in 0..4 {
        let hold = program.hold(1).await;
        program.capture(&hold, json!({ "credits": 1 })).await;
        let operation = json!({ "operation": if number % 2 == 0 { "chat" } else { "ocr" } });
        program
            .post("/api/v1/debits", &fresh_key(), operation)
            .await;
    }
    stage.person("omar@example.com").await.billing().await;
    stage
        .write(0, |tx| {
            let most = i64::MAX;
            tx.execute("update hold set uncollected = $1", args![most])?;
            tx.execute("update usage_day set credits = $1, calls = $1", args![most])?;
            tx.execute("update wallet set posted = $1", args![most])?;
            tx.execute("update tally set count = $1", args![most])
        })
        .await;
    stage
        .write(0, |tx| {
            let now = domain::time::Timestamp::from_seconds(1);
            store::alerts::add(tx, "other", 1, now)
        })
        .await;

    alerts::once(&stage.app).await.unwrap();
    let usage = program.get("/api/v1/usage").await;
    let csv = program
        .request(Method::GET, "/api/v1/usage")
        .header("accept", "text/csv")
        .send()
        .await
        .unwrap();
    let limit = json!({ "scope": "account", "window": "month", "credits": 5 });
    let (limited, _) = maya.put("/api/v1/limits", limit).await;
    let metrics = stage.get("/metrics").await;

    assert_eq!(open_alerts(stage).await, ["uncollected"]);
    assert_eq!(usage.status, 200, "{}", usage.body);
    // The largest number that fits, as the JSON reader of this test rounds it.
    let total = usage.body["total"]["credits"].to_string();
    assert!(total.starts_with("9223372036854.77"), "{total}");
    assert_eq!((csv.status().as_u16(), limited), (200, 200));
    assert_eq!(metrics.status().as_u16(), 200);
    for page in ["/admin", "/admin/accounts", "/admin/audit"] {
        let (status, _) = operator.page(page).await;
        assert_eq!(status, 200, "{page}");
    }
    for page in ["/dashboard/usage", "/dashboard/billing", "/dashboard/keys"] {
        let (status, _) = maya.page(page).await;
        assert_eq!(status, 200, "{page}");
    }
}

on_both!(an_alert_rule_that_cannot_be_evaluated_stops_no_other_and_is_told);
async fn an_alert_rule_that_cannot_be_evaluated_stops_no_other_and_is_told(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let (account, now) = (maya.account, stage.app.real_now());
    stage
        .write(0, move |tx| put_owed(tx, account, "int_1", now))
        .await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(open_alerts(stage).await, ["owed"]);

    // The rule about what is owed fails from now on; others begin to hold.
    stage
        .write(0, |tx| {
            let unknown = "update stripe_intent set kind = 'not_known' where id = 'int_1'";
            tx.execute(unknown, args![])
        })
        .await;
    billing::jobs::nightly::note(&stage.app, 1, 0)
        .await
        .unwrap();
    let incident = move |tx: &mut store::Tx<'_>| store::alerts::add(tx, "stripe-error", 21, now);
    stage.write(0, incident).await;
    alerts::once(&stage.app).await.unwrap();

    let mut open = open_alerts(stage).await;
    open.sort();
    assert_eq!(
        open,
        ["alert-rule", "audit", "owed", "stripe-errors"],
        "what is owed isn't taken for paid"
    );
}

/// Every endpoint that takes credits, with the name of the field, by a program of the host.
fn endpoints(account: &str, hold: &str) -> Vec<(Method, String, String, &'static str)> {
    let post = |path: String, body: &str| (Method::POST, path, body.to_owned(), "credits");
    let of = |rest: &str| format!("/api/v1/accounts/{account}/{rest}");
    let named = format!("\"account\":\"{account}\"");
    vec![
        post(
            "/api/v1/debits".into(),
            &format!("{{{named},\"credits\":#}}"),
        ),
        post(
            "/api/v1/holds".into(),
            &format!("{{{named},\"credits\":#}}"),
        ),
        post(format!("/api/v1/holds/{hold}/capture"), "{\"credits\":#}"),
        post(
            of("credits/adjustments"),
            "{\"credits\":#,\"reason\":\"goodwill\"}",
        ),
        post(of("grants"), "{\"credits\":#}"),
        post(
            of("credits/forgiveness"),
            "{\"credits\":#,\"reason\":\"goodwill\"}",
        ),
        (
            Method::PUT,
            "/api/v1/limits".into(),
            format!("{{{named},\"scope\":\"account\",\"window\":\"day\",\"credits\":#}}"),
            "credits",
        ),
    ]
}

on_both!(a_number_is_read_exactly_in_every_form_at_every_endpoint);
async fn a_number_is_read_exactly_in_every_form_at_every_endpoint(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let account = stage.public_id(maya.account).await;
    let (own, host) = (maya.program().await, host(stage).await);
    for (form, exact) in [
        ("5e-05", "0.00005"),
        ("5E-5", "0.00005"),
        ("0.000050", "0.00005"),
        ("1e0", "1"),
        ("1.0", "1"),
        ("0.1E1", "1"),
    ] {
        let (status, body) = own
            .send("/api/v1/debits", &format!("{{\"credits\":{form}}}"))
            .await;
        assert_eq!(status, 201, "{form}: {body}");
        let exact: Value = serde_json::from_str(exact).unwrap();
        assert_eq!(body["credits"], exact, "{form}");
    }
    // Three times 0.00005 and three times 1.
    assert_eq!(own.get("/api/v1/balance").await.body["available"], 96.99985);

    let hold = own.hold(1).await;
    for (method, path, body, field) in endpoints(&account, &hold) {
        for bad in [
            "5e-07",
            "0.0000001",
            "1e13",
            "-1e13",
            "9223372036854775808",
            "\"1\"",
            "true",
            "[1]",
        ] {
            let text = body.replace('#', bad);
            let answer = host
                .call(method.clone(), &path, Some(&fresh_key()), &text)
                .await;
            let found = (answer.status, answer.body["field"].as_str());
            assert_eq!(found, (400, Some(field)), "{path} {text}: {}", answer.body);
        }
        let text = body.replace('#', "5e-05");
        let answer = host.call(method, &path, Some(&fresh_key()), &text).await;
        let is_forgiveness = path.ends_with("forgiveness");
        let expected: &[u16] = if is_forgiveness { &[409] } else { &[200, 201] };
        assert!(expected.contains(&answer.status), "{path}: {}", answer.body);
    }
    let settings = |text: &str| {
        let request = maya.request(Method::PUT, "/api/v1/settings");
        let request = request.header("content-type", "application/json");
        crate::stage::answer(request.body(format!("{{\"creditsLowBelow\":{text}}}")))
    };
    assert_eq!(settings("25e-1").await.1["creditsLowBelow"], 2.5);
    assert_eq!(settings("1e-7").await.0, 400);
    stage.audited().await;
}

on_both!(a_debit_names_an_operation_or_credits_and_a_hold_defaults_to_a_call);
async fn a_debit_names_an_operation_or_credits_and_a_hold_defaults_to_a_call(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    for body in [
        "{}",
        "{\"credits\":null}",
        "{\"units\":3}",
        "{\"operation\":null}",
    ] {
        let (status, answer) = program.send("/api/v1/debits", body).await;
        assert_eq!((status, &answer["field"]), (400, &json!("operation")));
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("operation or credits"), "{detail}");
        assert!(detail.contains("\"call\""), "{detail}");
    }
    let batch = json!({ "debits": [{ "key": "a" }, { "key": "b", "operation": "call" }] });
    let batch = program.post("/api/v1/debits/batch", "x", batch).await;
    let statuses = crate::stage::column(&batch.body["results"], "status");
    assert_eq!(statuses, [&json!(400), &json!(201)]);
    assert_eq!(program.available().await, 99.0, "one call was charged");

    let (status, hold) = program.send("/api/v1/holds", "{}").await;
    assert_eq!((status, &hold["credits"]), (201, &json!(1)));
    let access = program.get("/api/v1/access").await;
    assert_eq!(access.body["cost"], 1);
}

on_both!(more_credits_than_an_account_can_hold_are_refused_and_do_not_fail_its_sync);
async fn more_credits_than_an_account_can_hold_are_refused_and_do_not_fail_its_sync(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let account = stage.public_id(maya.account).await;
    let (own, host) = (maya.program().await, host(stage).await);
    let adjust = async |credits: &str| {
        let path = format!("/api/v1/accounts/{account}/credits/adjustments");
        let body = format!("{{\"credits\":{credits},\"reason\":\"goodwill\"}}");
        host.send(&path, &body).await
    };
    let session = maya.session(pack(500)).await;
    maya.balance_is(100).await;
    assert_eq!(adjust("999999999900").await.0, 201);

    let (status, refused) = adjust("0.000001").await;
    assert_eq!((status, &refused["code"]), (422, &json!("too_large")));
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("1,000,000,000,000")
    );
    let (status, refused) = maya.checkout(pack(1_000)).await;
    assert_eq!((status, &refused["code"]), (422, &json!("too_large")));

    // The page that was open before is paid: the payment is recorded, and its credits are a finding.
    maya.pay(&session).await;
    maya.rows_when(|rows| rows.iter().any(|row| row.1 == "COMPLETED"))
        .await;
    stage.settled().await;
    let state = stage.sync_state(maya.account).await;
    let findings = state.findings.unwrap_or_default();
    assert!(findings.contains("500 credits for topup:"), "{findings}");
    assert!(state.last_error.is_none(), "{:?}", state.last_error);

    // Once there is room, the next sync brings them.
    assert_eq!(own.debit("room", 400).await.status, 201);
    stage.sync(maya.account).await;
    assert!(stage.sync_state(maya.account).await.findings.is_some());
    assert_eq!(own.debit("more", 100).await.status, 201);
    stage.sync(maya.account).await;
    assert_eq!(stage.sync_state(maya.account).await.findings, None);
    let balance = own.get("/api/v1/balance").await.body;
    assert_eq!(balance["balance"].to_string(), "1000000000000");
    stage.audited().await;
}
