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
