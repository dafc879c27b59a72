//! Test clocks: customers that live by a clock of their own.

use serde_json::json;
use twin::core::Payment;

use super::shop::{DAY, HOUR, NOW, Shop, string};

const START: i64 = NOW - 5 * DAY;

/// A clock that stands five days before `NOW`, and a customer on it with a working card.
fn on_a_clock(shop: &mut Shop) -> (String, String) {
    let clock = shop.post(
        "/v1/test_helpers/test_clocks",
        &format!("frozen_time={START}&name=year"),
    );
    let clock = string(&clock["id"]);
    let body = format!(
        "test_clock={clock}&payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_visa"
    );
    let customer = shop.post("/v1/customers", &body);
    (clock, string(&customer["id"]))
}

/// Advances a clock and waits until it is ready.
fn advance(shop: &mut Shop, clock: &str, to: i64) {
    begin_advance(shop, clock, to);
    shop.wait(2);
    let clock = shop.get(&format!("/v1/test_helpers/test_clocks/{clock}"));
    assert_eq!(clock["status"], "ready");
}

fn begin_advance(shop: &mut Shop, clock: &str, to: i64) {
    let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    let clock = shop.post(&path, &format!("frozen_time={to}"));
    assert_eq!(clock["status"], "advancing");
}

// https://docs.stripe.com/api/test_clocks/advance
#[test]
fn a_client_that_polls_a_clock_sees_it_advance_and_then_ready() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&customer, &plan, "");
    let path = format!("/v1/test_helpers/test_clocks/{clock}");
    let target = START + 32 * DAY;

    begin_advance(&mut shop, &clock, target);
    let polls: Vec<_> = (0..3)
        .map(|_| {
            let seen = shop.get(&path);
            let invoices = shop.get(&format!("/v1/invoices?customer={customer}"));
            shop.wait(1);
            (
                string(&seen["status"]),
                seen["frozen_time"].as_i64().unwrap(),
                invoices["data"].as_array().unwrap().len(),
            )
        })
        .collect();

    assert_eq!(
        polls,
        [
            ("advancing".to_owned(), START, 1),
            ("advancing".to_owned(), START, 1),
            ("ready".to_owned(), target, 2),
        ]
    );
}

#[test]
fn what_is_bound_to_an_advancing_clock_can_be_read_but_not_changed() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let body = format!(
        "mode=payment&customer={customer}&line_items[0][price_data][product_data][name]=A&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=900&line_items[0][quantity]=1&success_url=http://127.0.0.1:9/"
    );
    let session = string(&shop.post("/v1/checkout/sessions", &body)["id"]);
    let other = shop.customer("pm_card_visa");
    begin_advance(&mut shop, &clock, START + HOUR);
    shop.happened();

    let own = format!("/v1/test_helpers/test_clocks/{clock}");
    let changes = [
        (
            "POST",
            format!("/v1/subscriptions/{sub}"),
            "metadata[a]=b".to_owned(),
        ),
        ("DELETE", format!("/v1/subscriptions/{sub}"), String::new()),
        (
            "POST",
            format!("/v1/customers/{customer}"),
            "name=B".to_owned(),
        ),
        (
            "POST",
            "/v1/subscriptions".to_owned(),
            format!("customer={customer}&items[0][price]={plan}"),
        ),
        (
            "POST",
            "/v1/customers".to_owned(),
            format!("test_clock={clock}"),
        ),
        (
            "POST",
            format!("{own}/advance"),
            format!("frozen_time={}", START + 2 * DAY),
        ),
        ("DELETE", own.clone(), String::new()),
    ];
    for (method, path, body) in changes {
        let (status, error) = shop.refused(method, &path, &body);
        assert_eq!(status, 429, "{method} {path}");
        assert_eq!(
            error["message"],
            format!("Test clock advancement underway - cannot perform modifications: {clock}")
        );
    }
    let card = Payment::Method("pm_card_visa".to_owned());
    assert!(
        shop.core
            .pay_checkout(&session, card.clone(), shop.now)
            .is_err()
    );

    assert!(shop.happened().is_empty());
    assert_eq!(
        shop.get(&format!("/v1/subscriptions/{sub}"))["metadata"],
        json!({})
    );
    shop.subscribe(&other, &plan, "");
    shop.wait(2);
    shop.post(&format!("/v1/subscriptions/{sub}"), "metadata[a]=b");
    shop.core.pay_checkout(&session, card, shop.now).unwrap();
}

#[test]
fn a_refused_change_on_an_advancing_clock_can_be_retried_with_the_same_key() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    begin_advance(&mut shop, &clock, START + DAY);
    let path = format!("/v1/customers/{customer}");

    let refused = shop.send("POST", &path, "name=B", Some("key"));
    shop.wait(2);
    let accepted = shop.send("POST", &path, "name=B", Some("key"));

    assert_eq!((refused.status, accepted.status), (429, 200));
}

#[test]
fn a_subscription_on_a_clock_renews_when_the_clock_is_advanced_and_not_before() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.wait(29 * DAY);
    shop.happened();

    let still = shop.get(&format!("/v1/invoices?customer={customer}"));
    advance(&mut shop, &clock, START + 32 * DAY);
    let ready = shop.get(&format!("/v1/test_helpers/test_clocks/{clock}"));
    let renewed = shop.get(&format!("/v1/invoices?customer={customer}"));

    assert_eq!(sub["test_clock"], clock.as_str());
    assert_eq!(still["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&ready["status"], &ready["frozen_time"]),
        (&json!("ready"), &json!(START + 32 * DAY))
    );
    assert_eq!(renewed["data"][0]["billing_reason"], "subscription_cycle");
    assert_eq!(renewed["data"][0]["status"], "paid");
    assert_eq!(renewed["data"][0]["created"], START + 31 * DAY);
    assert_eq!(renewed["data"][0]["test_clock"], clock.as_str());
    let kinds = shop.happened();
    assert_eq!(
        kinds.first().map(String::as_str),
        Some("test_helpers.test_clock.advancing")
    );
    assert_eq!(
        kinds.last().map(String::as_str),
        Some("test_helpers.test_clock.ready")
    );
}

#[test]
fn a_call_about_a_customer_on_a_clock_happens_at_the_time_of_the_clock() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    advance(&mut shop, &clock, START + 100 * DAY);
    let item = format!("customer={customer}&amount=500&currency=usd");

    let item = shop.post("/v1/invoiceitems", &item);
    let other = shop.customer("");

    assert_eq!(item["date"], START + 100 * DAY);
    assert_eq!(item["test_clock"], clock.as_str());
    assert_eq!(shop.see(&json!(other))["created"], shop.now);
    assert_eq!(shop.see(&json!(other))["test_clock"], json!(null));
}

#[test]
fn a_clock_moves_forward_only_and_by_at_most_two_intervals() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&customer, &plan, "");
    let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");

    let back = shop.refused("POST", &path, &format!("frozen_time={START}"));
    let far = shop.refused("POST", &path, &format!("frozen_time={}", START + 70 * DAY));
    advance(&mut shop, &clock, START + 59 * DAY);

    assert_eq!((back.0, &back.1["param"]), (400, &json!("frozen_time")));
    assert_eq!((far.0, &far.1["param"]), (400, &json!("frozen_time")));
}

#[test]
fn a_clock_has_at_most_three_customers() {
    let mut shop = Shop::open();
    let (clock, _) = on_a_clock(&mut shop);
    for _ in 0..2 {
        shop.post("/v1/customers", &format!("test_clock={clock}"));
    }

    let refused = shop.refused("POST", "/v1/customers", &format!("test_clock={clock}"));
    let unknown = shop.refused("POST", "/v1/customers", "test_clock=clock_none");

    assert_eq!(refused.1["param"], "test_clock");
    assert_eq!(unknown.1["code"], "resource_missing");
}

#[test]
fn customers_and_subscriptions_on_a_clock_are_listed_for_the_clock_only() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&customer, &plan, "");

    let mut count = |target: &str| shop.get(target)["data"].as_array().map_or(0, Vec::len);

    assert_eq!(count("/v1/customers"), 0);
    assert_eq!(count(&format!("/v1/customers?test_clock={clock}")), 1);
    assert_eq!(count("/v1/subscriptions"), 0);
    assert_eq!(count(&format!("/v1/subscriptions?customer={customer}")), 1);
    assert_eq!(count(&format!("/v1/subscriptions?test_clock={clock}")), 1);
}

#[test]
fn a_deleted_clock_takes_its_customers_with_it() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");

    shop.delete(&format!("/v1/test_helpers/test_clocks/{clock}"));
    let gone = shop.get(&format!("/v1/customers/{customer}"));
    let missing = shop.refused("GET", &format!("/v1/test_helpers/test_clocks/{clock}"), "");
    shop.wait(60 * DAY);

    assert_eq!(gone["deleted"], true);
    assert_eq!(missing.0, 404);
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
    assert_eq!(shop.core.objects("invoice").len(), 1);
}

#[test]
fn a_clock_is_deleted_after_thirty_days() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);

    shop.wait(30 * DAY);

    assert_eq!(shop.see(&json!(clock))["deleted"], true);
    assert_eq!(shop.see(&json!(customer))["deleted"], true);
}

#[test]
fn a_page_of_a_customer_on_a_clock_works_at_the_time_of_the_clock() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop);
    let plan = shop.plan("PRO", 1900);
    advance(&mut shop, &clock, START + 20 * DAY);
    let body = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={plan}&line_items[0][quantity]=1&success_url=http://127.0.0.1:9/"
    );
    let session = string(&shop.post("/v1/checkout/sessions", &body)["id"]);

    let card = Payment::Method("pm_card_visa".to_owned());
    let paid = shop.core.pay_checkout(&session, card, shop.now).unwrap();

    let sub = shop.see(&paid["subscription"]);
    assert_eq!(sub["created"], START + 20 * DAY);
    assert_eq!(sub["test_clock"], clock.as_str());
    advance(&mut shop, &clock, START + 52 * DAY);
    let invoices = shop.get(&format!("/v1/invoices?customer={customer}"));
    assert_eq!(invoices["data"].as_array().map(Vec::len), Some(2));
}
