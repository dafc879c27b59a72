use serde_json::json;
use twin::core::PayError;

use crate::shop::{DAY, NOW, Shop, card, good_card, string};

#[test]
fn a_subscription_is_bought_with_one_paid_invoice() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let id = shop.session(
        "subscription",
        &plan,
        "&customer_email=bob@example.com&subscription_data[metadata][account]=a1",
    );
    shop.happened();

    let session = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(session["payment_status"], "paid");
    assert!(session["payment_intent"].is_null());
    let events = shop.happened();
    for kind in [
        "customer.created",
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ] {
        assert_eq!(
            events.iter().filter(|one| *one == kind).count(),
            1,
            "{kind} in {events:?}"
        );
    }
    assert_eq!(events.last().unwrap(), "checkout.session.completed");
    let sub = shop.see(&session["subscription"]);
    assert_eq!(sub["status"], "active");
    assert_eq!(sub["metadata"], json!({"account": "a1"}));
    assert!(sub["default_payment_method"].is_string());
    let invoice = shop.see(&session["invoice"]);
    assert_eq!(invoice["billing_reason"], "subscription_create");
    assert_eq!(
        invoice["parent"]["subscription_details"]["subscription"],
        sub["id"]
    );
    assert_eq!(invoice["amount_paid"], 1900);
    assert!(string(&invoice["number"]).ends_with("-0001"));
    assert_eq!(shop.see(&session["customer"])["email"], "bob@example.com");
}

#[test]
fn a_declined_subscription_leaves_no_subscription_behind() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let customer = shop.customer("");
    let id = shop.session("subscription", &plan, &format!("&customer={customer}"));
    shop.happened();

    shop.core
        .pay_checkout(&id, card("4000000000000002"), NOW)
        .unwrap_err();
    let refused = shop.happened();
    shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        refused,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed"
        ]
    );
    assert_eq!(shop.core.objects("subscription").len(), 1);
    assert_eq!(shop.core.objects("invoice").len(), 1);
}

#[test]
fn a_subscription_that_requires_authentication_starts_after_it_and_renews() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let id = shop.session("subscription", &plan, "");

    let asked = shop.core.pay_checkout(&id, card("4000002500003155"), NOW);
    let session = shop.core.authenticate_checkout(&id, true, NOW).unwrap();
    shop.wait(32 * DAY);

    assert_eq!(asked, Err(PayError::RequiresAuthentication));
    assert_eq!(session["payment_status"], "paid");
    let sub = shop.see(&session["subscription"]);
    assert_eq!(sub["status"], "active");
    assert_eq!(shop.count("invoice", "paid"), 2);
}

#[test]
fn a_trial_needs_no_payment_now() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let id = shop.session(
        "subscription",
        &plan,
        "&subscription_data[trial_period_days]=14",
    );
    shop.happened();

    let session = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(session["amount_total"], 0);
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!(shop.see(&session["subscription"])["status"], "trialing");
    let events = shop.happened();
    assert!(events.contains(&"invoice.paid".to_owned()));
    assert!(events.contains(&"invoice.payment_succeeded".to_owned()));
    assert!(!events.iter().any(|kind| kind.starts_with("charge.")));
}

#[test]
fn a_price_for_an_inactive_product_names_the_product_that_the_client_sent() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let pack = shop.price("Credits", 1000, "");
    let product = string(&shop.see(&json!(pack))["product"]);
    shop.post(&format!("/v1/products/{product}"), "active=false");
    let data = |start: &str| {
        format!(
            "{start}[price_data][product]={product}&{start}[price_data][currency]=usd&{start}[price_data][unit_amount]=500"
        )
    };
    let monthly = |start: &str| {
        format!(
            "{}&{start}[price_data][recurring][interval]=month&{start}[quantity]=1",
            data(start)
        )
    };

    let line = format!("{}&line_items[0][quantity]=1", data("line_items[0]"));
    let session = format!("mode=payment&success_url=https://a.example/ok&{line}");
    let (_, sold) = shop.refused("POST", "/v1/checkout/sessions", &session);
    let body = format!("customer={customer}&{}", monthly("items[0]"));
    let (_, subscribed) = shop.refused("POST", "/v1/subscriptions", &body);

    for (error, param) in [
        (sold, "line_items[0][price_data][product]"),
        (subscribed, "items[0][price_data][product]"),
    ] {
        let message = string(&error["message"]);
        assert_eq!(error["param"], param);
        assert!(message.contains(&product), "{error}");
        assert!(!message.contains("price_"), "{error}");
    }
}

#[test]
fn the_default_tax_rates_of_a_session_must_exist() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 2000);
    let body = format!(
        "mode=subscription&success_url=https://a.example/ok&line_items[0][price]={plan}&line_items[0][quantity]=1&subscription_data[default_tax_rates][0]=txr_1"
    );

    let (_, error) = shop.refused("POST", "/v1/checkout/sessions", &body);

    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], "subscription_data[default_tax_rates][0]");
}
