//! Coupons and promotion codes: what refuses them, what counts them, and what they take off.

use serde_json::{Value, json};

use crate::shop::{DAY, NOW, Shop, good_card, string};

/// Creates a coupon.
pub fn coupon(shop: &mut Shop, terms: &str) -> String {
    string(&shop.post("/v1/coupons", terms)["id"])
}

fn code(shop: &mut Shop, coupon: &str, more: &str) -> String {
    let body = format!("promotion[type]=coupon&promotion[coupon]={coupon}{more}");
    string(&shop.post("/v1/promotion_codes", &body)["id"])
}

/// Tries to subscribe with a discount and returns the error.
fn refused(shop: &mut Shop, customer: &str, price: &str, discount: &str) -> Value {
    let body = format!("customer={customer}&items[0][price]={price}&discounts[0]{discount}");
    let rows = shop.core.objects("discount").len();
    shop.happened();
    let (status, error) = shop.refused("POST", "/v1/subscriptions", &body);
    assert_eq!(status, 400, "{error}");
    assert_eq!(
        shop.core.objects("discount").len(),
        rows,
        "a refusal leaves nothing"
    );
    assert!(shop.happened().is_empty());
    error
}

#[test]
fn a_coupon_needs_terms_that_take_something_off_and_end() {
    let mut shop = Shop::open();
    let past = NOW - 1;
    let cases = [
        ("", "Must provide percent_off or amount_off."),
        (
            "percent_off=10&amount_off=5&currency=usd",
            "Received both percent_off and amount_off parameters. Please pass in only one.",
        ),
        (
            "amount_off=5",
            "You must pass currency when passing amount_off",
        ),
        (
            "percent_off=10&duration=repeating",
            "The duration_in_months param must be set when creating a coupon with a repeating duration",
        ),
        (
            "percent_off=10&currency_options[eur][amount_off]=5",
            "You may only specify one of these parameters: currency_options, percent_off.",
        ),
        (
            "percent_off=0",
            "This value must be greater than or equal to 0.01.",
        ),
        (
            "percent_off=100.5",
            "This value must be less than or equal to 100.",
        ),
    ];
    for (terms, message) in cases {
        assert_eq!(
            shop.refused("POST", "/v1/coupons", terms).1["message"],
            message
        );
    }
    let (_, error) = shop.refused(
        "POST",
        "/v1/coupons",
        &format!("percent_off=5&redeem_by={past}"),
    );
    assert_eq!(error["param"], "redeem_by");
    assert!(shop.core.objects("coupon").is_empty());
}

#[test]
fn a_coupon_past_its_time_or_its_limit_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let once = coupon(&mut shop, "percent_off=10&max_redemptions=1&id=ONE");
    let late = coupon(
        &mut shop,
        &format!("percent_off=10&redeem_by={}&id=LATE", NOW + DAY),
    );
    shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={once}"));
    shop.wait(2 * DAY);

    let spent = refused(&mut shop, &customer, &plan, "[coupon]=ONE");
    let over = refused(&mut shop, &customer, &plan, "[coupon]=LATE");

    assert_eq!(
        spent["message"],
        "Coupon ONE is used up and cannot be applied."
    );
    assert_eq!(
        over["message"],
        "Coupon LATE is expired and cannot be applied."
    );
    assert_eq!(
        (&spent["code"], &over["code"]),
        (&json!("coupon_expired"), &json!("coupon_expired"))
    );
    for id in [once, late] {
        assert_eq!(shop.get(&format!("/v1/coupons/{id}"))["valid"], false);
    }
}

#[test]
fn a_promotion_code_for_first_purchases_refuses_customers_with_invoices() {
    let mut shop = Shop::open();
    let (new, old) = (shop.customer("pm_card_visa"), shop.customer("pm_card_visa"));
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&old, &plan, "");
    let half = coupon(&mut shop, "percent_off=50");
    let first = code(
        &mut shop,
        &half,
        "&restrictions[first_time_transaction]=true",
    );

    let error = refused(&mut shop, &old, &plan, &format!("[promotion_code]={first}"));
    let sub = shop.subscribe(
        &new,
        &plan,
        &format!("&discounts[0][promotion_code]={first}"),
    );

    assert_eq!(
        error["message"],
        "This promotion code cannot be redeemed because the associated customer has prior transactions."
    );
    assert_eq!(error["param"], "discounts[0][promotion_code]");
    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 950);
}

#[test]
fn a_promotion_code_refuses_another_customer_a_small_purchase_and_a_past_limit() {
    let mut shop = Shop::open();
    let (ann, bob) = (shop.customer("pm_card_visa"), shop.customer("pm_card_visa"));
    let plan = shop.plan("PRO", 1900);
    let half = coupon(&mut shop, "percent_off=50&max_redemptions=5");
    let for_ann = code(&mut shop, &half, &format!("&customer={ann}"));
    let large = code(
        &mut shop,
        &half,
        "&restrictions[minimum_amount]=1901&restrictions[minimum_amount_currency]=usd",
    );
    let once = code(&mut shop, &half, "&max_redemptions=1");
    let late = code(&mut shop, &half, &format!("&expires_at={}", NOW + DAY));
    shop.subscribe(
        &ann,
        &plan,
        &format!("&discounts[0][promotion_code]={once}"),
    );
    shop.wait(DAY);

    for (id, word) in [
        (&for_ann, "different customer"),
        (&large, "minimum amount requirement"),
        (&once, "maximum number of times"),
        (&late, "expired"),
    ] {
        let error = refused(&mut shop, &bob, &plan, &format!("[promotion_code]={id}"));
        assert!(string(&error["message"]).contains(word), "{error}");
    }
    assert_eq!(
        shop.get(&format!("/v1/promotion_codes/{once}"))["active"],
        false
    );
    assert_eq!(
        shop.get(&format!("/v1/promotion_codes/{late}"))["active"],
        false
    );
    shop.subscribe(
        &ann,
        &plan,
        &format!("&discounts[0][promotion_code]={for_ann}"),
    );
}

#[test]
fn a_promotion_code_cannot_outlive_or_outnumber_its_coupon() {
    let mut shop = Shop::open();
    let terms = format!("percent_off=50&max_redemptions=5&redeem_by={}", NOW + DAY);
    let half = coupon(&mut shop, &terms);
    let base = format!("promotion[type]=coupon&promotion[coupon]={half}");

    for (more, param) in [
        (format!("&expires_at={}", NOW + 2 * DAY), "expires_at"),
        (format!("&expires_at={}", NOW - 1), "expires_at"),
        ("&max_redemptions=6".to_owned(), "max_redemptions"),
        ("&code=a b".to_owned(), "code"),
        (
            "&restrictions[minimum_amount]=5".to_owned(),
            "restrictions[minimum_amount_currency]",
        ),
    ] {
        let (_, error) = shop.refused("POST", "/v1/promotion_codes", &format!("{base}{more}"));
        assert_eq!(error["param"], param, "{error}");
    }
    code(&mut shop, &half, "&code=HELLO");
    let (_, taken) = shop.refused("POST", "/v1/promotion_codes", &format!("{base}&code=hello"));
    assert_eq!(
        taken["message"],
        "An active promotion code with `code: hello` already exists."
    );
}

#[test]
fn a_coupon_for_a_product_applies_to_its_lines_only() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, seat) = (shop.plan("PRO", 2000), shop.plan("SEAT", 1000));
    let product = string(&shop.get(&format!("/v1/prices/{seat}"))["product"]);
    let half = coupon(
        &mut shop,
        &format!("percent_off=50&duration=forever&applies_to[products][0]={product}"),
    );

    let error = refused(&mut shop, &customer, &plan, &format!("[coupon]={half}"));
    let sub = shop.subscribe(
        &customer,
        &plan,
        &format!("&items[1][price]={seat}&discounts[0][coupon]={half}"),
    );

    assert_eq!(
        error["message"],
        "This coupon cannot be redeemed because it does not apply to anything in this order."
    );
    assert_eq!(error["code"], "coupon_applies_to_nothing");
    let invoice = shop.see(&sub["latest_invoice"]);
    let lines = invoice["lines"]["data"].as_array().unwrap();
    assert_eq!(lines[0]["discount_amounts"], json!([]));
    assert_eq!(lines[1]["discount_amounts"][0]["amount"], 500);
    assert_eq!(
        (&invoice["subtotal"], &invoice["total"]),
        (&json!(3000), &json!(2500))
    );
}

#[test]
fn a_coupon_in_another_currency_is_refused_unless_it_has_an_option() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let euros = coupon(&mut shop, "amount_off=500&currency=eur");
    let both = coupon(
        &mut shop,
        "amount_off=500&currency=eur&currency_options[usd][amount_off]=600",
    );

    let error = refused(&mut shop, &customer, &plan, &format!("[coupon]={euros}"));
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={both}"));

    assert!(string(&error["message"]).contains("currency"));
    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 1300);
}

#[test]
fn a_deleted_coupon_stays_with_those_who_have_it() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let half = coupon(&mut shop, "percent_off=50&duration=forever");
    let promo = code(&mut shop, &half, "");
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));

    shop.delete(&format!("/v1/coupons/{half}"));
    shop.wait(31 * DAY + 2 * 3600);

    let renewal = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
    assert_eq!(
        (&renewal["billing_reason"], &renewal["total"]),
        (&json!("subscription_cycle"), &json!(950))
    );
    let error = refused(&mut shop, &customer, &plan, &format!("[coupon]={half}"));
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(
        shop.get(&format!("/v1/promotion_codes/{promo}"))["active"],
        false
    );
}

#[test]
fn a_one_time_checkout_counts_one_redemption_when_it_is_completed() {
    let mut shop = Shop::open();
    let price = shop.price("PACK", 2000, "");
    let half = coupon(&mut shop, "percent_off=50&max_redemptions=1");
    let first = shop.session("payment", &price, &format!("&discounts[0][coupon]={half}"));
    let second = shop.session("payment", &price, &format!("&discounts[0][coupon]={half}"));
    let count =
        |shop: &mut Shop| shop.get(&format!("/v1/coupons/{half}"))["times_redeemed"].clone();
    let before = count(&mut shop);

    shop.core.pay_checkout(&first, good_card(), NOW).unwrap();
    let late = shop.core.pay_checkout(&second, good_card(), NOW);

    assert_eq!((before, count(&mut shop)), (json!(0), json!(1)));
    assert!(late.is_err(), "the coupon is used up");
    assert_eq!(shop.see(&json!(second))["status"], "open");
}

#[test]
fn checkout_refuses_coupons_that_cannot_be_redeemed() {
    let mut shop = Shop::open();
    let price = shop.price("PACK", 2000, "");
    let euros = coupon(&mut shop, "amount_off=500&currency=eur");
    let half = coupon(&mut shop, "percent_off=50");
    let large = code(
        &mut shop,
        &half,
        "&code=LARGE&restrictions[minimum_amount]=2001&restrictions[minimum_amount_currency]=usd",
    );
    let base = format!(
        "mode=payment&success_url=https://x.example/&line_items[0][price]={price}&line_items[0][quantity]=1&discounts[0]"
    );

    let (_, currency) = shop.refused(
        "POST",
        "/v1/checkout/sessions",
        &format!("{base}[coupon]={euros}"),
    );
    let (_, minimum) = shop.refused(
        "POST",
        "/v1/checkout/sessions",
        &format!("{base}[promotion_code]={large}"),
    );
    let open = shop.session("payment", &price, "&allow_promotion_codes=true");
    let entered = shop.core.apply_promotion_code(&open, "LARGE", NOW);

    let two = format!("{base}[coupon]={half}&discounts[1][coupon]={half}");
    let (_, several) = shop.refused("POST", "/v1/checkout/sessions", &two);
    assert_eq!(several["param"], "discounts");
    assert!(string(&currency["message"]).contains("currency"));
    assert!(string(&minimum["message"]).contains("minimum amount"));
    assert!(entered.is_err());
    assert_eq!(
        shop.see(&json!(open))["amount_total"],
        2000,
        "the refused code is not kept"
    );
}
