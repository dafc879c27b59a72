//! Calls that cost credits.

mod keys;
mod rates;

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::stage::{Person, Stage, code, fresh_key, id_of, on_both};

/// A program with an API key.
pub struct Program<'a> {
    pub stage: &'a Stage,
    pub secret: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the service answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    /// The status and code of an error response.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, code(&self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("ASCII"))
    }
}

impl Program<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.stage.base);
        self.stage
            .http
            .request(method, url)
            .bearer_auth(&self.secret)
    }

    pub async fn call(&self, method: Method, path: &str, key: Option<&str>, body: &str) -> Answer {
        let mut request = self.request(method, path);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        Answer::of(request).await
    }

    pub async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(key), &body.to_string())
            .await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, None, &body.to_string()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, "").await
    }

    pub async fn debit(&self, key: &str, credits: i64) -> Answer {
        self.post("/api/v1/debits", key, json!({ "credits": credits }))
            .await
    }

    /// Authorizes a hold and returns its id.
    pub async fn hold(&self, credits: i64) -> String {
        let hold = self
            .post("/api/v1/holds", &fresh_key(), json!({ "credits": credits }))
            .await;
        assert_eq!(hold.status, 201, "{}", hold.body);
        hold.body["id"].as_str().expect("an id").to_owned()
    }

    pub async fn capture(&self, hold: &str, body: Value) -> Answer {
        let path = format!("/api/v1/holds/{hold}/capture");
        self.call(Method::POST, &path, None, &body.to_string())
            .await
    }

    async fn release(&self, hold: &str) -> Answer {
        let path = format!("/api/v1/holds/{hold}/release");
        self.call(Method::POST, &path, None, "").await
    }

    pub async fn available(&self) -> f64 {
        let balance = self.get("/api/v1/balance").await;
        assert_eq!(balance.status, 200, "{}", balance.body);
        balance.body["available"].as_f64().expect("a number")
    }
}

/// A program of a new account, which has the free tier's 100 credits.
pub async fn program<'a>(stage: &'a Stage, email: &str) -> Program<'a> {
    stage.person(email).await.program().await
}

impl<'a> Person<'a> {
    /// A program with a new meter key of this user's account.
    pub async fn program(&self) -> Program<'a> {
        let secret = self.meter_key().await;
        let stage = self.stage;
        Program { stage, secret }
    }
}

/// A program of the host application.
pub async fn host(stage: &Stage) -> Program<'_> {
    let (_, secret) = billing::keys::make(&stage.app, None, "host", "test")
        .await
        .expect("a key");
    Program { stage, secret }
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}

on_both!(case_c1_of_64_parallel_debits_exactly_those_with_room_are_charged);
async fn case_c1_of_64_parallel_debits_exactly_those_with_room_are_charged(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let keys: Vec<String> = (0..64).map(|_| fresh_key()).collect();

    let answers = join_all(keys.iter().map(|key| program.debit(key, 5))).await;

    assert_eq!((count(&answers, 201), count(&answers, 402)), (20, 44));
    assert_eq!(program.available().await, 0.0);
    let refused = answers.iter().find(|answer| answer.status == 402).unwrap();
    assert_eq!(refused.body["code"], "insufficient_credits");
    assert_eq!(refused.body["needed"], 5);
    assert!(
        refused.body["topUpUrl"]
            .as_str()
            .unwrap()
            .contains("/dashboard/billing/credits?account=acc_")
    );
}

on_both!(case_c2_a_call_that_costs_all_that_is_left_is_allowed);
async fn case_c2_a_call_that_costs_all_that_is_left_is_allowed(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;

    let debit = program.debit(&fresh_key(), 100).await;

    assert_eq!(debit.status, 201, "{}", debit.body);
    assert_eq!(debit.body["available"], 0);
    assert_eq!(debit.header("x-credits-cost"), Some("100"));
    assert_eq!(debit.header("x-credits-remaining"), Some("0"));
    assert!(debit.header("x-request-id").is_some());
}

on_both!(case_c3_an_amount_that_is_no_positive_exact_number_is_refused);
async fn case_c3_an_amount_that_is_no_positive_exact_number_is_refused(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let bad = [
        "0",
        "-1",
        "-0.5",
        "0.0000001",
        "\"5\"",
        "NaN",
        "Infinity",
        "5e-7",
        "1E400",
        "9223372036854775808",
        "9223372036854775807",
        "true",
        "{}",
        "[1]",
        "0x10",
        "1.",
    ];

    for amount in bad {
        for path in ["/api/v1/debits", "/api/v1/holds"] {
            let body = format!("{{\"credits\":{amount}}}");
            let answer = program
                .call(Method::POST, path, Some(&fresh_key()), &body)
                .await;
            assert_eq!(answer.status, 400, "{amount} at {path}: {}", answer.body);
        }
    }
    for body in [
        json!({ "operation": "call", "units": 0 }),
        json!({ "operation": "call", "units": -1 }),
        json!({ "operation": "call", "units": 0.000_000_1 }),
        json!({ "operation": "call", "units": i64::MAX }),
        json!({ "operation": "no-such" }),
        json!({ "credits": 1, "units": 1 }),
        json!({ "credits": 1, "operation": "call" }),
        json!({ "credits": 1, "price": 0 }),
    ] {
        let answer = program
            .post("/api/v1/debits", &fresh_key(), body.clone())
            .await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    for ttl in [0, -1, 86_401] {
        let body = json!({ "credits": 1, "ttlSeconds": ttl });
        assert_eq!(
            program
                .post("/api/v1/holds", &fresh_key(), body)
                .await
                .status,
            400
        );
    }
    let nameless = program
        .call(Method::POST, "/api/v1/debits", None, "{}")
        .await;
    assert_eq!(nameless.refusal(), (400, "idempotency_key_required"));
    assert_eq!(program.available().await, 100.0);
}

on_both!(case_c4_32_retries_of_one_key_are_one_debit_with_one_answer);
async fn case_c4_32_retries_of_one_key_are_one_debit_with_one_answer(stage: &Stage) {
    let (maya, omar) = (
        program(stage, "maya@example.com").await,
        program(stage, "omar@example.com").await,
    );

    let answers = join_all((0..32).map(|_| maya.debit("once", 7))).await;
    let other_amount = maya.debit("once", 8).await;
    let other_kind = maya
        .post("/api/v1/holds", "once", json!({ "credits": 7 }))
        .await;
    let same_amount = maya
        .post("/api/v1/debits", "once", json!({ "credits": 7 }))
        .await;
    let other_account = omar.debit("once", 7).await;

    assert_eq!(count(&answers, 201), 32);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let first = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(other_amount.refusal(), (409, "idempotency_key_reused"));
    assert_eq!(other_kind.status, 409);
    assert_eq!(same_amount.header("idempotency-replayed"), Some("true"));
    assert_eq!(other_account.status, 201);
    assert_eq!(other_account.header("idempotency-replayed"), None);
    assert_eq!(
        (maya.available().await, omar.available().await),
        (93.0, 93.0)
    );
}

on_both!(case_c5_a_refusal_is_not_remembered);
async fn case_c5_a_refusal_is_not_remembered(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    assert_eq!(program.debit("again", 150).await.status, 402);
    maya.buy_pack(500).await;
    maya.balance_is(600).await;

    let debit = program.debit("again", 150).await;

    assert_eq!(
        (debit.status, debit.header("idempotency-replayed")),
        (201, None)
    );
    assert_eq!(program.available().await, 450.0);
}

on_both!(a_hold_sets_credits_aside_and_a_replay_has_the_same_response);
async fn a_hold_sets_credits_aside_and_a_replay_has_the_same_response(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let body = json!({ "operation": "ocr", "units": 4, "ttlSeconds": 600, "endpoint": "/v1/ocr" });

    let first = program.post("/api/v1/holds", "one", body.clone()).await;
    let hold = first.body["id"].as_str().unwrap();
    let pending = program.get(&format!("/api/v1/holds/{hold}")).await;
    let captured = program.capture(hold, json!({ "units": 3 })).await;
    let replay = program.post("/api/v1/holds", "one", body).await;

    assert_eq!(
        (first.status, &first.body["state"]),
        (201, &json!("pending"))
    );
    assert_eq!(
        (&first.body["credits"], &first.body["available"]),
        (&json!(20), &json!(80))
    );
    assert_eq!(pending.body["state"], "pending");
    assert_eq!(pending.body["endpoint"], "/v1/ocr");
    assert_eq!(pending.body["lots"][0]["kind"], "allowance");
    assert_eq!(pending.body["lots"][0]["held"], 20);
    assert_eq!(captured.status, 200, "{}", captured.body);
    assert_eq!(captured.body["captured"], 15);
    assert_eq!(captured.body["released"], 5);
    assert_eq!(captured.body["available"], 85);
    assert_eq!((replay.status, &replay.body), (201, &first.body));
    assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    let receipt = program.get(&format!("/api/v1/holds/{hold}")).await.body;
    assert_eq!(receipt["state"], "captured");
    assert_eq!(
        (&receipt["held"], &receipt["charged"], &receipt["returned"]),
        (&json!(20), &json!(15), &json!(5))
    );
    assert_eq!(receipt["lots"][0]["charged"], 15);
    assert_eq!(receipt["rateCardVersion"], 1);
    let usage = program.get("/api/v1/usage").await.body;
    assert_eq!(usage["total"], json!({ "calls": 1, "credits": 15 }));
    assert_eq!(usage["operations"][0]["operation"], "ocr");
}

on_both!(case_c6_of_parallel_settlements_one_wins_and_the_others_learn_its_state);
async fn case_c6_of_parallel_settlements_one_wins_and_the_others_learn_its_state(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;

    let answers = join_all((0..3).map(|_| program.capture(&hold, json!({ "credits": 30 })))).await;
    let late = program.release(&hold).await;

    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 2));
    let lost = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!(lost.body["state"], "captured");
    assert_eq!(
        (late.status, &late.body["state"]),
        (409, &json!("captured"))
    );
    assert_eq!(program.available().await, 70.0);

    let hold = program.hold(40).await;
    let capture_zero = json!({ "credits": 0 });
    let (capture, release) =
        tokio::join!(program.capture(&hold, capture_zero), program.release(&hold));
    assert_eq!(count(&[capture, release], 200), 1);
    assert_eq!(program.available().await, 70.0);
}

on_both!(case_c6_a_capture_above_its_hold_takes_what_is_available_and_no_more);
async fn case_c6_a_capture_above_its_hold_takes_what_is_available_and_no_more(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;

    let above = program.capture(&hold, json!({ "credits": 150 })).await;

    assert_eq!(above.status, 200);
    assert_eq!(
        (&above.body["captured"], &above.body["uncollected"]),
        (&json!(100), &json!(50))
    );
    assert_eq!(
        (&above.body["released"], &above.body["available"]),
        (&json!(0), &json!(0))
    );
}

on_both!(case_c6_an_expired_hold_is_captured_late_once);
async fn case_c6_an_expired_hold_is_captured_late_once(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let (hold, other) = (program.hold(40).await, program.hold(10).await);
    stage.twin.advance("10m").await.unwrap();
    stage.settled().await;

    let expired = program.get(&format!("/api/v1/holds/{hold}")).await;
    let release = program.release(&hold).await;
    let late = program.capture(&hold, json!({ "credits": 30 })).await;
    let again = program.capture(&hold, json!({ "credits": 30 })).await;
    stage.twin.advance("25h").await.unwrap();
    stage.settled().await;
    let too_late = program.capture(&other, json!({})).await;

    assert_eq!(expired.body["state"], "expired");
    assert_eq!(
        (release.status, &release.body["state"]),
        (409, &json!("expired"))
    );
    assert_eq!((late.status, &late.body["captured"]), (200, &json!(30)));
    assert_eq!(
        (again.status, &again.body["state"]),
        (409, &json!("captured"))
    );
    assert_eq!(
        (too_late.status, &too_late.body["state"]),
        (409, &json!("expired"))
    );
}

on_both!(a_capture_with_a_key_is_repeated_with_the_same_answer);
async fn a_capture_with_a_key_is_repeated_with_the_same_answer(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    let path = format!("/api/v1/holds/{hold}/capture");

    let first = program.call(Method::POST, &path, Some("k"), "").await;
    let again = program.call(Method::POST, &path, Some("k"), "").await;

    assert_eq!((first.status, &first.body["captured"]), (200, &json!(40)));
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

on_both!(another_accounts_hold_is_not_found);
async fn another_accounts_hold_is_not_found(stage: &Stage) {
    let (maya, omar) = (
        program(stage, "maya@example.com").await,
        program(stage, "omar@example.com").await,
    );
    let hold = maya.hold(10).await;

    assert_eq!(omar.get(&format!("/api/v1/holds/{hold}")).await.status, 404);
    assert_eq!(omar.capture(&hold, json!({})).await.status, 404);
    assert_eq!(omar.release(&hold).await.status, 404);
    assert_eq!(omar.release("hold_none").await.status, 404);
    assert_eq!(maya.available().await, 90.0);
}
