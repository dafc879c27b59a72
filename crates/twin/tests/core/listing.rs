//! Filters of lists, and the older paths of subscriptions.

use serde_json::json;

use crate::billing::{FEBRUARY, subscriber};
use crate::shop::{DAY, NOW, Shop, string};

fn ids(shop: &mut Shop, target: &str) -> Vec<String> {
    let page = shop.get(target);
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| string(&row["id"])).collect()
}

#[test]
fn subscriptions_are_listed_by_period_collection_price_and_status() {
    let mut shop = Shop::open();
    let (customer, monthly) = subscriber(&mut shop, "pm_card_visa");
    let monthly = string(&monthly);
    let yearly = shop.price("YEAR", 9000, "&recurring[interval]=year");
    let more = "&collection_method=send_invoice&days_until_due=9";
    let sent = string(&shop.subscribe(&customer, &yearly, more)["id"]);
    let mut list = |filter: &str| ids(&mut shop, &format!("/v1/subscriptions?{filter}"));

    assert_eq!(
        list(&format!("current_period_end[lte]={FEBRUARY}")),
        [monthly.as_str()]
    );
    assert_eq!(
        list(&format!("current_period_end={FEBRUARY}")),
        [monthly.as_str()]
    );
    assert_eq!(
        list(&format!("current_period_start[gt]={NOW}")),
        Vec::<String>::new()
    );
    assert_eq!(list("collection_method=send_invoice"), [sent.as_str()]);
    assert_eq!(list(&format!("price={yearly}")), [sent.as_str()]);
    assert_eq!(list("automatic_tax[enabled]=true"), Vec::<String>::new());
    assert_eq!(list("automatic_tax[enabled]=false").len(), 2);
    shop.delete(&format!("/v1/subscriptions/{monthly}"));
    let mut list = |filter: &str| ids(&mut shop, &format!("/v1/subscriptions?{filter}"));
    assert_eq!(list(""), [sent.as_str()]);
    assert_eq!(list("status=ended"), [monthly.as_str()]);
    assert_eq!(list("status=canceled"), [monthly.as_str()]);
    assert_eq!(list("status=all"), [sent, monthly]);
}

#[test]
fn invoices_are_listed_by_due_date_and_collection() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    shop.post("/v1/invoices", &format!("customer={customer}"));
    let body = format!("customer={customer}&collection_method=send_invoice&days_until_due=9");
    let due = string(&shop.post("/v1/invoices", &body)["id"]);
    let limit = NOW + 9 * DAY;

    assert_eq!(
        ids(&mut shop, &format!("/v1/invoices?due_date[lte]={limit}")),
        [due.as_str()]
    );
    assert_eq!(
        ids(&mut shop, &format!("/v1/invoices?due_date[lt]={limit}")),
        Vec::<String>::new()
    );
    assert_eq!(
        ids(&mut shop, "/v1/invoices?collection_method=send_invoice"),
        [due]
    );
}

#[test]
fn the_paths_below_a_customer_serve_its_own_subscriptions_only() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let other = shop.customer("");
    let plan = shop.plan("PRO", 1900);
    let base = format!("/v1/customers/{customer}/subscriptions");

    let made = shop.post(&base, &format!("items[0][price]={plan}"));
    let path = format!("{base}/{}", string(&made["id"]));
    let foreign = format!(
        "/v1/customers/{other}/subscriptions/{}",
        string(&made["id"])
    );
    let changed = shop.post(&path, "metadata[a]=b");
    let seen = shop.get(&path);
    let refused = shop.refused("GET", &foreign, "");
    let not_ended = shop.refused("DELETE", &foreign, "");
    let ended = shop.delete(&path);

    assert_eq!(
        (&made["customer"], &made["status"]),
        (&json!(customer), &json!("active"))
    );
    assert_eq!(
        (&changed["metadata"], &seen["metadata"]),
        (&json!({"a": "b"}), &json!({"a": "b"}))
    );
    assert_eq!((refused.0, not_ended.0), (404, 404));
    assert_eq!(ended["status"], "canceled");
}

#[test]
fn a_subscription_with_flexible_billing_cannot_be_migrated() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}/migrate", string(&sub));

    let (status, error) = shop.refused("POST", &path, "billing_mode[type]=flexible");

    assert_eq!(
        (status, &error["param"]),
        (400, &json!("billing_mode[type]"))
    );
}

#[test]
fn a_subscription_counts_its_items() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let plus = shop.plan("PLUS", 900);
    let before = shop.see(&sub)["items"]["total_count"].clone();

    shop.post(
        "/v1/subscription_items",
        &format!("subscription={}&price={plus}", string(&sub)),
    );

    assert_eq!(
        (&before, &shop.see(&sub)["items"]["total_count"]),
        (&json!(1), &json!(2))
    );
}
