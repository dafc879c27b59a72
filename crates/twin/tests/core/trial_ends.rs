//! Trials that end by request: what is billed, and what happens when it cannot be paid.

use serde_json::{Value, json};

use crate::billing::latest_invoice;
use crate::changes::amounts;
use crate::shop::{DAY, Shop, string};

/// A trial of two plans: one of 10.00, and three of 20.00.
fn trial_of_two(shop: &mut Shop, card: &str) -> Value {
    let (customer, small) = shop.buyer(card, 1000);
    let large = shop.plan("PLUS", 2000);
    let more = format!("&items[1][price]={large}&items[1][quantity]=3&trial_period_days=7");
    let sub = shop.subscribe(&customer, &small, &more);
    shop.wait(DAY);
    sub
}

/// The parameters that end the trial with five of the first plan and none of the second.
fn fewer(sub: &Value, outer: &str) -> String {
    let id = |place: usize| string(&sub["items"]["data"][place]["id"]);
    let named = |name: &str| match outer {
        "" => name.to_owned(),
        outer => format!("{outer}[{name}]"),
    };
    let (items, end) = (named("items"), named("trial_end"));
    format!(
        "{end}=now&{items}[0][id]={}&{items}[0][quantity]=5&{items}[1][id]={}&{items}[1][deleted]=true",
        id(0),
        id(1)
    )
}

fn path_of(sub: &Value) -> String {
    format!("/v1/subscriptions/{}", string(&sub["id"]))
}

fn invoices_of(shop: &mut Shop, sub: &Value) -> usize {
    let target = format!("/v1/invoices?subscription={}", string(&sub["id"]));
    shop.get(&target)["data"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_trial_that_ends_with_a_change_bills_the_new_items_once_as_its_preview_says() {
    for more in [
        "&proration_behavior=none",
        "&proration_behavior=create_prorations",
        "&proration_behavior=always_invoice",
        "&billing_cycle_anchor=now",
    ] {
        let mut shop = Shop::open();
        let sub = trial_of_two(&mut shop, "pm_card_visa");
        let preview = format!(
            "subscription={}&{}",
            string(&sub["id"]),
            fewer(&sub, "subscription_details")
        );
        let preview = shop.post("/v1/invoices/create_preview", &preview);

        let after = shop.post(&path_of(&sub), &format!("{}{more}", fewer(&sub, "")));

        let invoice = latest_invoice(&shop, &after["id"]);
        assert_eq!(amounts(&invoice), [5000], "{more}");
        assert_eq!(invoice["amount_paid"], 5000, "{more}");
        assert_eq!(amounts(&preview), amounts(&invoice), "{more}");
        assert_eq!(invoices_of(&mut shop, &sub), 2, "{more}");
        assert_eq!(after["status"], "active", "{more}");
        assert_eq!(after["trial_end"], shop.now, "{more}");
        assert_eq!(after["billing_cycle_anchor"], shop.now, "{more}");
    }
}

#[test]
fn a_trial_that_ends_now_bills_what_else_was_added_on_the_same_invoice() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_visa");
    let pack = shop.price("PACK", 700, "");

    let body = format!("trial_end=now&add_invoice_items[0][price]={pack}");
    shop.post(&path_of(&sub), &body);

    let mut billed = amounts(&latest_invoice(&shop, &sub["id"]));
    billed.sort_unstable();
    assert_eq!(billed, [700, 1000, 6000]);
    assert_eq!(invoices_of(&mut shop, &sub), 2);
}

#[test]
fn a_trial_that_ends_now_with_error_if_incomplete_and_a_bad_card_changes_nothing() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_chargeCustomerFail");
    shop.happened();

    let body = "trial_end=now&payment_behavior=error_if_incomplete";
    let (status, _) = shop.refused("POST", &path_of(&sub), body);

    assert_eq!(status, 402);
    assert_eq!(shop.see(&sub["id"]), sub);
    assert!(shop.happened().is_empty());
}

#[test]
fn a_trial_that_ends_now_with_pending_if_incomplete_waits_for_its_payment() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_chargeCustomerFail");

    let body = format!("{}&payment_behavior=pending_if_incomplete", fewer(&sub, ""));
    let waits = shop.post(&path_of(&sub), &body);
    let invoice = string(&waits["latest_invoice"]);
    let customer = string(&sub["customer"]);
    shop.give_card(&customer, "pm_card_visa");
    shop.post(&format!("/v1/invoices/{invoice}/pay"), "");
    let after = shop.see(&sub["id"]);

    assert_eq!(waits["status"], "trialing");
    assert_eq!(waits["trial_end"], sub["trial_end"]);
    assert_eq!(waits["pending_update"]["trial_end"], shop.now);
    assert_eq!(waits["items"], sub["items"]);
    assert_eq!(after["status"], "active");
    assert_eq!(after["trial_end"], shop.now);
    assert_eq!(after["pending_update"], Value::Null);
    assert_eq!(after["items"]["data"][0]["quantity"], 5);
    assert_eq!(after["items"]["data"][0]["current_period_start"], shop.now);
}

#[test]
fn a_pending_update_expires_with_the_period_that_it_waits_in() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_chargeCustomerFail");
    shop.wait(6 * DAY - 3600);

    let body = "trial_end=now&payment_behavior=pending_if_incomplete";
    let waits = shop.post(&path_of(&sub), body);
    shop.wait(3600);

    assert_eq!(waits["pending_update"]["expires_at"], sub["trial_end"]);
    let invoice = shop.see(&waits["latest_invoice"]);
    assert_eq!(invoice["status"], "void");
    assert_eq!(shop.see(&sub["id"])["pending_update"], Value::Null);
}

#[test]
fn a_new_item_that_waits_for_its_payment_is_answered_as_an_item() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let sub = shop.subscribe(&customer, &plan, "");
    let large = shop.plan("PLUS", 2000);
    shop.give_card(&customer, "pm_card_chargeCustomerFail");

    let body = format!(
        "subscription={}&price={large}&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete",
        string(&sub["id"])
    );
    let item = shop.post("/v1/subscription_items", &body);

    let after = shop.see(&sub["id"]);
    assert_eq!(item["object"], "subscription_item");
    assert_eq!(item["price"]["id"], large.as_str());
    assert_eq!(after["items"]["total_count"], 1);
    assert_eq!(after["pending_update"]["subscription_items"][1], item);
}

#[test]
fn what_an_update_adds_to_the_next_invoice_is_billed_with_it() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let sub = shop.subscribe(&customer, &plan, "");
    let pack = shop.price("PACK", 700, "");
    for more in [
        "",
        "&proration_behavior=always_invoice",
        "&payment_behavior=pending_if_incomplete",
    ] {
        let body = format!("add_invoice_items[0][price]={pack}{more}");
        let after = shop.post(&path_of(&sub), &body);
        assert_eq!(after["latest_invoice"], sub["latest_invoice"], "{more}");
        assert_eq!(after["pending_update"], Value::Null, "{more}");
    }

    shop.wait(32 * DAY);

    let mut billed = amounts(&latest_invoice(&shop, &sub["id"]));
    billed.sort_unstable();
    assert_eq!(billed, [700, 700, 700, 1000]);
}

#[test]
fn what_an_update_adds_joins_the_invoice_that_the_update_makes() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let sub = shop.subscribe(&customer, &plan, "");
    let pack = shop.price("PACK", 700, "");
    let item = string(&sub["items"]["data"][0]["id"]);

    let body = format!(
        "items[0][id]={item}&items[0][quantity]=2&add_invoice_items[0][price]={pack}&proration_behavior=always_invoice"
    );
    shop.post(&path_of(&sub), &body);

    assert_eq!(latest_invoice(&shop, &sub["id"])["total"], 1700);
    assert_eq!(invoices_of(&mut shop, &sub), 2);
}

#[test]
fn the_current_phase_of_a_schedule_follows_a_trial_that_ends_now() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_visa");
    let body = format!("from_subscription={}", string(&sub["id"]));
    let schedule = shop.post("/v1/subscription_schedules", &body);

    let after = shop.post(&path_of(&sub), "trial_end=now");

    let end = &after["items"]["data"][0]["current_period_end"];
    let known = shop.see(&schedule["id"]);
    assert_eq!(known["phases"][0]["trial_end"], shop.now);
    assert_eq!(known["phases"][0]["end_date"], *end);
    assert_eq!(known["current_phase"]["end_date"], *end);
    shop.wait(8 * DAY);
    assert_eq!(shop.see(&schedule["id"])["status"], "active");
    shop.wait(30 * DAY);
    assert_eq!(shop.see(&schedule["id"])["status"], "released");
    assert_eq!(shop.see(&json!(sub["id"]))["schedule"], Value::Null);
}

#[test]
fn a_trial_that_was_to_be_canceled_at_its_end_has_a_whole_period_if_it_ends_now() {
    let mut shop = Shop::open();
    let sub = trial_of_two(&mut shop, "pm_card_visa");
    shop.post(&path_of(&sub), "cancel_at_period_end=true");

    let after = shop.post(&path_of(&sub), "trial_end=now");

    let end = &after["items"]["data"][0]["current_period_end"];
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [1000, 6000]);
    assert_eq!(end, shop.now + 31 * DAY);
    assert_eq!(after["cancel_at"], *end);
}

#[test]
fn the_time_that_a_later_cancellation_adds_names_the_quantity() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let more = format!("&items[0][quantity]=3&cancel_at={}", shop.now + 10 * DAY);
    let sub = shop.subscribe(&customer, &plan, &more);
    shop.wait(DAY);

    let body = format!(
        "cancel_at={}&proration_behavior=always_invoice",
        shop.now + 20 * DAY
    );
    shop.post(&path_of(&sub), &body);

    let invoice = latest_invoice(&shop, &sub["id"]);
    let line = &invoice["lines"]["data"][0];
    assert_eq!(
        line["description"],
        "Remaining time on 3 × PRO after 11 Jan 2026"
    );
}
