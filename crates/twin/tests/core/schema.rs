use serde_json::Value;

use crate::shop::{DAY, Shop, checked, good_card, string};

/// The events that the product subscribes to and those that the CLI triggers.
const TRIGGERS: &[&str] = &[
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.updated",
    "invoice.deleted",
    "invoice.sent",
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.trial_will_end",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "subscription_schedule.created",
    "subscription_schedule.updated",
    "subscription_schedule.released",
    "subscription_schedule.canceled",
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.updated",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "product.created",
    "product.updated",
    "product.deleted",
    "price.created",
    "price.updated",
    "coupon.created",
];

#[test]
fn every_trigger_makes_its_event_and_all_objects_fit_the_schema() {
    for kind in TRIGGERS {
        let mut shop = Shop::open();

        let made = shop
            .core
            .trigger(kind, shop.now)
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        shop.happened();

        assert!(made.iter().any(|event| event["type"] == *kind), "{kind}");
        for event in &made {
            let object = shop
                .core
                .object(event["data"]["object"]["id"].as_str().unwrap());
            assert!(object.is_some(), "{kind}");
        }
    }
}

#[test]
fn an_unknown_trigger_is_refused() {
    let mut shop = Shop::open();

    assert!(shop.core.trigger("issuing_card.created", shop.now).is_err());
}

/// The kinds of objects that the test below must cover.
const KINDS: [&str; 23] = [
    "customer",
    "product",
    "price",
    "checkout.session",
    "item",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "invoice",
    "invoice_payment",
    "payment_intent",
    "setup_intent",
    "charge",
    "payment_method",
    "billing_portal.session",
    "billing_portal.configuration",
    "event",
    "webhook_endpoint",
    "coupon",
    "promotion_code",
    "account",
    "balance",
    "balance_transaction",
];

#[test]
fn every_kind_of_object_fits_stripes_schema() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let session = shop.session("subscription", &plan, "");
    shop.core
        .pay_checkout(&session, good_card(), shop.now)
        .unwrap();
    shop.get(&format!("/v1/checkout/sessions/{session}/line_items"));
    shop.post(
        "/v1/subscription_schedules",
        &format!("from_subscription={sub}"),
    );
    shop.post(
        "/v1/setup_intents",
        "confirm=true&payment_method=pm_card_visa",
    );
    shop.post(
        "/v1/webhook_endpoints",
        "url=https://x.example/&enabled_events[]=*",
    );
    let coupon = string(
        &shop.post(
            "/v1/coupons",
            "amount_off=500&currency=usd&duration=forever",
        )["id"],
    );
    shop.post(
        "/v1/promotion_codes",
        &format!("promotion[type]=coupon&promotion[coupon]={coupon}"),
    );
    shop.post(
        "/v1/billing_portal/sessions",
        &format!("customer={customer}&flow_data[type]=subscription_cancel&flow_data[subscription_cancel][subscription]={sub}"),
    );
    shop.get("/v1/account");
    shop.get("/v1/balance");
    shop.get("/v1/balance/history");
    shop.get("/v1/invoice_payments");
    shop.get(&format!("/v1/subscription_items?subscription={sub}"));
    shop.wait(70 * DAY);
    shop.happened();

    let seen = checked().lock().unwrap().clone();

    for kind in KINDS {
        assert!(seen.contains(kind), "{kind} was never checked");
    }
}

#[test]
fn every_error_fits_stripes_schema_and_links_to_its_documentation() {
    let mut shop = Shop::open();

    let (_, error) = shop.refused("POST", "/v1/customers", "x=1");

    assert_eq!(
        error["doc_url"],
        "https://docs.stripe.com/error-codes/parameter-unknown"
    );
    assert!(string(&error["request_log_url"]).contains("req_"));
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error.get("decline_code"), None::<&Value>);
}
