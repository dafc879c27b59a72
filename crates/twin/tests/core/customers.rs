//! Customers: what they refuse, their balances by currency, and the events about them.

use serde_json::{Value, json};

use crate::shop::{DAY, HOUR, Shop, string};

fn update(shop: &mut Shop, customer: &str, body: &str) -> Value {
    shop.post(&format!("/v1/customers/{customer}"), body)
}

/// The previous values in the `customer.updated` events since the last call.
fn changes(shop: &mut Shop) -> Vec<Value> {
    let from = shop.events.len();
    shop.happened();
    let fresh = shop.events[from..].iter();
    fresh
        .filter(|event| event["type"] == "customer.updated")
        .map(|event| event["data"]["previous_attributes"].clone())
        .collect()
}

#[test]
fn the_numbers_of_invoices_follow_a_valid_prefix_and_sequence() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");

    for prefix in ["AB", "abc", "ABC-1", "ABCDEFGHIJKLM", "ÄBC"] {
        let body = format!("invoice_prefix={prefix}");
        let (status, error) = shop.refused("POST", "/v1/customers", &body);
        assert_eq!((status, &error["param"]), (400, &json!("invoice_prefix")));
    }
    let (_, error) = shop.refused("POST", "/v1/customers", "next_invoice_sequence=0");
    assert_eq!(error["param"], "next_invoice_sequence");

    update(
        &mut shop,
        &customer,
        "invoice_prefix=ACME9&next_invoice_sequence=42",
    );
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    let paid = shop.post(&format!("/v1/invoices/{draft}/finalize"), "");
    assert_eq!(paid["number"], "ACME9-0042");
    assert_eq!(shop.see(&json!(customer))["next_invoice_sequence"], 43);
}

#[test]
fn a_customer_and_an_invoice_have_at_most_four_short_custom_fields() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    let fields = |outer: &str, count: usize, value: &str| -> String {
        (0..count)
            .map(|index| format!("&{outer}[{index}][name]=PO&{outer}[{index}][value]={value}"))
            .collect()
    };
    let long = "x".repeat(141);

    for (path, outer) in [
        (
            format!("/v1/customers/{customer}"),
            "invoice_settings[custom_fields]",
        ),
        (format!("/v1/invoices/{draft}"), "custom_fields"),
    ] {
        let (_, many) = shop.refused("POST", &path, &fields(outer, 5, "1"));
        let (_, text) = shop.refused("POST", &path, &fields(outer, 1, &long));
        shop.post(&path, &fields(outer, 4, "1"));

        assert_eq!(many["param"], outer);
        assert_eq!(text["param"], format!("{outer}[0][value]"));
    }
}

#[test]
fn new_invoices_show_tax_as_their_customer_wants_it() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let options = "invoice_settings[rendering_options]";

    let body = format!("{options}[amount_tax_display]=include_inclusive_tax");
    let shown = update(&mut shop, &customer, &body);
    let draft = shop.post("/v1/invoices", &format!("customer={customer}"));
    let cleared = update(&mut shop, &customer, &format!("{options}="));

    let options = &shown["invoice_settings"]["rendering_options"];
    assert_eq!(options["amount_tax_display"], "include_inclusive_tax");
    assert_eq!(
        draft["rendering"]["amount_tax_display"],
        "include_inclusive_tax"
    );
    assert!(cleared["invoice_settings"]["rendering_options"].is_null());
}

#[test]
fn the_country_of_a_customer_is_any_text_but_that_of_a_payment_method_is_a_code() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let card = "type=card&card[token]=tok_visa&billing_details[address][country]";

    let named = shop.post("/v1/customers", "address[country]=Germany&expand[0]=tax");
    let (status, error) = shop.refused("POST", "/v1/payment_methods", &format!("{card}=JA"));
    let known = shop.post("/v1/payment_methods", &format!("{card}=JP"));
    let path = format!("/v1/payment_methods/{}", string(&known["id"]));
    let (again, _) = shop.refused("POST", &path, "billing_details[address][country]=Japan");
    let (rate, _) = shop.refused(
        "POST",
        "/v1/tax_rates",
        "display_name=VAT&percentage=7&inclusive=false&country=XX",
    );
    let body = "address[country]=Germany&tax[validate_location]=immediately";
    let (_, nowhere) = shop.refused("POST", "/v1/customers", body);

    assert_eq!(named["address"]["country"], "Germany");
    assert_eq!(named["tax"]["automatic_tax"], "unrecognized_location");
    assert_eq!((status, again, rate), (400, 400, 400));
    assert_eq!(error["param"], "billing_details[address][country]");
    assert_eq!(
        error["message"],
        "Country 'JA' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', 'EG', or 'GB'. A full list of country codes is available at https://en.wikipedia.org/wiki/ISO_3166-1_alpha-2#Officially_assigned_code_elements"
    );
    assert_eq!(nowhere["code"], "customer_tax_location_invalid");
}

#[test]
fn the_first_invoice_sets_the_currency_and_reports_it_but_not_the_sequence() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    changes(&mut shop);

    shop.subscribe(&customer, &plan, "");
    let first = changes(&mut shop);
    let event = shop.last("customer.updated")["data"]["object"].clone();
    shop.wait(31 * DAY + HOUR);
    let second = changes(&mut shop);

    assert_eq!(first, [json!({"currency": null})]);
    assert_eq!(
        (&event["currency"], &event["next_invoice_sequence"]),
        (&json!("usd"), &json!(2))
    );
    assert_eq!(second, Vec::<Value>::new());
    assert_eq!(shop.see(&json!(customer))["next_invoice_sequence"], 3);
}

#[test]
fn a_customer_is_delinquent_from_an_automatic_failure_until_an_invoice_is_settled() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    changes(&mut shop);

    shop.wait(31 * DAY + HOUR);
    let failed = changes(&mut shop);
    let invoice = string(&shop.see(&sub["id"])["latest_invoice"]);
    shop.refused("POST", &format!("/v1/invoices/{invoice}/pay"), "");
    let manual = changes(&mut shop);
    shop.post(&format!("/v1/invoices/{invoice}/mark_uncollectible"), "");
    let settled = changes(&mut shop);

    assert_eq!(failed, [json!({"delinquent": false})]);
    assert_eq!(manual, Vec::<Value>::new());
    assert_eq!(settled, [json!({"delinquent": true})]);
}

#[test]
fn an_invoice_past_its_due_date_makes_its_customer_delinquent_until_it_is_paid() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let body = format!("customer={customer}&collection_method=send_invoice&days_until_due=5");
    let draft = string(&shop.post("/v1/invoices", &body)["id"]);
    let body = format!("customer={customer}&invoice={draft}&amount=900");
    shop.post("/v1/invoiceitems", &body);
    shop.post(&format!("/v1/invoices/{draft}/finalize"), "");
    changes(&mut shop);

    shop.wait(5 * DAY);
    let late = changes(&mut shop);
    shop.post(&format!("/v1/invoices/{draft}/pay"), "");
    let paid = changes(&mut shop);

    assert_eq!(late, [json!({"delinquent": false})]);
    assert_eq!(paid, [json!({"delinquent": true})]);
}

#[test]
fn a_customer_has_a_balance_in_each_currency_and_an_invoice_uses_its_own() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let path = format!("/v1/customers/{customer}/balance_transactions");
    shop.post(&path, "amount=-300&currency=usd");
    let draft = |shop: &mut Shop, amount: i64, currency: &str| {
        let body = format!("customer={customer}&currency={currency}");
        let id = string(&shop.post("/v1/invoices", &body)["id"]);
        let body = format!("customer={customer}&invoice={id}&amount={amount}&currency={currency}");
        shop.post("/v1/invoiceitems", &body);
        shop.post(&format!("/v1/invoices/{id}/finalize"), "")
    };
    shop.happened();

    let euros = shop.post(&path, "amount=-500&currency=eur");
    let silent = shop.happened();
    let known = shop.get(&format!(
        "/v1/customers/{customer}?expand[0]=invoice_credit_balance"
    ));
    let in_euros = draft(&mut shop, 800, "eur");
    let in_dollars = draft(&mut shop, 200, "usd");

    assert_eq!((&euros["ending_balance"], silent.len()), (&json!(-500), 0));
    assert_eq!(
        (&known["balance"], &known["currency"]),
        (&json!(-300), &json!("usd"))
    );
    // A credit is positive there.
    assert_eq!(
        known["invoice_credit_balance"],
        json!({"eur": 500, "usd": 300})
    );
    let seen = |row: &Value| {
        ["starting_balance", "ending_balance", "amount_due"].map(|name| row[name].clone())
    };
    assert_eq!(seen(&in_euros), [json!(-500), json!(0), json!(300)]);
    assert_eq!(seen(&in_dollars), [json!(-300), json!(-100), json!(0)]);
    let left = shop.get(&format!(
        "/v1/customers/{customer}?expand[0]=invoice_credit_balance"
    ));
    assert_eq!(left["invoice_credit_balance"], json!({"usd": 100}));
}

#[test]
fn voiding_an_invoice_gives_back_the_balance_in_its_currency() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let path = format!("/v1/customers/{customer}/balance_transactions");
    shop.post(&path, "amount=100&currency=usd");
    shop.post(&path, "amount=-500&currency=eur");
    let body = format!("customer={customer}&currency=eur");
    let id = string(&shop.post("/v1/invoices", &body)["id"]);
    let body = format!("customer={customer}&invoice={id}&amount=800&currency=eur");
    shop.post("/v1/invoiceitems", &body);
    shop.post(&format!("/v1/invoices/{id}/finalize"), "");

    shop.post(&format!("/v1/invoices/{id}/void"), "");

    let last = &shop.get(&path)["data"][0];
    assert_eq!(last["type"], "unapplied_from_invoice");
    assert_eq!(
        (&last["currency"], &last["ending_balance"]),
        (&json!("eur"), &json!(-500))
    );
    assert_eq!(shop.see(&json!(customer))["balance"], 100);
}
