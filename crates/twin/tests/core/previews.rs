//! Previews change nothing and show what would be billed.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use serde_json::{Value, json};

use crate::changes::{amounts, change, on_plan};
use crate::coupons::coupon;
use crate::shop::{DAY, Shop, string};

const PREVIEW: &str = "/v1/invoices/create_preview";

/// Everything that is stored, without the random numbers that each request uses and the lines of the
/// newest previews, of which further pages can be read.
fn state(shop: &Shop) -> Value {
    let mut state = serde_json::to_value(&shop.core).unwrap();
    for name in ["rng", "previews"] {
        state.as_object_mut().unwrap().remove(name);
    }
    state
}

#[test]
fn a_preview_of_a_change_with_a_coupon_changes_nothing() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=once&max_redemptions=1");
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let id = string(&sub["id"]);
    let product = string(&shop.see(&json!(plus))["product"]);
    shop.wait(DAY);
    let before = state(&shop);

    for more in [
        format!("&discounts[0][coupon]={half}"),
        format!(
            "&subscription_details[items][0][price_data][product]={product}&subscription_details[items][0][price_data][currency]=usd&subscription_details[items][0][price_data][recurring][interval]=month&subscription_details[items][0][price_data][unit_amount]=700&subscription_details[proration_behavior]=always_invoice"
        ),
        "&subscription_details[cancel_now]=true".to_owned(),
        "&subscription_details[billing_cycle_anchor]=now".to_owned(),
        "&invoice_items[0][amount]=500&invoice_items[0][currency]=usd".to_owned(),
        format!("&subscription_details[trial_end]={}", shop.now + 5 * DAY),
        "&customer_details[address][country]=DE".to_owned(),
    ] {
        shop.post(PREVIEW, &format!("subscription={id}{more}"));
        assert!(state(&shop) == before, "{more} changed something");
    }
    let body = format!("customer={customer}&subscription_details[items][0][price]={plus}");
    shop.post(PREVIEW, &body);
    assert!(state(&shop) == before);
    assert!(shop.happened().is_empty());
}

#[test]
fn the_lines_of_a_preview_after_the_tenth_are_on_further_pages() {
    let mut shop = Shop::open();
    let (customer, _) = shop.buyer("pm_card_visa", 2000);
    let mut body = format!("customer={customer}&currency=usd");
    for n in 1..=23 {
        body += &format!("&invoice_items[{n}][amount]={n}&invoice_items[{n}][currency]=usd");
    }
    let preview = shop.post(PREVIEW, &body);
    let first = preview["lines"]["data"].as_array().unwrap().clone();
    let url = string(&preview["lines"]["url"]);
    let last = string(&first[9]["id"]);

    let second = shop.get(&format!("{url}?limit=10&starting_after={last}"));
    let all = shop.get(&format!("{url}?limit=100"));

    assert_eq!(
        url,
        format!("/v1/invoices/{}/lines", string(&preview["id"]))
    );
    assert_eq!(
        (first.len(), &preview["lines"]["has_more"]),
        (10, &json!(true))
    );
    assert_eq!(second["data"].as_array().unwrap().len(), 10);
    assert_eq!(second["has_more"], true);
    let all = all["data"].as_array().unwrap();
    assert_eq!(all.len(), 23);
    assert_eq!(
        (&all[..10], &all[10..20]),
        (&first[..], &second["data"].as_array().unwrap()[..])
    );
    let (status, _) = shop.refused(
        "GET",
        &format!("/v1/invoices/{}", string(&preview["id"])),
        "",
    );
    assert_eq!(status, 404);
    for _ in 0..100 {
        shop.post(
            PREVIEW,
            &format!("customer={customer}&invoice_items[0][amount]=5"),
        );
    }
    let (status, _) = shop.refused("GET", &url, "");
    assert_eq!(status, 404);
}

#[test]
fn a_refused_preview_changes_nothing_either() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let before = state(&shop);
    let id = string(&sub["id"]);

    let body = format!("subscription={id}&invoice_items[0][amount]=500&discounts[0][coupon]=NONE");
    let (status, error) = shop.refused("POST", PREVIEW, &body);

    assert_eq!(
        (status, &error["param"]),
        (400, &json!("discounts[0][coupon]"))
    );
    assert!(state(&shop) == before);
}

#[test]
fn a_coupon_that_applies_once_is_in_the_preview_and_still_in_the_renewal() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=once");
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let id = string(&sub["id"]);
    let after = shop.post(
        &format!("/v1/subscriptions/{id}"),
        &format!("discounts[0][coupon]={half}"),
    );

    let preview = shop.post(PREVIEW, &format!("subscription={id}"));
    shop.wait(31 * DAY + 2 * 3600);

    let discount = &after["discounts"][0];
    assert_eq!(preview["discounts"], json!([discount]));
    assert_eq!(
        preview["total_discount_amounts"],
        json!([{"amount": 1000, "discount": discount}])
    );
    assert_eq!(
        preview["lines"]["data"][0]["discount_amounts"],
        json!([{"amount": 1000, "discount": discount}])
    );
    let renewal = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
    assert_eq!(
        (&renewal["total"], &preview["total"]),
        (&json!(1000), &json!(1000))
    );
}

#[test]
fn a_preview_bills_what_the_change_then_bills() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 2000), shop.plan("PLUS", 5000));
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));
    shop.wait(31 * DAY / 2);
    let item = string(&sub["items"]["data"][0]["id"]);
    let id = string(&sub["id"]);

    let preview = shop.post(PREVIEW, &format!(
        "subscription={id}&subscription_details[items][0][id]={item}&subscription_details[items][0][price]={plus}&subscription_details[proration_behavior]=always_invoice"
    ));
    let (path, body) = change(&sub, &plus, "&proration_behavior=always_invoice");
    let after = shop.post(&path, &body);

    assert_eq!(amounts(&preview), [-500, 1250]);
    let invoice = shop.see(&after["latest_invoice"]);
    assert_eq!(amounts(&invoice), amounts(&preview));
    assert_eq!(invoice["amount_paid"], preview["amount_due"]);
    let credited = |invoice: &Value| {
        invoice["lines"]["data"][0]["parent"]["subscription_item_details"]["proration_details"]["credited_items"]["invoice"].clone()
    };
    assert_eq!(credited(&preview), sub["latest_invoice"]);
    assert_eq!(credited(&invoice), sub["latest_invoice"]);
}

#[test]
fn a_preview_takes_invoice_items_trials_and_anchors_into_account() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let id = string(&sub["id"]);
    shop.wait(31 * DAY / 2);
    let base = format!("subscription={id}");

    let extra = shop.post(
        PREVIEW,
        &format!("{base}&invoice_items[0][amount]=500&invoice_items[0][description]=Setup"),
    );
    let anchored = shop.post(
        PREVIEW,
        &format!("{base}&subscription_details[billing_cycle_anchor]=now"),
    );
    let end = shop.now + 5 * DAY;
    let trial = shop.post(
        PREVIEW,
        &format!("{base}&subscription_details[trial_end]={end}"),
    );
    let ended = shop.post(
        PREVIEW,
        &format!("{base}&subscription_details[cancel_now]=true"),
    );

    assert_eq!(amounts(&extra), [500, 2000]);
    assert_eq!(amounts(&anchored), [-1000, 2000]);
    assert_eq!(amounts(&trial), [-1000, 2000]);
    assert_eq!(trial["lines"]["data"][1]["period"]["start"], end);
    assert_eq!(amounts(&ended), [-1000]);
}

#[test]
fn an_empty_string_previews_without_discounts() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));

    let preview = shop.post(
        PREVIEW,
        &format!("subscription={}&discounts=", string(&sub["id"])),
    );

    assert_eq!(
        (&preview["total"], &preview["discounts"]),
        (&json!(2000), &json!([]))
    );
}

#[test]
fn a_new_subscription_is_previewed_with_its_trial_its_anchor_and_its_discounts() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50");
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 3100);
    let base = format!("customer={customer}&subscription_details[items][0][price]={plan}");

    let whole = shop.post(PREVIEW, &format!("{base}&discounts[0][coupon]={half}"));
    let trial = shop.post(
        PREVIEW,
        &format!(
            "{base}&subscription_details[trial_end]={}",
            shop.now + 7 * DAY
        ),
    );
    let anchored = shop.post(
        PREVIEW,
        &format!(
            "{base}&subscription_details[billing_cycle_anchor]={}",
            shop.now + 10 * DAY
        ),
    );
    let none = shop.post(
        PREVIEW,
        &format!(
            "customer_details[address][country]=DE&subscription_details[items][0][price]={plan}"
        ),
    );

    assert_eq!(whole["total"], 1550);
    assert_eq!(whole["total_discount_amounts"][0]["amount"], 1550);
    assert_eq!(trial["total"], 0);
    assert_eq!(anchored["total"], 1000);
    assert_eq!(none["total"], 3100);
}

#[test]
fn parameters_of_previews_that_are_not_served_are_refused_by_name() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let id = string(&sub["id"]);

    let details = "schedule_details[end_behavior]=release";
    let (_, schedule) = shop.refused("POST", PREVIEW, details);
    let body = format!(
        "subscription={id}&subscription_details[start_date]={}",
        shop.now
    );
    let (_, start) = shop.refused("POST", PREVIEW, &body);

    assert_eq!(
        schedule["message"],
        "`schedule_details` is not served by this twin."
    );
    assert_eq!(start["param"], "subscription_details[start_date]");
}

#[test]
fn a_recurring_preview_leaves_out_what_is_billed_once() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 2000, 5000);
    let id = string(&sub["id"]);
    let (path, body) = change(&sub, &plus, "");
    shop.wait(DAY);
    shop.post(&path, &body);

    let next = shop.post(PREVIEW, &format!("subscription={id}"));
    let recurring = shop.post(
        PREVIEW,
        &format!("subscription={id}&preview_mode=recurring"),
    );

    assert_eq!(amounts(&next).len(), 3);
    assert_eq!(amounts(&recurring), [5000]);
}

/// What a bill and its preview must have in common.
fn bill(invoice: &Value) -> Value {
    let lines = invoice["lines"]["data"].as_array().unwrap().iter();
    let lines: Vec<Value> = lines
        .map(|line| {
            json!([
                line["amount"],
                line["description"],
                line["period"],
                line["quantity"],
                line["pricing"]["unit_amount_decimal"],
                line["taxes"],
            ])
        })
        .collect();
    json!([
        lines,
        invoice["total"],
        invoice["amount_due"],
        invoice["billing_reason"]
    ])
}

#[test]
fn a_change_bills_exactly_what_its_preview_showed_for_the_same_moment() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    shop.post("/v1/coupons", "id=HALF&percent_off=50&duration=forever");
    shop.post("/v1/coupons", "id=TENTH&percent_off=10&duration=forever");
    let extra = shop.plan("EXTRA", 900);
    for (begin, items) in [
        ("", "[price]={plus}"),
        ("", "[price]={plus}&[items][0][quantity]=3"),
        ("", "[price]={plus}&[items][0][discounts][0][coupon]=TENTH"),
        ("", "[quantity]=5"),
        ("", "[price]={plus}&[billing_cycle_anchor]=now"),
        ("", "[price]={plus}&[items][1][price]={extra}"),
        ("&items[1][price]={extra}", "[deleted]=true"),
        ("&discounts[0][coupon]=HALF", "[price]={plus}"),
        (
            "&discounts[0][coupon]=HALF&billing_mode[type]=flexible&billing_mode[flexible][proration_discounts]=itemized",
            "[price]={plus}",
        ),
        ("&automatic_tax[enabled]=true", "[price]={plus}"),
        ("&trial_period_days=20", "[price]={plus}"),
    ] {
        let customer = shop.customer("pm_card_visa");
        shop.post(&format!("/v1/customers/{customer}"), "address[country]=DE");
        let (plan, plus) = (shop.plan("PRO", 3100), shop.plan("PLUS", 6200));
        let fill = |text: &str| text.replace("{plus}", &plus).replace("{extra}", &extra);
        let sub = shop.subscribe(&customer, &plan, &fill(begin));
        let item = string(&sub["items"]["data"][0]["id"]);
        shop.wait(31 * DAY / 4);
        let changed = fill(items).replace("&[", "&subscription_details[");
        let at = shop.now;
        let wanted = format!(
            "subscription_details[items][0][id]={item}&subscription_details[items][0]{changed}&subscription_details[proration_behavior]=always_invoice&subscription_details[proration_date]={at}"
        );

        let id = string(&sub["id"]);
        let preview = shop.post(PREVIEW, &format!("subscription={id}&{wanted}"));
        shop.wait(600);
        let resets = items.contains("anchor");
        let late = shop.post(PREVIEW, &format!("subscription={id}&{wanted}"));
        let update: Vec<String> = wanted
            .split('&')
            .map(|pair| {
                let (first, rest) = pair
                    .trim_start_matches("subscription_details[")
                    .split_once(']')
                    .unwrap();
                format!("{first}{rest}")
            })
            .collect();
        let after = shop.post(&format!("/v1/subscriptions/{id}"), &update.join("&"));

        if !resets {
            assert_eq!(bill(&preview), bill(&late), "{begin} {items}");
        }
        if begin.contains("trial") {
            assert_eq!(after["latest_invoice"], sub["latest_invoice"]);
        } else {
            let made = shop.see(&after["latest_invoice"]);
            assert_eq!(bill(&late), bill(&made), "{begin} {items}");
        }
    }
}

#[test]
fn a_cancellation_within_the_period_is_previewed_with_its_credit() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 3100);
    let id = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let cancel = |days: i64| {
        format!(
            "subscription={id}&subscription_details[cancel_at]={}",
            crate::shop::NOW + days * DAY
        )
    };

    let credit = shop.post(PREVIEW, &cancel(21));
    let cut = shop.post(PREVIEW, &cancel(31 + 7));
    let none = format!(
        "{}&subscription_details[proration_behavior]=none",
        cancel(21)
    );
    let (status, nothing) = shop.refused("POST", PREVIEW, &none);
    let (_, past) = shop.refused("POST", PREVIEW, &cancel(-1));
    let unknown = format!(
        "customer={customer}&subscription_details[items][0][id]=si_none&subscription_details[items][0][price]={plan}"
    );
    let (_, missing) = shop.refused("POST", PREVIEW, &unknown);

    assert_eq!(amounts(&credit), [-1000]);
    assert_eq!(amounts(&cut), [775]);
    assert_eq!(
        (status, &nothing["code"]),
        (404, &json!("invoice_upcoming_none"))
    );
    assert_eq!(past["param"], "subscription_details[cancel_at]");
    assert_eq!(missing["param"], "subscription_details[items][0][id]");
    assert!(shop.see(&json!(id))["cancel_at"].is_null());
}

#[test]
fn a_preview_of_a_schedule_shows_what_its_next_phase_charges_and_changes_nothing() {
    for (interval, amount) in [("month", 1900), ("year", 19_000)] {
        let mut shop = Shop::open();
        let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 4900, 500);
        let more = format!("&recurring[interval]={interval}");
        let cheap = shop.price("CHEAP", amount, &more);
        let id = string(&sub["id"]);
        let item = &sub["items"]["data"][0];
        let (old, end) = (string(&item["price"]["id"]), &item["current_period_end"]);
        let schedule = shop.post(
            "/v1/subscription_schedules",
            &format!("from_subscription={id}"),
        );
        let start = &schedule["phases"][0]["start_date"];
        let path = format!("/v1/subscription_schedules/{}", string(&schedule["id"]));
        shop.post(&path, &format!(
            "end_behavior=release&phases[0][items][0][price]={old}&phases[0][start_date]={start}&phases[0][end_date]={end}&phases[1][items][0][price]={cheap}&phases[1][duration][interval]={interval}&phases[1][proration_behavior]=none"
        ));
        shop.wait(1);
        let before = state(&shop);

        let body = format!("schedule={}", string(&schedule["id"]));
        let preview = shop.post(PREVIEW, &body);
        let after = state(&shop);
        shop.wait(31 * DAY + 2 * crate::shop::HOUR);

        let differs = |name: &&String| before[name.as_str()] != after[name.as_str()];
        let changed: Vec<&String> = before.as_object().unwrap().keys().filter(differs).collect();
        assert_eq!(changed, Vec::<&String>::new());
        assert_eq!(amounts(&preview), [amount]);
        assert_eq!(preview["period_end"], *end);
        let latest = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
        assert_eq!(
            (&latest["amount_paid"], &latest["amount_due"]),
            (&json!(amount), &preview["amount_due"])
        );
    }
    let mut shop = Shop::open();
    let both = "schedule=sub_sched_1&subscription=sub_1";
    assert_eq!(shop.refused("POST", PREVIEW, both).1["param"], "schedule");
}
