//! What may stand together on one subscription: prices of one currency and one interval, and
//! one-time prices that can be bought.

use serde_json::{Value, json};

use crate::phases::{SCHEDULES, first_phase};
use crate::shop::{Shop, string};

const OTHER: &str =
    "The price specified only supports `eur`. This doesn't match the expected currency: `usd`.";

/// Creates a one-time price of 5.00 in euros.
fn euro_pack(shop: &mut Shop) -> String {
    let body = "product_data[name]=PACK&unit_amount=500&currency=eur";
    string(&shop.post("/v1/prices", body)["id"])
}

/// The message and the parameter of a refused call, which must change nothing.
fn refusal(shop: &mut Shop, path: &str, body: &str) -> (Value, Value) {
    shop.happened();
    let (status, error) = shop.refused("POST", path, body);
    assert_eq!(status, 400, "{error}");
    assert!(shop.happened().is_empty(), "a refused call has no event");
    (error["message"].clone(), error["param"].clone())
}

#[test]
fn one_time_items_of_a_subscription_have_its_currency() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let pack = euro_pack(&mut shop);
    let item = format!("add_invoice_items[0][price]={pack}");
    let inline = format!(
        "add_invoice_items[0][price_data][currency]=eur&add_invoice_items[0][price_data][unit_amount]=5&add_invoice_items[0][price_data][product]={}",
        string(&shop.see(&json!(pack))["product"])
    );
    let body = format!("customer={customer}&items[0][price]={plan}&{item}");

    let created = refusal(&mut shop, "/v1/subscriptions", &body);
    let sub = shop.subscribe(&customer, &plan, "");
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let updated = refusal(&mut shop, &path, &item);
    let described = refusal(&mut shop, &path, &inline);

    let named = json!("add_invoice_items[0][price]");
    assert_eq!(created, (json!(OTHER), named.clone()));
    assert_eq!(updated, (json!(OTHER), named));
    assert_eq!(
        described,
        (
            json!(OTHER),
            json!("add_invoice_items[0][price_data][currency]")
        )
    );
}

#[test]
fn all_phases_of_a_schedule_have_one_currency() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let (euros, pack) = (shop.euro_plan(), euro_pack(&mut shop));
    let first = first_phase(&plan, "&phases[0][iterations]=1");

    let later =
        format!("customer={customer}&start_date=now{first}&phases[1][items][0][price]={euros}");
    let later = refusal(&mut shop, SCHEDULES, &later);
    let extra = format!(
        "customer={customer}&start_date=now{first}&phases[0][add_invoice_items][0][price]={pack}"
    );
    let extra = refusal(&mut shop, SCHEDULES, &extra);

    assert_eq!(later, (json!(OTHER), json!("phases[1][items][0][price]")));
    assert_eq!(
        extra,
        (
            json!(OTHER),
            json!("phases[0][add_invoice_items][0][price]")
        )
    );
}

#[test]
fn a_preview_of_a_new_subscription_has_one_currency() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let euros = shop.euro_plan();
    let path = "/v1/invoices/create_preview";
    let item =
        |index: usize, price: &str| format!("&subscription_details[items][{index}][price]={price}");

    let both = format!("customer={customer}{}{}", item(0, &plan), item(1, &euros));
    let (both, named) = refusal(&mut shop, path, &both);
    let wished = format!("customer={customer}&currency=usd{}", item(0, &euros));
    let wished = refusal(&mut shop, path, &wished);
    let pending = format!(
        "customer={customer}&invoice_items[0][amount]=100&invoice_items[0][currency]=usd{}",
        item(0, &euros)
    );
    let (pending, _) = refusal(&mut shop, path, &pending);

    assert!(string(&both).starts_with("This `price` has `currency=eur`"));
    assert_eq!(named, "subscription_details[items][1][price]");
    assert_eq!(
        wished,
        (json!(OTHER), json!("subscription_details[items][0][price]"))
    );
    assert!(string(&pending).starts_with("You cannot combine currencies"));
}

#[test]
fn what_is_billed_beside_a_subscription_is_an_active_one_time_price() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let retired = shop.price("OLD", 500, "");
    shop.post(&format!("/v1/prices/{retired}"), "active=false");
    let sub = shop.subscribe(&customer, &plan, "");
    let other = shop.customer("pm_card_visa");

    for price in [&plan, &retired] {
        let item = format!("add_invoice_items[0][price]={price}");
        let create = format!("customer={other}&items[0][price]={plan}&{item}");
        let update = format!("/v1/subscriptions/{}", string(&sub["id"]));
        let more = format!("&phases[0][add_invoice_items][0][price]={price}");
        let phases = format!(
            "customer={other}&start_date=now{}",
            first_phase(&plan, &more)
        );
        for (path, body, named) in [
            (
                "/v1/subscriptions",
                create.as_str(),
                "add_invoice_items[0][price]",
            ),
            (
                update.as_str(),
                item.as_str(),
                "add_invoice_items[0][price]",
            ),
            (
                SCHEDULES,
                phases.as_str(),
                "phases[0][add_invoice_items][0][price]",
            ),
        ] {
            let (message, param) = refusal(&mut shop, path, body);

            assert!(string(&message).contains("field only accepts"), "{message}");
            assert_eq!(param, named);
        }
    }
}

#[test]
fn several_intervals_on_a_subscription_are_refused_as_not_served() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let yearly = shop.price("YEAR", 19_000, "&recurring[interval]=year");
    let body = format!("customer={customer}&items[0][price]={plan}&items[1][price]={yearly}");

    let (message, param) = refusal(&mut shop, "/v1/subscriptions", &body);

    assert_eq!(
        (message, param),
        (
            json!("A subscription with prices of several intervals is not served by this twin."),
            json!("items")
        )
    );
}
