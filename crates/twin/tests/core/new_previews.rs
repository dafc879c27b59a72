//! Previews are refused like what they preview, and bill what it bills.

use serde_json::{Value, json};

use crate::changes::amounts;
use crate::coupons::coupon;
use crate::shop::{DAY, Shop, string};

const PREVIEW: &str = "/v1/invoices/create_preview";

/// What the creation of a subscription answers, and what its preview does: the error, if any.
fn both(shop: &mut Shop, customer: &str, terms: &[(&str, String)]) -> [Value; 2] {
    let part = |(name, value): &(&str, String), outer: bool| {
        let (first, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
        if outer {
            format!("&subscription_details[{first}]{rest}={value}")
        } else {
            format!("&{name}={value}")
        }
    };
    let body = |outer: bool| {
        let parts: String = terms.iter().map(|one| part(one, outer)).collect();
        format!("customer={customer}{parts}")
    };
    let preview = shop.send("POST", PREVIEW, &body(true), None).body;
    let created = shop.send("POST", "/v1/subscriptions", &body(false), None);
    [created.body, preview]
}

#[test]
fn a_preview_of_a_new_subscription_is_refused_like_its_creation() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let first = |price: &str| ("items[0][price]", price.to_owned());
    let past = (shop.now - DAY).to_string();
    let european = shop.customer("pm_card_visa");
    let euro = shop.euro_plan();
    shop.subscribe(&european, &euro, "");
    let names: Vec<String> = (0..21)
        .map(|place| format!("items[{place}][price]"))
        .collect();
    let many = names.iter().map(|name| (name.as_str(), plan.clone()));

    let cases = [
        (&european, vec![first(&plan)]),
        (
            &customer,
            vec![first(&plan), ("items[1][price]", plan.clone())],
        ),
        (&customer, many.collect()),
        (&customer, vec![first(&plan), ("trial_end", past.clone())]),
        (&customer, vec![first(&plan), ("cancel_at", past.clone())]),
        (
            &customer,
            vec![first(&plan), ("billing_cycle_anchor", past)],
        ),
        (
            &customer,
            vec![
                first(&plan),
                ("billing_cycle_anchor", (shop.now + 40 * DAY).to_string()),
            ],
        ),
        (&customer, vec![("items", String::new())]),
    ];
    for (customer, terms) in &cases {
        let [created, preview] = both(&mut shop, customer, terms);
        assert!(created["error"].is_object(), "{terms:?}: {created}");
        for name in ["message", "code"] {
            assert_eq!(preview["error"][name], created["error"][name], "{terms:?}");
        }
    }
    assert_eq!(shop.core.objects("subscription").len(), 1);
}

#[test]
fn a_preview_of_a_new_subscription_bills_what_its_creation_bills() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 1000);
    let large = shop.plan("PLUS", 2000);
    let anchor = (shop.now + 10 * DAY).to_string();
    let later = (shop.now + 7 * DAY).to_string();
    let items = [
        ("items[0][price]", plan),
        ("items[1][price]", large),
        ("items[1][quantity]", "3".to_owned()),
    ];
    for more in [
        vec![],
        vec![("billing_cycle_anchor", anchor.clone())],
        vec![
            ("billing_cycle_anchor", anchor),
            ("proration_behavior", "none".to_owned()),
        ],
        vec![("trial_end", later.clone())],
        vec![("cancel_at", later)],
    ] {
        let customer = shop.customer("pm_card_visa");
        let terms: Vec<_> = items.iter().cloned().chain(more.clone()).collect();
        let [created, preview] = both(&mut shop, &customer, &terms);
        let invoice = shop.see(&created["latest_invoice"]);
        assert_eq!(amounts(&preview), amounts(&invoice), "{more:?}");
    }
}

#[test]
fn a_preview_of_a_change_is_refused_like_the_change() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let open = string(&shop.subscribe(&customer, &plan, "")["id"]);
    let other = shop.customer("pm_card_visa");
    let ended = string(&shop.subscribe(&other, &plan, "")["id"]);
    shop.delete(&format!("/v1/subscriptions/{ended}"));
    let large = shop.plan("PLUS", 2000);

    for (id, name, value) in [
        (
            &open,
            "billing_cycle_anchor",
            (shop.now + 5 * DAY).to_string(),
        ),
        (&open, "trial_end", (shop.now - DAY).to_string()),
        (&open, "trial_end", (shop.now + 800 * DAY).to_string()),
        (&ended, "items[0][price]", large),
    ] {
        let (first, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
        let preview = format!("subscription={id}&subscription_details[{first}]{rest}={value}");
        let (_, shown) = shop.refused("POST", PREVIEW, &preview);
        let path = format!("/v1/subscriptions/{id}");
        let (_, refused) = shop.refused("POST", &path, &format!("{name}={value}"));
        assert_eq!(shown["message"], refused["message"], "{name}");
        assert_eq!(shown["code"], refused["code"], "{name}");
    }
}

#[test]
fn a_coupon_that_ends_before_the_next_invoice_is_not_on_its_preview() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let half = coupon(
        &mut shop,
        "percent_off=50&duration=repeating&duration_in_months=1",
    );
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));
    shop.wait(25 * DAY);

    let preview = shop.post(PREVIEW, &format!("subscription={}", string(&sub["id"])));
    let announced = shop.last("invoice.upcoming");
    shop.wait(7 * DAY);
    let billed = shop.see(&shop.see(&sub["id"])["latest_invoice"]);

    assert_eq!(preview["total"], 1000);
    assert_eq!(announced["data"]["object"]["total"], 1000);
    assert_eq!(billed["total"], 1000);
}

#[test]
fn a_coupon_of_two_months_is_on_the_preview_of_the_second() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1000);
    let half = coupon(
        &mut shop,
        "percent_off=50&duration=repeating&duration_in_months=2",
    );
    let sub = shop.subscribe(&customer, &plan, &format!("&discounts[0][coupon]={half}"));
    shop.wait(25 * DAY);

    let preview = shop.post(PREVIEW, &format!("subscription={}", string(&sub["id"])));

    assert_eq!(preview["total"], json!(500));
}
