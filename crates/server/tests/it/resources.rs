//! Accounts, lists, credits by hand, the gateway check and what operators see.

use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::{Answer, Program, host, program};
use crate::stage::{Person, Stage, fresh_key, on_both};

async fn public_id(stage: &Stage, account: i64) -> String {
    let found = stage.app.read(move |tx| store::accounts::find(tx, account));
    found.await.unwrap().unwrap().public_id
}

/// Acts in the audit log about a subject.
async fn acts(stage: &Stage, subject: &str) -> Vec<store::audit_log::Act> {
    let subject = subject.to_owned();
    let acts = stage
        .app
        .read(move |tx| store::audit_log::list(tx, Some(&subject), None, None, None, 100));
    acts.await.unwrap()
}

async fn send(person: &Person<'_>, path: &str, key: &str, body: Value) -> Answer {
    let request = person.request(Method::POST, path).json(&body);
    Answer::of(request.header("idempotency-key", key)).await
}

async fn as_csv(person: &Person<'_>, path: &str) -> Answer {
    let request = person.request(Method::GET, path);
    Answer::of(request.header("accept", "text/csv")).await
}

on_both!(access_says_in_one_read_what_an_account_may_do);
async fn access_says_in_one_read_what_an_account_may_do(stage: &Stage) {
    let host = host(stage).await;
    let put = |tier: Option<&'static str>| {
        let (host, body) = (&host, json!({ "name": "Acme", "tier": tier }));
        async move {
            host.call(
                Method::PUT,
                "/api/v1/accounts/tenant-7",
                None,
                &body.to_string(),
            )
            .await
        }
    };
    put(None).await;
    let ask = |query: &'static str| {
        let host = &host;
        async move {
            host.get(&format!("/api/v1/access?account=tenant-7{query}"))
                .await
                .body
        }
    };

    let free = ask("").await;
    assert_eq!(
        (&free["allowed"], &free["reason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&free["tier"], &free["accessTier"], &free["status"]),
        (&json!("FREE"), &json!("FREE"), &json!("NONE"))
    );
    assert_eq!(
        (&free["available"], &free["callsLimit"]),
        (&json!(100), &json!(1_000))
    );
    let dear = ask("&operation=ocr&units=100").await;
    assert_eq!(
        (&dear["allowed"], &dear["reason"]),
        (&json!(false), &json!("insufficient_credits"))
    );
    assert!(
        dear["topUpUrl"]
            .as_str()
            .unwrap()
            .contains("/dashboard/billing/credits")
    );

    put(Some("PRO")).await;
    let pro = ask("").await;
    assert_eq!(
        (&pro["accessTier"], &pro["callsLimit"]),
        (&json!("PRO"), &json!(10_000))
    );

    let named = stage
        .app
        .read(|tx| store::accounts::named(tx, "tenant-7"))
        .await
        .unwrap()
        .unwrap();
    let admin = stage.person_as("ops@example.com", "admin").await;
    let path = format!("/admin/accounts/{}/status", named.public_id);
    let form = [("status", "suspended"), ("reason", "Abuse, ticket 9")];
    let request = admin
        .request(Method::POST, &path)
        .header("accept", "text/html");
    assert_eq!(request.form(&form).send().await.unwrap().status(), 303);
    let suspended = ask("").await;
    assert_eq!(
        (&suspended["allowed"], &suspended["reason"]),
        (&json!(false), &json!("account_not_active"))
    );
}

on_both!(the_host_makes_its_accounts_and_names_them_by_its_own_ids);
async fn the_host_makes_its_accounts_and_names_them_by_its_own_ids(stage: &Stage) {
    let host = host(stage).await;
    let put = |body: Value| {
        let host = &host;
        async move {
            host.call(
                Method::PUT,
                "/api/v1/accounts/tenant-7",
                None,
                &body.to_string(),
            )
            .await
        }
    };

    let made = put(json!({ "name": "Acme", "email": "Billing@Acme.example" })).await;
    let free = host.get("/api/v1/balance?account=tenant-7").await;
    let raised = put(json!({ "name": "Acme Ltd", "tier": "PRO" })).await;
    let pro = host.get("/api/v1/access?account=tenant-7").await;
    let kept = put(json!({ "name": "Acme Ltd" })).await;
    let lowered = put(json!({ "name": "Acme Ltd", "tier": null })).await;
    let after = host.get("/api/v1/access?account=tenant-7").await;

    assert_eq!(
        (made.status, &made.body["externalId"]),
        (201, &json!("tenant-7"))
    );
    assert_eq!(made.body["email"], "billing@acme.example");
    assert_eq!(free.body["available"], 100);
    assert_eq!((raised.status, &raised.body["id"]), (200, &made.body["id"]));
    assert_eq!(raised.body["name"], "Acme Ltd");
    assert_eq!(
        (&pro.body["accessTier"], &pro.body["callsLimit"]),
        (&json!("PRO"), &json!(10_000))
    );
    assert_eq!(kept.body["tierOverride"], "PRO");
    assert_eq!(lowered.body["tierOverride"], Value::Null);
    assert_eq!(after.body["accessTier"], "FREE");
    let id = made.body["id"].as_str().unwrap();
    let acts = acts(stage, id).await;
    let acts: Vec<&str> = acts.iter().rev().map(|act| act.action.as_str()).collect();
    assert_eq!(
        acts,
        [
            "member.own",
            "account.tier_override",
            "account.tier_override"
        ]
    );
    let debit = json!({ "account": "tenant-7", "credits": 1 });
    assert_eq!(
        host.post("/api/v1/debits", &fresh_key(), debit)
            .await
            .status,
        201
    );
    for (path, body, status) in [
        ("/api/v1/accounts/acc_none", json!({ "name": "x" }), 404),
        ("/api/v1/accounts/tenant-8", json!({ "name": "" }), 400),
        (
            "/api/v1/accounts/tenant-8",
            json!({ "name": "x", "email": "nobody" }),
            400,
        ),
        (
            "/api/v1/accounts/tenant-8",
            json!({ "name": "x", "tier": "GOLD" }),
            400,
        ),
        (
            "/api/v1/accounts/tenant-8",
            json!({ "name": "x", "balance": 5 }),
            400,
        ),
    ] {
        let answer = host.call(Method::PUT, path, None, &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}");
    }
    let meter = program(stage, "maya@example.com").await;
    let refused = meter
        .call(
            Method::PUT,
            "/api/v1/accounts/tenant-9",
            None,
            r#"{"name":"x"}"#,
        )
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (403, &json!("key_scope"))
    );
}

on_both!(case_c12_an_adjustment_has_a_reason_happens_once_and_is_written_down);
async fn case_c12_an_adjustment_has_a_reason_happens_once_and_is_written_down(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "support").await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let id = public_id(stage, maya.account).await;
    let path = format!("/api/v1/accounts/{id}/credits/adjustments");
    let body = json!({ "credits": 50, "reason": "goodwill", "note": "Outage on Monday" });

    let first = send(&admin, &path, "adj-1", body.clone()).await;
    let again = send(&admin, &path, "adj-1", body.clone()).await;
    let other = send(
        &admin,
        &path,
        "adj-1",
        json!({ "credits": 51, "reason": "goodwill" }),
    )
    .await;
    let down = send(
        &admin,
        &path,
        "adj-2",
        json!({ "credits": -20.5, "reason": "correction" }),
    )
    .await;
    let beyond = send(
        &admin,
        &path,
        "adj-3",
        json!({ "credits": -1000, "reason": "correction" }),
    )
    .await;

    assert_eq!(
        (first.status, &first.body["credits"]),
        (201, &json!(50)),
        "{}",
        first.body
    );
    assert_eq!(first.body["available"], 150);
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(other.status, 409);
    assert_eq!((down.status, &down.body["available"]), (201, &json!(129.5)));
    assert_eq!(
        (beyond.status, &beyond.body["available"]),
        (402, &json!(129.5))
    );
    for bad in [
        json!({ "credits": 5 }),
        json!({ "credits": 5, "reason": "because" }),
        json!({ "credits": 0, "reason": "other" }),
        json!({ "reason": "other" }),
    ] {
        assert_eq!(
            send(&admin, &path, &fresh_key(), bad.clone()).await.status,
            400,
            "{bad}"
        );
    }
    assert_eq!(
        send(&viewer, &path, &fresh_key(), body.clone())
            .await
            .status,
        403
    );
    assert_eq!(
        send(&maya, &path, &fresh_key(), body.clone()).await.status,
        403
    );
    let acts = acts(stage, &id).await;
    assert_eq!(acts.len(), 2);
    assert!(
        acts.iter()
            .all(|act| act.action == "credits.adjust" && act.actor.starts_with("usr_"))
    );
    assert!(!format!("{acts:?}").contains("Outage"));
}

on_both!(promotional_credits_end_after_ninety_days_unless_said_otherwise);
async fn promotional_credits_end_after_ninety_days_unless_said_otherwise(stage: &Stage) {
    let host = host(stage).await;
    let maya = stage.person("maya@example.com").await;
    let id = public_id(stage, maya.account).await;
    let path = format!("/api/v1/accounts/{id}/grants");

    let made = host
        .post(
            &path,
            "promo-1",
            json!({ "credits": 25, "note": "Welcome" }),
        )
        .await;
    let again = host
        .post(
            &path,
            "promo-1",
            json!({ "credits": 25, "note": "Welcome" }),
        )
        .await;
    let past = host
        .post(
            &path,
            "promo-2",
            json!({ "credits": 25, "expiresAt": "2020-01-01" }),
        )
        .await;
    let nothing = host.post(&path, "promo-3", json!({ "credits": 0 })).await;

    assert_eq!(
        (made.status, &made.body["kind"]),
        (201, &json!("promo")),
        "{}",
        made.body
    );
    assert_eq!(made.body["available"], 125);
    assert_eq!((again.status, &again.body), (201, &made.body));
    assert_eq!((past.status, nothing.status), (400, 400));
    let ends = domain::time::parse(made.body["expiresAt"].as_str().unwrap()).unwrap();
    assert_eq!(ends.day() - stage.app.now().day(), 90);
    let (_, grants) = maya.get("/api/v1/grants").await;
    let kinds: Vec<&str> = grants["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["promo", "allowance"]);
    assert_eq!(grants["data"][0]["state"], "active");
    assert_eq!(acts(stage, &id).await[0].action, "credits.grant");
}

on_both!(lists_are_read_page_by_page_and_as_csv);
async fn lists_are_read_page_by_page_and_as_csv(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for credits in [500, 1_000, 5_000] {
        maya.buy_pack(credits).await;
    }
    maya.billing_when(|body| body["credits"]["balance"] == 6_600)
        .await;
    stage.settled().await;

    let (_, first) = maya.get("/api/v1/transactions?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = maya
        .get(&format!("/api/v1/transactions?limit=2&after={next}"))
        .await;
    let csv = as_csv(
        &maya,
        "/api/v1/transactions?type=CREDIT_TOPUP&status=COMPLETED",
    )
    .await;
    let grants = as_csv(&maya, "/api/v1/grants").await;

    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        (second["data"].as_array().unwrap().len(), &second["next"]),
        (1, &Value::Null)
    );
    assert!(
        first["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["id"] != second["data"][0]["id"])
    );
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    assert_eq!(csv.body.as_str().unwrap().lines().count(), 4);
    assert!(csv.body.as_str().unwrap().contains(",0.50,usd,"));
    assert_eq!(grants.body.as_str().unwrap().lines().count(), 5);
    for bad in [
        "limit=0",
        "limit=101",
        "limit=x",
        "after=x",
        "type=GIFT",
        "status=DONE",
        "from=monday",
    ] {
        let (status, body) = maya.get(&format!("/api/v1/transactions?{bad}")).await;
        assert_eq!(status, 400, "{bad}: {body}");
        assert!(body["code"].is_string(), "{bad}");
    }
    let (_, none) = maya.get("/api/v1/transactions?to=2020-01-01").await;
    assert_eq!(none["data"], json!([]));
    let omar = stage.person("omar@example.com").await;
    assert_eq!(omar.get("/api/v1/transactions").await.1["data"], json!([]));
    let account = public_id(stage, maya.account).await;
    assert_eq!(
        omar.get(&format!("/api/v1/grants?account={account}"))
            .await
            .0,
        404
    );
}

on_both!(the_gateway_check_charges_once_a_key_and_only_looks_without_one);
async fn the_gateway_check_charges_once_a_key_and_only_looks_without_one(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let check = |query: &'static str, id: Option<&'static str>| {
        let mut request = program.request(Method::GET, &format!("/api/v1/check{query}"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        Answer::of(request)
    };

    let looked = check("?operation=ocr", None).await;
    let charged = check("?operation=ocr&units=2", Some("req-1")).await;
    let again = check("?operation=ocr&units=2", Some("req-1")).await;
    let dear = check("?operation=ocr&units=100", Some("req-2")).await;
    let denied = check("?operation=ocr&units=100&deny=403", None).await;
    let wrong = check("?operation=none", Some("req-3")).await;

    assert_eq!(
        (looked.status, looked.header("x-credits-remaining")),
        (204, Some("100"))
    );
    assert_eq!(
        (charged.status, charged.header("x-credits-cost")),
        (204, Some("10"))
    );
    assert_eq!(charged.header("x-credits-remaining"), Some("90"));
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (204, Some("true"))
    );
    assert_eq!(
        (dear.status, dear.header("x-credits-refused")),
        (402, Some("insufficient_credits"))
    );
    assert_eq!(dear.header("x-credits-cost"), Some("500"));
    assert_eq!((denied.status, &denied.body["status"]), (403, &json!(403)));
    assert_eq!(denied.body["code"], "insufficient_credits");
    assert_eq!(wrong.status, 400);
    assert_eq!(program.available().await, 90.0);
}

on_both!(case_m3_operators_see_all_accounts_and_replay_events);
async fn case_m3_operators_see_all_accounts_and_replay_events(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["balance"] == 600)
        .await;
    stage.settled().await;
    let id = public_id(stage, maya.account).await;

    let (_, transactions) = admin.get("/api/admin/transactions").await;
    let (_, found) = admin.get("/api/admin/accounts?q=maya").await;
    let (_, events) = admin
        .get("/api/admin/events?type=checkout.session.completed")
        .await;
    let event = events["data"][0]["id"].as_str().unwrap().to_owned();
    let (_, shown) = admin.get(&format!("/api/admin/events/{event}")).await;
    let path = format!("/api/admin/events/{event}/replay");
    let (first, _) = admin.post(&path, json!({})).await;
    let (second, _) = admin.post(&path, json!({})).await;
    stage.settled().await;

    assert_eq!(transactions["data"][0]["account"], json!(id));
    assert_eq!(found["data"][0]["id"], json!(id));
    assert_eq!(shown["payload"]["id"], json!(event));
    assert_eq!((first, second), (200, 200));
    let (_, after) = admin.get(&format!("/api/admin/events/{event}")).await;
    assert_eq!(after["state"], "done");
    assert_eq!(maya.billing().await["credits"]["balance"], 600);
    assert_eq!(acts(stage, &event).await.len(), 2);
    assert_eq!(viewer.get("/api/admin/events").await.0, 200);
    assert_eq!(viewer.post(&path, json!({})).await.0, 403);
    assert_eq!(admin.get("/api/admin/events/evt_none").await.0, 404);
    for path in [
        "/api/admin/transactions",
        "/api/admin/accounts",
        "/api/admin/events",
    ] {
        assert_eq!(maya.get(path).await.0, 403, "{path}");
        let stranger = stage.http.get(format!("{}{path}", stage.base));
        assert_eq!(Answer::of(stranger).await.status, 401, "{path}");
    }
}

on_both!(metrics_and_the_reference_are_there_without_anything_of_a_person);
async fn metrics_and_the_reference_are_there_without_anything_of_a_person(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = Program {
        stage,
        secret: maya.meter_key().await,
    };
    program.debit(&fresh_key(), 1).await;
    maya.buy_pack(500).await;
    stage.settled().await;
    let get = |path: &str| Answer::of(stage.http.get(format!("{}{path}", stage.base)));

    let metrics = get("/metrics").await.body;
    let document = get("/openapi.json").await;
    let page = get("/docs").await;

    let metrics = metrics.as_str().unwrap();
    for name in [
        "lbx_events{state=\"done\"}",
        "lbx_outbox",
        "lbx_sync_accounts",
        "lbx_journal_entries_total",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    assert!(!metrics.contains('@') && !metrics.contains("acc_"));
    assert_eq!(document.body["openapi"], "3.1.0");
    assert!(document.body["paths"]["/api/v1/holds"]["post"]["requestBody"].is_object());
    assert_eq!(page.status, 200);
    assert!(page.body.as_str().unwrap().contains("/api/v1/debits/batch"));
}
