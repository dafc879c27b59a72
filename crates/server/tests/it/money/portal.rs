//! Changes that users make in Stripe's portal.

use super::*;

on_both!(
    an_upgrade_in_the_portal_during_a_trial_is_paid_immediately,
    with_trial
);
async fn an_upgrade_in_the_portal_during_a_trial_is_paid_immediately(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "TRIALING")).await;
    let (_, portal) = maya.post("/api/stripe/customer-portal", json!({})).await;
    let held = stage.subscription().await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let plus = stage.price("PRO_PLUS");

    let url = format!("{}/plan", portal["url"].as_str().unwrap());
    let form = [("subscription", held.as_str()), ("price", &plus)];
    stage.http.post(url).form(&form).send().await.unwrap();

    let body = maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    assert!(body["subscription"]["trialEnd"].is_null(), "{body}");
    let charges = stage.stripe_list("/v1/charges").await;
    assert_eq!(charges[0]["amount"], 4_900, "{charges:?}");
}

on_both!(setup_finds_and_restores_what_was_turned_off_in_the_portals_configuration);
async fn setup_finds_and_restores_what_was_turned_off_in_the_portals_configuration(stage: &Stage) {
    let check = || billing::setup::run(&stage.app, true);
    assert_eq!(check().await.unwrap().changes, Vec::<String>::new());
    let known = stage.stripe_list("/v1/billing_portal/configurations").await;
    let update = &known[0]["features"]["subscription_update"];
    assert_eq!(update["enabled"], true, "plans can be switched: {update}");
    assert_eq!(
        update["schedule_at_period_end"]["conditions"][0]["type"],
        "decreasing_item_amount"
    );
    assert_eq!(update["products"].as_array().unwrap().len(), 2, "{update}");
    let path = format!(
        "/v1/billing_portal/configurations/{}",
        known[0]["id"].as_str().unwrap()
    );

    for _ in 0..2 {
        stage
            .stripe_post(
                &path,
                &[("features[subscription_update][enabled]", "false")],
            )
            .await;
        assert_eq!(check().await.unwrap().changes, ["portal configuration"]);
        billing::setup::run(&stage.app, false).await.unwrap();
        assert_eq!(check().await.unwrap().changes, Vec::<String>::new());
    }

    // One is the default configuration of the account, the other is ours.
    let all = stage.stripe_list("/v1/billing_portal/configurations").await;
    assert_eq!(all.len(), 2);
    assert_eq!(
        all.iter().filter(|one| one["is_default"] == true).count(),
        1
    );
}

on_both!(paused_collection_keeps_the_plan);
async fn paused_collection_keeps_the_plan(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let path = stage.subscription_path().await;
    let account = maya.account;
    let paused = async || {
        let rows = stage.read(move |tx| store::subscriptions::of_account(tx, account));
        rows.await[0].paused
    };

    stage
        .stripe_post(&path, &[("pause_collection[behavior]", "void")])
        .await;
    eventually(paused, |paused| *paused).await;
    assert!(
        is("PRO", "ACTIVE")(&maya.billing().await),
        "who is not charged keeps the plan"
    );
    stage.stripe_post(&path, &[("pause_collection", "")]).await;
    eventually(paused, |paused| !paused).await;
}

on_both!(a_trial_that_ends_without_a_card_is_paused_until_there_is_one);
async fn a_trial_that_ends_without_a_card_is_paused_until_there_is_one(stage: &Stage) {
    let noah = stage.person("noah@example.com").await;
    noah.buy_pack(500).await;
    let customers = stage.stripe_list("/v1/customers").await;
    let customer = customers
        .iter()
        .find(|one| one["email"] == "noah@example.com")
        .unwrap();
    let pro = stage.price("PRO");
    stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", customer["id"].as_str().unwrap()),
                ("items[0][price]", &pro),
                ("trial_period_days", "5"),
                (
                    "trial_settings[end_behavior][missing_payment_method]",
                    "pause",
                ),
            ],
        )
        .await;
    noah.billing_when(is("PRO", "TRIALING")).await;
    stage.twin.advance("6d").await.unwrap();
    let body = noah
        .billing_when(|body| body["subscription"]["status"] == "PAUSED")
        .await;
    assert_eq!(body["subscription"]["accessTier"], "FREE", "{body}");
    let (_, page) = noah.page("/dashboard/billing").await;
    assert!(page.contains("Add a payment method"), "{page}");
    let resume = json!({ "action": "resume" });
    let (status, refused) = noah.post(CHANGES, resume.clone()).await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("no_payment_method")),
        "{refused}"
    );

    // With a card, it can be resumed: a new period starts and is paid.
    let customer = customer["id"].as_str().unwrap();
    let card = stage.attach("pm_card_visa", customer).await;
    stage.pays_with(customer, &card).await;
    let page = async || noah.page("/dashboard/billing").await.1;
    eventually(page, |page| page.contains("Resume Pro")).await;
    let (status, resumed) = noah.post(CHANGES, resume).await;
    assert_eq!(
        (status, &resumed["state"]),
        (200, &json!("done")),
        "{resumed}"
    );
    let body = noah.billing_when(is("PRO", "ACTIVE")).await;
    assert_eq!(body["invoices"][0]["amount"], "19.00", "{body}");
    assert_eq!(
        body["subscription"]["nextCharge"]["amount"]["amount"], "19.00",
        "{body}"
    );
    noah.balance_is(1_600).await;
}

on_both!(a_paused_plan_whose_card_is_declined_stays_paused_and_says_how_to_pay);
async fn a_paused_plan_whose_card_is_declined_stays_paused_and_says_how_to_pay(stage: &Stage) {
    let noah = stage.person("noah@example.com").await;
    noah.buy_pack(500).await;
    let customer = stage.stripe_list("/v1/customers").await[0].clone();
    let customer = customer["id"].as_str().unwrap();
    let pro = stage.price("PRO");
    let form = [
        ("customer", customer),
        ("items[0][price]", &pro),
        ("trial_period_days", "5"),
        (
            "trial_settings[end_behavior][missing_payment_method]",
            "pause",
        ),
    ];
    stage.stripe_post("/v1/subscriptions", &form).await;
    stage.twin.advance("6d").await.unwrap();
    noah.billing_when(|body| body["subscription"]["status"] == "PAUSED")
        .await;
    let card = stage.attach("pm_card_chargeCustomerFail", customer).await;
    stage.pays_with(customer, &card).await;
    let page = async || noah.page("/dashboard/billing").await.1;
    eventually(page, |page| page.contains("Resume Pro")).await;

    let (status, answer) = noah.post(CHANGES, json!({ "action": "resume" })).await;

    let is_told = status == 402 || answer["payUrl"].is_string();
    assert!(
        is_told && !answer["declined"].is_null() || status == 402,
        "{status} {answer}"
    );
    let body = noah.billing().await;
    assert_eq!(body["subscription"]["status"], "PAUSED", "{body}");
    let form = [("act", "resume")];
    let posted = noah
        .request(Method::POST, "/dashboard/billing/plan")
        .form(&form);
    let text = posted.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("declined"), "{text}");
}
