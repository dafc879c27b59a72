use crate::billing::latest_invoice;
use crate::shop::{DAY, HOUR, NOW, Shop, string};

#[test]
fn a_trial_starts_with_a_free_invoice_warns_three_days_before_and_then_charges() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    shop.happened();

    let sub = shop.subscribe(&customer, &plan, "&trial_period_days=14");
    let start = shop.happened();
    shop.wait(11 * DAY - 1);
    let silence = shop.happened();
    shop.wait(1);
    let warning = shop.happened();
    shop.wait(3 * DAY);
    let end = shop.happened();
    shop.wait(HOUR);

    assert_eq!(sub["status"], "trialing");
    assert_eq!(
        start,
        [
            "invoice.created",
            "invoice.finalized",
            "customer.updated",
            "invoice.payment_succeeded",
            "invoice.paid",
            "customer.subscription.created"
        ]
    );
    assert_eq!(silence, ["invoice.upcoming"]);
    assert_eq!(warning, ["customer.subscription.trial_will_end"]);
    assert_eq!(end, ["customer.subscription.updated", "invoice.created"]);
    assert!(shop.did("invoice.payment_succeeded"));
    let after = shop.see(&sub["id"]);
    assert_eq!(after["status"], "active");
    assert_eq!(
        after["items"]["data"][0]["current_period_start"],
        NOW + 14 * DAY
    );
    assert_eq!(
        after["items"]["data"][0]["current_period_end"],
        NOW + 14 * DAY + 31 * DAY
    );
}

#[test]
fn a_trial_shorter_than_three_days_warns_immediately() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    shop.happened();

    shop.subscribe(&customer, &plan, "&trial_period_days=1");

    let events = shop.happened();
    assert_eq!(
        events.last().unwrap(),
        "customer.subscription.trial_will_end"
    );
    shop.wait(20 * HOUR);
    assert!(shop.happened().is_empty());
}

#[test]
fn a_trial_without_a_card_ends_according_to_its_settings() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let mut end = |behavior: &str| {
        let customer = shop.customer("");
        let more = format!(
            "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]={behavior}"
        );
        let sub = shop.subscribe(&customer, &plan, &more);
        shop.wait(7 * DAY + 2 * HOUR);
        string(&shop.see(&sub["id"])["status"])
    };

    assert_eq!(end("cancel"), "canceled");
    assert_eq!(end("pause"), "paused");
    assert_eq!(end("create_invoice"), "past_due");
}

#[test]
fn ending_a_trial_now_charges_now_and_needs_a_card() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let with = shop.customer("pm_card_visa");
    let without = shop.customer("");
    let sub = shop.subscribe(&with, &plan, "&trial_period_days=14");
    let bare = shop.subscribe(&without, &plan, "&trial_period_days=14");
    shop.wait(DAY);
    shop.happened();

    let charged = shop.post(
        &format!("/v1/subscriptions/{}", string(&sub["id"])),
        "trial_end=now",
    );
    let refused = shop.refused(
        "POST",
        &format!("/v1/subscriptions/{}", string(&bare["id"])),
        "trial_end=now",
    );

    assert_eq!(charged["status"], "active");
    assert_eq!(charged["billing_cycle_anchor"], NOW + DAY);
    assert_eq!(latest_invoice(&shop, &sub["id"])["amount_paid"], 1900);
    assert_eq!(refused.0, 400);
}

#[test]
fn a_trial_without_a_card_asks_for_one_with_a_setup_intent() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let with = shop.customer("pm_card_visa");
    let without = shop.customer("");

    let paid = shop.subscribe(&with, &plan, "&trial_period_days=14");
    let bare = shop.subscribe(&without, &plan, "&trial_period_days=14");
    let intent = string(&bare["pending_setup_intent"]);
    let asked = shop.get(&format!("/v1/setup_intents/{intent}"));
    shop.post(
        &format!("/v1/setup_intents/{intent}/confirm"),
        "payment_method=pm_card_visa",
    );
    let after = shop.see(&bare["id"]);
    shop.wait(14 * DAY + HOUR);

    assert!(paid["pending_setup_intent"].is_null());
    assert_eq!(asked["status"], "requires_payment_method");
    assert_eq!(asked["customer"], without.as_str());
    assert!(after["pending_setup_intent"].is_null());
    assert_eq!(
        after["default_payment_method"],
        shop.get(&format!("/v1/setup_intents/{intent}"))["payment_method"]
    );
    assert_eq!(shop.see(&bare["id"])["status"], "active");
    assert_eq!(latest_invoice(&shop, &bare["id"])["amount_paid"], 1900);
}

#[test]
fn a_setup_intent_of_an_ended_subscription_changes_nothing() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let customer = shop.customer("");
    let sub = shop.subscribe(&customer, &plan, "&trial_period_days=14");
    let intent = string(&sub["pending_setup_intent"]);
    shop.delete(&format!("/v1/subscriptions/{}", string(&sub["id"])));

    shop.post(
        &format!("/v1/setup_intents/{intent}/confirm"),
        "payment_method=pm_card_visa",
    );

    assert!(shop.see(&sub["id"])["default_payment_method"].is_null());
}

#[test]
fn a_payment_method_of_someone_else_or_of_no_one_is_refused_everywhere() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1900);
    let customer = shop.customer("pm_card_visa");
    let other = shop.customer("");
    let theirs = shop.give_card(&other, "pm_card_visa");
    let free = string(&shop.get("/v1/payment_methods/pm_card_visa")["id"]);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let invoice = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    let schedule = format!("customer={customer}&start_date=now&phases[0][items][0][price]={plan}");
    shop.happened();

    for method in [theirs.as_str(), free.as_str(), "pm_card_visa"] {
        for (path, body, name) in [
            (
                "/v1/subscriptions".to_owned(),
                format!("customer={customer}&items[0][price]={plan}"),
                "default_payment_method",
            ),
            (
                format!("/v1/subscriptions/{sub}"),
                String::new(),
                "default_payment_method",
            ),
            (
                "/v1/invoices".to_owned(),
                format!("customer={customer}"),
                "default_payment_method",
            ),
            (
                format!("/v1/invoices/{invoice}"),
                String::new(),
                "default_payment_method",
            ),
            (
                format!("/v1/invoices/{invoice}/pay"),
                String::new(),
                "payment_method",
            ),
            (
                "/v1/subscription_schedules".to_owned(),
                schedule.clone(),
                "default_settings[default_payment_method]",
            ),
            (
                "/v1/subscription_schedules".to_owned(),
                schedule.clone(),
                "phases[0][default_payment_method]",
            ),
        ] {
            let (status, error) = shop.refused("POST", &path, &format!("{body}&{name}={method}"));
            assert_eq!(
                (status, error["code"].as_str()),
                (400, Some("resource_missing")),
                "{path} {name} {method}: {error}"
            );
        }
    }
    assert!(shop.happened().is_empty());
}
