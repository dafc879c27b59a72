//! What is shown as the next charge is what is charged.

use super::*;

/// The subscriber's next charge as the API shows it, once it has this amount.
async fn shows(person: &Person<'_>, amount: &str) -> Value {
    let body = person
        .billing_when(|body| body["subscription"]["nextCharge"]["amount"]["amount"] == amount)
        .await;
    let next = body["subscription"]["nextCharge"].clone();
    let lines = next["lines"].as_array().unwrap().iter();
    let sum: i64 = lines.map(|line| cents(&line["amount"])).sum();
    assert_eq!(
        sum,
        cents(&next["amount"]["amount"]),
        "the lines add up: {next}"
    );
    let (_, page) = person.page("/dashboard/billing").await;
    assert!(page.contains(&format!("${amount}")), "{amount} in {page}");
    next
}

/// Lets the period end, and checks that the newest invoice is for this amount.
async fn is_charged(stage: &Stage, cents: i64) {
    stage.twin.advance("32d").await.unwrap();
    let due = async || {
        let invoices = stage.stripe_list("/v1/invoices").await;
        let renewal = invoices
            .iter()
            .find(|one| one["billing_reason"] == "subscription_cycle");
        renewal.map(|one| one["amount_due"].as_i64().unwrap_or_default())
    };
    assert_eq!(eventually(due, Option::is_some).await, Some(cents));
}

/// The recurring revenue of a month. A sync reads the subscription and its preview one after the
/// other; the last one has both.
async fn recurring(stage: &Stage) -> i64 {
    stage.settled().await;
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    figures.mrr.amount
}

async fn coupon(stage: &Stage, form: &[(&str, &str)]) -> String {
    id_of(&stage.stripe_post("/v1/coupons", form).await)
}

on_both!(a_discount_forever_is_in_the_next_charge);
async fn a_discount_forever_is_in_the_next_charge(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let half = coupon(stage, &[("percent_off", "50"), ("duration", "forever")]).await;

    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("discounts[0][coupon]", &half)])
        .await;

    shows(&maya, "9.50").await;
    assert_eq!(recurring(stage).await, 950);
    is_charged(stage, 950).await;
}

on_both!(a_discount_of_one_invoice_is_in_the_next_charge_and_not_in_the_recurring_revenue);
async fn a_discount_of_one_invoice_is_in_the_next_charge_and_not_in_the_recurring_revenue(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let five = [
        ("amount_off", "500"),
        ("currency", "usd"),
        ("duration", "once"),
    ];
    let five = coupon(stage, &five).await;

    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("discounts[0][coupon]", &five)])
        .await;

    shows(&maya, "14.00").await;
    assert_eq!(recurring(stage).await, 1_900);
    is_charged(stage, 1_400).await;
    shows(&maya, "19.00").await;
}

on_both!(the_customers_balance_pays_a_part_of_the_next_charge);
async fn the_customers_balance_pays_a_part_of_the_next_charge(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let customer = stage.subscription().await["customer"]
        .as_str()
        .unwrap()
        .to_owned();

    let path = format!("/v1/customers/{customer}/balance_transactions");
    let form = [("amount", "-1000"), ("currency", "usd")];
    stage.stripe_post(&path, &form).await;

    let next = shows(&maya, "9.00").await;
    assert!(
        next["lines"].to_string().contains("From your balance"),
        "{next}"
    );
    is_charged(stage, 900).await;
}

on_both!(a_pending_item_is_in_the_next_charge);
async fn a_pending_item_is_in_the_next_charge(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let customer = stage.subscription().await["customer"]
        .as_str()
        .unwrap()
        .to_owned();

    let form = [
        ("customer", customer.as_str()),
        ("amount", "700"),
        ("currency", "usd"),
        ("description", "Onboarding"),
    ];
    stage.stripe_post("/v1/invoiceitems", &form).await;

    let next = shows(&maya, "26.00").await;
    assert!(next["lines"].to_string().contains("Onboarding"), "{next}");
    is_charged(stage, 2_600).await;
}

on_both!(prorations_of_a_change_at_stripe_are_in_the_next_charge);
async fn prorations_of_a_change_at_stripe_are_in_the_next_charge(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let held = stage.subscription().await;
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let plus = stage.price("PRO_PLUS");

    let form = [
        ("items[0][id]", item),
        ("items[0][price]", &plus),
        ("proration_behavior", "create_prorations"),
    ];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;

    // 49.00 and the difference for the rest of the period, to the second: 78.99 right away.
    let body = maya
        .billing_when(|body| {
            body["subscription"]["nextCharge"]["lines"]
                .as_array()
                .is_some_and(|all| all.len() >= 3)
        })
        .await;
    let amount = body["subscription"]["nextCharge"]["amount"]["amount"]
        .as_str()
        .unwrap();
    let minor = cents(&json!(amount));
    assert!((7_890..=7_900).contains(&minor), "{body}");
    shows(&maya, amount).await;
    is_charged(stage, minor).await;
}

on_both!(quantity_is_in_the_next_charge_and_in_the_recurring_revenue);
async fn quantity_is_in_the_next_charge_and_in_the_recurring_revenue(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let held = stage.subscription().await;
    let item = held["items"]["data"][0]["id"].as_str().unwrap();

    let form = [
        ("items[0][id]", item),
        ("items[0][quantity]", "3"),
        ("proration_behavior", "none"),
    ];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;

    shows(&maya, "57.00").await;
    assert_eq!(recurring(stage).await, 5_700);
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("3 \u{d7} $19.00 per month"), "{page}");
    is_charged(stage, 5_700).await;
}

on_both!(a_paused_collection_has_no_next_charge_by_each_behavior);
async fn a_paused_collection_has_no_next_charge_by_each_behavior(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let path = stage.subscription_path().await;

    for (behavior, words) in [
        ("void", "Invoices are voided."),
        ("mark_uncollectible", "Invoices are written off."),
        ("keep_as_draft", "Invoices are kept as drafts"),
    ] {
        let form = [("pause_collection[behavior]", behavior)];
        stage.stripe_post(&path, &form).await;
        let body = maya
            .billing_when(|body| body["subscription"]["collectionPause"]["behavior"] == behavior)
            .await;
        assert!(body["subscription"]["nextCharge"].is_null(), "{body}");
        let (_, page) = maya.page("/dashboard/billing").await;
        assert!(page.contains(words), "{words} in {page}");
        let now = stage.app.now();
        let read = move |tx: &mut store::Tx<'_>| store::metrics::recurring(tx, now);
        assert!(stage.read(read).await.is_empty(), "{behavior}");
    }
    stage.stripe_post(&path, &[("pause_collection", "")]).await;
    shows(&maya, "19.00").await;
}

on_both!(a_plan_that_ends_is_charged_until_then_only);
async fn a_plan_that_ends_is_charged_until_then_only(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let path = stage.subscription_path().await;

    let months = stage.app.now().plus_days(75).seconds().to_string();
    let form = [
        ("cancel_at", months.as_str()),
        ("proration_behavior", "none"),
    ];
    stage.stripe_post(&path, &form).await;
    maya.billing_when(|body| body["subscription"]["cancelAt"].is_string())
        .await;
    // It renews once or twice before it ends.
    shows(&maya, "19.00").await;

    stage.stripe_post(&path, &[("cancel_at", "")]).await;
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;
    let body = maya
        .billing_when(|body| body["subscription"]["nextCharge"].is_null())
        .await;
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("No upcoming charge: the plan ends."),
        "{body}"
    );
}

on_both!(the_next_charge_is_fetched_by_the_sync_and_not_by_the_page);
async fn the_next_charge_is_fetched_by_the_sync_and_not_by_the_page(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let first = shows(&maya, "19.00").await;
    stage.settled().await;
    stage.sync(maya.account).await;
    let rows = stage.read({
        let account = maya.account;
        move |tx| store::next_charges::of_account(tx, account)
    });
    let fetched = rows.await[0].fetched_at;

    // Nothing changed: another sync keeps what it has.
    stage.twin.advance("1h").await.unwrap();
    stage.sync(maya.account).await;
    let account = maya.account;
    let again = stage
        .read(move |tx| store::next_charges::of_account(tx, account))
        .await;
    assert_eq!(again[0].fetched_at, fetched, "{first}");

    // An old one is shown with its date.
    let mut old = again[0].clone();
    old.fetched_at = old.fetched_at.plus_days(-3);
    let put = move |tx: &mut store::Tx<'_>| store::next_charges::put(tx, &old);
    stage.write(account, put).await;
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("$19.00") && page.contains("As of "), "{page}");
}

on_both!(
    figures_that_stripe_does_not_give_fail_no_sync_and_are_fetched_later,
    stripe_proxy::install
);
async fn figures_that_stripe_does_not_give_fail_no_sync_and_are_fetched_later(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    shows(&maya, "19.00").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let denied =
        json!({ "error": { "type": "invalid_request_error", "message": "Missing permission." } });
    proxy.answer("GET", "/v1/coupons/", 100, 403, &denied);
    proxy.answer("POST", "/v1/invoices/create_preview", 100, 403, &denied);
    let half = coupon(stage, &[("percent_off", "50"), ("duration", "forever")]).await;

    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("discounts[0][coupon]", &half)])
        .await;
    stage.sync(maya.account).await;

    // The old figures stay, and the next charge has its date.
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!(figures.mrr.amount, 1_900);
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("$19.00") && page.contains("As of "), "{page}");

    proxy.forget();
    stage.settled().await;
    stage.twin.advance("61m").await.unwrap();
    billing::jobs::sweep::refresh_previews(&stage.app)
        .await
        .unwrap();
    shows(&maya, "9.50").await;
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(!page.contains("As of "), "{page}");
}

on_both!(
    a_first_preview_that_fails_is_fetched_later_and_failed_ones_are_bounded_too,
    stripe_proxy::install
);
async fn a_first_preview_that_fails_is_fetched_later_and_failed_ones_are_bounded_too(
    stage: &Stage,
) {
    const PREVIEW: &str = "/v1/invoices/create_preview";
    let proxy = stripe_proxy::of(stage);
    let denied =
        json!({ "error": { "type": "invalid_request_error", "message": "Missing permission." } });
    proxy.answer("POST", PREVIEW, 1_000, 403, &denied);
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let account = maya.account;
    let stored = stage.read(move |tx| store::next_charges::of_account(tx, account));
    assert_eq!(stored.await.len(), 0, "it has none yet");

    proxy.forget();
    stage.twin.advance("61m").await.unwrap();
    billing::jobs::sweep::refresh_previews(&stage.app)
        .await
        .unwrap();
    shows(&maya, "19.00").await;

    stage.settled().await;
    stage.webhooks(false).await;
    let customer = stage.stripe_id("/v1/customers").await;
    for _ in 0..12 {
        stage.start_trial(&customer, "PRO").await;
    }
    stage
        .stripe_post(&format!("/v1/customers/{customer}"), &[("name", "Maya")])
        .await;
    proxy.answer("POST", PREVIEW, 1_000, 403, &denied);
    let before = proxy.calls("POST", PREVIEW);
    let whole = billing::sync::whole_account(&stage.app, account).await;
    whole.unwrap();
    assert_eq!(proxy.calls("POST", PREVIEW) - before, 10);
}

on_both!(
    a_coupon_is_read_when_a_discount_is_new_and_not_at_every_sync,
    stripe_proxy::install
);
async fn a_coupon_is_read_when_a_discount_is_new_and_not_at_every_sync(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let proxy = stripe_proxy::of(stage);
    let half = coupon(stage, &[("percent_off", "50"), ("duration", "forever")]).await;
    let tenth = coupon(stage, &[("percent_off", "10"), ("duration", "forever")]).await;
    let path = stage.subscription_path().await;

    for (name, amount, minor) in [(&half, "9.50", 950), (&tenth, "17.10", 1_710)] {
        let before = proxy.calls("GET", "/v1/coupons/");
        stage
            .stripe_post(&path, &[("discounts[0][coupon]", name)])
            .await;
        shows(&maya, amount).await;
        stage.settled().await;
        for _ in 0..3 {
            stage.sync(maya.account).await;
        }

        assert_eq!(proxy.calls("GET", "/v1/coupons/") - before, 1, "{amount}");
        stage.twin.advance("2m").await.unwrap();
        assert_eq!(recurring(stage).await, minor);
    }
}
