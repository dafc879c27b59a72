//! Spend limits: set by the account's members, checked on every call.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::Program;
use crate::stage::{Person, Stage, answer, id_of, on_both};

async fn put(person: &Person<'_>, body: Value) -> (u16, Value) {
    person.put("/api/v1/limits", body).await
}

/// An API key that the user creates, and its id.
async fn own_key<'a>(person: &Person<'a>, stage: &'a Stage) -> (Program<'a>, String) {
    let (status, made) = person.post("/api/v1/keys", json!({ "name": "web" })).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().expect("shown once").to_owned();
    let id = made["id"].as_str().expect("an id").to_owned();
    (Program { stage, secret }, id)
}

on_both!(a_keys_limit_refuses_only_that_key_and_names_the_limit);
async fn a_keys_limit_refuses_only_that_key_and_names_the_limit(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    person.buy_pack(1_000).await;
    person.balance_is(1_100).await;
    let (web, key) = own_key(&person, stage).await;
    let (other, _) = own_key(&person, stage).await;
    assert_eq!(web.debit("before", 30).await.status, 201);

    let (status, limit) = put(
        &person,
        json!({ "scope": "key", "subject": key, "window": "day", "credits": 100 }),
    )
    .await;
    assert_eq!(status, 200, "{limit}");
    assert_eq!(limit["used"], 30, "what was spent today counts");
    let hold = web
        .post("/api/v1/holds", "h", json!({ "credits": 60 }))
        .await;
    assert_eq!(hold.status, 201);
    let refused = web.debit("over", 11).await;

    assert_eq!(refused.status, 402, "{}", refused.body);
    assert_eq!(refused.body["code"], "spend_limit");
    assert_eq!(refused.body["limit"], "key_day");
    assert_eq!(refused.body["cap"], 100);
    assert_eq!(refused.body["used"], 30);
    assert_eq!(refused.body["held"], 60);
    assert_eq!(refused.body["needed"], 11);
    assert!(refused.body["resetsAt"].is_string());
    assert_eq!(other.debit("free", 200).await.status, 201);
    assert_eq!(
        web.debit("over", 10).await.status,
        201,
        "a refusal is not remembered"
    );
    let access = web.get("/api/v1/access?operation=call").await;
    assert_eq!(access.body["reason"], "spend_limit");
    stage.audited().await;
}

on_both!(of_parallel_calls_exactly_those_within_the_limit_pass);
async fn of_parallel_calls_exactly_those_within_the_limit_pass(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    person.buy_pack(1_000).await;
    person.balance_is(1_100).await;
    let (program, _) = own_key(&person, stage).await;
    put(
        &person,
        json!({ "scope": "account", "window": "month", "credits": 20 }),
    )
    .await;

    let keys: Vec<String> = (0..64).map(|n| format!("k{n}")).collect();
    let answers = join_all(keys.iter().map(|key| program.debit(key, 1))).await;

    let passed = answers.iter().filter(|a| a.status == 201).count();
    let refused = answers.iter().filter(|a| a.status == 402).count();
    assert_eq!((passed, refused), (20, 44));
    let (_, limits) = person.get("/api/v1/limits").await;
    assert_eq!(limits["data"][0]["used"], 20);
    assert_eq!(limits["data"][0]["left"], 0);
    stage.audited().await;
}

on_both!(a_members_limit_counts_all_keys_the_member_made);
async fn a_members_limit_counts_all_keys_the_member_made(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    person.buy_pack(1_000).await;
    person.balance_is(1_100).await;
    let (first, _) = own_key(&person, stage).await;
    let (second, _) = own_key(&person, stage).await;
    let member = person.user_id().await;

    let (status, limit) = put(
        &person,
        json!({ "scope": "member", "subject": member, "window": "lifetime", "credits": 50 }),
    )
    .await;
    assert_eq!(status, 200, "{limit}");
    assert_eq!(limit["resetsAt"], Value::Null);
    assert_eq!(first.debit("a", 30).await.status, 201);
    let refused = second.debit("b", 21).await;

    assert_eq!(refused.body["limit"], "member_lifetime", "{}", refused.body);
    let foreign = person.program().await;
    assert_eq!(foreign.debit("c", 100).await.status, 201);
    stage.audited().await;
}

on_both!(a_capture_by_another_key_counts_for_the_key_that_was_admitted);
async fn a_capture_by_another_key_counts_for_the_key_that_was_admitted(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    person.buy_pack(1_000).await;
    person.balance_is(1_100).await;
    let (web, key) = own_key(&person, stage).await;
    let (worker, _) = own_key(&person, stage).await;
    put(
        &person,
        json!({ "scope": "key", "subject": key, "window": "day", "credits": 100 }),
    )
    .await;
    let hold = web
        .post("/api/v1/holds", "h", json!({ "credits": 50 }))
        .await;
    let id = id_of(&hold.body);

    let path = format!("/api/v1/holds/{id}/capture");
    let settled = worker.post(&path, "c", json!({ "credits": 130 })).await;

    assert_eq!(settled.body["captured"], 100, "{}", settled.body);
    assert_eq!(settled.body["uncollected"], 30);
    let (_, limits) = person.get("/api/v1/limits").await;
    assert_eq!(limits["data"][0]["used"], 100);
    assert_eq!(limits["data"][0]["held"], 0);
    let receipt = web.get(&format!("/api/v1/holds/{id}")).await;
    assert_eq!(receipt.body["key"]["id"], key);
    stage.audited().await;
}

on_both!(wrong_limits_are_refused_by_field_and_another_users_key_is_not_found);
async fn wrong_limits_are_refused_by_field_and_another_users_key_is_not_found(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    let other = stage.person("other@example.com").await;
    let (_, foreign) = own_key(&other, stage).await;

    for (body, status, field) in [
        (
            json!({ "scope": "team", "window": "day", "credits": 1 }),
            400,
            "scope",
        ),
        (
            json!({ "scope": "account", "window": "week", "credits": 1 }),
            400,
            "window",
        ),
        (
            json!({ "scope": "account", "window": "day", "credits": -1 }),
            400,
            "credits",
        ),
        (
            json!({ "scope": "account", "window": "day", "credits": 1e3 }),
            200,
            "",
        ),
        (
            json!({ "scope": "account", "subject": "key_1", "window": "day", "credits": 1 }),
            400,
            "subject",
        ),
        (
            json!({ "scope": "key", "window": "day", "credits": 1 }),
            404,
            "subject",
        ),
        (
            json!({ "scope": "key", "subject": foreign, "window": "day", "credits": 1 }),
            404,
            "subject",
        ),
    ] {
        let (answered, problem) = put(&person, body.clone()).await;
        assert_eq!(answered, status, "{body} {problem}");
        if !field.is_empty() {
            assert_eq!(problem["field"], field, "{problem}");
        }
    }
    let (_, limits) = person.get("/api/v1/limits").await;
    let id = limits["data"][0]["id"].as_str().unwrap();
    let theirs = other.request(Method::DELETE, &format!("/api/v1/limits/{id}"));
    assert_eq!(answer(theirs).await.0, 404);
    let ours = person.request(Method::DELETE, &format!("/api/v1/limits/{id}"));
    assert_eq!(answer(ours).await.0, 204);
    let (_, limits) = person.get("/api/v1/limits").await;
    assert_eq!(limits["data"], json!([]));
}

on_both!(credits_in_a_402_keep_every_digit);
async fn credits_in_a_402_keep_every_digit(stage: &Stage) {
    let person = stage.person("limits@example.com").await;
    let program = person.program().await;
    let request = program
        .request(Method::POST, "/api/v1/debits")
        .header("idempotency-key", "large")
        .header("content-type", "application/json")
        .body(r#"{"credits": 123456789012.123457}"#);

    let text = request.send().await.unwrap().text().await.unwrap();

    assert!(text.contains("\"needed\":123456789012.123457"), "{text}");
}
