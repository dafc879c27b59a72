//! The taxes, discounts and retired prices in the phases of schedules.

use serde_json::{Value, json};

use crate::billing::latest_invoice;
use crate::coupons::coupon;
use crate::phases::{SCHEDULES, first_phase, path_of, planned, scheduled, subscription_of};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

fn tax_rate(shop: &mut Shop) -> String {
    let body = "display_name=VAT&inclusive=false&percentage=10";
    string(&shop.post("/v1/tax_rates", body)["id"])
}

/// The parameters that keep the first phase of a schedule.
fn kept(schedule: &Value, price: &str) -> String {
    let phase = &schedule["phases"][0];
    format!(
        "{}&phases[0][start_date]={}&phases[0][end_date]={}",
        first_phase(price, ""),
        phase["start_date"],
        phase["end_date"]
    )
}

#[test]
fn a_schedule_takes_over_the_tax_rates_of_its_subscription_and_its_phases_set_them() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let rate = tax_rate(&mut shop);
    let more = format!("&default_tax_rates[0]={rate}");
    let sub = shop.subscribe(&customer, &plan, &more);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));

    let schedule = scheduled(&mut shop, &sub);
    let phase = kept(&schedule, &plan);
    let same = format!("{phase}&phases[0][default_tax_rates][0]={rate}");
    let same = shop.post(&path_of(&schedule), &same);
    let taxed = shop.see(&sub["id"]);
    let next =
        format!("{phase}&phases[0][default_tax_rates][0]={rate}&phases[1][items][0][price]={plan}");
    shop.post(&path_of(&schedule), &next);
    shop.wait(32 * DAY);
    let untaxed = latest_invoice(&shop, &sub["id"]);
    shop.post(&path, &format!("default_tax_rates[0]={rate}"));
    let followed = shop.see(&schedule["id"]);

    assert_eq!(
        schedule["phases"][0]["default_tax_rates"][0]["id"],
        rate.as_str()
    );
    assert_eq!(same["phases"], schedule["phases"]);
    assert_eq!(taxed["default_tax_rates"][0]["id"], rate.as_str());
    assert_eq!(
        (&untaxed["total"], &untaxed["paid"]),
        (&json!(1900), &Value::Null)
    );
    assert_eq!(
        followed["phases"][1]["default_tax_rates"][0]["id"],
        rate.as_str()
    );
}

#[test]
fn a_phase_that_leaves_out_its_tax_rates_removes_them() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let rate = tax_rate(&mut shop);
    let taxed = first_phase(&plan, &format!("&phases[0][default_tax_rates][0]={rate}"));
    let schedule = planned(&mut shop, &customer, &format!("&start_date=now{taxed}"));
    let first = latest_invoice(&shop, &subscription_of(&shop, &schedule)["id"]);

    shop.post(&path_of(&schedule), &kept(&schedule, &plan));

    assert_eq!(first["total"], 2090);
    assert_eq!(
        subscription_of(&shop, &schedule)["default_tax_rates"],
        json!([])
    );
}

#[test]
fn automatic_tax_is_set_by_a_phase_or_else_by_the_whole_schedule() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let on = "automatic_tax[enabled]=true";
    let rate = tax_rate(&mut shop);
    let whole = "&default_settings[automatic_tax][enabled]=true";
    let phase = "&phases[0][automatic_tax][enabled]";
    let start = |more: &str| {
        format!(
            "customer={customer}&start_date=now{}",
            first_phase(&plan, more)
        )
    };

    let (_, nowhere) = shop.refused("POST", SCHEDULES, &start(whole));
    let (_, nor) = shop.refused("POST", SCHEDULES, &start(&format!("{phase}=true")));
    shop.post(&format!("/v1/customers/{customer}"), "address[country]=DE");
    let mixed = format!("{whole}&phases[0][default_tax_rates][0]={rate}");
    let (_, mixed) = shop.refused("POST", SCHEDULES, &start(&mixed));
    let enabled = |shop: &mut Shop, more: &str| {
        let schedule = shop.post(SCHEDULES, &start(more));
        subscription_of(shop, &schedule)["automatic_tax"]["enabled"].clone()
    };
    let all = [
        enabled(&mut shop, ""),
        enabled(&mut shop, whole),
        enabled(&mut shop, &format!("{phase}=true")),
        enabled(&mut shop, &format!("{whole}{phase}=false")),
    ];
    let sub = shop.subscribe(&customer, &plan, &format!("&{on}"));
    let schedule = scheduled(&mut shop, &sub);
    let off = "default_settings[automatic_tax][enabled]=false";
    shop.post(&path_of(&schedule), off);

    assert_eq!(nowhere["code"], "customer_tax_location_invalid");
    assert_eq!(nowhere["param"], "default_settings[automatic_tax]");
    assert_eq!(nor["param"], "phases[0][automatic_tax]");
    assert_eq!(mixed["param"], "phases[0][default_tax_rates]");
    assert_eq!(all, [false, true, true, false].map(Value::from));
    assert_eq!(
        schedule["default_settings"]["automatic_tax"]["enabled"],
        true
    );
    assert_eq!(shop.see(&sub["id"])["automatic_tax"]["enabled"], false);
}

#[test]
fn a_phase_keeps_a_price_that_can_no_longer_be_bought() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.post(&format!("/v1/prices/{plan}"), "active=false");

    let schedule = scheduled(&mut shop, &sub);
    let phases = format!(
        "{}&phases[1][items][0][price]={plan}",
        kept(&schedule, &plan)
    );
    let after = shop.post(&path_of(&schedule), &phases);
    let fresh = shop.customer("pm_card_visa");
    let body = format!("customer={fresh}{}", first_phase(&plan, ""));
    let (_, error) = shop.refused("POST", SCHEDULES, &body);

    assert_eq!(after["phases"][1]["items"][0]["price"], plan.as_str());
    assert_eq!(error["param"], "phases[0][items][0][price]");
}

#[test]
fn a_coupon_is_checked_when_a_phase_is_planned_and_applies_although_it_expired_meanwhile() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 2000);
    let terms = format!("percent_off=50&duration=forever&redeem_by={}", NOW + DAY);
    let half = coupon(&mut shop, &terms);
    let euros = coupon(&mut shop, "amount_off=5&currency=eur&duration=forever");
    let next = |coupon: &str| {
        format!("&phases[1][items][0][price]={plan}&phases[1][discounts][0][coupon]={coupon}")
    };
    let first = first_phase(&plan, "&phases[0][iterations]=1");

    let body = format!("customer={customer}&start_date=now{first}{}", next(&euros));
    let (_, foreign) = shop.refused("POST", SCHEDULES, &body);
    let schedule = planned(
        &mut shop,
        &customer,
        &format!("&start_date=now{first}{}", next(&half)),
    );
    shop.wait(2 * DAY);
    let again = format!("{}{}", kept(&schedule, &plan), next(&half));
    shop.post(&path_of(&schedule), &again);
    let other = shop.customer("pm_card_visa");
    let late = format!("customer={other}&start_date=now{first}{}", next(&half));
    let (_, late) = shop.refused("POST", SCHEDULES, &late);
    shop.wait(30 * DAY + HOUR);

    assert_eq!(foreign["param"], "phases[1][discounts][0]");
    assert_eq!(late["code"], "coupon_expired");
    let sub = subscription_of(&shop, &schedule);
    assert_eq!(latest_invoice(&shop, &sub["id"])["total"], 1000);
    assert_eq!(shop.see(&json!(half))["times_redeemed"], 1);
}
