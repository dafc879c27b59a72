//! The last event about an object shows the same as retrieving it, once everything has settled. A
//! client that follows the events therefore never has to ask.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use twin::core::DunningEnd;

use crate::phases::{SCHEDULES, first_phase, planned, subscription_of};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

/// The kinds whose events are followed.
const FOLLOWED: [&str; 3] = ["subscription", "subscription_schedule", "invoice"];

/// What Stripe changes without an event: when the delivery of `invoice.created` was acknowledged.
const SILENT: [&str; 1] = ["webhooks_delivered_at"];

/// Where the last event about an object differs from the object.
fn differences(shop: &mut Shop) -> Vec<String> {
    shop.happened();
    let mut last: BTreeMap<String, &Value> = BTreeMap::new();
    for event in &shop.events {
        let object = &event["data"]["object"];
        if let Some(id) = object["id"].as_str() {
            last.insert(id.to_owned(), object);
        }
    }
    let mut found = Vec::new();
    for kind in FOLLOWED {
        for object in shop.core.objects(kind) {
            let id = object["id"].as_str().unwrap();
            let Some(shown) = last.get(id) else {
                found.push(format!("{id} has no event"));
                continue;
            };
            for (name, value) in object.as_object().unwrap() {
                if !SILENT.contains(&name.as_str()) && shown[name] != *value {
                    found.push(format!("{kind} {name}: {} is {value}", shown[name]));
                }
            }
        }
    }
    found
}

fn assert_told(shop: &mut Shop, what: &str) {
    let found = differences(shop);
    assert!(found.is_empty(), "after {what}: {found:#?}");
}

/// Lets time pass day by day and checks after every hour that matters.
fn pass(shop: &mut Shop, days: i64, what: &str) {
    for day in 0..days {
        for part in [HOUR, DAY - HOUR] {
            shop.wait(part);
            assert_told(shop, &format!("{what}, day {day}"));
        }
    }
}

/// A subscriber with two prices and a coupon to change to.
struct Scene {
    shop: Shop,
    customer: String,
    plan: String,
    plus: String,
}

fn scene() -> Scene {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 3100), shop.plan("PLUS", 6200));
    for (id, duration) in [
        ("ONCE", "once"),
        ("MONTHS", "repeating&duration_in_months=2"),
        ("EVER", "forever"),
    ] {
        let body = format!("id={id}&percent_off=50&duration={duration}");
        shop.post("/v1/coupons", &body);
    }
    Scene {
        shop,
        customer,
        plan,
        plus,
    }
}

impl Scene {
    fn subscribe(&mut self, more: &str) -> (String, String) {
        let sub = self.shop.subscribe(&self.customer, &self.plan, more);
        (string(&sub["id"]), string(&sub["items"]["data"][0]["id"]))
    }

    /// Posts to an object and checks.
    fn post(&mut self, path: &str, body: &str) -> Value {
        let answer = self.shop.post(path, body);
        assert_told(&mut self.shop, &format!("{path} {body}"));
        answer
    }
}

#[test]
fn renewals_and_their_payments_are_told_completely() {
    let mut scene = scene();
    scene.subscribe("");
    scene.subscribe("&discounts[0][coupon]=ONCE");
    scene.subscribe("&discounts[0][coupon]=MONTHS");
    scene.subscribe("&trial_period_days=10");
    scene.subscribe("&collection_method=send_invoice&days_until_due=5");
    scene.subscribe("&pending_invoice_item_interval[interval]=week");

    pass(&mut scene.shop, 100, "renewals");
}

#[test]
fn the_event_of_a_renewal_names_its_invoice_and_comes_before_that_of_the_invoice() {
    let mut scene = scene();
    let (id, _) = scene.subscribe("");
    let first = scene.shop.see(&json!(id))["latest_invoice"].clone();
    scene.shop.wait(30 * DAY);
    scene.shop.happened();

    scene.shop.wait(DAY);

    let kinds = scene.shop.happened();
    let latest = scene.shop.see(&json!(id))["latest_invoice"].clone();
    let event = scene.shop.last("customer.subscription.updated");
    assert_eq!(kinds, ["customer.subscription.updated", "invoice.created"]);
    assert_ne!(latest, first);
    assert_eq!(event["data"]["object"]["latest_invoice"], latest);
    assert_eq!(
        event["data"]["previous_attributes"]["latest_invoice"],
        first
    );
}

#[test]
fn changes_of_items_and_their_bills_are_told_completely() {
    let mut scene = scene();
    let (id, item) = scene.subscribe("");
    let path = format!("/v1/subscriptions/{id}");
    scene.shop.wait(5 * DAY);
    for more in [
        "",
        "&proration_behavior=always_invoice",
        "&proration_behavior=none",
    ] {
        for price in [scene.plus.clone(), scene.plan.clone()] {
            scene.post(
                &path,
                &format!("items[0][id]={item}&items[0][price]={price}{more}"),
            );
            scene.shop.wait(HOUR);
        }
    }
    scene.post(&path, &format!("items[0][id]={item}&items[0][quantity]=3"));
    scene.post(&path, "billing_cycle_anchor=now");
    let pack = scene.shop.price("PACK", 700, "");
    scene.post(&path, &format!("add_invoice_items[0][price]={pack}"));
    let added = format!("subscription={id}&price={}", scene.plus);
    let added = string(&scene.post("/v1/subscription_items", &added)["id"]);
    scene.post(&format!("/v1/subscription_items/{added}"), "quantity=4");
    scene
        .shop
        .delete(&format!("/v1/subscription_items/{added}"));
    assert_told(&mut scene.shop, "a deleted item");
    scene.post(&path, "discounts[0][coupon]=EVER");
    scene.shop.delete(&format!("{path}/discount"));
    assert_told(&mut scene.shop, "a deleted discount");
    scene.post(
        &path,
        "discounts[0][coupon]=ONCE&metadata[a]=b&description=x",
    );
    pass(&mut scene.shop, 70, "changes");
}

#[test]
fn changes_that_fail_or_wait_for_a_payment_are_told_completely() {
    let mut scene = scene();
    let (id, item) = scene.subscribe("");
    let path = format!("/v1/subscriptions/{id}");
    let change = format!(
        "items[0][id]={item}&items[0][price]={}&proration_behavior=always_invoice",
        scene.plus
    );
    let back = change.replace(&scene.plus, &scene.plan);
    scene.shop.wait(DAY);
    scene
        .shop
        .give_card(&scene.customer, "pm_card_chargeCustomerFail");
    scene.post(
        &path,
        &format!("{change}&payment_behavior=pending_if_incomplete"),
    );
    pass(&mut scene.shop, 2, "an expired update");
    scene.post(
        &path,
        &format!("{change}&payment_behavior=pending_if_incomplete"),
    );
    scene.shop.give_card(&scene.customer, "pm_card_visa");
    let invoice = string(&scene.shop.see(&json!(id))["latest_invoice"]);
    scene.post(&format!("/v1/invoices/{invoice}/pay"), "");
    scene.post(&path, &back);
    scene
        .shop
        .give_card(&scene.customer, "pm_card_chargeCustomerFail");
    scene.shop.wait(DAY);
    scene.post(&path, &change);
    pass(&mut scene.shop, 30, "an unpaid change");
}

#[test]
fn dunning_and_its_ends_are_told_completely() {
    for end in [
        DunningEnd::Cancel,
        DunningEnd::MarkUnpaid,
        DunningEnd::LeavePastDue,
    ] {
        let mut scene = scene();
        scene.shop.core.set_dunning(vec![3, 5], end);
        scene.subscribe("&discounts[0][coupon]=ONCE");
        scene.subscribe("&collection_method=send_invoice&days_until_due=5");
        scene
            .shop
            .give_card(&scene.customer, "pm_card_chargeCustomerFail");
        pass(&mut scene.shop, 45, "dunning");
        scene.shop.give_card(&scene.customer, "pm_card_visa");
        let open = scene.shop.get("/v1/invoices?status=open");
        for invoice in open["data"].as_array().unwrap() {
            scene.post(&format!("/v1/invoices/{}/pay", string(&invoice["id"])), "");
        }
        pass(&mut scene.shop, 35, "recovery");
    }
}

#[test]
fn cancellations_and_pauses_are_told_completely() {
    let mut scene = scene();
    let path = |id: &str| format!("/v1/subscriptions/{id}");
    let (ending, _) = scene.subscribe("");
    let (dated, _) = scene.subscribe("");
    let (paused, _) = scene.subscribe("");
    let (gone, _) = scene.subscribe("");
    let (credited, _) = scene.subscribe("&discounts[0][coupon]=EVER");
    scene.shop.wait(DAY);
    scene.post(&path(&ending), "cancel_at_period_end=true");
    scene.post(&path(&ending), "cancel_at_period_end=false");
    scene.post(&path(&ending), "cancel_at_period_end=true");
    scene.post(&path(&dated), &format!("cancel_at={}", NOW + 10 * DAY));
    scene.post(&path(&dated), "cancel_at=");
    let body = format!(
        "cancel_at={}&proration_behavior=always_invoice",
        NOW + 9 * DAY
    );
    scene.post(&path(&dated), &body);
    let pause = format!(
        "pause_collection[behavior]=void&pause_collection[resumes_at]={}",
        NOW + 40 * DAY
    );
    scene.post(&path(&paused), &pause);
    scene.shop.delete(&path(&gone));
    assert_told(&mut scene.shop, "a cancellation");
    scene.shop.delete(&format!(
        "{}?prorate=true&invoice_now=true",
        path(&credited)
    ));
    assert_told(&mut scene.shop, "a credited cancellation");
    pass(&mut scene.shop, 70, "ends");
}

#[test]
fn first_payments_that_fail_or_wait_are_told_completely() {
    let mut scene = scene();
    scene.subscribe("&payment_behavior=default_incomplete");
    scene
        .shop
        .give_card(&scene.customer, "pm_card_chargeCustomerFail");
    scene.subscribe("");
    let bare = scene.shop.customer("");
    let pausing = "&trial_period_days=2&trial_settings[end_behavior][missing_payment_method]=pause";
    let trial = scene.shop.subscribe(&bare, &scene.plan, pausing);
    scene
        .shop
        .subscribe(&bare, &scene.plan, "&trial_period_days=2");
    pass(&mut scene.shop, 3, "first payments");
    scene.shop.give_card(&bare, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&trial["id"]));
    scene.shop.give_card(&bare, "pm_card_chargeCustomerFail");
    scene.post(&format!("{path}/resume"), "");
    scene.shop.give_card(&bare, "pm_card_visa");
    scene.post(&format!("{path}/resume"), "");
    scene.post(&path, &format!("trial_end={}", scene.shop.now + 5 * DAY));
    scene.post(&path, "trial_end=now");
    pass(&mut scene.shop, 35, "a resumed subscription");
}

#[test]
fn schedules_and_their_subscriptions_are_told_completely() {
    let mut scene = scene();
    let (plan, plus, customer) = (
        scene.plan.clone(),
        scene.plus.clone(),
        scene.customer.clone(),
    );
    let (id, item) = scene.subscribe("");
    let made = scene.post(SCHEDULES, &format!("from_subscription={id}"));
    let path = format!("{SCHEDULES}/{}", string(&made["id"]));
    let (start, end) = (
        &made["phases"][0]["start_date"],
        &made["phases"][0]["end_date"],
    );
    let phases = format!(
        "phases[0][items][0][price]={plan}&phases[0][start_date]={start}&phases[0][end_date]={end}&phases[1][items][0][price]={plus}&phases[1][discounts][0][coupon]=EVER&phases[1][duration][interval]=month"
    );
    scene.post(&path, &phases);
    scene.post(&format!("/v1/subscription_items/{item}"), "quantity=2");
    scene.post(&path, "end_behavior=cancel");
    scene.post(&path, "end_behavior=release");
    let middle = scene.shop.now + 10 * DAY;
    let more = format!(
        "{}&phases[1][items][0][price]={plus}&phases[1][iterations]=2&phases[1][proration_behavior]=always_invoice&end_behavior=cancel",
        first_phase(&plan, &format!("&phases[0][end_date]={middle}"))
    );
    planned(&mut scene.shop, &customer, &more);
    let more = format!(
        "&start_date={middle}{}",
        first_phase(&plan, "&phases[0][trial]=true")
    );
    planned(&mut scene.shop, &customer, &more);
    let released = planned(
        &mut scene.shop,
        &customer,
        &first_phase(&plan, "&phases[0][iterations]=3"),
    );
    let canceled = planned(
        &mut scene.shop,
        &customer,
        &first_phase(&plan, "&phases[0][iterations]=3"),
    );
    pass(&mut scene.shop, 40, "phases");
    scene.post(
        &format!("{SCHEDULES}/{}/release", string(&released["id"])),
        "",
    );
    let sub = subscription_of(&scene.shop, &canceled);
    scene
        .shop
        .delete(&format!("/v1/subscriptions/{}", string(&sub["id"])));
    pass(&mut scene.shop, 60, "the end of phases");
}

#[test]
fn invoices_by_hand_are_told_completely() {
    let mut scene = scene();
    let (id, _) = scene.subscribe("");
    let customer = scene.customer.clone();
    let item = format!("customer={customer}&amount=500&currency=usd&subscription={id}");
    scene.shop.post("/v1/invoiceitems", &item);
    let invoice = scene.post(
        "/v1/invoices",
        &format!("customer={customer}&subscription={id}"),
    );
    let path = format!("/v1/invoices/{}", string(&invoice["id"]));
    scene.post(&format!("{path}/finalize"), "");
    scene.post(&format!("{path}/void"), "");
}

#[test]
fn objects_on_a_test_clock_are_told_completely() {
    let mut scene = scene();
    let clock = scene.shop.post(
        "/v1/test_helpers/test_clocks",
        &format!("frozen_time={NOW}"),
    );
    let clock = string(&clock["id"]);
    let body = format!(
        "test_clock={clock}&payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_visa"
    );
    let customer = string(&scene.shop.post("/v1/customers", &body)["id"]);
    let plan = scene.plan.clone();
    scene
        .shop
        .subscribe(&customer, &plan, "&discounts[0][coupon]=MONTHS");
    for months in 1..5 {
        let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");
        scene
            .shop
            .post(&path, &format!("frozen_time={}", NOW + months * 31 * DAY));
        scene.shop.wait(HOUR);
        assert_told(&mut scene.shop, "an advance");
    }
}
