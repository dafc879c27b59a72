//! Schedules that are made from scratch: how they begin, what their phases change and how they end.

use serde_json::{Value, json};
use twin::core::DunningEnd;

use crate::billing::{FEBRUARY, latest_invoice};
use crate::changes::amounts;
use crate::shop::{DAY, HOUR, NOW, Shop, string};

pub const SCHEDULES: &str = "/v1/subscription_schedules";

/// 1 March 2026.
const MARCH: i64 = FEBRUARY + 28 * DAY;

/// Creates a schedule for a customer with a card, from phases of the given prices.
pub fn planned(shop: &mut Shop, customer: &str, more: &str) -> Value {
    shop.happened();
    shop.post(SCHEDULES, &format!("customer={customer}{more}"))
}

/// A schedule with one phase of a new price, for a new customer.
pub fn simple(shop: &mut Shop, card: &str, amount: i64, more: &str) -> Value {
    let (customer, plan) = shop.buyer(card, amount);
    planned(shop, &customer, &first_phase(&plan, more))
}

/// Gives a subscription a schedule.
pub fn scheduled(shop: &mut Shop, subscription: &Value) -> Value {
    let body = format!("from_subscription={}", string(&subscription["id"]));
    shop.post(SCHEDULES, &body)
}

pub fn path_of(schedule: &Value) -> String {
    format!("{SCHEDULES}/{}", string(&schedule["id"]))
}

pub fn first_phase(price: &str, more: &str) -> String {
    format!("&phases[0][items][0][price]={price}{more}")
}

pub fn subscription_of(shop: &Shop, schedule: &Value) -> Value {
    shop.see(&shop.see(&schedule["id"])["subscription"])
}

#[test]
fn a_schedule_from_scratch_begins_active_with_a_draft_that_is_charged_an_hour_later() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);

    let schedule = planned(
        &mut shop,
        &customer,
        &format!(
            "&start_date=now{}&metadata[a]=b",
            first_phase(&plan, "&phases[0][metadata][c]=d")
        ),
    );
    let events = shop.happened();
    let sub = subscription_of(&shop, &schedule);
    let draft = latest_invoice(&shop, &sub["id"]);
    shop.wait(HOUR);
    let paid = latest_invoice(&shop, &sub["id"]);
    shop.wait(40 * DAY);

    assert_eq!(
        events,
        [
            "invoice.created",
            "customer.subscription.created",
            "subscription_schedule.created"
        ]
    );
    assert_eq!(
        (&schedule["status"], &sub["status"]),
        (&json!("active"), &json!("active"))
    );
    assert_eq!(
        schedule["current_phase"],
        json!({"start_date": NOW, "end_date": FEBRUARY})
    );
    assert_eq!(
        (&schedule["metadata"], &sub["metadata"]),
        (&json!({"a": "b"}), &json!({"c": "d"}))
    );
    assert_eq!(sub["schedule"], schedule["id"]);
    assert_eq!(
        (&draft["status"], &draft["auto_advance"]),
        (&json!("draft"), &json!(true))
    );
    assert_eq!(
        (&paid["status"], &paid["amount_paid"]),
        (&json!("paid"), &json!(1900))
    );
    let after = shop.see(&sub["id"]);
    assert_eq!(
        (&after["status"], &after["schedule"]),
        (&json!("active"), &Value::Null)
    );
}

#[test]
fn a_schedule_in_the_future_starts_at_its_date() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let start = NOW + 10 * DAY;

    let more = format!("&start_date={start}{}", first_phase(&plan, ""));
    let schedule = planned(&mut shop, &customer, &more);
    let created = shop.happened();
    shop.wait(10 * DAY - 1);
    let silence = shop.happened();
    shop.wait(1);
    let started = shop.happened();

    assert_eq!(created, ["subscription_schedule.created"]);
    assert_eq!(
        (
            &schedule["status"],
            &schedule["subscription"],
            &schedule["current_phase"]
        ),
        (&json!("not_started"), &Value::Null, &Value::Null)
    );
    assert!(silence.is_empty());
    assert_eq!(
        started,
        [
            "invoice.created",
            "customer.subscription.created",
            "subscription_schedule.updated"
        ]
    );
    let sub = subscription_of(&shop, &schedule);
    assert_eq!(
        (&sub["status"], &sub["start_date"]),
        (&json!("active"), &json!(start))
    );
}

#[test]
fn a_schedule_in_the_past_bills_since_its_start() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let start = NOW - 31 * DAY;

    let more = format!(
        "&start_date={start}{}",
        first_phase(&plan, "&phases[0][iterations]=3")
    );
    let schedule = planned(&mut shop, &customer, &more);

    let sub = subscription_of(&shop, &schedule);
    assert_eq!(sub["start_date"], start);
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [3100, 3100]);
}

#[test]
fn the_first_charge_of_a_schedule_that_fails_makes_the_subscription_past_due() {
    let mut shop = Shop::open();
    let schedule = simple(
        &mut shop,
        "pm_card_chargeCustomerFail",
        1900,
        "&phases[0][iterations]=6",
    );

    shop.wait(2 * DAY);

    assert_eq!(subscription_of(&shop, &schedule)["status"], "past_due");
}

#[test]
fn a_subscription_that_dunning_cancels_aborts_its_schedule() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![1], DunningEnd::Cancel);
    let schedule = simple(
        &mut shop,
        "pm_card_chargeCustomerFail",
        1900,
        "&phases[0][iterations]=6",
    );

    shop.wait(3 * DAY);

    assert!(shop.did("subscription_schedule.aborted"));
    let after = shop.see(&schedule["id"]);
    assert_eq!(
        (&after["status"], &after["canceled_at"]),
        (&json!("canceled"), &json!(NOW + DAY + HOUR))
    );
}

#[test]
fn phases_change_metadata_discounts_and_the_way_of_paying() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 2000);
    shop.post("/v1/coupons", "id=HALF&percent_off=50&duration=forever");
    let more = format!(
        "&start_date=now{}&phases[1][items][0][price]={plan}&phases[1][items][0][quantity]=2&phases[1][metadata][step]=two&phases[1][metadata][first]=&phases[1][collection_method]=send_invoice&phases[1][invoice_settings][days_until_due]=5&phases[1][duration][interval]=month",
        first_phase(
            &plan,
            "&phases[0][discounts][0][coupon]=HALF&phases[0][duration][interval]=month&phases[0][metadata][first]=yes"
        )
    );
    let schedule = planned(&mut shop, &customer, &more);
    let first = subscription_of(&shop, &schedule);
    shop.wait(HOUR);
    let half = latest_invoice(&shop, &first["id"]);

    shop.wait(31 * DAY);

    let second = shop.see(&first["id"]);
    let whole = latest_invoice(&shop, &first["id"]);
    assert_eq!(first["discounts"].as_array().unwrap().len(), 1);
    assert_eq!(half["amount_paid"], 1000);
    assert_eq!(second["discounts"], json!([]));
    assert_eq!(second["metadata"], json!({"step": "two"}));
    assert_eq!(second["items"]["data"][0]["quantity"], 2);
    assert_eq!(
        (&whole["total"], &whole["collection_method"]),
        (&json!(4000), &json!("send_invoice"))
    );
    assert_eq!(
        (&whole["status"], &second["days_until_due"]),
        (&json!("open"), &json!(5))
    );
}

#[test]
fn a_phase_can_be_a_trial() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let more = format!(
        "&start_date=now{}&phases[1][items][0][price]={plan}&phases[1][duration][interval]=month",
        first_phase(
            &plan,
            "&phases[0][trial]=true&phases[0][duration][interval]=month"
        )
    );

    let schedule = planned(&mut shop, &customer, &more);
    let trial = subscription_of(&shop, &schedule);
    shop.wait(31 * DAY + HOUR);

    assert_eq!(
        (&trial["status"], &trial["trial_end"]),
        (&json!("trialing"), &json!(FEBRUARY))
    );
    let paid = shop.see(&trial["id"]);
    assert_eq!(paid["status"], "active");
    assert_eq!(latest_invoice(&shop, &trial["id"])["amount_paid"], 1900);
    assert_eq!(paid["items"]["data"][0]["current_period_end"], MARCH);
}

#[test]
fn another_interval_in_the_next_phase_starts_a_new_period_at_its_full_price() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let yearly = shop.price("PRO", 19_000, "&recurring[interval]=year");
    let more = format!(
        "&start_date=now{}&phases[1][items][0][price]={yearly}&phases[1][duration][interval]=year",
        first_phase(&plan, "&phases[0][duration][interval]=month")
    );
    let schedule = planned(&mut shop, &customer, &more);

    shop.wait(31 * DAY);

    let sub = subscription_of(&shop, &schedule);
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [19_000]);
    assert_eq!(
        sub["items"]["data"][0]["current_period_end"],
        FEBRUARY + 365 * DAY
    );
}

#[test]
fn a_phase_within_a_period_prorates_as_it_says() {
    let mut shop = Shop::open();
    let mut lines = |behavior: &str| {
        let customer = shop.customer("pm_card_visa");
        let (plan, plus) = (shop.plan("PRO", 3100), shop.plan("PLUS", 6200));
        let middle = shop.now + 31 * DAY / 2;
        let more = format!(
            "&start_date=now{}&phases[1][items][0][price]={plus}&phases[1][proration_behavior]={behavior}&phases[1][duration][interval]=month",
            first_phase(&plan, &format!("&phases[0][end_date]={middle}"))
        );
        let schedule = planned(&mut shop, &customer, &more);
        let start = shop.now;
        shop.wait(31 * DAY / 2);
        let sub = subscription_of(&shop, &schedule);
        shop.wait(start + HOUR - shop.now + 16 * DAY);
        let pending = shop.core.objects("invoiceitem");
        let own = pending
            .iter()
            .filter(|item| item["customer"] == customer.as_str());
        (own.count(), amounts(&latest_invoice(&shop, &sub["id"])))
    };

    assert_eq!(lines("always_invoice"), (2, vec![-1550, 3100]));
    assert_eq!(lines("create_prorations"), (2, vec![3100]));
    assert_eq!(lines("none"), (0, vec![3100]));
}

#[test]
fn a_schedule_announces_its_end_and_completes() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let more = format!("&end_behavior=cancel{}", first_phase(&plan, ""));
    let schedule = planned(&mut shop, &customer, &more);
    let sub = subscription_of(&shop, &schedule);
    shop.wait(24 * DAY - 1);
    shop.happened();

    shop.wait(1);
    let notice = shop.happened();
    shop.wait(7 * DAY);
    let end = shop.happened();

    assert_eq!(sub["cancel_at"], FEBRUARY);
    assert_eq!(notice, ["subscription_schedule.expiring"]);
    assert_eq!(
        end,
        [
            "subscription_schedule.completed",
            "customer.subscription.deleted"
        ]
    );
    let after = shop.see(&schedule["id"]);
    assert_eq!(
        (&after["status"], &after["completed_at"]),
        (&json!("completed"), &json!(FEBRUARY))
    );
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
}

#[test]
fn a_schedule_that_is_released_at_its_end_is_also_completed() {
    let mut shop = Shop::open();
    let schedule = simple(&mut shop, "pm_card_visa", 1900, "");
    shop.happened();

    shop.wait(31 * DAY);

    let events = shop.happened();
    let ends: Vec<&String> = events
        .iter()
        .filter(|kind| kind.starts_with("subscription_schedule."))
        .collect();
    assert_eq!(
        ends,
        [
            "subscription_schedule.expiring",
            "subscription_schedule.completed",
            "subscription_schedule.released"
        ]
    );
    assert_eq!(shop.see(&schedule["id"])["status"], "released");
}

#[test]
fn an_update_of_the_current_phase_changes_the_subscription_and_may_omit_past_phases() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 3100), shop.plan("PLUS", 6200));
    let more = format!(
        "{}&phases[1][items][0][price]={plan}&phases[1][iterations]=2",
        first_phase(&plan, "&phases[0][iterations]=1")
    );
    let schedule = planned(&mut shop, &customer, &more);
    shop.wait(31 * DAY + 14 * DAY);
    let path = path_of(&schedule);

    let body = format!(
        "{}&phases[0][start_date]={FEBRUARY}&phases[0][end_date]={}&proration_behavior=always_invoice",
        first_phase(&plus, ""),
        MARCH + 31 * DAY
    );
    let updated = shop.post(&path, &body[1..]);

    let sub = subscription_of(&shop, &schedule);
    assert_eq!(sub["items"]["data"][0]["price"]["id"], plus.as_str());
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [-1550, 3100]);
    assert_eq!(updated["phases"].as_array().unwrap().len(), 2);
    assert_eq!(updated["phases"][0]["end_date"], FEBRUARY);
}
