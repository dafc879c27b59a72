//! Discounts: how they spread over invoices, when they end, and who has them.

use serde_json::{Value, json};

use crate::coupons::coupon;
use crate::shop::{DAY, NOW, Shop, card, good_card, string};

#[test]
fn discounts_are_spread_over_the_lines_and_add_up() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (one, two, three) = (
        shop.plan("A", 1000),
        shop.plan("B", 1000),
        shop.plan("C", 1000),
    );
    let off = coupon(&mut shop, "amount_off=100&currency=usd&duration=forever");

    let sub = shop.subscribe(
        &customer,
        &one,
        &format!("&items[1][price]={two}&items[2][price]={three}&discounts[0][coupon]={off}"),
    );

    let invoice = shop.see(&sub["latest_invoice"]);
    let parts: Vec<i64> = invoice["lines"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["discount_amounts"][0]["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(parts, [33, 34, 33]);
    assert_eq!(
        invoice["total_discount_amounts"],
        json!([{"amount": 100, "discount": sub["discounts"][0]}])
    );
    assert_eq!(invoice["total"], 2900);
}

#[test]
fn discounts_of_items_come_before_those_of_the_subscription() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let tenth = coupon(&mut shop, "percent_off=10&duration=forever");

    let sub = shop.subscribe(
        &customer,
        &plan,
        &format!("&items[0][discounts][0][coupon]={half}&discounts[0][coupon]={tenth}"),
    );

    let invoice = shop.see(&sub["latest_invoice"]);
    // The discounts of lines are already in the subtotal.
    assert_eq!(
        (&invoice["subtotal"], &invoice["total"]),
        (&json!(1000), &json!(900))
    );
}

#[test]
fn deleting_the_discount_of_a_subscription_ends_it() {
    let mut shop = Shop::open();
    let (customer, other) = (shop.customer("pm_card_visa"), shop.customer(""));
    let plan = shop.plan("PRO", 1900);
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    shop.happened();
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));
    let id = string(&sub["id"]);
    assert!(shop.did("customer.discount.created"));

    let (status, _) = shop.refused(
        "GET",
        &format!("/v1/customers/{other}/subscriptions/{id}/discount"),
        "",
    );
    let shown = shop.get(&format!(
        "/v1/customers/{customer}/subscriptions/{id}/discount"
    ));
    let gone = shop.delete(&format!("/v1/subscriptions/{id}/discount"));
    let (again, error) = shop.refused("DELETE", &format!("/v1/subscriptions/{id}/discount"), "");

    assert_eq!(status, 404);
    assert_eq!(
        (&shown["id"], &gone["deleted"]),
        (&gone["id"], &json!(true))
    );
    assert_eq!((again, &error["code"]), (404, &json!("resource_missing")));
    assert_eq!(shop.see(&sub["id"])["discounts"], json!([]));
    assert!(shop.did("customer.discount.deleted"));
    shop.wait(31 * DAY + 2 * 3600);
    assert_eq!(
        shop.see(&shop.see(&sub["id"])["latest_invoice"])["total"],
        1900
    );
}

#[test]
fn a_coupon_that_applies_once_ends_with_the_first_invoice_that_it_reduces() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let half = coupon(&mut shop, "percent_off=50&duration=once");
    shop.happened();
    let more = format!("&trial_period_days=10&discounts[0][coupon]={half}");
    let sub = shop.subscribe(&customer, &plan, &more);
    let kept = shop.see(&sub["id"])["discounts"].clone();

    shop.wait(10 * DAY + 2 * 3600);

    assert_eq!(
        kept.as_array().unwrap().len(),
        1,
        "a free trial does not use it up"
    );
    assert_eq!(
        shop.see(&shop.see(&sub["id"])["latest_invoice"])["total"],
        950
    );
    assert_eq!(shop.see(&sub["id"])["discounts"], json!([]));
    assert!(shop.did("customer.discount.deleted"));
}

#[test]
fn only_older_versions_give_a_customer_a_coupon() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let customer = shop.customer("");
    let own = format!("/v1/customers/{customer}");
    for (version, status) in [
        (None, 400),
        (Some("2025-03-31.basil"), 400),
        (Some("2025-02-24.acacia"), 200),
    ] {
        for path in ["/v1/customers", &own] {
            let body = format!("coupon={half}");
            let answer = shop.send_as_of(version, ("POST", path), &body, None);

            assert_eq!(answer.status, status, "{version:?} {path}");
            if status == 400 {
                assert_eq!(answer.body["error"]["code"], "parameter_unknown");
                assert_eq!(answer.body["error"]["param"], "coupon");
                assert!(shop.see(&json!(customer))["discount"].is_null());
            } else {
                assert_eq!(answer.body["discount"]["source"]["coupon"], half.as_str());
            }
        }
    }
    let (_, error) = shop.refused("POST", &own, "promotion_code=promo_1");
    assert_eq!(error["param"], "promotion_code");
}

#[test]
fn only_older_versions_name_the_coupon_of_a_promotion_code_directly() {
    let mut shop = Shop::open();
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let path = "/v1/promotion_codes";
    let body = format!("coupon={half}");

    let now = shop.send("POST", path, &body, None);
    let clover = shop.send_as_of(Some("2025-09-30.clover"), ("POST", path), &body, None);
    let older = shop.send_as_of(Some("2025-08-27.basil"), ("POST", path), &body, None);

    assert_eq!((now.status, clover.status, older.status), (400, 400, 200));
    assert_eq!(older.body["promotion"]["coupon"], half.as_str());
}

#[test]
fn the_discount_of_a_customer_applies_to_invoices_that_have_no_other() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let tenth = coupon(&mut shop, "percent_off=10&duration=forever");
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    shop.post_discounted(
        &format!("/v1/customers/{customer}"),
        &format!("coupon={tenth}"),
    );
    shop.happened();

    let plain = shop.subscribe(&customer, &plan, "");
    let own = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));
    let shown = shop.get(&format!("/v1/customers/{customer}/discount"));
    shop.happened();
    shop.post_discounted(
        &format!("/v1/customers/{customer}"),
        &format!("coupon={half}"),
    );
    let switched = shop.did("customer.discount.updated");
    shop.delete(&format!("/v1/customers/{customer}/discount"));

    assert_eq!(shop.see(&plain["latest_invoice"])["total"], 1800);
    assert_eq!(shop.see(&own["latest_invoice"])["total"], 1000);
    assert_eq!(shown["source"]["coupon"], tenth.as_str());
    assert!(switched && shop.did("customer.discount.deleted"));
    assert!(shop.see(&json!(customer))["discount"].is_null());
    let (status, _) = shop.refused("GET", &format!("/v1/customers/{customer}/discount"), "");
    assert_eq!(status, 404);
}

#[test]
fn invoice_items_and_invoices_have_discounts_of_their_own() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let half = coupon(&mut shop, "percent_off=50");
    let base = format!("customer={customer}&amount=1000&currency=usd");
    shop.post(
        "/v1/invoiceitems",
        &format!("{base}&discounts[0][coupon]={half}"),
    );
    shop.post("/v1/invoiceitems", &format!("{base}&discountable=false"));

    let body = format!("customer={customer}&pending_invoice_items_behavior=include");
    let invoice = shop.post("/v1/invoices", &body);

    assert_eq!(invoice["total"], 1500);
    assert_eq!(
        invoice["lines"]["data"][0]["discount_amounts"][0]["amount"],
        500
    );
    assert_eq!(invoice["lines"]["data"][1]["discountable"], false);
    let item = shop.core.objects("invoiceitem")[0].clone();
    assert_eq!(item["discounts"].as_array().unwrap().len(), 1);
    assert_eq!(item.get("net_amount"), None);
}

#[test]
fn a_retry_with_the_same_key_redeems_once_and_a_refused_payment_redeems_nothing() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let half = coupon(&mut shop, "percent_off=50&max_redemptions=5");
    let body = format!("customer={customer}&items[0][price]={plan}&discounts[0][coupon]={half}");

    shop.decline(&customer, "insufficient_funds");
    let strict = format!("{body}&payment_behavior=error_if_incomplete");
    let (status, _) = shop.refused("POST", "/v1/subscriptions", &strict);
    let refused = shop.get(&format!("/v1/coupons/{half}"))["times_redeemed"].clone();
    let one = shop.send("POST", "/v1/subscriptions", &body, Some("k"));
    let two = shop.send("POST", "/v1/subscriptions", &body, Some("k"));

    assert_eq!((status, refused), (402, json!(0)));
    assert_eq!(one.body["id"], two.body["id"]);
    assert_eq!(
        shop.get(&format!("/v1/coupons/{half}"))["times_redeemed"],
        1
    );
}

#[test]
fn a_code_that_is_entered_after_a_decline_lowers_the_payment() {
    let mut shop = Shop::open();
    let price = shop.price("PACK", 2000, "");
    let half = coupon(&mut shop, "percent_off=50");
    let body = format!("promotion[type]=coupon&promotion[coupon]={half}&code=HALF");
    shop.post("/v1/promotion_codes", &body);
    let id = shop.session("payment", &price, "&allow_promotion_codes=true");
    let declined = shop
        .core
        .pay_checkout(&id, card("4000 0000 0000 9995"), NOW);

    shop.core.apply_promotion_code(&id, "HALF", NOW).unwrap();
    let session = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert!(declined.is_err());
    assert_eq!(session["amount_total"], 1000);
    assert_eq!(
        shop.see(&session["payment_intent"])["amount_received"],
        1000
    );
}

#[test]
fn a_coupon_shows_its_products_and_currencies_only_when_they_are_expanded() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 2000);
    let product = string(&shop.get(&format!("/v1/prices/{plan}"))["product"]);
    let terms = format!(
        "amount_off=5&currency=usd&applies_to[products][0]={product}&currency_options[eur][amount_off]=4"
    );
    let id = coupon(&mut shop, &terms);

    let plain = shop.get(&format!("/v1/coupons/{id}"));
    let path = format!("/v1/coupons/{id}?expand[]=applies_to&expand[]=currency_options");
    let whole = shop.get(&path);

    assert_eq!(plain.get("applies_to"), None);
    assert_eq!(whole["applies_to"]["products"], json!([product]));
    assert_eq!(whole["currency_options"]["eur"]["amount_off"], 4);
}

#[test]
fn one_time_items_of_a_subscription_have_discounts_and_tax_rates() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, setup) = (shop.plan("PRO", 2000), shop.price("SETUP", 1000, ""));
    let half = coupon(&mut shop, "percent_off=50");
    let rate = shop.post(
        "/v1/tax_rates",
        "display_name=VAT&percentage=10&inclusive=false",
    );

    let more = format!(
        "&add_invoice_items[0][price]={setup}&add_invoice_items[0][discounts][0][coupon]={half}&add_invoice_items[0][tax_rates][0]={}",
        string(&rate["id"])
    );
    let sub = shop.subscribe(&customer, &plan, &more);

    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 2000 + 550);
}

/// A customer who has a discount of half the price, a plan of $20.00 and the id of the discount.
fn discounted_buyer(shop: &mut Shop) -> (String, String, Value) {
    let (customer, plan) = shop.buyer("pm_card_visa", 2000);
    let half = coupon(shop, "percent_off=50&duration=forever");
    let path = format!("/v1/customers/{customer}");
    let holder = shop.post_discounted(&path, &format!("coupon={half}"));
    let held = holder["discount"]["id"].clone();
    (customer, plan, held)
}

#[test]
fn a_subscription_lends_the_discount_of_its_customer_and_does_not_take_it() {
    let mut shop = Shop::open();
    let (customer, plan, held) = discounted_buyer(&mut shop);
    let (one, two) = (
        shop.subscribe(&customer, &plan, ""),
        shop.subscribe(&customer, &plan, ""),
    );
    shop.happened();

    for sub in [&one, &two] {
        let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
        let lent = shop.post(&path, &format!("discounts[0][discount]={}", string(&held)));
        assert_eq!(lent["discounts"], json!([held]));
        assert_eq!(shop.happened(), ["customer.subscription.updated"]);
    }
    let path = format!("/v1/subscriptions/{}", string(&one["id"]));
    assert_eq!(shop.post(&path, "discounts=")["discounts"], json!([]));
    let path = format!("/v1/subscriptions/{}", string(&two["id"]));
    shop.delete(&format!("{path}/discount"));
    assert_eq!(shop.see(&two["id"])["discounts"], json!([]));
    assert_eq!(
        shop.happened(),
        [
            "customer.subscription.updated",
            "customer.subscription.updated"
        ]
    );
    assert_eq!(shop.see(&json!(customer))["discount"]["id"], held);
}

#[test]
fn the_discount_of_a_customer_ends_on_every_subscription_that_has_it() {
    let mut shop = Shop::open();
    let (customer, plan, held) = discounted_buyer(&mut shop);
    let more = format!("&discounts[0][discount]={}", string(&held));
    let subs = [
        shop.subscribe(&customer, &plan, &more),
        shop.subscribe(&customer, &plan, &more),
    ];

    shop.delete(&format!("/v1/customers/{customer}/discount"));

    for sub in &subs {
        assert_eq!(shop.see(&sub["id"])["discounts"], json!([]));
    }
}

#[test]
fn one_redemption_reduces_an_invoice_once() {
    for (terms, expected) in [
        ("amount_off=500&currency=usd&duration=once", 2500),
        ("percent_off=50&duration=forever", 1500),
    ] {
        let mut shop = Shop::open();
        let (customer, plan) = shop.buyer("pm_card_visa", 2000);
        let off = coupon(&mut shop, terms);
        let more = format!("&discounts[0][coupon]={off}&trial_period_days=5");
        let sub = shop.subscribe(&customer, &plan, &more);
        let held = sub["discounts"][0].clone();
        for _ in 0..2 {
            let item = format!(
                "customer={customer}&subscription={}&amount=500&currency=usd&discounts[0][discount]={}",
                string(&sub["id"]),
                string(&held)
            );
            shop.post("/v1/invoiceitems", &item);
        }

        shop.wait(5 * DAY + 3_700);

        let paid = crate::billing::latest_invoice(&shop, &sub["id"]);
        assert_eq!(paid["total"], expected, "{terms}");
    }
}
