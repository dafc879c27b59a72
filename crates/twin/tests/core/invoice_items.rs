//! Invoice items: what they cost, on which draft they are, and whose discounts they take.

use serde_json::{Value, json};

use crate::coupons::coupon;
use crate::shop::{HOUR, Shop, string};

/// An empty draft of a new customer.
fn draft(shop: &mut Shop) -> (String, String) {
    let customer = shop.customer("pm_card_visa");
    let invoice = shop.post("/v1/invoices", &format!("customer={customer}"));
    (customer, string(&invoice["id"]))
}

fn item(shop: &mut Shop, customer: &str, more: &str) -> Value {
    shop.post("/v1/invoiceitems", &format!("customer={customer}{more}"))
}

/// The events about an invoice since the last call, with the total before each.
fn totals(shop: &mut Shop) -> Vec<(Value, Value)> {
    let from = shop.events.len();
    shop.happened();
    let updates = shop.events[from..].iter();
    updates
        .filter(|event| event["type"] == "invoice.updated")
        .map(|event| {
            let data = &event["data"];
            let before = data["previous_attributes"]["total"].clone();
            (before, data["object"]["total"].clone())
        })
        .collect()
}

#[test]
fn a_draft_reports_each_change_of_its_items_once() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    totals(&mut shop);

    let made = item(
        &mut shop,
        &customer,
        &format!("&amount=900&invoice={invoice}"),
    );
    let added = totals(&mut shop);
    let path = format!("/v1/invoiceitems/{}", string(&made["id"]));
    shop.post(&path, "amount=700");
    let changed = totals(&mut shop);
    let lines = "lines[0][amount]=100&lines[1][amount]=200";
    shop.post(&format!("/v1/invoices/{invoice}/add_lines"), lines);
    let both = totals(&mut shop);
    shop.post(&format!("/v1/invoices/{invoice}"), "discounts=");
    let same = totals(&mut shop);
    shop.delete(&path);
    let deleted = totals(&mut shop);

    assert_eq!(added, [(json!(0), json!(900))]);
    assert_eq!(changed, [(json!(900), json!(700))]);
    assert_eq!(both, [(json!(700), json!(1000))]);
    assert_eq!(same, []);
    assert_eq!(deleted, [(json!(1000), json!(300))]);
}

#[test]
fn a_refused_change_of_an_item_leaves_its_draft_and_sends_no_event() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let made = item(
        &mut shop,
        &customer,
        &format!("&amount=900&invoice={invoice}"),
    );
    shop.happened();
    let before = shop.see(&json!(invoice));

    let path = format!("/v1/invoiceitems/{}", string(&made["id"]));
    shop.refused("POST", &path, "amount=100&tax_rates[0]=txr_none");
    shop.refused("POST", &path, "amount=100&discounts[0][coupon]=none");

    assert_eq!(shop.happened(), Vec::<String>::new());
    assert_eq!(shop.see(&json!(invoice)), before);
    assert_eq!(shop.see(&made["id"])["amount"], 900);
}

#[test]
fn what_an_item_costs_can_be_said_in_one_way_only() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let pack = shop.price("Pack", 700, "");
    let data = "price_data[currency]=usd&price_data[product]=prod_x&price_data[unit_amount]=5";
    let price = format!("pricing[price]={pack}");

    for (one, other, named) in [
        ("amount=900", "quantity=2", "amount, quantity"),
        (
            "amount=900",
            "unit_amount_decimal=5",
            "amount, unit_amount_decimal",
        ),
        ("amount=900", price.as_str(), "amount, pricing"),
        ("amount=900", data, "amount, price_data"),
        (price.as_str(), data, "price_data, pricing"),
        (
            price.as_str(),
            "unit_amount_decimal=5",
            "pricing, unit_amount_decimal",
        ),
        (
            data,
            "unit_amount_decimal=5",
            "price_data, unit_amount_decimal",
        ),
    ] {
        let body = format!("customer={customer}&currency=usd&{one}&{other}");
        let (status, error) = shop.refused("POST", "/v1/invoiceitems", &body);

        let message = format!("You may only specify one of these parameters: {named}.");
        assert_eq!((status, &error["message"]), (400, &json!(message)));
    }
    let body = format!("lines[0][amount]=900&lines[0][pricing][price]={pack}");
    let (_, error) = shop.refused("POST", &format!("/v1/invoices/{invoice}/add_lines"), &body);
    assert_eq!(error["param"], "lines[0][amount]");
    assert!(shop.core.objects("invoiceitem").is_empty());
}

#[test]
fn a_quantity_counts_the_amount_of_one_unit() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plain = item(&mut shop, &customer, "&amount=900");
    let pack = shop.price("Pack", 700, "");
    let priced = item(
        &mut shop,
        &customer,
        &format!("&pricing[price]={pack}&quantity=2"),
    );
    let cost = |row: &Value| {
        let unit = string(&row["pricing"]["unit_amount_decimal"]);
        (row["amount"].as_i64(), row["quantity"].as_i64(), unit)
    };

    let path = |row: &Value| format!("/v1/invoiceitems/{}", string(&row["id"]));
    let three = shop.post(&path(&plain), "quantity=3");
    let again = shop.post(&path(&plain), "amount=500");
    let one = shop.post(&path(&priced), "quantity=1");

    assert_eq!(cost(&plain), (Some(900), Some(1), "900".to_owned()));
    assert_eq!(cost(&three), (Some(2700), Some(3), "900".to_owned()));
    assert_eq!(cost(&again), (Some(500), Some(1), "500".to_owned()));
    assert_eq!(cost(&priced), (Some(1400), Some(2), "700".to_owned()));
    assert_eq!(cost(&one), (Some(700), Some(1), "700".to_owned()));
}

#[test]
fn decimals_are_multiplied_exactly_and_rounded_once() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let body = format!("&unit_amount_decimal=12.5&quantity=3&invoice={invoice}");

    let made = item(&mut shop, &customer, &body);
    let credit = item(&mut shop, &customer, "&unit_amount_decimal=-0.5");
    let mut refused = Vec::new();
    for wrong in ["1.1234567890123", "1e3", "1,5"] {
        let body = format!("customer={customer}&unit_amount_decimal={wrong}");
        refused.push(shop.refused("POST", "/v1/invoiceitems", &body).1["param"].clone());
    }

    assert_eq!(
        (&made["amount"], &made["quantity"]),
        (&json!(38), &json!(3))
    );
    assert_eq!(made["pricing"]["unit_amount_decimal"], "12.5");
    assert_eq!(credit["amount"], -1);
    assert_eq!(refused, ["unit_amount_decimal"; 3]);
    let line = &shop.see(&json!(invoice))["lines"]["data"][0];
    assert_eq!(line["amount"], 38);
    assert_eq!(line["pricing"]["unit_amount_decimal"], "12.5");
}

#[test]
fn a_price_in_another_currency_than_the_item_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let pack = shop.price("Pack", 700, "");
    let made = item(&mut shop, &customer, "&amount=900&currency=eur");

    let body = format!("customer={customer}&currency=eur&pricing[price]={pack}");
    let new = shop.refused("POST", "/v1/invoiceitems", &body).1;
    let path = format!("/v1/invoiceitems/{}", string(&made["id"]));
    let old = shop
        .refused("POST", &path, &format!("pricing[price]={pack}"))
        .1;

    for error in [new, old] {
        assert_eq!(error["param"], "pricing[price]");
        assert_eq!(
            error["message"],
            "The price specified only supports `usd`. This doesn't match the expected currency: `eur`."
        );
    }
}

#[test]
fn an_invoice_has_at_most_250_items() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    for _ in 0..250 {
        item(
            &mut shop,
            &customer,
            &format!("&amount=1&invoice={invoice}"),
        );
    }
    for _ in 0..251 {
        item(&mut shop, &customer, "&amount=2");
    }

    let body = format!("customer={customer}&amount=1&invoice={invoice}");
    let (status, _) = shop.refused("POST", "/v1/invoiceitems", &body);
    let body = format!("customer={customer}&pending_invoice_items_behavior=include");
    let second = shop.post("/v1/invoices", &body);

    assert_eq!((status, &second["total"]), (400, &json!(500)));
    assert_eq!(shop.see(&json!(invoice))["total"], 250);
    let left = shop.get("/v1/invoiceitems?pending=true");
    assert_eq!(left["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn items_are_listed_by_their_date() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let first = item(&mut shop, &customer, "&amount=100");
    shop.wait(HOUR);
    item(&mut shop, &customer, "&amount=200");

    let at = first["date"].as_i64().unwrap();
    let early = shop.get(&format!("/v1/invoiceitems?created[lte]={at}"));
    let exact = shop.get(&format!("/v1/invoiceitems?created={at}"));
    let late = shop.get(&format!("/v1/invoiceitems?created[gt]={at}"));

    let amounts = |page: &Value| page["data"][0]["amount"].clone();
    assert_eq!((amounts(&early), amounts(&exact)), (json!(100), json!(100)));
    assert_eq!(amounts(&late), 200);
}

#[test]
fn the_discount_of_something_else_is_refused() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let off = coupon(&mut shop, "percent_off=50&duration=forever");
    let plan = shop.plan("PRO", 2000);
    let by = format!("&discounts[0][coupon]={off}");
    let sub = shop.subscribe(&customer, &plan, &by);
    let of_sub = string(&sub["discounts"][0]);
    let other = shop.subscribe(&customer, &plan, "");
    let made = item(&mut shop, &customer, &format!("&amount=100{by}"));
    let of_item = string(&made["discounts"][0]);
    let stranger = shop.post_discounted("/v1/customers", &format!("coupon={off}"));
    let of_stranger = string(&stranger["discount"]["id"]);

    let other = format!("/v1/subscriptions/{}", string(&other["id"]));
    let draft = format!("/v1/invoices/{invoice}");
    let new = "/v1/invoiceitems".to_owned();
    for (path, wanted) in [
        (&draft, vec![&of_sub, &of_item, &of_stranger]),
        (&new, vec![&of_sub, &of_item, &of_stranger]),
        (&other, vec![&of_sub, &of_item, &of_stranger]),
    ] {
        for id in wanted {
            let mut body = format!("discounts[0][discount]={id}");
            if path == "/v1/invoiceitems" {
                body += &format!("&customer={customer}&amount=100");
            }
            let (_, error) = shop.refused("POST", path, &body);
            assert_eq!(error["code"], "resource_missing", "{path}");
            assert_eq!(error["param"], "discounts[0][discount]");
        }
    }
    let own = format!("/v1/invoiceitems/{}", string(&made["id"]));
    let kept = shop.post(&own, &format!("discounts[0][discount]={of_item}"));
    assert_eq!(kept["discounts"], json!([of_item]));
    let sub = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let kept = shop.post(&sub, &format!("discounts[0][discount]={of_sub}"));
    assert_eq!(kept["discounts"], json!([of_sub]));
    let mine = format!(
        "&amount=300&subscription={}&discounts[0][discount]={of_sub}",
        &sub[18..]
    );
    assert_eq!(
        item(&mut shop, &customer, &mine)["discounts"],
        json!([of_sub])
    );
}

#[test]
fn a_coupon_is_named_once_in_a_list_and_a_refused_list_redeems_nothing() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let off = coupon(&mut shop, "percent_off=10&duration=forever");
    let code = format!("promotion[type]=coupon&promotion[coupon]={off}");
    let code = string(&shop.post("/v1/promotion_codes", &code)["id"]);
    let plan = shop.plan("PRO", 2000);
    let twice = format!("discounts[0][coupon]={off}&discounts[1][promotion_code]={code}");

    for (path, body) in [
        (format!("/v1/invoices/{invoice}"), twice.clone()),
        (
            "/v1/invoiceitems".into(),
            format!("customer={customer}&amount=100&{twice}"),
        ),
        (
            "/v1/subscriptions".into(),
            format!("customer={customer}&items[0][price]={plan}&{twice}"),
        ),
    ] {
        let (status, error) = shop.refused("POST", &path, &body);
        assert_eq!((status, &error["param"]), (400, &json!("discounts[1]")));
    }

    assert_eq!(shop.see(&json!(off))["times_redeemed"], 0);
    assert!(shop.core.objects("discount").is_empty());
}

#[test]
fn a_retry_with_the_same_key_bills_an_item_once() {
    let mut shop = Shop::open();
    let (customer, invoice) = draft(&mut shop);
    let body = format!("customer={customer}&invoice={invoice}&amount=900");
    totals(&mut shop);

    let first = shop.send("POST", "/v1/invoiceitems", &body, Some("k1"));
    let again = shop.send("POST", "/v1/invoiceitems", &body, Some("k1"));

    assert_eq!(first.body, again.body);
    assert_eq!(totals(&mut shop), [(json!(0), json!(900))]);
    assert_eq!(shop.see(&json!(invoice))["total"], 900);
}

#[test]
fn an_amount_with_a_part_of_a_minor_unit_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("");

    for (path, name) in [
        ("/v1/invoiceitems", "amount"),
        ("/v1/coupons", "amount_off"),
        ("/v1/payment_intents", "amount"),
    ] {
        let more = match path {
            "/v1/invoiceitems" => format!("customer={customer}"),
            _ => "currency=usd".to_owned(),
        };
        let (status, error) = shop.refused("POST", path, &format!("{more}&{name}=12.5"));

        assert_eq!((status, &error["param"]), (400, &json!(name)));
        assert_eq!(error["message"], "Invalid integer: 12.5");
    }
}
