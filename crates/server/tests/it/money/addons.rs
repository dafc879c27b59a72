//! Add-ons in addition to a plan.

use super::*;
use crate::stage::code;

fn with_addons(settings: &mut Settings) {
    let text = format!(
        "{CATALOG}\n[[addon]]\nname = \"SEATS\"\ntitle = \"Extra seats\"\nprice = \"5.00\"\n"
    );
    own_catalog(settings, &text);
}

fn seats(stage: &Stage) -> String {
    stage
        .app
        .prices()
        .addon_of_price
        .keys()
        .next()
        .unwrap()
        .clone()
}

async fn findings(person: &Person<'_>) -> String {
    let account = person.account;
    let state = person.stage.sync_state(account).await;
    assert!(state.parked_at.is_none(), "{state:?}");
    state.findings.unwrap_or_default()
}

on_both!(
    an_add_on_beside_a_plan_keeps_the_tier_brings_no_credits_and_stays_through_changes,
    with_addons
);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn an_add_on_beside_a_plan_keeps_the_tier_brings_no_credits_and_stays_through_changes(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO_PLUS").await;
    let held = stage.subscription().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seats = seats(stage);
    stage
        .stripe_post(
            "/v1/subscription_items",
            &[
                ("subscription", &held),
                ("price", &seats),
                ("quantity", "3"),
            ],
        )
        .await;

    let body = maya
        .billing_when(|body| {
            body["subscription"]["addOns"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        })
        .await;

    let addon = &body["subscription"]["addOns"][0];
    assert_eq!(
        (&addon["name"], &addon["quantity"], &addon["amount"]),
        (&json!("SEATS"), &json!(3), &json!("15.00"))
    );
    assert!(is("PRO_PLUS", "ACTIVE")(&body), "{body}");
    assert_eq!(body["credits"]["balance"], 6_100, "no second allowance");
    assert_eq!(findings(&maya).await, "");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("With 3 × Extra seats, $15.00 per month"),
        "{page}"
    );

    // A downgrade at the end of the period keeps the seats, which are billed together with the new
    // plan.
    let (status, done) = maya
        .post(CHANGES, json!({ "action": "confirm", "planId": "PRO" }))
        .await;
    assert_eq!(
        (status, &done["state"]),
        (200, &json!("scheduled")),
        "{done}"
    );
    assert_eq!(done["subscription"]["pendingChange"]["tier"], "PRO");
    stage.twin.advance("32d").await.unwrap();
    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    assert_eq!(body["subscription"]["addOns"][0]["quantity"], 3, "{body}");
    let allowances = column(&body["credits"]["grants"], "remaining");
    assert_eq!(allowances, [&json!(1_000)], "one allowance a period");
    let rows = stage.transactions(maya.account).await;
    let renewal = rows
        .iter()
        .rfind(|row| row.0 == "SUBSCRIPTION_PAYMENT")
        .unwrap();
    assert!(renewal.2 >= 1_900 + 1_500, "{rows:?}");

    // An upgrade keeps them too.
    let (_, preview) = maya
        .post(
            CHANGES,
            json!({ "action": "preview", "planId": "PRO_PLUS" }),
        )
        .await;
    let confirm = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
    let (status, done) = maya.post(CHANGES, confirm).await;
    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("PRO_PLUS")),
        "{done}"
    );
    assert_eq!(done["subscription"]["addOns"][0]["name"], "SEATS");
    assert_eq!(
        stage.subscription().await["items"]["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    maya.in_step().await;
    stage.audited().await;
}

on_both!(
    the_plan_is_found_among_add_ons_and_an_unknown_item_parks_no_account,
    with_addons
);
async fn the_plan_is_found_among_add_ons_and_an_unknown_item_parks_no_account(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    let method = stage
        .stripe_post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", &customer)],
        )
        .await;
    let product = stage
        .stripe_post("/v1/products", &[("name", "Consulting")])
        .await;
    let stray = stage
        .stripe_post(
            "/v1/prices",
            &[
                ("product", product["id"].as_str().unwrap()),
                ("unit_amount", "700"),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ],
        )
        .await;
    let pro = stage.price("PRO");
    let seats = seats(stage);

    stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", &customer),
                ("default_payment_method", method["id"].as_str().unwrap()),
                ("items[0][price]", &seats),
                ("items[1][price]", stray["id"].as_str().unwrap()),
                ("items[2][price]", &pro),
            ],
        )
        .await;

    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(
        body["subscription"]["addOns"].as_array().unwrap().len(),
        2,
        "{body}"
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 1_600);
    assert!(
        findings(&maya).await.contains("unknown price"),
        "a person should look"
    );
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 3_100)),
        "{rows:?}"
    );
    // Stripe's portal can't change a subscription with several products.
    let (_, portal) = maya.post("/api/stripe/customer-portal", json!({})).await;
    let held = stage.subscription().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let plus = stage.price("PRO_PLUS");
    let url = format!("{}/plan", portal["url"].as_str().unwrap());
    let form = [("subscription", held.as_str()), ("price", &plus)];
    let pressed = stage.http.post(url).form(&form).send().await.unwrap();
    assert!(pressed.status().is_client_error(), "{}", pressed.status());
}

on_both!(
    a_plan_by_the_year_is_refused_beside_add_ons_by_the_month,
    with_addons
);
async fn a_plan_by_the_year_is_refused_beside_add_ons_by_the_month(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let held = stage.subscription().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seats = seats(stage);
    let form = [("subscription", held.as_str()), ("price", &seats)];
    stage.stripe_post("/v1/subscription_items", &form).await;
    let invoices = stage.stripe_list("/v1/invoices").await.len();

    for action in ["preview", "confirm"] {
        let body = json!({
            "action": action, "planId": "PRO", "interval": "year", "quote": "1:0",
        });
        let (status, said) = maya.post(CHANGES, body).await;
        assert_eq!((status, code(&said)), (409, "addon_interval"), "{said}");
        let detail = said["detail"].as_str().unwrap();
        assert!(detail.contains("Remove them first"), "{detail}");
    }
    let path = "/dashboard/billing/upgrade?planId=PRO&interval=year";
    let (status, page) = maya.page(path).await;
    assert_eq!(status, 409);
    assert!(
        page.contains("Your add-ons are paid at another interval"),
        "{page}"
    );
    assert_eq!(stage.stripe_list("/v1/invoices").await.len(), invoices);
    // Another plan by the month can be chosen.
    let body = json!({ "action": "preview", "planId": "PRO_PLUS" });
    let (status, preview) = maya.post(CHANGES, body).await;
    assert_eq!(status, 200, "{preview}");
    assert_eq!(preview["recurring"]["amount"], "54.00", "with the seat");
}
