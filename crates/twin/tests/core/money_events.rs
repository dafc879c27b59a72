//! Whoever follows the events knows the state: the last event about an object shows what retrieving
//! it shows.

use serde_json::Value;

use crate::shop::{DAY, HOUR, Shop, good_card, string};

/// Fields that change without an event, as recorded from Stripe: the sequence of invoice numbers and
/// the redemptions of a coupon.
const SILENT: [&str; 3] = ["next_invoice_sequence", "times_redeemed", "valid"];

/// Checks every object of the kinds against the last event about it.
#[track_caller]
fn assert_reported(shop: &mut Shop, step: &str) {
    shop.happened();
    let mut problems = Vec::new();
    for kind in ["customer", "invoice", "credit_note", "coupon"] {
        let ids: Vec<String> = shop
            .core
            .objects(kind)
            .iter()
            .map(|row| string(&row["id"]))
            .collect();
        for id in ids {
            let shown = shop.get(&format!("/v1/{kind}s/{id}"));
            let last = shop
                .events
                .iter()
                .rev()
                .find(|event| event["data"]["object"]["id"] == id.as_str())
                .unwrap_or_else(|| panic!("{step}: no event about {id}"));
            let told = &last["data"]["object"];
            for (name, value) in shown.as_object().unwrap() {
                if !SILENT.contains(&name.as_str()) && told[name] != *value {
                    let (told, kind) = (&told[name], &last["type"]);
                    problems.push(format!("{id} {name}: {kind} {told} but {value}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{step}: {problems:#?}");
}

fn post(shop: &mut Shop, path: &str, body: &str) -> Value {
    let made = shop.post(path, body);
    assert_reported(shop, &format!("{path} {body}"));
    made
}

#[test]
fn the_last_event_about_an_invoice_or_a_customer_shows_its_state() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let off = string(&post(&mut shop, "/v1/coupons", "percent_off=25&duration=once")["id"]);
    let path = format!("/v1/customers/{customer}");
    post(
        &mut shop,
        &path,
        "name=Bea&metadata[a]=b&address[country]=DE",
    );
    post(
        &mut shop,
        &format!("{path}/balance_transactions"),
        "amount=-100&currency=usd",
    );
    post(
        &mut shop,
        &format!("{path}/tax_ids"),
        "type=eu_vat&value=DE123456789",
    );

    let by = format!("customer={customer}&discounts[0][coupon]={off}&auto_advance=true");
    let draft = string(&post(&mut shop, "/v1/invoices", &by)["id"]);
    let invoice = format!("/v1/invoices/{draft}");
    let body = format!("customer={customer}&invoice={draft}&amount=2000");
    let item = string(&post(&mut shop, "/v1/invoiceitems", &body)["id"]);
    let item = format!("/v1/invoiceitems/{item}");
    post(&mut shop, &item, "quantity=3&description=Work");
    post(
        &mut shop,
        &format!("{invoice}/add_lines"),
        "lines[0][amount]=500",
    );
    let lines = shop.get(&format!("{invoice}/lines"));
    let line = string(&lines["data"][1]["id"]);
    post(&mut shop, &format!("{invoice}/lines/{line}"), "amount=700");
    let body = format!("lines[0][id]={line}&lines[0][behavior]=unassign");
    post(&mut shop, &format!("{invoice}/remove_lines"), &body);
    post(&mut shop, &invoice, "description=Thanks&discounts=");
    shop.wait(HOUR);
    assert_reported(&mut shop, "finalized and paid an hour later");

    let body = format!("invoice={draft}&amount=1000&credit_amount=400&refund_amount=600");
    let note = string(&post(&mut shop, "/v1/credit_notes", &body)["id"]);
    post(&mut shop, &format!("/v1/credit_notes/{note}"), "memo=Sorry");
    shop.delete(&format!("/v1/coupons/{off}"));
    assert_reported(&mut shop, "coupon deleted");
}

#[test]
fn the_last_event_shows_the_state_of_open_void_and_uncollectible_invoices() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let open = |shop: &mut Shop| {
        let body = format!("customer={customer}&collection_method=send_invoice&days_until_due=3");
        let draft = string(&post(shop, "/v1/invoices", &body)["id"]);
        let body = format!("customer={customer}&invoice={draft}&amount=2000");
        post(shop, "/v1/invoiceitems", &body);
        let path = format!("/v1/invoices/{draft}");
        post(shop, &format!("{path}/send"), "");
        (draft, path)
    };

    let (draft, path) = open(&mut shop);
    let note = format!("invoice={draft}&amount=500");
    let note = string(&post(&mut shop, "/v1/credit_notes", &note)["id"]);
    post(&mut shop, &format!("/v1/credit_notes/{note}/void"), "");
    post(&mut shop, &format!("{path}/void"), "");
    let (_, path) = open(&mut shop);
    post(&mut shop, &format!("{path}/mark_uncollectible"), "");
    let (_, path) = open(&mut shop);
    shop.wait(4 * DAY);
    assert_reported(&mut shop, "overdue");
    post(&mut shop, &format!("{path}/pay"), "paid_out_of_band=true");
    let (_, path) = open(&mut shop);
    post(&mut shop, &path, "metadata[a]=b");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.refused("POST", &format!("{path}/pay"), "");
    assert_reported(&mut shop, "declined");
    shop.give_card(&customer, "pm_card_authenticationRequired");
    shop.refused("POST", &format!("{path}/pay"), "off_session=false");
    assert_reported(&mut shop, "waits for the customer");
}

#[test]
fn the_last_event_shows_the_state_of_the_invoices_of_subscriptions() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, better) = (shop.plan("PRO", 2000), shop.plan("MAX", 5000));
    let off = string(&post(&mut shop, "/v1/coupons", "percent_off=50&duration=once")["id"]);
    let code = format!("promotion[type]=coupon&promotion[coupon]={off}");
    let code = string(&post(&mut shop, "/v1/promotion_codes", &code)["id"]);

    let body =
        format!("customer={customer}&items[0][price]={plan}&discounts[0][promotion_code]={code}");
    let sub = post(&mut shop, "/v1/subscriptions", &body);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let item = string(&sub["items"]["data"][0]["id"]);
    shop.wait(10 * DAY);
    let change = format!("items[0][id]={item}&items[0][price]={better}");
    post(
        &mut shop,
        &path,
        &format!("{change}&proration_behavior=always_invoice"),
    );
    shop.wait(22 * DAY);
    assert_reported(&mut shop, "renewed");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY);
    assert_reported(&mut shop, "past due");
    shop.wait(40 * DAY);
    assert_reported(&mut shop, "ended");
    shop.delete(&format!("/v1/customers/{customer}"));
    assert_reported(&mut shop, "deleted");

    let session = shop.session("subscription", &plan, "");
    let now = shop.now;
    shop.core.pay_checkout(&session, good_card(), now).unwrap();
    assert_reported(&mut shop, "bought in Checkout");
}
