//! Accounts, lists, manual credits, the gateway check and the operators' views.

mod reading;

use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::{Answer, host, program};
use crate::stage::{Person, Stage, column, fresh_key, on_both};

/// The actions in the audit log about a subject.
async fn acts(stage: &Stage, subject: &str) -> Vec<store::audit_log::Act> {
    let subject = subject.to_owned();
    stage
        .read(move |tx| store::audit_log::list(tx, Some(&subject), None, None, None, 100))
        .await
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
        .read(|tx| store::accounts::named(tx, "tenant-7"))
        .await
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

on_both!(the_host_creates_its_accounts_and_names_them_by_its_own_ids);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn the_host_creates_its_accounts_and_names_them_by_its_own_ids(stage: &Stage) {
    let host = host(stage).await;
    let put = async |body: Value| host.put("/api/v1/accounts/tenant-7", body).await;

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
    assert_eq!(refused.refusal(), (403, "key_scope"));
}

on_both!(case_c12_an_adjustment_has_a_reason_happens_once_and_is_in_the_audit_log);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_c12_an_adjustment_has_a_reason_happens_once_and_is_in_the_audit_log(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "support").await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let id = stage.public_id(maya.account).await;
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

on_both!(promotional_credits_expire_after_ninety_days_by_default);
async fn promotional_credits_expire_after_ninety_days_by_default(stage: &Stage) {
    let host = host(stage).await;
    let maya = stage.person("maya@example.com").await;
    let id = stage.public_id(maya.account).await;
    let path = format!("/api/v1/accounts/{id}/grants");
    let welcome = json!({ "credits": 25, "note": "Welcome" });
    let expired = json!({ "credits": 25, "expiresAt": "2020-01-01" });

    let made = host.post(&path, "promo-1", welcome.clone()).await;
    let again = host.post(&path, "promo-1", welcome).await;
    let past = host.post(&path, "promo-2", expired).await;
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
    let kinds = column(&grants["data"], "kind");
    assert_eq!(kinds, ["promo", "allowance"]);
    assert_eq!(grants["data"][0]["state"], "active");
    assert_eq!(acts(stage, &id).await[0].action, "credits.grant");
}
