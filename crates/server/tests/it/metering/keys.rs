//! API keys and the accounts whose credits they spend.

use super::*;

on_both!(a_meter_key_spends_for_its_own_account_and_a_server_key_for_the_one_it_names);
async fn a_meter_key_spends_for_its_own_account_and_a_server_key_for_the_one_it_names(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let meter = program(stage, "omar@example.com").await;
    let host = host(stage).await;
    let id = maya.account;
    let account = stage.account(id).await;
    let body = json!({ "account": account.public_id, "credits": 2 });

    let strange = meter
        .post("/api/v1/debits", &fresh_key(), body.clone())
        .await;
    let named = host
        .post("/api/v1/debits", &fresh_key(), body.clone())
        .await;
    let nameless = host
        .post("/api/v1/debits", &fresh_key(), json!({ "credits": 2 }))
        .await;
    let absent = host
        .post(
            "/api/v1/debits",
            &fresh_key(),
            json!({ "account": "acc_x" }),
        )
        .await;
    let hold = host.post("/api/v1/holds", &fresh_key(), body).await;
    let hold = id_of(&hold.body);
    let captured = host.capture(&hold, json!({})).await;

    assert_eq!((strange.status, named.status), (404, 201));
    assert_eq!((nameless.status, absent.status), (400, 404));
    assert_eq!(
        (captured.status, &captured.body["available"]),
        (200, &json!(96))
    );
}

on_both!(a_batch_answers_every_debit_as_a_single_request_would);
async fn a_batch_answers_every_debit_as_a_single_request_would(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let debits = json!({ "debits": [
        { "key": "a", "credits": 60 },
        { "key": "b", "credits": 60 },
        { "key": "c", "operation": "embeddings", "units": 3 },
        { "key": "a", "credits": 60 },
        { "key": "a", "credits": 61 },
        { "credits": 1 },
        { "key": "d", "credits": 0 },
    ] });

    let answer = program.post("/api/v1/debits/batch", "unused", debits).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.body["results"].as_array().unwrap();
    let statuses: Vec<u64> = results
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 402, 201, 201, 409, 400, 400]);
    assert_eq!(results[0]["id"], results[3]["id"]);
    assert_eq!(
        (&results[0]["replayed"], &results[3]["replayed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(results[1]["code"], "insufficient_credits");
    assert_eq!(results[1]["key"], "b");
    assert_eq!(results[2]["credits"], 0.3);
    assert_eq!(program.available().await, 39.7);
    let many: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    let answer = program
        .post("/api/v1/debits/batch", "unused", json!({ "debits": many }))
        .await;
    assert_eq!(answer.status, 400);
}

on_both!(case_a10_a_key_is_shown_once_stored_hashed_and_stops_within_a_second);
async fn case_a10_a_key_is_shown_once_stored_hashed_and_stops_within_a_second(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let (status, made) = maya
        .post("/api/v1/keys", json!({ "name": "prod-web" }))
        .await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let program = Program {
        stage,
        secret: secret.clone(),
    };
    assert_eq!(program.debit(&fresh_key(), 1).await.status, 201);

    let (_, listed) = maya.get("/api/v1/keys").await;
    assert!(secret.starts_with("lbx_test_") && secret.len() >= 57);
    assert!(!listed.to_string().contains(&secret));
    assert_eq!(listed["data"][0]["id"], made["id"]);
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    let revoked = crate::stage::answer(maya.request(Method::DELETE, &path)).await;
    assert_eq!(revoked.0, 200, "{}", revoked.1);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(program.debit(&fresh_key(), 1).await.status, 401);
    assert_eq!(
        crate::stage::answer(maya.request(Method::DELETE, &path))
            .await
            .0,
        404
    );
}

on_both!(a_meter_key_reads_its_balance_but_no_lists_and_makes_no_keys);
async fn a_meter_key_reads_its_balance_but_no_lists_and_makes_no_keys(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;

    assert_eq!(program.get("/api/v1/balance").await.status, 200);
    assert_eq!(program.get("/api/v1/access").await.body["allowed"], true);
    assert_eq!(program.get("/api/v1/keys").await.status, 403);
    assert_eq!(
        program
            .post("/api/v1/keys", "k", json!({ "name": "x" }))
            .await
            .status,
        403
    );
}

on_both!(a_user_sees_own_keys_only_and_makes_no_server_key);
async fn a_user_sees_own_keys_only_and_makes_no_server_key(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let omar = stage.person("omar@example.com").await;
    let (_, made) = maya
        .post("/api/v1/keys", json!({ "name": "prod-web" }))
        .await;
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());

    assert_eq!(
        crate::stage::answer(omar.request(Method::DELETE, &path))
            .await
            .0,
        404
    );
    assert_eq!(omar.get("/api/v1/keys").await.1["data"], json!([]));
    let (status, body) = omar
        .post("/api/v1/keys", json!({ "name": "x", "scope": "server" }))
        .await;
    assert_eq!((status, code(&body)), (403, "not_an_operator"));
    assert_eq!(
        omar.post("/api/v1/keys", json!({ "name": " " })).await.0,
        400
    );
}
