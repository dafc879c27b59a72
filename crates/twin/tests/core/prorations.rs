//! Prorations under flexible billing: credits give back what was debited.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use serde_json::{Value, json};

use crate::changes::{amounts, change};
use crate::coupons::coupon;
use crate::shop::{DAY, Shop, string};

/// The seconds of a month of 30 days.
const MONTH: i64 = 30 * DAY;
const NOW_AND_BILL: &str = "&proration_behavior=always_invoice";

/// A shop on the first of April, whose month has 30 days.
fn in_april() -> Shop {
    let mut shop = Shop::open();
    shop.wait(90 * DAY);
    shop
}

/// A customer on a plan of $20 with a coupon, and the price of a plan of $50.
fn on_coupon(shop: &mut Shop, terms: &str) -> (String, Value, String) {
    let coupon = coupon(shop, terms);
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let plus = shop.plan("PLUS", 5000);
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={coupon}"));
    shop.happened();
    (customer, sub, plus)
}

fn changed(shop: &mut Shop, sub: &Value, price: &str, more: &str) -> Value {
    let (path, body) = change(sub, price, more);
    let after = shop.post(&path, &body);
    shop.see(&after["latest_invoice"])
}

fn pending_amounts(shop: &Shop) -> Vec<i64> {
    let all = shop.core.objects("invoiceitem");
    let pending = all.iter().filter(|item| item["invoice"].is_null());
    pending
        .map(|item| item["amount"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_plan_with_half_off_that_ends_at_half_time_credits_half_of_what_was_paid() {
    let mut shop = in_april();
    let (_, sub, _) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    // 47.5% of the period is left.
    shop.wait(MONTH - MONTH * 475 / 1000);

    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    shop.send("DELETE", &path, "prorate=true", None);

    assert_eq!(pending_amounts(&shop), [-475]);
}

#[test]
fn an_upgrade_with_half_off_charges_half_of_the_difference() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    // 46.4% of the period is left.
    shop.wait(MONTH - MONTH * 464 / 1000);

    let invoice = changed(&mut shop, &sub, &plus, NOW_AND_BILL);

    assert_eq!(amounts(&invoice), [-464, 1160]);
    assert_eq!(
        (&invoice["total"], &invoice["amount_paid"]),
        (&json!(696), &json!(696))
    );
    assert_eq!(invoice["total_discount_amounts"], json!([]));
}

#[test]
fn the_same_upgrade_without_a_coupon_charges_the_whole_difference() {
    let mut shop = in_april();
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 2000), shop.plan("PLUS", 5000));
    let sub = shop.subscribe(&customer, &plan, "");
    shop.wait(MONTH - MONTH * 464 / 1000);

    let invoice = changed(&mut shop, &sub, &plus, NOW_AND_BILL);

    assert_eq!(invoice["total"], 1392);
}

#[test]
fn a_plan_that_was_free_by_its_coupon_credits_nothing() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "percent_off=100&duration=once");
    shop.wait(MONTH / 2);

    let invoice = changed(&mut shop, &sub, &plus, NOW_AND_BILL);

    assert_eq!(amounts(&invoice), [2500]);
}

#[test]
fn a_change_that_was_not_debited_is_not_credited_later() {
    let mut shop = in_april();
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 2000), shop.plan("PLUS", 5000));
    let sub = shop.subscribe(&customer, &plan, "");
    let (path, body) = change(&sub, &plus, "&proration_behavior=none");
    shop.wait(MONTH / 2);
    shop.post(&path, &body);

    let invoice = changed(&mut shop, &sub, &plan, NOW_AND_BILL);

    // The $20 that were debited are credited, and debited again; the $50 never were.
    assert_eq!(amounts(&invoice), [-1000, 1000]);
}

#[test]
fn each_debit_of_a_period_is_credited_once() {
    let mut shop = in_april();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("SEAT", 1000);
    let sub = shop.subscribe(&customer, &plan, "");
    let item = string(&sub["items"]["data"][0]["id"]);
    let bill = |shop: &mut Shop, quantity: i64| {
        let body = format!("quantity={quantity}{NOW_AND_BILL}");
        shop.post(&format!("/v1/subscription_items/{item}"), &body);
        let after = shop.see(&sub["id"]);
        amounts(&shop.see(&after["latest_invoice"]))
    };
    shop.wait(MONTH / 2);

    let first = bill(&mut shop, 3);
    shop.wait(MONTH / 4);
    let second = bill(&mut shop, 1);
    let third = bill(&mut shop, 2);

    assert_eq!(first, [-500, 1500]);
    assert_eq!(second, [-750, 250]);
    assert_eq!(third, [-250, 500]);
}

#[test]
fn a_credit_names_the_debit_that_it_gives_back() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    let first = shop.see(&sub["latest_invoice"]);
    shop.wait(MONTH / 2);

    let (path, body) = change(&sub, &plus, "");
    shop.post(&path, &body);
    let items = shop.core.objects("invoiceitem");
    let (credit, debit) = (items[0].clone(), items[1].clone());
    shop.wait(MONTH / 4);
    let ended = string(&sub["id"]);
    shop.send(
        "DELETE",
        &format!("/v1/subscriptions/{ended}"),
        "prorate=true",
        None,
    );

    let line = &first["lines"]["data"][0]["id"];
    assert_eq!(
        credit["proration_details"]["credited_items"],
        json!({"invoice_line_item_details": {"invoice": first["id"], "invoice_line_items": [line]},
               "type": "invoice_line_items"})
    );
    assert_eq!(
        (&credit["amount"], &debit["amount"]),
        (&json!(-500), &json!(1250))
    );
    let last = shop.core.objects("invoiceitem")[2].clone();
    assert_eq!(last["amount"], -625);
    assert_eq!(
        last["proration_details"]["credited_items"],
        json!({"invoice_item": debit["id"], "type": "invoice_item"})
    );
}

#[test]
fn prorations_are_not_discountable_and_name_the_discounts_that_they_contain() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    let discount = &sub["discounts"][0];
    shop.wait(MONTH / 2);

    let (path, body) = change(&sub, &plus, "");
    shop.post(&path, &body);

    let debit = shop.core.objects("invoiceitem")[1].clone();
    assert_eq!(
        (&debit["discountable"], &debit["net_amount"]),
        (&json!(false), &json!(1250))
    );
    assert_eq!(
        debit["proration_details"]["discount_amounts"],
        json!([{"amount": 1250, "discount": discount}])
    );
}

#[test]
fn a_coupon_with_an_amount_is_prorated_too() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "amount_off=500&currency=usd&duration=forever");
    shop.wait(MONTH / 2);

    let invoice = changed(&mut shop, &sub, &plus, NOW_AND_BILL);

    assert_eq!(amounts(&invoice), [-750, 2250]);
}

#[test]
fn a_pending_update_that_expires_takes_its_credits_back() {
    let mut shop = in_april();
    let (customer, sub, plus) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    shop.wait(MONTH / 2);
    shop.decline(&customer, "insufficient_funds");
    let pending = "&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete";
    changed(&mut shop, &sub, &plus, pending);
    shop.wait(DAY);

    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    shop.send("DELETE", &path, "prorate=true", None);

    // 14 of 30 days of the $10 that were paid.
    assert_eq!(pending_amounts(&shop), [-467]);
}

#[test]
fn an_added_item_is_debited_with_its_share_of_the_discount() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "amount_off=700&currency=usd&duration=forever");
    shop.wait(MONTH / 2);
    let body = format!("items[0][price]={plus}{NOW_AND_BILL}");

    let after = shop.post(&format!("/v1/subscriptions/{}", string(&sub["id"])), &body);

    // 700 over 2000 and 5000: 500 belong to the new item, of which half of the period is left.
    assert_eq!(amounts(&shop.see(&after["latest_invoice"])), [2250]);
}

#[test]
fn itemized_prorations_show_their_discounts_apart() {
    let mut shop = in_april();
    let (_, sub, plus) = on_coupon(&mut shop, "percent_off=50&duration=forever");
    let discount = &sub["discounts"][0];
    shop.wait(MONTH / 2);
    let item = string(&sub["items"]["data"][0]["id"]);

    let body = format!(
        "subscription={}&subscription_details[billing_mode][type]=flexible&subscription_details[billing_mode][flexible][proration_discounts]=itemized&subscription_details[items][0][id]={item}&subscription_details[items][0][price]={plus}&subscription_details[proration_behavior]=always_invoice",
        string(&sub["id"])
    );
    let preview = shop.post("/v1/invoices/create_preview", &body);

    assert_eq!(amounts(&preview), [-1000, 2500]);
    let lines = &preview["lines"]["data"];
    assert_eq!(
        lines[0]["discount_amounts"],
        json!([{"amount": -500, "discount": discount}])
    );
    assert_eq!(
        lines[1]["discount_amounts"],
        json!([{"amount": 1250, "discount": discount}])
    );
    assert_eq!(
        (&preview["total"], &preview["subtotal"]),
        (&json!(750), &json!(750))
    );
}
