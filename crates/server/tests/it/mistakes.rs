//! Common mistakes when integrating the service: each response names the field, the reason and the
//! fix.

use reqwest::Method;

use crate::metering::{Answer, Program};
use crate::stage::Stage;

/// Body, code, field, and words that the detail contains.
const SPENDING: &[(&str, &str, &str, &str)] = &[
    (r#"{"credits":"#, "invalid_json", "", "not JSON"),
    ("[]", "invalid_json", "", "must be a JSON object"),
    (
        r#"{"credit":1}"#,
        "invalid_json",
        "credit",
        "The fields are: account, operation",
    ),
    (
        r#"{"account":5}"#,
        "invalid_json",
        "account",
        "must be text in quotes",
    ),
    (
        r#"{"operation": "call", "units": "4"}"#,
        "invalid_field",
        "units",
        "must be a decimal number",
    ),
    (
        r#"{"credits":-1}"#,
        "invalid_field",
        "credits",
        "must be positive",
    ),
    (
        r#"{"credits":0}"#,
        "invalid_field",
        "credits",
        "must be positive",
    ),
    (
        r#"{"credits":"5"}"#,
        "invalid_field",
        "credits",
        "plain decimal number",
    ),
    (
        r#"{"credits":1e400}"#,
        "invalid_field",
        "credits",
        "more credits than",
    ),
    (
        r#"{"credits":99999999999999999999}"#,
        "invalid_field",
        "credits",
        "more credits than",
    ),
    (
        r#"{"credits":0.1234567}"#,
        "invalid_field",
        "credits",
        "at most 6 decimals",
    ),
    (
        r#"{"operation":"nope"}"#,
        "invalid_field",
        "operation",
        "GET /api/pricing lists",
    ),
    (
        r#"{"operation":"call","units":0}"#,
        "invalid_field",
        "units",
        "more than 0",
    ),
    (
        r#"{"operation":"call","credits":1}"#,
        "invalid_field",
        "credits",
        "not both",
    ),
];

fn assert_problem(answer: &Answer, code: &str, field: &str, words: &str) {
    let body = &answer.body;
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["field"].as_str().unwrap_or_default(), field, "{body}");
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(words), "{detail} does not contain {words}");
    assert!(
        !detail.contains("struct ") && !detail.contains("i64"),
        "{detail}"
    );
    assert_eq!(body["error"], body["detail"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn every_mistake_gets_a_response_with_the_field_the_reason_and_the_fix() {
    let stage = Stage::with(store::testing::sqlite(), |_| {}).await;
    let maya = stage.person("maya@example.com").await;
    let program = Program {
        stage: &stage,
        secret: maya.meter_key().await,
    };
    let stranger = Program {
        stage: &stage,
        secret: "lbx_test_wrong".to_owned(),
    };
    let host = Program {
        stage: &stage,
        secret: stage.server_key().await,
    };

    for path in ["/api/v1/holds", "/api/v1/debits"] {
        for (body, code, field, words) in SPENDING {
            let answer = program.call(Method::POST, path, Some("k"), body).await;
            assert_eq!(answer.status, 400, "{path} {body}");
            assert_problem(&answer, code, field, words);
        }
        let keyless = program
            .call(Method::POST, path, None, r#"{"credits":1}"#)
            .await;
        assert_problem(
            &keyless,
            "idempotency_key_required",
            "",
            "the same on a retry",
        );
        let long = "k".repeat(256);
        let long = program.call(Method::POST, path, Some(&long), "{}").await;
        assert_problem(&long, "idempotency_key_invalid", "", "1 to 255");
        let wrong = stranger.call(Method::POST, path, Some("k"), "{}").await;
        assert_eq!(wrong.status, 401);
        assert_problem(&wrong, "not_signed_in", "", "there is no such key");
        let nameless = host.call(Method::POST, path, Some("k"), "{}").await;
        assert_problem(&nameless, "invalid_field", "account", "name the account");
        let large = program
            .call(Method::POST, path, Some("k"), r#"{"credits":9000}"#)
            .await;
        assert_eq!(large.status, 402);
        assert_problem(
            &large,
            "insufficient_credits",
            "",
            "This call costs 9000 credits; 100 are",
        );
    }
    let none = stage.http.post(format!("{}/api/v1/debits", stage.base));
    assert_problem(
        &Answer::of(none).await,
        "not_signed_in",
        "",
        "send an API key as a bearer token",
    );

    for (path, code, field, words) in [
        (
            "/api/v1/access?units=x",
            "invalid_field",
            "units",
            "must be a decimal number",
        ),
        (
            "/api/v1/access?operation=zz",
            "invalid_field",
            "operation",
            "GET /api/pricing",
        ),
        (
            "/api/v1/usage?from=yesterday",
            "invalid_field",
            "from",
            "a date like",
        ),
        ("/api/v1/keys", "key_scope", "", "needs a server key"),
        (
            "/api/v1/balance?account=acc_other",
            "not_found",
            "",
            "no such account",
        ),
        ("/api/v1/debits", "method_not_allowed", "", "Allow"),
    ] {
        assert_problem(&program.get(path).await, code, field, words);
    }
    let batch = r#"{"debits":[{"credits":1}]}"#;
    let batch = program
        .call(Method::POST, "/api/v1/debits/batch", None, batch)
        .await;
    let item = &batch.body["results"][0];
    assert_eq!(item["code"], "idempotency_key_required", "{item}");
    assert_eq!(item["field"], "key", "{item}");
    let missing = program
        .call(Method::POST, "/api/v1/debits/batch", None, "{}")
        .await;
    assert_problem(&missing, "invalid_json", "debits", "is missing");
    let currency = maya.checkout(serde_json::json!({
        "type": "topup", "amount": 500, "currency": "eur",
    }));
    let (status, said) = currency.await;
    assert_eq!(
        (status, said["field"].as_str()),
        (400, Some("currency")),
        "{said}"
    );
    stage.close().await;
}
