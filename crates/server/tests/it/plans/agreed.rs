//! Custom prices for one account.

use super::*;

async fn custom_price(stage: &Stage, amount: &str) -> String {
    let product = stage
        .stripe_post("/v1/products", &[("name", "Enterprise for Acme")])
        .await;
    let price = stage
        .stripe_post(
            "/v1/prices",
            &[
                ("product", product["id"].as_str().unwrap()),
                ("unit_amount", amount),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ],
        )
        .await;
    id_of(&price)
}

on_both!(a_price_agreed_with_one_account_is_sold_to_that_one_only);
async fn a_price_agreed_with_one_account_is_sold_to_that_one_only(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let olga = stage.person_as("olga@example.com", "admin").await;
    let price = custom_price(stage, "50000").await;
    let path = format!(
        "/api/admin/accounts/{}/prices/ENTERPRISE",
        stage.public_id(maya.account).await
    );
    let agree = |person: &Person<'_>, body: Value| {
        crate::stage::answer(person.request(reqwest::Method::PUT, &path).json(&body))
    };
    let body = json!({ "priceId": price, "reason": "contract 7" });
    let buy = plan_of("ENTERPRISE");
    assert_eq!(maya.checkout(buy.clone()).await.1["code"], "contact_sales");

    assert_eq!(agree(&eve, body.clone()).await.0, 403);
    assert_eq!(
        agree(&olga, json!({ "priceId": "price_none", "reason": "x" }))
            .await
            .0,
        422
    );
    assert_eq!(
        agree(&olga, json!({ "priceId": price, "reason": " " }))
            .await
            .0,
        400
    );
    let (status, agreed) = agree(&olga, body).await;

    assert_eq!(
        (status, &agreed["amount"]),
        (200, &json!("500.00")),
        "{agreed}"
    );
    assert_eq!(eve.checkout(buy).await.1["code"], "contact_sales");
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(
        plans.contains("$500") && plans.contains("custom price"),
        "{plans}"
    );
    maya.subscribe("ENTERPRISE").await;
    let body = maya
        .billing_when(|body| body["subscription"]["accessTier"] == "ENTERPRISE")
        .await;
    assert_eq!(body["invoices"][0]["amount"], "500.00");
    // A custom price stays mapped to its plan after the agreement ends.
    let ended = olga.request(reqwest::Method::DELETE, &path);
    assert_eq!(crate::stage::answer(ended).await.0, 204);
    stage.sync(maya.account).await;
    assert_eq!(
        maya.billing().await["subscription"]["accessTier"],
        "ENTERPRISE"
    );
}

on_both!(an_agreed_price_is_what_an_upgrade_costs);
async fn an_agreed_price_is_what_an_upgrade_costs(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let price = custom_price(stage, "10000").await;
    let path = format!(
        "/api/admin/accounts/{}/prices/ENTERPRISE",
        stage.public_id(maya.account).await
    );
    let put = olga.request(reqwest::Method::PUT, &path);
    let body = json!({ "priceId": price, "reason": "contract 8" });
    assert_eq!(crate::stage::answer(put.json(&body)).await.0, 200);

    let (status, done) = confirm(&maya, "ENTERPRISE").await;

    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("ENTERPRISE")),
        "{done}"
    );
    let due = stage.transactions(maya.account).await[1].2;
    assert!((8_000..=8_100).contains(&due), "{due}");
}
