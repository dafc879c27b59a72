//! What Stripe refuses about subscriptions, their items and their discounts.

use serde_json::{Value, json};

use crate::phases::{SCHEDULES, first_phase};
use crate::shop::{DAY, NOW, Shop, good_card, string};

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// Refuses a change of the subscriptions, and checks that nothing is left of it.
fn refused(shop: &mut Shop, path: &str, body: &str) -> Value {
    shop.wait(0);
    shop.happened();
    let known = shop.core.objects("subscription").len();
    let due = shop.core.next_due();
    let (status, error) = shop.refused("POST", path, body);
    assert_eq!(status, 400, "{path} {body}");
    assert_eq!(shop.core.objects("subscription").len(), known);
    assert_eq!(shop.core.next_due(), due);
    assert!(shop.happened().is_empty(), "{path} {body}");
    error
}

#[test]
fn a_price_of_an_inactive_product_starts_no_subscription_but_an_item_keeps_it() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let plus = shop.plan("PLUS", 6200);
    let sub = shop.subscribe(&customer, &plan, "");
    let item = string(&sub["items"]["data"][0]["id"]);
    let path = format!("{SUBSCRIPTIONS}/{}", string(&sub["id"]));
    for price in [&plan, &plus] {
        let product = string(&shop.see(&json!(price))["product"]);
        shop.post(&format!("/v1/products/{product}"), "active=false");
    }
    let product = string(&shop.see(&json!(plus))["product"]);

    let new = format!("customer={customer}&items[0][price]={plus}");
    let data = format!(
        "customer={customer}&items[0][price_data][product]={product}&items[0][price_data][currency]=usd&items[0][price_data][unit_amount]=5&items[0][price_data][recurring][interval]=month"
    );
    let changed = format!("items[0][id]={item}&items[0][price]={plus}");
    let phase = format!("customer={customer}{}", first_phase(&plus, ""));
    let error = refused(&mut shop, SUBSCRIPTIONS, &new);
    refused(&mut shop, SUBSCRIPTIONS, &data);
    refused(&mut shop, &path, &changed);
    refused(&mut shop, SCHEDULES, &phase);
    let body = format!("items[0][id]={item}&items[0][price]={plan}&items[0][quantity]=2");
    let kept = shop.post(&path, &body);

    assert_eq!(
        error["message"],
        format!(
            "The product {product} is marked as inactive, and thus no new subscriptions can be create to any plans of this product. You provided the plan {plus}."
        )
    );
    assert_eq!(error["param"], "items[0][price]");
    assert_eq!(kept["items"]["data"][0]["quantity"], 2);
}

#[test]
fn an_inactive_price_starts_no_subscription_and_renews_those_that_have_it() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.post(&format!("/v1/prices/{plan}"), "active=false");

    let body = format!("customer={customer}&items[0][price]={plan}");
    let error = refused(&mut shop, SUBSCRIPTIONS, &body);
    shop.wait(32 * DAY);

    assert_eq!(error["param"], "items[0][price]");
    let renewed = shop.see(&sub["id"]);
    assert_ne!(renewed["latest_invoice"], sub["latest_invoice"]);
    assert_eq!(shop.see(&renewed["latest_invoice"])["status"], "paid");
}

#[test]
fn parameters_that_exclude_each_other_are_refused() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let product = string(&shop.see(&json!(plan))["product"]);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let new = format!("customer={customer}&items[0][price]={plan}");
    let data = format!(
        "[price_data][product]={product}&items[0][price_data][currency]=usd&items[0][price_data][recurring][interval]=month"
    );
    let end = NOW + 50 * DAY;
    let cancels = format!("cancel_at={end}&cancel_at_period_end=true");
    let path = format!("{SUBSCRIPTIONS}/{sub}");

    for (path, body, param) in [
        (
            SUBSCRIPTIONS,
            format!("{new}&items[0]{data}&items[0][price_data][unit_amount]=5"),
            "items[0][price]",
        ),
        (
            SUBSCRIPTIONS,
            format!(
                "customer={customer}&items[0]{data}&items[0][price_data][unit_amount]=5&items[0][price_data][unit_amount_decimal]=5"
            ),
            "items[0][price_data][unit_amount]",
        ),
        (SUBSCRIPTIONS, format!("{new}&{cancels}"), "cancel_at"),
        (&path, cancels.clone(), "cancel_at"),
        (
            &path,
            "cancel_at=min_period_end&cancel_at_period_end=true".to_owned(),
            "cancel_at",
        ),
        (
            SUBSCRIPTIONS,
            format!("{new}&payment_behavior=pending_if_incomplete"),
            "payment_behavior",
        ),
        (&path, "trial_end=1700000000".to_owned(), "trial_end"),
    ] {
        let error = refused(&mut shop, path, &body);
        assert_eq!(error["param"], param, "{body}");
    }
}

#[test]
fn lists_have_at_most_twenty_elements_and_schedules_ten_phases() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let pack = shop.price("PACK", 100, "");
    let all: Vec<String> = (0..21)
        .map(|one| shop.plan(&format!("P{one}"), 100))
        .collect();
    let items = |from: usize, count: usize, first: usize| -> String {
        (0..count)
            .map(|place| format!("&items[{}][price]={}", first + place, all[from + place]))
            .collect()
    };
    let new = format!("customer={customer}");
    let packs: String = (0..21)
        .map(|place| format!("&add_invoice_items[{place}][price]={pack}"))
        .collect();
    let phases: String = (0..11)
        .map(|place| {
            format!("&phases[{place}][items][0][price]={plan}&phases[{place}][iterations]=1")
        })
        .collect();

    let many = refused(
        &mut shop,
        SUBSCRIPTIONS,
        &format!("{new}{}", items(0, 21, 0)),
    );
    let full = shop.post(SUBSCRIPTIONS, &format!("{new}{}", items(0, 20, 0)));
    let path = format!("{SUBSCRIPTIONS}/{}", string(&full["id"]));
    refused(&mut shop, &path, &items(20, 1, 0)[1..]);
    let extra = format!("subscription={}&price={}", string(&full["id"]), all[20]);
    refused(&mut shop, "/v1/subscription_items", &extra);
    refused(&mut shop, &path, &packs[1..]);
    refused(&mut shop, SCHEDULES, &format!("{new}{phases}"));

    assert_eq!(many["param"], "items");
    assert_eq!(full["items"]["total_count"], 20);
}

/// Creates coupons for everything. The first can be redeemed once.
fn coupons(shop: &mut Shop) {
    shop.post(
        "/v1/coupons",
        "id=ONE&percent_off=50&duration=forever&max_redemptions=1",
    );
    shop.post("/v1/coupons", "id=TWO&percent_off=10&duration=forever");
}

#[test]
fn one_coupon_cannot_be_applied_twice() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    coupons(&mut shop);
    let code = shop.post(
        "/v1/promotion_codes",
        "promotion[type]=coupon&promotion[coupon]=TWO&code=SAVE",
    );
    let code = string(&code["id"]);
    let new = format!("customer={customer}&items[0][price]={plan}");

    for place in ["", "items[0]", "add_invoice_items[0]"] {
        let name = |index: usize, kind: &str| {
            if place.is_empty() {
                format!("discounts[{index}][{kind}]")
            } else {
                format!("{place}[discounts][{index}][{kind}]")
            }
        };
        let pack = shop.price("PACK", 100, "");
        let extra = if place.starts_with("add") {
            format!("&add_invoice_items[0][price]={pack}")
        } else {
            String::new()
        };
        let body = format!(
            "{new}{extra}&{}=TWO&{}={code}",
            name(0, "coupon"),
            name(1, "promotion_code")
        );
        let error = refused(&mut shop, SUBSCRIPTIONS, &body);
        assert_eq!(
            error["message"],
            "The coupon TWO cannot be applied more than once."
        );
    }
    let phase = format!(
        "customer={customer}{}&phases[0][discounts][0][coupon]=TWO&phases[0][discounts][1][coupon]=TWO",
        first_phase(&plan, "")
    );
    refused(&mut shop, SCHEDULES, &phase);
    assert_eq!(shop.get("/v1/coupons/TWO")["times_redeemed"], 0);
}

#[test]
fn a_discount_of_another_subscription_is_not_reused() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    coupons(&mut shop);
    let first = shop.subscribe(&customer, &plan, "&discounts[0][coupon]=ONE");
    let second = shop.subscribe(&customer, &plan, "&items[0][discounts][0][coupon]=TWO");
    let third = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let of_first = string(&first["discounts"][0]);
    let of_item = string(&second["items"]["data"][0]["discounts"][0]);
    let pack = shop.price("PACK", 900, "");
    let more = format!(
        "&add_invoice_items[0][price]={pack}&add_invoice_items[0][discounts][0][coupon]=TWO"
    );
    shop.subscribe(&customer, &plan, &more);
    let line = shop.get("/v1/invoiceitems?limit=1")["data"][0].clone();
    let of_line = string(&line["discounts"][0]);
    let more = format!("&customer={customer}&discounts[0][coupon]=TWO");
    let session = shop.session("payment", &pack, &more);
    shop.core
        .pay_checkout(&session, good_card(), shop.now)
        .unwrap();
    let newest = shop.core.newest("discount", 1);
    let of_payment = string(&newest[0]["id"]);
    let item = string(&shop.see(&json!(third))["items"]["data"][0]["id"]);
    let path = format!("{SUBSCRIPTIONS}/{third}");
    let new = format!("customer={customer}&items[0][price]={plan}");

    for discount in [&of_first, &of_item, &of_line, &of_payment] {
        for (path, body) in [
            (
                SUBSCRIPTIONS,
                format!("{new}&discounts[0][discount]={discount}"),
            ),
            (
                SUBSCRIPTIONS,
                format!("{new}&items[0][discounts][0][discount]={discount}"),
            ),
            (&path, format!("discounts[0][discount]={discount}")),
            (
                &path,
                format!("items[0][id]={item}&items[0][discounts][0][discount]={discount}"),
            ),
            (
                SCHEDULES,
                format!(
                    "customer={customer}{}&phases[0][discounts][0][discount]={discount}",
                    first_phase(&plan, "")
                ),
            ),
            (
                "/v1/invoices",
                format!("customer={customer}&discounts[0][discount]={discount}"),
            ),
        ] {
            let (status, error) = shop.refused("POST", path, &body);
            assert_eq!(
                (status, &error["code"]),
                (400, &json!("resource_missing")),
                "{body}"
            );
        }
    }
    assert_eq!(shop.get("/v1/coupons/ONE")["times_redeemed"], 1);
    assert_eq!(shop.see(&json!(of_first))["subscription"], first["id"]);
    assert_eq!(
        shop.see(&json!(of_item))["subscription_item"],
        second["items"]["data"][0]["id"]
    );
}

#[test]
fn an_object_keeps_its_own_discounts_and_may_use_those_above_it() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    coupons(&mut shop);
    shop.post_discounted(&format!("/v1/customers/{customer}"), "coupon=TWO");
    let held = shop.get(&format!("/v1/customers/{customer}"));
    let of_customer = string(&held["discount"]["id"]);
    let sub = shop.subscribe(&customer, &plan, "&discounts[0][coupon]=ONE");
    let own = string(&sub["discounts"][0]);
    let path = format!("{SUBSCRIPTIONS}/{}", string(&sub["id"]));
    let item = string(&sub["items"]["data"][0]["id"]);

    let kept = shop.post(
        &path,
        &format!("discounts[0][discount]={own}&discounts[1][discount]={of_customer}"),
    );
    let body = format!("items[0][id]={item}&items[0][discounts][0][discount]={own}");
    let shared = shop.post(&path, &body);
    shop.post(&path, "discounts=");
    let gone = shop.refused("POST", &path, &format!("discounts[0][discount]={own}"));

    assert_eq!(kept["discounts"], json!([own, of_customer]));
    assert_eq!(shared["items"]["data"][0]["discounts"], json!([own]));
    assert_eq!(gone.1["code"], "resource_missing");
    assert_eq!(shop.get("/v1/coupons/ONE")["times_redeemed"], 1);
}

#[test]
fn an_update_of_a_schedule_needs_a_start_date_in_a_phase() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 3100);
    let schedule = shop.post(
        SCHEDULES,
        &format!("customer={customer}{}", first_phase(&plan, "")),
    );
    let path = format!("{SCHEDULES}/{}", string(&schedule["id"]));
    let phases = format!("{}&phases[0][iterations]=3", &first_phase(&plan, "")[1..]);

    let error = refused(&mut shop, &path, &phases);
    let moved = shop.post(&path, &format!("{phases}&phases[0][start_date]={NOW}"));

    assert_eq!(
        error["message"],
        "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates to."
    );
    assert_eq!(moved["phases"][0]["end_date"], NOW + 90 * DAY);
}
