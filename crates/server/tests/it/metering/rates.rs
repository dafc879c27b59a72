//! Operations that are free, and operations with several meters.

use billing::config::Settings;
use serde_json::{Value, json};
use store::Tx;

use super::{Answer, Program, program};
use crate::pages::send;
use crate::stage::{CATALOG, Stage, eventually, fresh_key, on_both, own_catalog};
use reqwest::Method;

const MORE: &str = r#"
[[operation]]
name = "llm"
title = "Language model, per token"
rates = { input_tokens = "0.002", cached_input_tokens = "0.0005", output_tokens = "0.008" }

[[operation]]
name = "ping"
title = "Ping"
cost = "0"
"#;

/// A catalog with a free operation and one with several meters.
fn metered(settings: &mut Settings) {
    own_catalog(settings, &format!("{CATALOG}{MORE}"));
}

fn tokens(input: i64, output: i64) -> Value {
    json!({ "input_tokens": input, "output_tokens": output })
}

impl Program<'_> {
    async fn check(&self, query: &str, id: &str) -> Answer {
        let request = self.request(Method::GET, &format!("/api/v1/check?{query}"));
        Answer::of(request.header("x-request-id", id)).await
    }

    async fn hold_of(&self, body: Value) -> (String, Value) {
        let hold = self.post("/api/v1/holds", &fresh_key(), body).await;
        assert_eq!(hold.status, 201, "{}", hold.body);
        (hold.body["id"].as_str().unwrap().to_owned(), hold.body)
    }
}

/// The derived rows after they were made again from the journal are what they were.
async fn is_rebuilt(stage: &Stage, account: i64) {
    stage.audited().await;
    let (rules, now) = (stage.app.rules(), stage.app.now());
    let rebuild = move |tx: &mut Tx<'_>| store::ledger::rebuild(tx, &rules, account, now);
    stage.write(account, rebuild).await;
    stage.audited().await;
}

on_both!(
    a_free_operation_is_admitted_without_credits_and_counted,
    metered
);
async fn a_free_operation_is_admitted_without_credits_and_counted(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    assert_eq!(program.debit("all", 100).await.status, 201);
    let ping = json!({ "operation": "ping" });

    let debit = program.post("/api/v1/debits", "d", ping.clone()).await;
    let again = program.post("/api/v1/debits", "d", ping.clone()).await;
    let (hold, held) = program.hold_of(ping.clone()).await;
    let captured = program.capture(&hold, json!({})).await;
    let (other, _) = program.hold_of(ping.clone()).await;
    let released = program.release(&other).await;
    let checked = program.check("operation=ping", "r1").await;
    let batch = json!({ "debits": [{ "key": "b", "operation": "ping", "units": 7 }] });
    let batch = program.post("/api/v1/debits/batch", "x", batch).await;
    let access = program.get("/api/v1/access?operation=ping").await;

    assert_eq!((debit.status, &debit.body["credits"]), (201, &json!(0)));
    assert_eq!(debit.header("x-credits-cost"), Some("0"));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(held["credits"], 0);
    assert_eq!(captured.body["state"], "captured", "{}", captured.body);
    assert_eq!(captured.body["captured"], 0);
    assert_eq!(released.body["state"], "released");
    assert_eq!(checked.status, 204);
    assert_eq!(batch.body["results"][0]["status"], 201, "{}", batch.body);
    assert_eq!(access.body["allowed"], true, "{}", access.body);
    assert_eq!(program.debit("none", 1).await.status, 402);
    let usage = program.get("/api/v1/usage").await.body;
    assert_eq!(usage["total"], json!({ "calls": 5, "credits": 100 }));
    let access = program.get("/api/v1/access").await.body;
    assert_eq!(
        access["callsThisPeriod"], 5,
        "the released one doesn't count"
    );
    is_rebuilt(stage, maya.account).await;
}

on_both!(
    a_call_of_several_meters_costs_their_sum_and_shows_each,
    metered
);
async fn a_call_of_several_meters_costs_their_sum_and_shows_each(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    let call = json!({ "operation": "llm", "units": tokens(210, 800) });

    let debit = program.post("/api/v1/debits", "d", call).await;
    let reordered = r#"{"units":{"output_tokens":8.0e2,"input_tokens":210,"cached_input_tokens":0},"operation":"llm"}"#;
    let path = "/api/v1/debits";
    let again = program.call(Method::POST, path, Some("d"), reordered).await;
    let other = json!({ "operation": "llm", "units": tokens(800, 210) });
    let other = program.post("/api/v1/debits", "d", other).await;
    let query = "operation=llm&units=input_tokens:210,output_tokens:800";
    let checked = program.check(query, "r1").await;
    let access = program.get(&format!("/api/v1/access?{query}")).await;

    assert_eq!(debit.status, 201, "{}", debit.body);
    assert_eq!(debit.body["credits"], 6.82);
    assert_eq!(debit.body["units"], tokens(210, 800));
    assert_eq!((again.status, &again.body), (201, &debit.body));
    assert_eq!(other.refusal(), (409, "idempotency_key_reused"));
    assert_eq!(checked.header("x-credits-cost"), Some("6.82"));
    assert_eq!(access.body["cost"], 6.82);

    // An estimate is set aside; what was used is charged; the receipt shows both.
    let estimate = json!({ "operation": "llm", "units": tokens(300, 1_000) });
    let (hold, held) = program.hold_of(estimate).await;
    assert_eq!(held["credits"], 8.6);
    let used = json!({ "units": { "input_tokens": 200, "cached_input_tokens": 100.5 } });
    let captured = program.capture(&hold, used).await;
    assert_eq!(captured.body["captured"], 0.45025, "{}", captured.body);
    let receipt = program.get(&format!("/api/v1/holds/{hold}")).await.body;
    let meter = |name: &str| {
        let all = receipt["meters"].as_array().unwrap();
        let found = all.iter().find(|one| one["meter"] == name).unwrap();
        [&found["rate"], &found["authorized"], &found["charged"]].map(|n| n.as_f64().unwrap())
    };
    assert_eq!(meter("input_tokens"), [0.002, 300.0, 200.0]);
    assert_eq!(meter("cached_input_tokens"), [0.0005, 0.0, 100.5]);
    assert_eq!(meter("output_tokens"), [0.008, 1_000.0, 0.0]);
    assert_eq!(receipt["units"], tokens(300, 1_000));

    let usage = program.get("/api/v1/usage").await.body;
    let meters = &usage["operations"][0]["meters"];
    let expected =
        json!({ "input_tokens": 620, "cached_input_tokens": 100.5, "output_tokens": 1_600 });
    assert_eq!(meters, &expected, "two debits and a capture");
    let csv = program.request(Method::GET, "/api/v1/usage");
    let csv = csv.header("accept", "text/csv").send().await.unwrap();
    let csv = csv.text().await.unwrap();
    assert!(
        csv.contains("cached_input_tokens:100.5,input_tokens:620,output_tokens:1600"),
        "{csv}"
    );
    let (_, page) = maya.page("/dashboard/usage").await;
    assert!(
        page.contains("620 input_tokens, 1,600 output_tokens"),
        "{page}"
    );
    assert!(page.contains("100.5 cached_input_tokens, 200 input_tokens"));
    let (_, page) = maya.page("/dashboard/usage/calls").await;
    assert!(page.contains("210 input_tokens, 800 output_tokens"));
    is_rebuilt(stage, maya.account).await;
}

on_both!(
    units_that_do_not_fit_the_operation_are_refused_with_the_names_of_its_meters,
    metered
);
async fn units_that_do_not_fit_the_operation_are_refused_with_the_names_of_its_meters(
    stage: &Stage,
) {
    let program = program(stage, "maya@example.com").await;
    let (hold, _) = program
        .hold_of(json!({ "operation": "llm", "units": tokens(1, 1) }))
        .await;
    let meters = "cached_input_tokens, input_tokens, output_tokens";
    for (operation, units, said) in [
        ("llm", json!(null), meters),
        ("llm", json!(3), meters),
        ("llm", json!({ "words": 3 }), meters),
        ("llm", json!({ "input_tokens": 1, "words": 3 }), meters),
        ("llm", json!({}), "more than 0"),
        ("llm", json!({ "input_tokens": 0 }), "more than 0"),
        ("llm", json!({ "input_tokens": -1 }), "between 0"),
        ("llm", json!({ "input_tokens": "1" }), "decimal number"),
        ("llm", json!({ "input_tokens": 0.000_000_1 }), "6 decimals"),
        ("llm", json!({ "input_tokens": 1e10 }), "1,000,000,000"),
        ("call", tokens(1, 1), "one rate"),
        ("ping", tokens(1, 1), "one rate"),
        ("call", json!("1"), "decimal number"),
        ("call", json!([1]), "decimal number"),
    ] {
        let body = json!({ "operation": operation, "units": units });
        for path in ["/api/v1/debits", "/api/v1/holds"] {
            let refused = program.post(path, &fresh_key(), body.clone()).await;
            assert_eq!(refused.status, 400, "{body}: {}", refused.body);
            let field = refused.body["field"].as_str().unwrap();
            assert!(field.starts_with("units"), "{body}: {field}");
            let detail = refused.body["detail"].as_str().unwrap();
            assert!(detail.contains(said), "{body}: {detail}");
        }
        if operation == "llm" && !units.is_null() && said != "more than 0" {
            let refused = program.capture(&hold, json!({ "units": units })).await;
            assert_eq!(refused.refusal(), (400, "invalid_field"), "{units}");
        }
    }
    let query = "operation=llm&units=words:3";
    assert_eq!(program.check(query, "r").await.status, 400);
    let access = program.get(&format!("/api/v1/access?{query}")).await;
    assert_eq!(access.status, 400);
    assert_eq!(
        program.get("/api/v1/access?operation=llm").await.status,
        400
    );
}

on_both!(
    fractions_of_units_are_rounded_up_once_to_a_micro_credit,
    metered
);
async fn fractions_of_units_are_rounded_up_once_to_a_micro_credit(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    let parts = json!({ "input_tokens": 0.0004, "cached_input_tokens": 0.0002 });

    let one = json!({ "operation": "embeddings", "units": 2.5 });
    let one = program.post("/api/v1/debits", "a", one).await;
    let many = json!({ "operation": "llm", "units": parts });
    let many = program.post("/api/v1/debits", "b", many).await;

    assert_eq!(
        (&one.body["credits"], &one.body["units"]),
        (&json!(0.25), &json!(2.5))
    );
    assert_eq!(many.body["credits"], 0.000_001);
    let balance = program.get("/api/v1/balance").await.body;
    assert_eq!(balance["available"], 99.749_999);
    let (_, page) = maya.page("/dashboard/usage/calls").await;
    assert!(page.contains("0.0002 cached_input_tokens, 0.0004 input_tokens"));
    is_rebuilt(stage, maya.account).await;
}

on_both!(
    a_hold_for_as_much_as_there_is_sets_aside_at_most_its_bound,
    metered
);
async fn a_hold_for_as_much_as_there_is_sets_aside_at_most_its_bound(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let most = |operation: &str, credits: f64| json!({ "operation": operation, "max": true, "credits": credits });

    let (first, held) = program.hold_of(most("chat", 50.0)).await;
    assert_eq!(
        (&held["credits"], &held["available"]),
        (&json!(50), &json!(50))
    );
    let (second, held) = program.hold_of(most("llm", 80.0)).await;
    assert_eq!(
        (&held["credits"], &held["available"]),
        (&json!(50), &json!(0))
    );
    let body = most("llm", 50.0);
    let none = program.post("/api/v1/holds", "n", body).await;
    assert_eq!(none.refusal(), (402, "insufficient_credits"));
    assert_eq!(none.body["needed"], 0.008, "what one unit costs");

    let captured = program
        .capture(&second, json!({ "units": tokens(210, 800) }))
        .await;
    assert_eq!(
        (&captured.body["captured"], &captured.body["released"]),
        (&json!(6.82), &json!(43.18))
    );
    let receipt = program.get(&format!("/api/v1/holds/{second}")).await.body;
    assert_eq!(
        (&receipt["held"], &receipt["units"]),
        (&json!(50), &json!(null))
    );
    assert_eq!(receipt["chargedUnits"], tokens(210, 800));
    let captured = program.capture(&first, json!({ "units": 3 })).await;
    assert_eq!(captured.body["captured"], 6);
    let (_, held) = program.hold_of(most("ping", 50.0)).await;
    assert_eq!(held["credits"], 0, "a free operation needs nothing");

    for bad in [
        json!({ "max": true }),
        json!({ "max": true, "credits": 5 }),
        json!({ "max": true, "operation": "chat" }),
        json!({ "max": true, "operation": "chat", "credits": 5, "units": 1 }),
        most("chat", 1.999_999),
        most("chat", -1.0),
        most("none", 5.0),
    ] {
        let refused = program
            .post("/api/v1/holds", &fresh_key(), bad.clone())
            .await;
        assert_eq!(refused.refusal(), (400, "invalid_field"), "{bad}");
    }
    let one = program.post("/api/v1/holds", "k", most("chat", 5.0)).await;
    let again = program.post("/api/v1/holds", "k", most("chat", 5.0)).await;
    let other = program.post("/api/v1/holds", "k", most("chat", 6.0)).await;
    assert_eq!((again.status, &again.body), (201, &one.body));
    assert_eq!(other.refusal(), (409, "idempotency_key_reused"));
    stage.audited().await;
}

/// Replaces the catalog and waits until the service uses it.
async fn sells(stage: &Stage, text: &str) {
    let version = stage.app.rules().catalog.version;
    std::fs::write(&stage.app.settings.billing.catalog, text).unwrap();
    let current = async || stage.app.rules().catalog.version;
    eventually(current, |now| *now != version).await;
}

on_both!(
    a_retry_is_answered_like_the_first_request_whatever_became_of_its_price,
    metered
);
async fn a_retry_is_answered_like_the_first_request_whatever_became_of_its_price(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let up_to = |operation: &str| json!({ "operation": operation, "max": true, "credits": 5 });
    let requests = [
        ("/api/v1/holds", up_to("chat")),
        ("/api/v1/holds", up_to("ping")),
        ("/api/v1/holds", up_to("llm")),
        (
            "/api/v1/holds",
            json!({ "operation": "llm", "units": tokens(1, 2) }),
        ),
        ("/api/v1/debits", json!({ "operation": "chat" })),
        (
            "/api/v1/debits",
            json!({ "operation": "llm", "units": tokens(3, 4) }),
        ),
    ];
    let batch = json!({ "debits": [{ "key": "b", "operation": "llm", "units": tokens(1, 1) }] });
    let send = async || {
        let mut answers = Vec::new();
        for (n, (path, body)) in requests.iter().enumerate() {
            answers.push(program.post(path, &format!("k{n}"), body.clone()).await);
        }
        answers.push(
            program
                .check("operation=llm&units=input_tokens:5", "c")
                .await,
        );
        answers.push(
            program
                .post("/api/v1/debits/batch", "b", batch.clone())
                .await,
        );
        answers
    };
    let first = send().await;
    let balance = async || {
        let body = program.get("/api/v1/balance").await.body;
        ["balance", "held", "available"].map(|name| body[name].clone())
    };
    let left = balance().await;
    // A unit of chat costs more than the bound, ping is no longer free, and llm is gone.
    let dearer = CATALOG.replace("cost = \"2\"", "cost = \"6\"");
    let ping = "[[operation]]\nname = \"ping\"\ntitle = \"Ping\"\ncost = \"1\"\n";
    sells(stage, &format!("{dearer}\n{ping}")).await;

    let mut again = send().await;

    let told = &mut again[7].body["results"][0]["replayed"];
    assert_eq!(std::mem::replace(told, json!(false)), true);
    for (n, (first, again)) in first.iter().zip(&again).enumerate() {
        assert_eq!(
            (first.status, &first.body),
            (again.status, &again.body),
            "{n}"
        );
        assert!(first.status < 300, "{n}: {}", first.body);
        let cost = "x-credits-cost";
        assert_eq!(first.header(cost), again.header(cost), "{n}");
    }
    assert_eq!(balance().await, left);
    // Another request under a used key is a conflict, and a new one is told about its price.
    let other = json!({ "operation": "llm", "units": tokens(9, 9) });
    let reused = program.post("/api/v1/debits", "k5", other.clone()).await;
    assert_eq!(reused.refusal(), (409, "idempotency_key_reused"));
    let new = program.post("/api/v1/debits", "new", other).await;
    assert_eq!(new.refusal(), (400, "invalid_field"));
    let new = program.post("/api/v1/holds", "new", up_to("chat")).await;
    assert_eq!(new.refusal(), (400, "invalid_field"));
    stage.audited().await;
}

on_both!(the_price_list_names_every_meter_with_its_rate, metered);
async fn the_price_list_names_every_meter_with_its_rate(stage: &Stage) {
    let pricing: Value = stage.get("/api/pricing").await.json().await.unwrap();
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (_, page) = operator.page("/admin/plans").await;

    let of = |name: &str| {
        let all = pricing["operations"].as_array().unwrap();
        all.iter().find(|one| one["operation"] == name).unwrap()
    };
    let rates =
        json!({ "input_tokens": 0.002, "cached_input_tokens": 0.0005, "output_tokens": 0.008 });
    assert_eq!(
        (&of("llm")["credits"], &of("llm")["rates"]),
        (&json!(null), &rates)
    );
    assert_eq!(
        (&of("ping")["credits"], &of("ping")["rates"]),
        (&json!(0), &json!(null))
    );
    assert_eq!(of("chat")["credits"], 2);
    let said = "0.0005 cached_input_tokens, 0.002 input_tokens, 0.008 output_tokens";
    assert!(page.contains(said), "{page}");
}

/// Whether a debit and the access check agree about an operation. Returns the reason.
async fn judged(program: &Program<'_>, operation: &str) -> Option<String> {
    let access = program
        .get(&format!("/api/v1/access?operation={operation}"))
        .await
        .body;
    let body = json!({ "operation": operation });
    let debit = program.post("/api/v1/debits", &fresh_key(), body).await;
    let code = (debit.status != 201).then(|| debit.body["code"].as_str().unwrap().to_owned());
    assert_eq!(
        access["allowed"],
        code.is_none(),
        "{operation}: {access} {}",
        debit.body
    );
    assert_eq!(access["reason"], json!(code), "{operation}");
    code
}

on_both!(
    the_access_check_says_what_a_debit_meets_in_every_state,
    metered
);
async fn the_access_check_says_what_a_debit_meets_in_every_state(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    let both = async || {
        let ocr = judged(&program, "ocr").await;
        (ocr, judged(&program, "ping").await)
    };
    let refused = |reason: &str| Some(reason.to_owned());
    assert_eq!(both().await, (None, None));
    let limit = json!({ "scope": "account", "window": "day", "credits": 7 });
    let (_, limit) = maya.put("/api/v1/limits", limit).await;
    assert_eq!(
        both().await,
        (refused("spend_limit"), None),
        "a free call spends nothing"
    );
    let id = limit["id"].as_str().unwrap();
    maya.delete(&format!("/api/v1/limits/{id}")).await;
    assert_eq!(program.debit("rest", 95).await.status, 201);
    assert_eq!(both().await, (refused("insufficient_credits"), None));

    let paid = maya.buy_pack(500).await;
    maya.balance_is(500).await;
    assert_eq!(program.debit("spent", 500).await.status, 201);
    stage.refund_newest().await;
    stage.settled().await;
    let debt = || refused("debt");
    assert_eq!(
        both().await,
        (debt(), debt()),
        "{paid}: a reversed payment blocks all calls"
    );
    let operator = stage.person_as("boss@example.com", "admin").await;
    let account = stage.public_id(maya.account).await;
    let form = [("status", "suspended"), ("reason", "Abuse, ticket 9")];
    send(
        &operator,
        &format!("/admin/accounts/{account}/status"),
        &form,
    )
    .await;
    let inactive = || refused("account_not_active");
    assert_eq!(both().await, (inactive(), inactive()));
}
