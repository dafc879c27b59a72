//! How subscriptions begin: their dates, their first invoice and what is refused.

use serde_json::{Value, json};

use crate::billing::{FEBRUARY, latest_invoice};
use crate::changes::{amounts, change};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

fn period(sub: &Value) -> (i64, i64) {
    let item = &sub["items"]["data"][0];
    (
        item["current_period_start"].as_i64().unwrap(),
        item["current_period_end"].as_i64().unwrap(),
    )
}

fn refusal(shop: &mut Shop, customer: &str, price: &str, more: &str) -> (u16, Value) {
    let body = format!("customer={customer}&items[0][price]={price}{more}");
    let known = shop.core.objects("subscription").len();
    let refused = shop.refused("POST", "/v1/subscriptions", &body);
    assert_eq!(shop.core.objects("subscription").len(), known);
    refused
}

/// 16 January 2026.
const MIDDLE: i64 = NOW + 15 * DAY;

#[test]
fn a_backdated_subscription_bills_each_period_since_its_start() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let start = NOW - 40 * DAY;

    let sub = shop.subscribe(&customer, &plan, &format!("&backdate_start_date={start}"));

    // 22 November to 1 December is 9 of 30 days, and December is whole.
    assert_eq!(
        amounts(&latest_invoice(&shop, &sub["id"])),
        [3100 * 9 / 30, 3100, 3100]
    );
    assert_eq!(sub["start_date"], start);
    assert_eq!(sub["created"], NOW);
    assert_eq!(sub["billing_cycle_anchor"], NOW);
    assert_eq!(period(&sub), (NOW, FEBRUARY));
    let invoice = latest_invoice(&shop, &sub["id"]);
    assert_eq!(
        invoice["lines"]["data"][0]["period"],
        json!({"start": start, "end": NOW - 31 * DAY})
    );
}

#[test]
fn a_backdated_subscription_without_prorations_bills_only_the_current_period() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let start = NOW - 40 * DAY;

    let more = format!("&backdate_start_date={start}&proration_behavior=none");
    let sub = shop.subscribe(&customer, &plan, &more);

    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [3100]);
    assert_eq!(sub["start_date"], start);
}

#[test]
fn a_backdated_subscription_with_an_anchor_bills_up_to_the_anchor() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    shop.wait(15 * DAY);
    let start = NOW - 31 * DAY;

    let more = format!("&backdate_start_date={start}&billing_cycle_anchor={FEBRUARY}");
    let sub = shop.subscribe(&customer, &plan, &more);

    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [3100, 3100]);
    assert_eq!(period(&sub), (NOW, FEBRUARY));
    assert_eq!(sub["billing_cycle_anchor"], FEBRUARY);
}

#[test]
fn a_backdated_start_in_the_future_or_too_long_ago_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let daily = shop.price("DAILY", 100, "&recurring[interval]=day");
    shop.happened();

    let future = format!("&backdate_start_date={}", NOW + DAY);
    let (status, error) = refusal(&mut shop, &customer, &daily, &future);
    let long_ago = format!("&backdate_start_date={}", NOW - 400 * DAY);
    let (too_long, _) = refusal(&mut shop, &customer, &daily, &long_ago);

    assert_eq!(
        (status, &error["param"]),
        (400, &json!("backdate_start_date"))
    );
    assert_eq!(too_long, 400);
    assert!(shop.happened().is_empty());
}

#[test]
fn an_anchor_prorates_the_first_period_or_leaves_it_free() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    shop.wait(15 * DAY);
    let anchor = format!("&billing_cycle_anchor={FEBRUARY}");

    let charged = shop.subscribe(&customer, &plan, &anchor);
    let free = shop.subscribe(
        &customer,
        &plan,
        &format!("{anchor}&proration_behavior=none"),
    );
    shop.wait(16 * DAY + HOUR);

    // 16 days of the 31 from 16 January to 16 February.
    let first = shop.see(&charged["latest_invoice"]);
    assert_eq!(amounts(&first), [1600]);
    assert_eq!(period(&charged), (MIDDLE, FEBRUARY));
    let none = shop.see(&free["latest_invoice"]);
    assert_eq!(
        (&none["total"], &none["status"]),
        (&json!(0), &json!("paid"))
    );
    assert_eq!(free["status"], "active");
    assert_eq!(amounts(&latest_invoice(&shop, &free["id"])), [3100]);
    assert_eq!(amounts(&latest_invoice(&shop, &charged["id"])), [3100]);
}

#[test]
fn a_change_within_a_short_first_period_costs_its_share_of_a_whole_one() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let plus = shop.plan("PLUS", 6200);
    shop.wait(15 * DAY);
    let anchor = format!("&billing_cycle_anchor={FEBRUARY}");
    let sub = shop.subscribe(&customer, &plan, &anchor);
    let (path, body) = change(&sub, &plus, "&proration_behavior=always_invoice");

    let changed = shop.post(&path, &body);

    assert_eq!(
        amounts(&shop.see(&changed["latest_invoice"])),
        [-1600, 3200]
    );
}

#[test]
fn an_anchor_later_than_the_next_natural_billing_date_is_refused() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);

    let late = format!("&billing_cycle_anchor={}", FEBRUARY + 1);
    let (status, error) = refusal(&mut shop, &customer, &plan, &late);
    let early = format!("&billing_cycle_anchor={}", NOW - 1);
    let (past, _) = refusal(&mut shop, &customer, &plan, &early);

    assert_eq!(status, 400);
    assert_eq!(
        error["message"],
        format!(
            "billing_cycle_anchor cannot be later than next natural billing date ({FEBRUARY}) for plan"
        )
    );
    assert_eq!(past, 400);
}

#[test]
fn a_configured_anchor_keeps_the_day_of_the_month_in_longer_months() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    shop.wait(31 * DAY);

    let sub = shop.subscribe(
        &customer,
        &plan,
        "&billing_cycle_anchor_config[day_of_month]=31&billing_cycle_anchor_config[hour]=12",
    );
    let ends: Vec<i64> = (0..3)
        .map(|_| {
            let end = period(&shop.see(&sub["id"])).1;
            shop.wait(end - shop.now);
            (end - NOW - 12 * HOUR) / DAY
        })
        .collect();

    // 28 February, 31 March and 30 April, at noon.
    assert_eq!(ends, [58, 89, 119]);
    assert_eq!(sub["billing_cycle_anchor_config"]["day_of_month"], 31);
}

#[test]
fn a_configured_anchor_is_refused_with_an_anchor_with_weeks_and_out_of_range() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let weekly = shop.price("WEEKLY", 700, "&recurring[interval]=week");
    let config = "&billing_cycle_anchor_config[day_of_month]=";

    let both = format!("{config}5&billing_cycle_anchor={FEBRUARY}");

    assert_eq!(refusal(&mut shop, &customer, &plan, &both).0, 400);
    assert_eq!(
        refusal(&mut shop, &customer, &weekly, &format!("{config}5")).0,
        400
    );
    let (_, error) = refusal(&mut shop, &customer, &plan, &format!("{config}32"));
    assert_eq!(error["param"], "billing_cycle_anchor_config[day_of_month]");
}

#[test]
fn a_trial_with_an_anchor_prorates_from_the_end_of_the_trial_to_the_anchor() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let end = NOW + 10 * DAY;

    let more = format!("&trial_end={end}&billing_cycle_anchor={FEBRUARY}");
    let sub = shop.subscribe(&customer, &plan, &more);
    let free = shop.subscribe(&customer, &plan, &format!("{more}&proration_behavior=none"));
    shop.wait(10 * DAY + HOUR);
    let after = shop.see(&sub["id"]);
    let prorated = amounts(&latest_invoice(&shop, &sub["id"]));
    let without = amounts(&latest_invoice(&shop, &free["id"]));
    shop.wait(21 * DAY);

    assert_eq!(sub["billing_cycle_anchor"], FEBRUARY);
    assert_eq!(period(&sub), (NOW, end));
    assert_eq!(period(&after), (end, FEBRUARY));
    // 21 days of the 31 from 11 January to 11 February.
    assert_eq!(prorated, [2100]);
    assert_eq!(without, [0]);
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [3100]);
    assert_eq!(amounts(&latest_invoice(&shop, &free["id"])), [3100]);
}

#[test]
fn trial_parameters_that_contradict_each_other_are_refused() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let end = NOW + 10 * DAY;

    let both = format!("&trial_end={end}&trial_period_days=3");
    let (two, _) = refusal(&mut shop, &customer, &plan, &both);
    let (_, past) = refusal(&mut shop, &customer, &plan, "&trial_end=1700000000");
    let now = shop.subscribe(&customer, &plan, "&trial_end=now");

    assert_eq!(two, 400);
    assert_eq!(past["param"], "trial_end");
    assert_eq!(
        (&now["status"], &now["trial_end"]),
        (&json!("active"), &Value::Null)
    );
}

#[test]
fn a_cancellation_within_the_first_period_is_prorated_unless_asked_otherwise() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let end = NOW + 10 * DAY;

    let sub = shop.subscribe(&customer, &plan, &format!("&cancel_at={end}"));
    let whole = format!("&cancel_at={end}&proration_behavior=none");
    let whole = shop.subscribe(&customer, &plan, &whole);
    shop.wait(10 * DAY);

    assert_eq!(amounts(&shop.see(&sub["latest_invoice"])), [1000]);
    assert_eq!(period(&sub), (NOW, end));
    assert_eq!(amounts(&shop.see(&whole["latest_invoice"])), [3100]);
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
}

#[test]
fn a_cancellation_in_a_later_period_prorates_that_period() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let end = FEBRUARY + 7 * DAY;

    let sub = shop.subscribe(&customer, &plan, &format!("&cancel_at={end}"));
    let preview = shop.post(
        "/v1/invoices/create_preview",
        &format!("subscription={}", string(&sub["id"])),
    );
    shop.wait(31 * DAY);
    let renewed = shop.see(&sub["id"]);
    shop.wait(7 * DAY);

    // A quarter of the 28 days of February.
    assert_eq!(amounts(&preview), [775]);
    assert_eq!(amounts(&latest_invoice(&shop, &sub["id"])), [775]);
    assert_eq!(period(&renewed), (FEBRUARY, end));
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
}

#[test]
fn a_cancellation_can_be_named_by_the_end_of_the_period() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);

    let sub = shop.subscribe(&customer, &plan, "&cancel_at=min_period_end");

    assert_eq!(
        (&sub["cancel_at"], &sub["cancel_at_period_end"]),
        (&json!(FEBRUARY), &json!(false))
    );
    assert_eq!(
        sub["cancellation_details"]["reason"],
        "cancellation_requested"
    );
}

#[test]
fn a_transformed_quantity_is_divided_before_it_is_charged() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let more = |round: &str| {
        format!(
            "&recurring[interval]=month&transform_quantity[divide_by]=10&transform_quantity[round]={round}"
        )
    };
    let up = shop.price("UP", 500, &more("up"));
    let down = shop.price("DOWN", 500, &more("down"));

    let dear = shop.subscribe(&customer, &up, "&items[0][quantity]=25");
    let cheap = shop.subscribe(&customer, &down, "&items[0][quantity]=25");

    assert_eq!(amounts(&shop.see(&dear["latest_invoice"])), [1500]);
    assert_eq!(amounts(&shop.see(&cheap["latest_invoice"])), [1000]);
}

#[test]
fn pending_items_are_invoiced_at_their_own_interval() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let more = "&pending_invoice_item_interval[interval]=week";
    let sub = shop.subscribe(&customer, &plan, more);
    let id = string(&sub["id"]);
    let body = format!("customer={customer}&subscription={id}&amount=900&currency=usd");
    shop.post("/v1/invoiceitems", &body);

    shop.wait(7 * DAY + HOUR);

    let invoice = latest_invoice(&shop, &sub["id"]);
    assert_eq!(sub["next_pending_invoice_item_invoice"], NOW + 7 * DAY);
    assert_eq!(
        (amounts(&invoice), &invoice["status"]),
        (vec![900], &json!("paid"))
    );
    assert_eq!(
        shop.see(&sub["id"])["next_pending_invoice_item_invoice"],
        NOW + 14 * DAY
    );
}

#[test]
fn items_of_one_price_or_two_currencies_are_refused() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let euro = shop.euro_plan();

    let (_, twice) = refusal(
        &mut shop,
        &customer,
        &plan,
        &format!("&items[1][price]={plan}"),
    );
    let (_, mixed) = refusal(
        &mut shop,
        &customer,
        &plan,
        &format!("&items[1][price]={euro}"),
    );

    assert_eq!(twice["param"], "plan");
    assert_eq!(mixed["param"], "items[1][price]");
}

#[test]
fn the_currencies_of_one_customer_do_not_mix() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let euro = shop.euro_plan();
    let sub = shop.subscribe(&customer, &plan, "");

    let (status, error) = refusal(&mut shop, &customer, &euro, "");
    let invoice = format!("customer={customer}&currency=eur");
    let (other, _) = shop.refused("POST", "/v1/invoices", &invoice);
    shop.delete(&format!("/v1/subscriptions/{}", string(&sub["id"])));
    let moved = shop.subscribe(&customer, &euro, "");

    assert_eq!(status, 400);
    assert_eq!(
        error["message"],
        "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, or invoice item with currency usd."
    );
    assert_eq!(other, 400);
    assert_eq!(moved["currency"], "eur");
}
