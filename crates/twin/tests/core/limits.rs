//! The largest amount of a line, a payment and an invoice.

use serde_json::json;

use crate::shop::{Shop, string};

const MOST: i64 = 99_999_999;

/// Requests whose amount is too large, with the parameter that is to blame.
fn too_large(
    [customer, other, plan, pack, sub, item, draft]: [&str; 7],
) -> Vec<(String, String, &'static str)> {
    let back = "success_url=https://shop.example/ok";
    let sold = format!("line_items[0][price]={pack}&line_items[0][quantity]=2");
    let two = format!("{sold}&line_items[1][price]={pack}&line_items[1][quantity]=1")
        .replace("[quantity]=2", "[quantity]=1");
    let phase = format!("phases[0][items][0][price]={plan}&phases[0][items][0][quantity]=2");
    let preview = format!("customer={other}&subscription_details[items][0][price]={plan}");
    let cases = [
        (
            "/v1/invoiceitems",
            format!("customer={customer}&pricing[price]={pack}&quantity=999999"),
            "quantity",
        ),
        (
            "/v1/invoiceitems",
            format!("customer={customer}&unit_amount_decimal={MOST}&quantity=2"),
            "unit_amount_decimal",
        ),
        (
            &format!("/v1/invoices/{draft}/add_lines"),
            format!("lines[0][pricing][price]={pack}&lines[0][quantity]=2"),
            "lines[0][quantity]",
        ),
        (
            "/v1/checkout/sessions",
            format!("mode=payment&{back}&{sold}"),
            "line_items[0][quantity]",
        ),
        (
            "/v1/checkout/sessions",
            format!("mode=payment&{back}&{two}"),
            "line_items",
        ),
        (
            "/v1/subscriptions",
            format!("customer={other}&items[0][price]={plan}&items[0][quantity]=2"),
            "items[0][quantity]",
        ),
        (
            "/v1/subscriptions",
            format!(
                "customer={other}&items[0][price]={plan}&add_invoice_items[0][price]={pack}&add_invoice_items[0][quantity]=2"
            ),
            "add_invoice_items[0][quantity]",
        ),
        (
            &format!("/v1/subscriptions/{sub}"),
            format!("items[0][id]={item}&items[0][quantity]=2"),
            "items[0][quantity]",
        ),
        (
            "/v1/subscription_schedules",
            format!("customer={other}&start_date=now&{phase}&phases[0][duration][interval]=month"),
            "phases[0][items][0][quantity]",
        ),
        (
            "/v1/invoices/create_preview",
            format!("{preview}&subscription_details[items][0][quantity]=2"),
            "subscription_details[items][0][quantity]",
        ),
    ];
    let owned = cases.map(|(path, body, param)| (path.to_owned(), body, param));
    owned.into()
}

#[test]
fn a_quantity_that_makes_an_amount_too_large_is_refused_and_nothing_is_left_of_the_request() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", MOST);
    let pack = shop.price("Pack", MOST, "");
    let sub = shop.subscribe(&customer, &plan, "");
    let item = string(&sub["items"]["data"][0]["id"]);
    let sub = string(&sub["id"]);
    let other = shop.customer("pm_card_visa");
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    shop.happened();
    let before = serde_json::to_value(&shop.core).unwrap()["store"].clone();

    for (path, body, param) in too_large([&customer, &other, &plan, &pack, &sub, &item, &draft]) {
        let (status, error) = shop.refused("POST", &path, &body);

        assert_eq!(
            (status, &error["param"]),
            (400, &json!(param)),
            "{path} {body}"
        );
        assert_eq!(error["code"], "amount_too_large");
        assert_eq!(error["message"], "Amount must be no more than $999,999.99");
    }

    for (path, body) in [
        (
            "/v1/invoiceitems",
            format!("customer={customer}&amount=100000000"),
        ),
        (
            "/v1/payment_intents",
            "amount=100000000&currency=usd".into(),
        ),
    ] {
        let (_, error) = shop.refused("POST", path, &body);
        assert_eq!(error["code"], "amount_too_large");
    }

    let after = serde_json::to_value(&shop.core).unwrap()["store"].clone();
    assert!(after == before, "a refused request left something behind");
    assert_eq!(shop.happened(), Vec::<String>::new());
}

#[test]
fn the_largest_amount_is_accepted_and_currencies_without_decimals_have_their_own_text() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let body = format!("customer={customer}&unit_amount_decimal={MOST}&currency=jpy");

    let most = shop.post("/v1/invoiceitems", &body);
    let (_, error) = shop.refused("POST", "/v1/invoiceitems", &format!("{body}&quantity=2"));

    assert_eq!(most["amount"], MOST);
    assert_eq!(error["message"], "Amount must be no more than ¥99,999,999");
}

#[test]
fn an_invoice_above_the_largest_payment_is_carried_over_to_the_balance() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    for _ in 0..2 {
        let body = format!("customer={customer}&invoice={draft}&amount={MOST}");
        shop.post("/v1/invoiceitems", &body);
    }

    let paid = shop.post(&format!("/v1/invoices/{draft}/finalize"), "");

    assert_eq!(
        (&paid["status"], &paid["amount_due"]),
        (&json!("paid"), &json!(0))
    );
    assert_eq!(paid["ending_balance"], 2 * MOST);
    assert_eq!(shop.see(&json!(customer))["balance"], 2 * MOST);
    let path = format!("/v1/customers/{customer}/balance_transactions");
    assert_eq!(shop.get(&path)["data"][0]["type"], "invoice_too_large");
    assert!(shop.core.objects("charge").is_empty());
}

#[test]
fn the_units_of_a_credit_note_have_decimals_and_are_said_once() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    let body = format!("customer={customer}&invoice={draft}&amount=2000");
    shop.post("/v1/invoiceitems", &body);
    shop.post(&format!("/v1/invoices/{draft}/finalize"), "");
    let line = format!("invoice={draft}&lines[0][type]=custom_line_item&lines[0]");

    let body = format!("{line}[unit_amount_decimal]=12.5&lines[0][quantity]=3");
    let note = shop.post("/v1/credit_notes", &body);
    let body = format!("{line}[unit_amount_decimal]=1.1234567890123");
    let (_, long) = shop.refused("POST", "/v1/credit_notes", &body);
    let body = format!("{line}[unit_amount_decimal]=5&lines[0][unit_amount]=5");
    let (_, twice) = shop.refused("POST", "/v1/credit_notes", &body);

    let shown = &note["lines"]["data"][0];
    assert_eq!((&note["total"], &shown["amount"]), (&json!(38), &json!(38)));
    assert_eq!(shown["unit_amount_decimal"], "12.5");
    assert!(shown["unit_amount"].is_null());
    assert_eq!(long["param"], "lines[0][unit_amount_decimal]");
    assert_eq!(twice["param"], "lines[0][unit_amount]");
}

#[test]
fn a_decimal_amount_may_have_any_length_but_not_any_size() {
    let mut shop = Shop::open();
    let (_, plan) = shop.buyer("", 1900);
    let product = string(&shop.see(&json!(plan))["product"]);
    for (currency, amount, most) in [
        ("usd", "1000000000000", "$999,999.99"),
        (
            "usd",
            "123456789012345678901234567890123456789012345",
            "$999,999.99",
        ),
        ("jpy", "100000000", "¥99,999,999"),
    ] {
        for name in ["unit_amount_decimal", "unit_amount"] {
            if name == "unit_amount" && amount.len() > 18 {
                continue;
            }
            let body = format!("currency={currency}&product={product}&{name}={amount}");
            let (_, error) = shop.refused("POST", "/v1/prices", &body);

            let message = format!("Amount must be no more than {most}");
            assert_eq!(
                (&error["code"], &error["param"], &error["message"]),
                (&json!("amount_too_large"), &json!(name), &json!(message)),
                "{body}"
            );
        }
    }
    let long = format!("currency=usd&product={product}&unit_amount_decimal=0000000000000005.5");
    assert_eq!(shop.post("/v1/prices", &long)["unit_amount_decimal"], "5.5");
}

#[test]
fn the_lines_of_a_subscription_are_no_invoice_items_of_the_limit() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let more = "&collection_method=send_invoice&days_until_due=5";
    let sub = shop.subscribe(&customer, &plan, more);
    let draft = string(&sub["latest_invoice"]);
    let item = format!("customer={customer}&invoice={draft}&amount=1&currency=usd");
    for _ in 0..250 {
        shop.post("/v1/invoiceitems", &item);
    }

    let (_, error) = shop.refused("POST", "/v1/invoiceitems", &item);

    assert_eq!(
        error["message"],
        "An invoice can have at most 250 invoice items."
    );
    assert_eq!(shop.see(&json!(draft))["total"], 1900 + 250);
}
