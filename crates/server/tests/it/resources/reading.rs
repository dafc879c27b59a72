//! Lists, the gateway check, the operators' views, metrics and the API reference.

use super::*;

on_both!(lists_are_read_page_by_page_and_as_csv);
async fn lists_are_read_page_by_page_and_as_csv(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for credits in [500, 1_000, 5_000] {
        maya.buy_pack(credits).await;
    }
    maya.balance_is(6_600).await;
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
    let account = stage.public_id(maya.account).await;
    assert_eq!(
        omar.get(&format!("/api/v1/grants?account={account}"))
            .await
            .0,
        404
    );
}

on_both!(the_gateway_check_charges_once_a_key_and_is_refused_without_one);
async fn the_gateway_check_charges_once_a_key_and_is_refused_without_one(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let check = |query: &'static str, id: Option<&'static str>| {
        let mut request = program.request(Method::GET, &format!("/api/v1/check{query}"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        Answer::of(request)
    };

    let nameless = check("?operation=ocr", None).await;
    let charged = check("?operation=ocr&units=2", Some("req-1")).await;
    let again = check("?operation=ocr&units=2", Some("req-1")).await;
    let dear = check("?operation=ocr&units=100", Some("req-2")).await;
    let denied = check("?operation=ocr&units=100&deny=403", Some("req-4")).await;
    let wrong = check("?operation=none", Some("req-3")).await;

    assert_eq!(nameless.refusal(), (400, "idempotency_key_required"));
    let detail = nameless.body["detail"].as_str().unwrap();
    assert!(detail.contains("X-Request-Id"), "{detail}");
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
    maya.balance_is(600).await;
    stage.settled().await;
    let id = stage.public_id(maya.account).await;

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

on_both!(metrics_and_the_reference_contain_no_personal_data);
async fn metrics_and_the_reference_contain_no_personal_data(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
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
