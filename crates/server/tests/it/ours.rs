//! Ours or another product's: several products may use one Stripe account.

use billing::jobs::alerts;
use serde_json::{Value, json};
use store::events::EventState;
use store::foreign::ForeignKind;

use crate::alerts::states;
use crate::audit::run_on;
use crate::stage::{Person, Stage, answer, code, eventually, id_of, is, on_both, pack, plan_of};
use crate::stripe_proxy;

/// A monthly price of another product, in cents.
pub async fn foreign_price(stage: &Stage, cents: &str) -> String {
    let product = stage
        .stripe_post("/v1/products", &[("name", "Another product")])
        .await;
    let form = [
        ("product", product["id"].as_str().unwrap()),
        ("currency", "usd"),
        ("unit_amount", cents),
        ("recurring[interval]", "month"),
    ];
    id_of(&stage.stripe_post("/v1/prices", &form).await)
}

/// Subscribes a customer at Stripe; returns the subscription's id.
pub async fn subscribe_at_stripe(stage: &Stage, customer: &str, price: &str) -> String {
    let card = stage.attach("pm_card_visa", customer).await;
    stage.pays_with(customer, &card).await;
    let form = [("customer", customer), ("items[0][price]", price)];
    id_of(&stage.stripe_post("/v1/subscriptions", &form).await)
}

/// The customer of a person's account.
pub async fn customer_of(person: &Person<'_>) -> String {
    let account = person.account;
    let found = person
        .stage
        .read(move |tx| store::customers::current(tx, account));
    found.await.expect("a customer")
}

async fn status_at_stripe(stage: &Stage, subscription: &str) -> Value {
    stage
        .stripe_get(&format!("/v1/subscriptions/{subscription}"))
        .await["status"]
        .clone()
}

/// The findings of an account's last sync.
pub async fn findings(person: &Person<'_>) -> String {
    let state = person.stage.sync_state(person.account).await;
    state.findings.unwrap_or_default()
}

on_both!(a_customer_of_another_product_is_never_taken_over_by_a_name_that_the_host_chose);
async fn a_customer_of_another_product_is_never_taken_over_by_a_name_that_the_host_chose(
    stage: &Stage,
) {
    let key = stage.server_key().await;
    let put = stage
        .http
        .put(format!("{}/api/v1/accounts/42", stage.base))
        .bearer_auth(&key)
        .json(&json!({ "name": "Host account", "email": "host@example.com" }));
    let (status, body) = answer(put).await;
    assert!(status == 200 || status == 201, "{body}");
    let price = foreign_price(stage, "900").await;
    let form = [("metadata[accountId]", "42"), ("metadata[userId]", "42")];
    let theirs = id_of(&stage.stripe_post("/v1/customers", &form).await);
    let subscription = subscribe_at_stripe(stage, &theirs, &price).await;

    let about_them = |events: &[store::events::Event]| {
        let of: Vec<_> = events
            .iter()
            .filter(|one| one.customer_id.as_ref() == Some(&theirs))
            .map(|one| one.state)
            .collect();
        of.len() >= 3 && of.iter().all(|state| *state == EventState::Ignored)
    };
    eventually(async || stage.events().await, |events| about_them(events)).await;
    stage.settled().await;

    let account = stage
        .read(|tx| store::accounts::named(tx, "42"))
        .await
        .expect("the host's account");
    let customers = stage.read(move |tx| store::customers::of_account(tx, account.id));
    assert_eq!(customers.await, []);
    assert_eq!(stage.transactions(account.id).await, []);
    let (_, adopted) = run_on(&stage.app, &["sync", "--adopt", "--apply"]).await;
    assert_eq!(adopted["linked"], json!([]), "{adopted}");
    assert_eq!(adopted["unclear"][0]["customer"], theirs);
    assert_eq!(status_at_stripe(stage, &subscription).await, "active");
    let parked = stage.read(store::alerts::parked_events).await;
    assert_eq!(parked, 0, "another product's events need no review");
}

on_both!(a_subscription_of_our_customer_to_another_product_blocks_grants_and_counts_nothing);
async fn a_subscription_of_our_customer_to_another_product_blocks_grants_and_counts_nothing(
    stage: &Stage,
) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let price = foreign_price(stage, "900").await;

    let theirs = subscribe_at_stripe(stage, &customer, &price).await;
    stage.settled().await;
    stage.sync(maya.account).await;

    assert!(is("FREE", "NONE")(&maya.billing().await));
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows, [("CREDIT_TOPUP".into(), "COMPLETED".into(), 50)]);
    let account = maya.account;
    let kept = stage
        .read(move |tx| store::foreign::of_account(tx, account, 10))
        .await;
    let kept: Vec<_> = kept
        .iter()
        .map(|row| (row.kind, row.amount_minor))
        .collect();
    assert!(
        kept.contains(&(ForeignKind::Subscription, Some(900))),
        "{kept:?}"
    );
    assert!(
        kept.contains(&(ForeignKind::Payment, Some(900))),
        "{kept:?}"
    );
    assert_eq!(findings(&maya).await, "", "it is nothing to review");
    assert_eq!(stage.sync_state(account).await.parked_at, None);
    let page = format!("/admin/accounts/{}", maya.account_id().await);
    let (_, page) = operator.page(&page).await;
    assert!(
        page.contains("Not ours") && page.contains(&theirs),
        "{page}"
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        !page.contains("$9.00"),
        "the customer's page shows only ours"
    );

    // A plan can be bought, changed and ended beside it.
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let asked = json!({ "action": "preview", "planId": "PRO_PLUS" });
    let (status, preview) = maya.post("/api/v1/plan-changes", asked).await;
    assert_eq!(status, 200, "{preview}");
    let change = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
    let (status, changed) = maya.post("/api/v1/plan-changes", change).await;
    assert_eq!(status, 200, "{changed}");
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!(figures.mrr.amount, 4_900, "only our plan");

    let (status, body) = answer(maya.request(reqwest::Method::DELETE, "/api/v1/account")).await;
    assert_eq!(status, 200, "{body}");
    let all = stage
        .stripe_list(&format!("/v1/subscriptions?customer={customer}&status=all"))
        .await;
    let statuses: Vec<_> = all
        .iter()
        .map(|one| (one["id"] == theirs, one["status"].as_str().unwrap()))
        .collect();
    assert_eq!(statuses, [(false, "canceled"), (true, "active")]);
    let item = &all[1]["items"]["data"][0]["price"]["id"];
    assert_eq!(*item, json!(price));
}

on_both!(a_subscription_becomes_ours_with_its_payments_when_the_catalog_learns_its_price);
async fn a_subscription_becomes_ours_with_its_payments_when_the_catalog_learns_its_price(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let price = foreign_price(stage, "1500").await;
    subscribe_at_stripe(stage, &customer, &price).await;
    stage.settled().await;
    stage.twin.advance("45d").await.unwrap();
    stage.settled().await;
    assert!(is("FREE", "NONE")(&maya.billing().await));
    assert_eq!(stage.transactions(maya.account).await.len(), 1);

    let known = price.clone();
    stage
        .write(0, move |tx| {
            let price = store::catalog::Price {
                price_id: known.clone(),
                lookup_key: "by hand".to_owned(),
                kind: store::catalog::PriceKind::Tier,
                name: "PRO".to_owned(),
                currency: "usd".to_owned(),
                amount_minor: 1_500,
                billing_interval: Some("month".to_owned()),
                first_version: 1,
                archived_at: None,
            };
            store::catalog::put_price(tx, &price)
        })
        .await;
    stage.app.load_prices().await.unwrap();

    maya.billing_when(is("PRO", "ACTIVE")).await;
    let of_plan = |rows: &[(String, String, i64)]| {
        let paid = rows.iter().filter(|row| row.0 == "SUBSCRIPTION_PAYMENT");
        paid.filter(|row| row.1 == "COMPLETED" && row.2 == 1_500)
            .count()
            == 2
    };
    maya.rows_when(of_plan).await;
    stage.settled().await;
    let account = maya.account;
    let left = stage.read(move |tx| store::foreign::of_account(tx, account, 10));
    assert_eq!(left.await, []);
    stage.audited().await;
}

on_both!(
    case_w20_our_subscription_with_a_price_made_by_hand_keeps_its_tier_and_waits_for_the_price
);
async fn case_w20_our_subscription_with_a_price_made_by_hand_keeps_its_tier_and_waits_for_the_price(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let price = foreign_price(stage, "1500").await;
    let held = stage.subscription().await;
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let form = [
        ("items[0][id]", item),
        ("items[0][price]", &price),
        ("proration_behavior", "none"),
    ];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;

    let state = async || stage.sync_state(maya.account).await;
    let parked = eventually(state, |state| state.parked_at.is_some()).await;

    assert_eq!(parked.waits_for_price.as_deref(), Some(price.as_str()));
    assert!(
        is("PRO", "ACTIVE")(&maya.billing().await),
        "the tier is kept"
    );
    // Also when our own row is gone, its Checkout says that it is ours.
    stage.write(0, store::testing::forget_mirror).await;
    let _ = billing::sync::whole_account(&stage.app, maya.account).await;
    let state = stage.sync_state(maya.account).await;
    assert_eq!(state.waits_for_price.as_deref(), Some(price.as_str()));
}

on_both!(
    a_customer_that_stripe_does_not_know_is_an_error_with_an_alert_and_is_kept,
    stripe_proxy::install
);
async fn a_customer_that_stripe_does_not_know_is_an_error_with_an_alert_and_is_kept(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let customer = customer_of(&maya).await;
    let proxy = stripe_proxy::of(stage);
    let unknown = json!({ "error": { "type": "invalid_request_error", "code": "resource_missing",
        "param": "customer", "message": "No such customer" } });
    proxy.answer("GET", "/v1/customers/cus_", 100, 404, &unknown);
    proxy.answer("POST", "/v1/billing_portal/sessions", 1, 400, &unknown);
    proxy.answer("POST", "/v1/checkout/sessions", 1, 400, &unknown);

    let synced = billing::sync::account(&stage.app, maya.account).await;
    let (portal, _) = maya.get("/api/stripe/customer-portal").await;
    let (bought, refused) = maya.checkout(pack(500)).await;
    alerts::once(&stage.app).await.unwrap();

    assert_eq!(synced.unwrap_err().0.code, "customer_missing");
    assert_eq!((portal, bought), (503, 503), "{refused}");
    assert_eq!(code(&refused), "customer_missing");
    assert_eq!(customer_of(&maya).await, customer, "it is not retired");
    assert_eq!(states(&operator, "customer-missing").await, ["open"]);
    assert!(is("PRO", "ACTIVE")(&maya.billing().await));
    let name = maya.account_id().await;
    let (status, _) = run_on(&stage.app, &["sync", &name]).await;
    assert_eq!(status, 1, "a failure, not \"no differences\"");

    proxy.forget();
    stage.sync(maya.account).await;
    alerts::once(&stage.app).await.unwrap();
    assert_eq!(states(&operator, "customer-missing").await, ["closed"]);
    let (status, _) = run_on(&stage.app, &["sync", &name, "--retire", &customer]).await;
    assert_eq!(status, 1, "Stripe knows it");
    assert_eq!(customer_of(&maya).await, customer);
    assert_eq!(stage.stripe_list("/v1/customers").await.len(), 1);
}

on_both!(a_deleted_customer_is_retired_and_replaced_by_the_next_purchase);
async fn a_deleted_customer_is_retired_and_replaced_by_the_next_purchase(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    stage
        .stripe_delete(&format!("/v1/customers/{customer}"))
        .await;
    stage.sync(maya.account).await;
    let account = maya.account;
    let current = stage.read(move |tx| store::customers::current(tx, account));
    assert_eq!(current.await, None);

    maya.buy_pack(500).await;

    maya.balance_is(1_100).await;
    assert_ne!(customer_of(&maya).await, customer);
}

on_both!(a_customer_carries_our_mark_also_one_that_was_made_before_there_were_marks);
async fn a_customer_carries_our_mark_also_one_that_was_made_before_there_were_marks(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let path = format!("/v1/customers/{customer}");
    let mark = format!("{}:{}", maya.account_id().await, stage.app.instance);
    let made = stage.stripe_get(&path).await["metadata"]["localboxs_account"].clone();
    assert_eq!(made, json!(mark));
    stage
        .stripe_post(&path, &[("metadata[localboxs_account]", "")])
        .await;

    stage.sync(maya.account).await;

    let again = stage.stripe_get(&path).await["metadata"]["localboxs_account"].clone();
    assert_eq!(again, json!(mark));
}

on_both!(a_live_plan_under_the_same_address_made_elsewhere_is_a_finding_and_can_be_adopted);
async fn a_live_plan_under_the_same_address_made_elsewhere_is_a_finding_and_can_be_adopted(
    stage: &Stage,
) {
    let made = stage
        .stripe_post("/v1/customers", &[("email", "maya@example.com")])
        .await;
    let elsewhere = id_of(&made);
    subscribe_at_stripe(stage, &elsewhere, &stage.price("PRO")).await;
    let maya = stage.person("maya@example.com").await;

    maya.buy_pack(500).await;
    maya.balance_is(600).await;
    stage.settled().await;
    stage.sync(maya.account).await;

    let found = findings(&maya).await;
    assert!(
        found.contains(&elsewhere) && found.contains("--adopt"),
        "{found}"
    );
    let (_, audited) = run_on(&stage.app, &["audit"]).await;
    assert!(
        audited["warnings"].to_string().contains(&elsewhere),
        "{audited}"
    );
    let (_, dry) = run_on(&stage.app, &["sync", "--adopt"]).await;
    let why = dry["unclear"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("live plan") && why.contains("--customer"),
        "{why}"
    );
    let name = maya.account_id().await;
    let adopt = [
        "sync",
        &name,
        "--adopt",
        "--customer",
        &elsewhere,
        "--apply",
    ];
    assert_eq!(run_on(&stage.app, &adopt).await.0, 0);
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    stage.sync(maya.account).await;
    assert_eq!(findings(&maya).await, "");
    let (status, body) = maya.checkout(plan_of("PRO")).await;
    assert_eq!((status, code(&body)), (409, "already_subscribed"));
}

on_both!(a_database_is_bound_to_one_stripe_account_and_mode_and_refuses_every_other);
async fn a_database_is_bound_to_one_stripe_account_and_mode_and_refuses_every_other(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let account = stage.stripe_get("/v1/account").await["id"].clone();
    let account = account.as_str().unwrap().to_owned();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let mut config = twin::Config::at(loopback);
    config.seed = 77;
    let other = twin::serve(config).await.unwrap();

    // A process with another account's key, and one with a live key, on the same database.
    for (url, key, named) in [
        (other.url(), "sk_test_stage", "acct_"),
        (stage.twin_url.clone(), "sk_live_stage", "live"),
    ] {
        let mut settings = stage.app.settings.clone();
        settings.stripe.api_base = url;
        settings.stripe.secret_key = key.into();
        let app = billing::app::App::with_db(settings, stage.app.db.clone())
            .await
            .unwrap();

        let refused = server::cli::serve::check_account(&app).await.unwrap_err();
        let synced = billing::sync::account(&app, maya.account).await;
        let (code, _) = run_on(&app, &["sync", "--all"]).await;
        let (doctor, checks) = run_on(&app, &["doctor"]).await;

        let said = refused.to_string();
        assert!(said.contains(&account) && said.contains(named), "{said}");
        assert!(said.contains("in test mode"), "{said}");
        assert_eq!(synced.unwrap_err().0.code, "other_stripe_account");
        assert_eq!((code, doctor), (1, 1));
        let checks = checks["checks"].as_array().unwrap();
        let stripe = checks.iter().find(|one| one["name"] == "Stripe").unwrap();
        assert!(
            stripe["detail"].as_str().unwrap().contains(&account),
            "{stripe}"
        );
    }
    other.shutdown();
    other.join().await;
    assert!(server::cli::serve::check_account(&stage.app).await.is_ok());
    stage.sync(maya.account).await;
    maya.balance_is(600).await;
}

on_both!(an_unbound_database_with_customers_is_not_bound_to_an_account_that_lacks_them);
async fn an_unbound_database_with_customers_is_not_bound_to_an_account_that_lacks_them(
    stage: &Stage,
) {
    stage.buyer("maya@example.com", 500).await;
    stage
        .write(0, |tx| {
            store::settings::remove(tx, billing::binding::ACCOUNT)?;
            store::settings::remove(tx, billing::binding::MODE)
        })
        .await;
    let mut config = twin::Config::at("127.0.0.1:0".parse().unwrap());
    config.seed = 78;
    let other = twin::serve(config).await.unwrap();
    let mut settings = stage.app.settings.clone();
    settings.stripe.api_base = other.url();
    let app = billing::app::App::with_db(settings, stage.app.db.clone())
        .await
        .unwrap();

    let refused = billing::binding::check(&app).await.unwrap_err();

    assert_eq!(refused.0.code, "other_stripe_account");
    assert_eq!(stage.read(billing::binding::stored).await, None);
    other.shutdown();
    other.join().await;
}
