//! Acting for the right account: links in refusals, purchases by operators for other accounts, and
//! limits on the API keys page.

use reqwest::Method;
use serde_json::{Value, json};

use crate::metering::{Answer, Program};
use crate::stage::{Person, Stage, answer, id_of, on_both, pack, session_id};

async fn organization(person: &Person<'_>) -> String {
    let (status, made) = person
        .post("/api/v1/organisations", json!({ "name": "Acme" }))
        .await;
    assert_eq!(status, 201, "{made}");
    id_of(&made)
}

fn path_of<'a>(stage: &Stage, url: &'a Value) -> &'a str {
    let url = url.as_str().expect("an address");
    url.strip_prefix(&stage.base).expect("on our origin")
}

on_both!(the_link_in_a_refusal_opens_the_refused_account);
async fn the_link_in_a_refusal_opens_the_refused_account(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let acme = organization(&maya).await;
    let host = Program {
        stage,
        secret: stage.server_key().await,
    };

    let body = json!({ "account": acme, "credits": 5 });
    let refused = host.post("/api/v1/debits", "k", body.clone()).await;
    let batch = json!({ "debits": [{ "account": acme, "credits": 5, "key": "b" }] });
    let batch = host.post("/api/v1/debits/batch", "unused", batch).await;
    let access = host.get(&format!("/api/v1/access?account={acme}")).await;
    let check = host.request(Method::GET, &format!("/api/v1/check?account={acme}"));
    let check = Answer::of(check.header("x-request-id", "r1")).await;

    assert_eq!(refused.status, 402, "{}", refused.body);
    assert_eq!(check.status, 402, "{}", check.body);
    let in_batch = &batch.body["results"][0];
    assert_eq!(in_batch["status"], 402, "{in_batch}");
    for body in [&refused.body, in_batch, &access.body, &check.body] {
        for url in [&body["topUpUrl"], &body["upgradeUrl"]] {
            let path = path_of(stage, url);
            assert!(path.ends_with(&format!("?account={acme}")), "{path}");
            let (status, page) = maya.page(path).await;
            assert_eq!(status, 200, "{path}");
            assert!(page.contains("Acme"), "{path} opens another account");
        }
    }
    let stranger = stage.person("noah@example.com").await;
    let (status, _) = stranger
        .page(path_of(stage, &refused.body["topUpUrl"]))
        .await;
    assert_eq!(status, 404);
}

on_both!(only_the_owner_whom_the_host_names_owns_the_account_after_signing_in);
async fn only_the_owner_whom_the_host_names_owns_the_account_after_signing_in(stage: &Stage) {
    let host = Program {
        stage,
        secret: stage.server_key().await,
    };
    let put = async |body: Value| host.put("/api/v1/accounts/user-42", body).await;
    let made = put(json!({ "name": "Maya", "email": "Maya@Example.com" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let body = json!({ "account": "user-42", "credits": 5_000 });
    let refused = host.post("/api/v1/debits", "k", body).await;
    let path = path_of(stage, &refused.body["topUpUrl"]);

    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let again = put(json!({ "name": "Maya", "email": "noah@example.com" })).await;

    assert_eq!(maya.page(path).await.0, 200);
    let (_, billing) = maya.get("/api/dashboard/billing").await;
    assert_eq!(
        billing["credits"]["available"], 100,
        "it is the only account"
    );
    let (status, bought) = maya.checkout(pack(500)).await;
    assert_eq!(status, 200, "{bought}");
    assert_eq!(again.refusal(), (409, "email_taken"), "he has an account");
    assert_eq!(noah.page(path).await.0, 404, "the owner stays");
    let (_, places) = maya.get("/api/v1/organisations").await;
    assert_eq!(places["data"].as_array().map(Vec::len), Some(1), "{places}");
}

on_both!(requirement_3_3_1c_only_an_admin_buys_for_another_account_and_says_why);
async fn requirement_3_3_1c_only_an_admin_buys_for_another_account_and_says_why(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let account = organization(&maya).await;
    let path = format!("/api/admin/accounts/{account}/checkout-sessions");
    let body = json!({ "type": "topup", "amount": 1000, "reason": "asked by phone" });

    // No other user can, at any URL.
    for role in ["user", "viewer", "support", "finance"] {
        let person = stage.person_as(&format!("{role}@example.com"), role).await;
        let (status, said) = person.post(&path, body.clone()).await;
        assert_eq!(status, 403, "{role}: {said}");
    }
    let admin = stage.person_as("admin@example.com", "admin").await;
    let seed = format!("/api/stripe/create-checkout-session?account={account}");
    let (status, _) = admin.post(&seed, pack(1000)).await;
    assert_eq!(status, 404, "the seed's endpoint is for one's own accounts");
    for (wrong, field) in [
        (
            json!({ "type": "topup", "amount": 1000, "reason": " " }),
            "reason",
        ),
        (
            json!({ "type": "topup", "amount": 7, "reason": "x" }),
            "amount",
        ),
        (
            json!({ "type": "subscription", "planId": "GOLD", "reason": "x" }),
            "planId",
        ),
    ] {
        let (status, said) = admin.post(&path, wrong).await;
        assert_eq!(
            (status, said["field"].as_str()),
            (400, Some(field)),
            "{said}"
        );
    }

    let (status, made) = admin.post(&path, body).await;
    assert_eq!(status, 200, "{made}");
    let session = session_id(made["checkoutUrl"].as_str().unwrap());
    maya.pay(&session).await;
    stage.settled().await;

    let (_, balance) = maya
        .get(&format!("/api/v1/balance?account={account}"))
        .await;
    assert_eq!(balance["balance"], 1000, "{balance}");
    let paid = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(
        paid["metadata"]["userId"],
        json!(maya.user_id().await),
        "{paid}"
    );
    let (_, acts) = admin.get("/api/admin/audit").await;
    let act = &acts["data"][0];
    assert_eq!(act["action"], "checkout.start", "{acts}");
    assert_eq!(act["subject"], json!(account));
    assert_eq!(act["actor"], json!(admin.user_id().await));
    assert!(act.to_string().contains("asked by phone"), "{act}");
}

on_both!(a_keys_limit_is_set_shown_and_removed_on_the_keys_page);
async fn a_keys_limit_is_set_shown_and_removed_on_the_keys_page(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(1_000).await;
    maya.balance_is(1_100).await;
    let (_, made) = maya
        .post("/api/v1/keys", json!({ "name": "prod-web" }))
        .await;
    let key = format!("key:{}", made["id"].as_str().unwrap());
    let program = Program {
        stage,
        secret: made["secret"].as_str().unwrap().to_owned(),
    };
    let set = |path: &'static str, credits: &'static str| {
        let fields = [
            ("subject", key.as_str()),
            ("window", "day"),
            ("credits", credits),
        ];
        maya.request(Method::POST, path)
            .header("accept", "text/html")
            .form(&fields)
    };

    let wrong = set("/dashboard/keys/limits", "lots").send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let html = wrong.text().await.unwrap();
    assert!(
        html.contains("Please correct this field") && html.contains("value=\"lots\""),
        "{html}"
    );
    let good = set("/dashboard/keys/limits", "40").send().await.unwrap();
    assert_eq!(good.status(), 303);
    assert_eq!(program.debit("a", 15).await.status, 201);

    let (_, html) = maya.page("/dashboard/keys").await;
    assert!(html.contains("At most 40 credits a day; 25 left"), "{html}");
    assert_eq!(program.debit("b", 26).await.body["limit"], "key_day");
    let start = html
        .find("/dashboard/keys/limits/limit_")
        .expect("a way to remove it");
    let remove = html[start..].split('"').next().unwrap();
    let gone = maya.fetch(Method::POST, remove).await;
    assert_eq!(gone.status(), 303);
    let Answer { status, body, .. } = program.debit("b", 26).await;
    assert_eq!(status, 201, "{body}");
    let (status, _) = answer(maya.request(Method::POST, remove)).await;
    assert_eq!(status, 404, "it is gone already");
}
