//! Idempotency keys: the same request is answered again, another one under a used key is refused; and
//! limits of operators hold for requests at the same time.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::{Answer, Program};
use crate::stage::{Person, Stage, on_both};

/// Endpoints whose key is optional, which the OpenAPI document doesn't list as a parameter.
const OPTIONAL: [&str; 2] = [
    "POST /api/v1/holds/{id}/capture",
    "POST /api/v1/holds/{id}/release",
];

/// Every endpoint of the API that takes an idempotency key: those of the OpenAPI document, and those
/// whose key is optional.
async fn with_a_key(stage: &Stage) -> BTreeSet<String> {
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let mut found: BTreeSet<String> = OPTIONAL.map(str::to_owned).into();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let params = operation["parameters"].as_array().cloned();
            let takes_key = params
                .unwrap_or_default()
                .iter()
                .any(|param| param["name"] == "Idempotency-Key" && param["in"] == "header");
            if takes_key {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

/// Who sends a request.
enum Caller<'a> {
    Program(&'a Program<'a>),
    Operator(&'a Person<'a>),
}

async fn send(caller: &Caller<'_>, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = match caller {
        Caller::Program(program) => program.request(method.clone(), path),
        Caller::Operator(person) => person.request(method.clone(), path),
    };
    let request = request.header("idempotency-key", key);
    let is_read = method == Method::GET;
    Answer::of(if is_read { request } else { request.json(body) }).await
}

/// A request and others that differ from it, by path or body.
struct Case<'a> {
    route: &'static str,
    caller: Caller<'a>,
    path: String,
    body: Value,
    others: Vec<(String, Value)>,
}

impl Case<'_> {
    async fn holds(&self) {
        let (method, route) = self.route.split_once(' ').unwrap();
        let key = format!("key of {route}");
        let first = send(&self.caller, method, &self.path, &key, &self.body).await;
        assert!(
            matches!(first.status, 200 | 201 | 204),
            "{route}: {}",
            first.body
        );
        for (path, body) in &self.others {
            let other = send(&self.caller, method, path, &key, body).await;
            assert_eq!(
                other.refusal(),
                (409, "idempotency_key_reused"),
                "{route} {path} {body}: {}",
                other.body
            );
        }
        let again = send(&self.caller, method, &self.path, &key, &self.body).await;
        assert_eq!(again.status, first.status, "{route}: {}", again.body);
        assert_eq!(again.body, first.body, "{route}");
    }
}

async fn hold(program: &Program<'_>, key: &str) -> String {
    let made = program
        .post("/api/v1/holds", key, json!({ "credits": 5 }))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["id"].as_str().unwrap().to_owned()
}

on_both!(another_request_under_a_used_key_is_refused_by_every_endpoint_that_takes_one);
#[expect(clippy::too_many_lines, reason = "one table of every endpoint")]
async fn another_request_under_a_used_key_is_refused_by_every_endpoint_that_takes_one(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    let noah = stage.buyer("noah@example.com", 1_000).await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let program = maya.program().await;
    stage.settled().await;
    let (id, other) = (maya.account_id().await, noah.account_id().await);
    let payment = async |person: &Person<'_>| {
        let (_, list) = person.get("/api/v1/transactions").await;
        list["data"][0]["id"].as_str().unwrap().to_owned()
    };
    let (paid, also_paid) = (payment(&maya).await, payment(&noah).await);
    let (_, grants) = maya.get("/api/v1/grants").await;
    let grants = grants["data"].as_array().unwrap().iter();
    let free = grants
        .clone()
        .find(|one| one["kind"] == "allowance")
        .unwrap();
    let free = free["id"].as_str().unwrap().to_owned();
    let (a, b, c) = (
        hold(&program, "a").await,
        hold(&program, "b").await,
        hold(&program, "c").await,
    );
    let at = |what: &str| format!("/api/v1/accounts/{id}/{what}");
    let elsewhere = |what: &str| format!("/api/v1/accounts/{other}/{what}");
    let five = json!({ "credits": 5 });
    let adjust = |credits: i64, reason: &str, note: &str| json!({ "credits": credits, "reason": reason, "note": note });
    let refund = |payment: &str, amount: &str, reason: &str, note: &str| json!({ "payment": payment, "amount": amount, "reason": reason, "note": note });
    let by_program = || Caller::Program(&program);
    let by_boss = || Caller::Operator(&boss);
    let (adjustments, promos) = (at("credits/adjustments"), at("grants"));
    let void = at(&format!("grants/{free}/void"));
    let refunds = "/api/admin/refunds".to_owned();
    let mut cases = vec![
        Case {
            route: "POST /api/v1/debits",
            caller: by_program(),
            path: "/api/v1/debits".to_owned(),
            body: five.clone(),
            others: vec![
                ("/api/v1/debits".to_owned(), json!({ "credits": 6 })),
                ("/api/v1/debits".to_owned(), json!({ "operation": "chat" })),
                ("/api/v1/holds".to_owned(), five.clone()),
            ],
        },
        Case {
            route: "POST /api/v1/holds",
            caller: by_program(),
            path: "/api/v1/holds".to_owned(),
            body: five.clone(),
            others: vec![
                ("/api/v1/holds".to_owned(), json!({ "credits": 6 })),
                (
                    "/api/v1/holds".to_owned(),
                    json!({ "credits": 5, "ttlSeconds": 9 }),
                ),
            ],
        },
        Case {
            route: "POST /api/v1/holds/{id}/capture",
            caller: by_program(),
            path: format!("/api/v1/holds/{a}/capture"),
            body: json!({ "credits": 2 }),
            others: vec![
                (
                    format!("/api/v1/holds/{a}/capture"),
                    json!({ "credits": 3 }),
                ),
                (
                    format!("/api/v1/holds/{b}/capture"),
                    json!({ "credits": 2 }),
                ),
            ],
        },
        Case {
            route: "POST /api/v1/holds/{id}/release",
            caller: by_program(),
            path: format!("/api/v1/holds/{b}/release"),
            body: json!({}),
            others: vec![(format!("/api/v1/holds/{c}/release"), json!({}))],
        },
        Case {
            route: "GET /api/v1/check",
            caller: by_program(),
            path: "/api/v1/check?operation=call".to_owned(),
            body: json!({}),
            others: vec![
                ("/api/v1/check?operation=chat".to_owned(), json!({})),
                ("/api/v1/check?operation=call&units=2".to_owned(), json!({})),
            ],
        },
        Case {
            route: "POST /api/v1/accounts/{id}/credits/adjustments",
            caller: by_boss(),
            path: adjustments.clone(),
            body: adjust(7, "goodwill", "T1"),
            others: vec![
                (adjustments.clone(), adjust(8, "goodwill", "T1")),
                (adjustments.clone(), adjust(7, "correction", "T1")),
                (adjustments.clone(), adjust(7, "goodwill", "T2")),
                (
                    elsewhere("credits/adjustments"),
                    adjust(7, "goodwill", "T1"),
                ),
            ],
        },
        Case {
            route: "POST /api/v1/accounts/{id}/grants",
            caller: by_boss(),
            path: promos.clone(),
            body: five.clone(),
            others: vec![
                (promos.clone(), json!({ "credits": 6 })),
                (
                    promos.clone(),
                    json!({ "credits": 5, "expiresAt": "2099-01-01" }),
                ),
                (elsewhere("grants"), five.clone()),
            ],
        },
        Case {
            route: "POST /api/v1/accounts/{id}/grants/{grant}/void",
            caller: by_boss(),
            path: void.clone(),
            body: json!({ "reason": "correction" }),
            others: vec![(void, json!({ "reason": "goodwill" }))],
        },
        Case {
            route: "POST /api/admin/refunds",
            caller: by_boss(),
            path: refunds.clone(),
            body: refund(&paid, "1.00", "duplicate", "T1"),
            others: vec![
                (refunds.clone(), refund(&paid, "2.00", "duplicate", "T1")),
                (refunds.clone(), refund(&paid, "1.00", "fraudulent", "T1")),
                (refunds.clone(), refund(&paid, "1.00", "duplicate", "T2")),
                (
                    refunds.clone(),
                    refund(&also_paid, "1.00", "duplicate", "T1"),
                ),
            ],
        },
    ];
    // A debt to forgive: spent credits whose payment is refunded.
    let debtor = noah.program().await;
    debtor.debit("spend", 1_100).await;
    let body = json!({ "payment": also_paid, "reason": "duplicate" });
    send(&by_boss(), "POST", "/api/admin/refunds", "debt", &body).await;
    stage.settled().await;
    let forgiveness = elsewhere("credits/forgiveness");
    cases.push(Case {
        route: "POST /api/v1/accounts/{id}/credits/forgiveness",
        caller: by_boss(),
        path: forgiveness.clone(),
        body: adjust(10, "goodwill", "T1"),
        others: vec![
            (forgiveness.clone(), adjust(11, "goodwill", "T1")),
            (forgiveness, adjust(10, "correction", "T1")),
        ],
    });

    let covered: BTreeSet<String> = cases.iter().map(|case| case.route.to_owned()).collect();
    assert_eq!(
        covered,
        with_a_key(stage).await,
        "an endpoint is missing here"
    );
    for case in &cases {
        case.holds().await;
    }

    let made = stage.stripe_list("/v1/refunds?limit=100").await;
    assert_eq!(made.len(), 2, "{made:?}");
    stage.audited().await;
}

on_both!(an_operators_daily_limit_holds_for_requests_at_the_same_time);
async fn an_operators_daily_limit_holds_for_requests_at_the_same_time(stage: &Stage) {
    let mut customers = Vec::new();
    for n in 0..4 {
        let person = stage.person(&format!("customer-{n}@example.com")).await;
        person.billing().await;
        customers.push(person);
    }
    for round in 0..5 {
        let email = format!("support-{round}@example.com");
        let support = stage.person_as(&email, "support").await;
        let give = customers.iter().enumerate().map(async |(n, customer)| {
            let path = format!(
                "/api/v1/accounts/{}/credits/adjustments",
                customer.account_id().await
            );
            let body = json!({ "credits": 5_000, "reason": "goodwill" });
            let request = support.request(Method::POST, &path).json(&body);
            let key = format!("{round}-{n}");
            Answer::of(request.header("idempotency-key", key)).await
        });

        let answers = join_all(give).await;

        let given = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(given.count(), 1, "5,000 credits a day, not 20,000");
        let refused = answers.iter().filter(|answer| answer.status != 201);
        for answer in refused {
            assert_eq!(answer.refusal(), (403, "credits_limit"), "{}", answer.body);
        }
    }
}
