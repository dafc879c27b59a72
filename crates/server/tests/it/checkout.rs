//! Checkout and portal: invalid input, double clicks, and failures of Stripe.

use domain::people::{MemberRole, UserRole};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{Stage, code, on_both, pack, plan_of};

/// The number of calls to Stripe that created something at this path.
async fn made_at_stripe(stage: &Stage, path: &str) -> usize {
    let requests = stage.twin.get("/_twin/requests?limit=200").await.unwrap();
    let all = requests["data"].as_array().unwrap().clone();
    all.iter()
        .filter(|r| r["method"] == "POST" && r["path"] == path)
        .count()
}

async fn customers(stage: &Stage) -> Vec<Value> {
    stage.stripe_list("/v1/customers?limit=100").await
}

on_both!(case_k1_bad_bodies_are_refused_without_a_call_to_stripe);
async fn case_k1_bad_bodies_are_refused_without_a_call_to_stripe(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let long = format!(
        "{{\"type\":\"topup\",\"amount\":1,\"x\":\"{}\"}}",
        "x".repeat(10_000)
    );
    let bad = [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "\"topup\"",
        "{\"type\":null}",
        "{\"type\":7}",
        "{\"type\":\"gift\"}",
        "{\"type\":\"topup\"}",
        "{\"type\":\"subscription\"}",
        "{\"type\":\"topup\",\"amount\":0}",
        "{\"type\":\"topup\",\"amount\":-500}",
        "{\"type\":\"topup\",\"amount\":500.5}",
        "{\"type\":\"topup\",\"amount\":500.0}",
        "{\"type\":\"topup\",\"amount\":5e2}",
        "{\"type\":\"topup\",\"amount\":\"500\"}",
        "{\"type\":\"topup\",\"amount\":501}",
        "{\"type\":\"topup\",\"amount\":1e400}",
        "{\"type\":\"topup\",\"amount\":NaN}",
        "{\"type\":\"topup\",\"amount\":99999999999999999999}",
        "{\"type\":\"topup\",\"amount\":500,\"amount\":1000}",
        "{\"type\":\"topup\",\"amount\":500,\"currency\":\"eur\"}",
        "{\"type\":\"subscription\",\"planId\":\"GOLD\"}",
        "{\"type\":\"subscription\",\"planId\":\"FREE\"}",
        "{\"type\":\"subscription\",\"planId\":[\"PRO\"]}",
        long.as_str(),
    ];

    for body in bad {
        let request = maya
            .request(reqwest::Method::POST, "/api/stripe/create-checkout-session")
            .header("content-type", "application/json")
            .body(body.to_owned());
        let (status, answer) = crate::stage::answer(request).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(
            answer["error"].is_string(),
            "the seed's field is there: {answer}"
        );
    }

    assert_eq!(made_at_stripe(stage, "/v1/checkout/sessions").await, 0);
    assert!(customers(stage).await.is_empty());
}

on_both!(case_k2_k3_what_a_client_sends_besides_its_choice_is_never_used);
async fn case_k2_k3_what_a_client_sends_besides_its_choice_is_never_used(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let request = maya
        .request(reqwest::Method::POST, "/api/stripe/create-checkout-session")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .json(&json!({
            "type": "topup", "amount": 500, "userId": "usr_other", "customer": "cus_other",
            "price": 1, "credits": 1_000_000, "success_url": "https://evil.example",
            "metadata": { "credits": "9" }, "quantity": 99,
        }));

    let (status, answer) = crate::stage::answer(request).await;

    assert_eq!(status, 200, "{answer}");
    let id = crate::stage::session_id(answer["checkoutUrl"].as_str().unwrap());
    let session = stage
        .stripe_get(&format!("/v1/checkout/sessions/{id}"))
        .await;
    assert_eq!(session["amount_total"], 50);
    assert!(
        session["success_url"]
            .as_str()
            .unwrap()
            .starts_with(&stage.base),
        "{session}"
    );
    assert!(
        session["cancel_url"]
            .as_str()
            .unwrap()
            .starts_with(&stage.base)
    );
    assert_ne!(session["metadata"]["userId"], "usr_other");
    assert!(
        session["metadata"]["userId"]
            .as_str()
            .unwrap()
            .starts_with("usr_")
    );
}

on_both!(enterprise_is_sold_through_sales);
async fn enterprise_is_sold_through_sales(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    let (status, answer) = maya
        .checkout(json!({"type": "subscription", "planId": "ENTERPRISE"}))
        .await;

    assert_eq!((status, code(&answer)), (409, "contact_sales"));
}

on_both!(case_k4_twenty_concurrent_first_checkouts_create_one_customer_and_five_succeed);
async fn case_k4_twenty_concurrent_first_checkouts_create_one_customer_and_five_succeed(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;

    let clicks = (0..20).map(|_| maya.checkout(pack(500)));
    let answers = futures_util::future::join_all(clicks).await;

    let count = |wanted| {
        answers
            .iter()
            .filter(|(status, _)| *status == wanted)
            .count()
    };
    assert_eq!((count(200), count(429)), (5, 15), "{answers:?}");
    assert_eq!(customers(stage).await.len(), 1);
    let mut urls: Vec<_> = answers
        .iter()
        .filter_map(|(_, body)| body["checkoutUrl"].as_str())
        .collect();
    urls.dedup();
    assert_eq!(urls.len(), 1, "a double click leads to one page: {urls:?}");
}

on_both!(the_sixth_checkout_in_a_minute_gets_a_retry_after_header);
async fn the_sixth_checkout_in_a_minute_gets_a_retry_after_header(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let body = pack(500);
    for _ in 0..5 {
        assert_eq!(maya.checkout(body.clone()).await.0, 200);
    }

    let request = maya.request(reqwest::Method::POST, "/api/stripe/create-checkout-session");
    let answer = request.json(&body).send().await.unwrap();

    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
}

on_both!(one_hundred_requests_for_a_customer_create_one);
async fn one_hundred_requests_for_a_customer_create_one(stage: &Stage) {
    let people: Vec<_> =
        futures_util::future::join_all((0..5).map(|_| stage.person("maya@example.com"))).await;
    let caller = signed_in(stage, &people[0]).await;

    let calls = (0..100).map(|_| billing::payments::customer::get_or_create(&stage.app, &caller));
    let mut ids: Vec<String> = futures_util::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(customers(stage).await.len(), 1);
}

async fn signed_in(stage: &Stage, person: &crate::stage::Person<'_>) -> billing::actors::SignedIn {
    let account = person.account;
    let account = stage
        .read(move |tx| store::accounts::find(tx, account))
        .await;
    let user = billing::actors::Visitor {
        id: person.user,
        public_id: "usr_test".into(),
        email: "maya@example.com".into(),
        name: "maya".into(),
        role: UserRole::User,
    };
    billing::actors::SignedIn {
        user,
        account: account.unwrap(),
        role: MemberRole::Owner,
        places: Vec::new(),
    }
}

on_both!(case_k5_a_customer_whose_answer_was_lost_is_the_same_on_the_next_click);
async fn case_k5_a_customer_whose_answer_was_lost_is_the_same_on_the_next_click(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage
        .faults(json!({ "mode": "cut_after", "count": 1 }))
        .await;

    let session = maya.session(pack(500)).await;

    assert_eq!(customers(stage).await.len(), 1);
    maya.pay(&session).await;
    maya.billing_when(|body| {
        body["credits"]["balance"] == 600.0 || body["credits"]["balance"] == 600
    })
    .await;
}

/// Whether Stripe answers the newest purchase of a pack, sent again under its key, with the error
/// that it saved.
async fn is_saved(stage: &Stage, account: i64) -> bool {
    let kind = store::intents::IntentKind::CheckoutTopup;
    let newest = stage.read(move |tx| store::intents::of_kind(tx, account, kind, 1));
    let newest = newest.await.remove(0);
    let again = stage
        .http
        .post(format!("{}/v1/checkout/sessions", stage.twin_url))
        .bearer_auth("sk_test_stage")
        .header("idempotency-key", newest.id)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(newest.params);
    let again = again.send().await.unwrap();
    let is_replayed = again.headers().contains_key("idempotent-replayed");
    assert_eq!(again.status(), 500, "{}", again.text().await.unwrap());
    is_replayed
}

on_both!(case_k7_an_error_that_stripe_saved_ends_the_attempt_and_the_next_click_works);
async fn case_k7_an_error_that_stripe_saved_ends_the_attempt_and_the_next_click_works(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.session(plan_of("PRO")).await;
    stage.settled().await;
    // Stripe accepts the call, fails, and saves the error under its key.
    stage
        .faults(json!({ "mode": "status", "status": 500, "when": "during", "count": 1 }))
        .await;

    let (status, _) = maya.checkout(pack(500)).await;

    assert!(matches!(status, 502 | 503), "{status}");
    let intents = async || {
        let account = maya.account;
        let kind = store::intents::IntentKind::CheckoutTopup;
        let all = stage.read(move |tx| store::intents::of_kind(tx, account, kind, 10));
        let all = all.await.into_iter();
        all.map(|one| one.state.word()).collect::<Vec<_>>()
    };
    assert_eq!(intents().await, ["failed"], "its key can't be used again");
    assert!(is_saved(stage, maya.account).await);
    let session = maya.session(pack(500)).await;
    assert!(session.starts_with("cs_test_"));
    assert_eq!(intents().await, ["done", "failed"]);
    let sessions = stage.stripe_list("/v1/checkout/sessions").await;
    let open = sessions.iter().filter(|one| one["mode"] == "payment");
    assert_eq!(open.count(), 1);
    maya.pay(&session).await;
    maya.balance_is(600).await;
}

on_both!(case_k8_when_stripe_hangs_responses_are_on_time_and_no_other_request_waits);
async fn case_k8_when_stripe_hangs_responses_are_on_time_and_no_other_request_waits(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    stage
        .faults(json!({ "mode": "hang", "seconds": 40, "count": 20 }))
        .await;
    let started = Instant::now();

    let click = maya.checkout(pack(500));
    let other = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        noah.billing().await;
        asked.elapsed()
    };
    let ((status, answer), waited) = tokio::join!(click, other);

    assert_eq!(status, 503, "{answer}");
    assert!(
        started.elapsed() < Duration::from_secs(25),
        "{:?}",
        started.elapsed()
    );
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    stage.no_faults().await;
}

on_both!(another_choice_expires_the_open_checkout);
async fn another_choice_expires_the_open_checkout(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let small = maya.session(pack(500)).await;

    let large = maya.session(pack(5000)).await;

    assert_ne!(small, large);
    let ended = stage
        .stripe_get(&format!("/v1/checkout/sessions/{small}"))
        .await;
    assert_eq!(ended["status"], "expired");
}

on_both!(case_k16_a_customer_deleted_at_stripe_is_replaced);
async fn case_k16_a_customer_deleted_at_stripe_is_replaced(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let old = customers(stage).await[0]["id"].as_str().unwrap().to_owned();
    stage.stripe_delete(&format!("/v1/customers/{old}")).await;

    let session = maya.session(pack(1000)).await;
    maya.pay(&session).await;

    maya.balance_is(1_600).await;
}

on_both!(case_k17_there_is_no_portal_without_a_customer);
async fn case_k17_there_is_no_portal_without_a_customer(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    let (status, answer) = maya.get("/api/stripe/customer-portal").await;

    assert_eq!((status, code(&answer)), (409, "no_customer"));
}

on_both!(case_k18_a_portal_is_opened_from_our_own_page_only);
async fn case_k18_a_portal_is_opened_from_our_own_page_only(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let with = |name: &'static str, value: &'static str| {
        let request = maya.request(reqwest::Method::GET, "/api/stripe/customer-portal");
        crate::stage::answer(request.header(name, value))
    };

    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("sec-purpose", "prefetch"),
        ("sec-fetch-dest", "image"),
    ] {
        assert_eq!(with(name, value).await.0, 403, "{name}: {value}");
    }
    assert_eq!(
        made_at_stripe(stage, "/v1/billing_portal/sessions").await,
        0
    );

    let (status, answer) = with("sec-fetch-site", "same-origin").await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["url"].as_str().unwrap().starts_with(&stage.twin_url));
}
