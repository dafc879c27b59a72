#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use serde_json::{Value, json};

use crate::shop::{DAY, HOUR, NOW, Shop, string};

/// Creates a customer with a subscription to one plan and returns the price of another plan too.
pub fn on_plan(shop: &mut Shop, card: &str, amount: i64, other: i64) -> (String, Value, String) {
    let customer = shop.customer(card);
    let plan = shop.plan("PRO", amount);
    let next = shop.plan("PLUS", other);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.happened();
    (customer, sub, next)
}

pub fn change(sub: &Value, price: &str, more: &str) -> (String, String) {
    let item = string(&sub["items"]["data"][0]["id"]);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    (
        path,
        format!("items[0][id]={item}&items[0][price]={price}{more}"),
    )
}

pub fn amounts(invoice: &Value) -> Vec<i64> {
    invoice["lines"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["amount"].as_i64().unwrap())
        .collect()
}

const ALWAYS_INVOICE: &str = "&proration_behavior=always_invoice";

/// The parameters of a change that is applied once its payment has succeeded.
const PENDING: &str = "&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete";

#[test]
fn an_upgrade_with_always_invoice_charges_the_rest_of_the_period_immediately() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.wait(31 * DAY / 2);
    let (path, body) = change(&sub, &plus, ALWAYS_INVOICE);

    let changed = shop.post(&path, &body);

    assert_eq!(
        shop.happened(),
        [
            "invoiceitem.created",
            "invoiceitem.created",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.payment_succeeded",
            "invoice.paid",
            "invoice_payment.paid",
            "customer.subscription.updated",
        ]
    );
    let invoice = shop.see(&changed["latest_invoice"]);
    assert_eq!(amounts(&invoice), [-950, 2450]);
    assert_eq!(invoice["billing_reason"], "subscription_update");
    assert_eq!(invoice["amount_paid"], 1500);
    assert_eq!(
        invoice["lines"]["data"][0]["description"],
        "Unused time on PRO after 16 Jan 2026"
    );
    assert_eq!(
        changed["items"]["data"][0]["current_period_end"],
        sub["items"]["data"][0]["current_period_end"]
    );
    let event = shop.last("customer.subscription.updated");
    assert_eq!(
        event["data"]["previous_attributes"]["items"]["data"][0]["price"]["unit_amount"],
        1900
    );
}

#[test]
fn proration_lines_are_rounded_down_one_by_one() {
    let mut shop = Shop::open();
    let (_, sub, other) = on_plan(&mut shop, "pm_card_visa", 2000, 1000);
    let end = sub["items"]["data"][0]["current_period_end"]
        .as_i64()
        .unwrap();
    let third = end - (end - NOW) / 3;
    let (path, body) = change(
        &sub,
        &other,
        &format!("&proration_behavior=always_invoice&proration_date={third}"),
    );
    shop.wait(DAY);

    let changed = shop.post(&path, &body);

    let invoice = shop.see(&changed["latest_invoice"]);
    assert_eq!(amounts(&invoice), [-667, 333]);
    assert_eq!(invoice["total"], -334);
}

#[test]
fn a_negative_invoice_is_paid_without_a_charge_and_credits_the_customer() {
    let mut shop = Shop::open();
    let (customer, sub, cheap) = on_plan(&mut shop, "pm_card_visa", 4900, 1900);
    let (path, body) = change(&sub, &cheap, ALWAYS_INVOICE);

    let changed = shop.post(&path, &body);
    let invoice = shop.see(&changed["latest_invoice"]);
    let balance = shop.see(&json!(customer))["balance"].clone();
    shop.wait(31 * DAY + HOUR);

    assert_eq!(
        (
            &invoice["total"],
            &invoice["amount_due"],
            &invoice["status"]
        ),
        (&json!(-3000), &json!(0), &json!("paid"))
    );
    assert_eq!(invoice["ending_balance"], -3000);
    assert_eq!(balance, -3000);
    let renewal = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
    assert_eq!(
        (&renewal["total"], &renewal["amount_due"]),
        (&json!(1900), &json!(0))
    );
    assert_eq!(shop.see(&json!(customer))["balance"], -1100);
}

#[test]
fn prorations_wait_for_the_next_invoice_unless_asked_otherwise() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.wait(31 * DAY / 2);
    let (path, body) = change(&sub, &plus, "");

    shop.post(&path, &body);
    let now = shop.happened();
    shop.wait(31 * DAY / 2);

    assert_eq!(
        now,
        [
            "invoiceitem.created",
            "invoiceitem.created",
            "customer.subscription.updated"
        ]
    );
    let renewal = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
    assert_eq!(amounts(&renewal), [-950, 2450, 4900]);
}

#[test]
fn without_proration_nothing_is_billed() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    let (path, body) = change(&sub, &plus, "&proration_behavior=none");

    shop.post(&path, &body);

    assert_eq!(shop.happened(), ["customer.subscription.updated"]);
    assert_eq!(shop.core.objects("invoiceitem").len(), 0);
}

#[test]
fn an_unpaid_upgrade_waits_as_a_pending_update_and_is_applied_when_paid() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.decline(&customer, "insufficient_funds");
    let (path, body) = change(&sub, &plus, PENDING);

    let waiting = shop.post(&path, &body);
    let invoice = string(&waiting["latest_invoice"]);
    let first = shop.happened();
    shop.post(&format!("/v1/invoices/{invoice}/pay"), "");
    let after = shop.see(&sub["id"]);

    assert_eq!(waiting["status"], "active");
    assert_eq!(waiting["items"]["data"][0]["price"]["unit_amount"], 1900);
    assert_eq!(
        waiting["pending_update"]["subscription_items"][0]["price"]["id"],
        plus.as_str()
    );
    assert_eq!(waiting["pending_update"]["expires_at"], NOW + 23 * HOUR);
    assert!(first.contains(&"invoice.payment_failed".to_owned()));
    assert_eq!(after["items"]["data"][0]["price"]["id"], plus.as_str());
    assert!(after["pending_update"].is_null());
    assert!(shop.did("customer.subscription.pending_update_applied"));
}

#[test]
fn a_pending_update_expires_after_23_hours_and_its_invoice_is_void() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.decline(&customer, "insufficient_funds");
    let (path, body) = change(&sub, &plus, PENDING);
    let waiting = shop.post(&path, &body);
    shop.happened();

    shop.wait(23 * HOUR);

    assert!(shop.did("customer.subscription.pending_update_expired"));
    let after = shop.see(&sub["id"]);
    assert!(after["pending_update"].is_null());
    assert_eq!(after["items"]["data"][0]["price"]["unit_amount"], 1900);
    assert_eq!(after["status"], "active");
    assert_eq!(shop.see(&waiting["latest_invoice"])["status"], "void");
}

#[test]
fn pending_if_incomplete_refuses_unsupported_parameters() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    let (path, body) = change(
        &sub,
        &plus,
        "&payment_behavior=pending_if_incomplete&cancel_at_period_end=true",
    );

    assert_eq!(shop.refused("POST", &path, &body).0, 400);
}

#[test]
fn a_paid_pending_if_incomplete_upgrade_is_applied_immediately() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    let (path, body) = change(&sub, &plus, PENDING);

    let changed = shop.post(&path, &body);

    assert_eq!(changed["items"]["data"][0]["price"]["id"], plus.as_str());
    assert!(changed["pending_update"].is_null());
    let events = shop.happened();
    assert_eq!(
        events
            .iter()
            .filter(|kind| *kind == "customer.subscription.updated")
            .count(),
        1
    );
}

#[test]
fn an_unpaid_upgrade_that_may_be_incomplete_is_past_due() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.decline(&customer, "insufficient_funds");
    let (path, body) = change(&sub, &plus, ALWAYS_INVOICE);

    let changed = shop.post(&path, &body);

    assert_eq!(changed["status"], "past_due");
    assert_eq!(changed["items"]["data"][0]["price"]["id"], plus.as_str());
}

#[test]
fn an_upgrade_with_error_if_incomplete_changes_nothing_when_declined() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.decline(&customer, "insufficient_funds");
    let (path, body) = change(
        &sub,
        &plus,
        "&proration_behavior=always_invoice&payment_behavior=error_if_incomplete",
    );

    let (status, error) = shop.refused("POST", &path, &body);

    assert_eq!(
        (status, &error["decline_code"]),
        (402, &json!("insufficient_funds"))
    );
    assert_eq!(shop.see(&sub["id"]), sub);
    assert!(shop.happened().is_empty());
}

#[test]
fn another_interval_starts_a_new_period_immediately() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    let yearly = shop.price("PRO", 19_000, "&recurring[interval]=year");
    shop.wait(31 * DAY / 2);
    let (path, body) = change(&sub, &yearly, ALWAYS_INVOICE);

    let changed = shop.post(&path, &body);

    assert_eq!(
        amounts(&shop.see(&changed["latest_invoice"])),
        [-950, 19_000]
    );
    assert_eq!(changed["billing_cycle_anchor"], shop.now);
    assert_eq!(
        changed["items"]["data"][0]["current_period_end"],
        shop.now + 365 * DAY
    );
}

#[test]
fn a_preview_matches_the_cost_of_the_change_and_changes_nothing() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.wait(31 * DAY / 2);
    let item = string(&sub["items"]["data"][0]["id"]);
    let id = string(&sub["id"]);
    let date = shop.now;

    let preview = shop.post("/v1/invoices/create_preview", &format!(
        "subscription={id}&subscription_details[items][0][id]={item}&subscription_details[items][0][price]={plus}&subscription_details[proration_behavior]=always_invoice&subscription_details[proration_date]={date}"
    ));
    let upcoming = shop.post("/v1/invoices/create_preview", &format!("subscription={id}"));

    assert_eq!(amounts(&preview), [-950, 2450]);
    assert_eq!(preview["amount_due"], 1500);
    assert_eq!(
        (&upcoming["amount_due"], &upcoming["billing_reason"]),
        (&json!(1900), &json!("upcoming"))
    );
    assert!(shop.happened().is_empty());
    assert_eq!(shop.see(&sub["id"]), sub);
    let (path, body) = change(
        &sub,
        &plus,
        &format!("&proration_behavior=always_invoice&proration_date={date}"),
    );
    let changed = shop.post(&path, &body);
    assert_eq!(
        shop.see(&changed["latest_invoice"])["amount_paid"],
        preview["amount_due"]
    );
}

#[test]
fn a_quantity_change_prorates_the_whole_item() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 1000, 4900);
    shop.wait(31 * DAY / 2);
    let item = string(&sub["items"]["data"][0]["id"]);

    shop.post(
        &format!("/v1/subscription_items/{item}"),
        "quantity=3&proration_behavior=always_invoice",
    );

    let changed = shop.see(&sub["id"]);
    assert_eq!(amounts(&shop.see(&changed["latest_invoice"])), [-500, 1500]);
    assert_eq!(changed["items"]["data"][0]["quantity"], 3);
}

#[test]
fn a_new_price_sets_the_quantity_to_1_unless_one_is_sent() {
    for (more, expected, rest) in [("", 1, 2450), ("&items[0][quantity]=3", 3, 7350)] {
        let mut shop = Shop::open();
        let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
        let (path, body) = change(&sub, &string(&sub["items"]["data"][0]["price"]["id"]), "");
        let kept = shop.post(
            &path,
            &format!("{body}&items[0][quantity]=3&proration_behavior=none"),
        );
        assert_eq!(kept["items"]["data"][0]["quantity"], 3);
        let kept = shop.post(&path, &body);
        assert_eq!(
            kept["items"]["data"][0]["quantity"], 3,
            "the same price keeps it"
        );
        shop.wait(31 * DAY / 2);

        let (path, body) = change(&sub, &plus, more);
        let changed = shop.post(&path, &format!("{body}{ALWAYS_INVOICE}"));

        assert_eq!(changed["items"]["data"][0]["quantity"], expected);
        let invoice = shop.see(&changed["latest_invoice"]);
        assert_eq!(amounts(&invoice), [-950, rest]);
    }
}
