//! Tax: rates as objects, automatic tax by the table, and the amounts that must agree.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use serde_json::{Value, json};

use crate::changes::change;
use crate::shop::{DAY, NOW, Shop, good_card, string};

fn rate(shop: &mut Shop, percentage: &str, inclusive: bool) -> String {
    let body = format!("display_name=VAT&percentage={percentage}&inclusive={inclusive}");
    string(&shop.post("/v1/tax_rates", &body)["id"])
}

/// Creates a customer with a card in a country.
fn customer_in(shop: &mut Shop, country: &str) -> String {
    let customer = shop.customer("pm_card_visa");
    let body = format!("address[country]={country}");
    shop.post(&format!("/v1/customers/{customer}"), &body);
    customer
}

/// Checks that the totals of an invoice agree with its lines, and returns the tax.
fn agreeing_tax(invoice: &Value) -> i64 {
    let int = |value: &Value| value.as_i64().unwrap();
    let sum = |all: &Value| -> i64 {
        all.as_array()
            .unwrap()
            .iter()
            .map(|one| int(&one["amount"]))
            .sum()
    };
    let lines = invoice["lines"]["data"].as_array().unwrap();
    let of_lines: i64 = lines.iter().map(|line| sum(&line["taxes"])).sum();
    let tax = sum(&invoice["total_taxes"]);
    assert_eq!(tax, of_lines);
    assert_eq!(
        int(&invoice["total"]) - tax,
        int(&invoice["total_excluding_tax"])
    );
    tax
}

#[test]
fn tax_rates_are_created_changed_and_listed_but_their_percentage_stays() {
    let mut shop = Shop::open();
    let id = rate(&mut shop, "8.875", false);

    let changed = shop.post(
        &format!("/v1/tax_rates/{id}"),
        "active=false&display_name=Sales",
    );
    let (_, fixed) = shop.refused("POST", &format!("/v1/tax_rates/{id}"), "percentage=5");
    let (_, large) = shop.refused(
        "POST",
        "/v1/tax_rates",
        "display_name=X&percentage=101&inclusive=true",
    );
    let (missing, error) = shop.refused("GET", "/v1/tax_rates/txr_none", "");

    assert_eq!(
        (&changed["percentage"], &changed["active"]),
        (&json!(8.875), &json!(false))
    );
    assert_eq!(fixed["code"], "parameter_unknown");
    assert_eq!(large["param"], "percentage");
    assert_eq!(
        (missing, &error["message"]),
        (404, &json!("No such tax rate: 'txr_none'"))
    );
    assert_eq!(shop.get("/v1/tax_rates?active=true")["data"], json!([]));
    assert_eq!(
        shop.get("/v1/tax_rates?inclusive=false")["data"][0]["id"],
        id.as_str()
    );
    assert!(shop.did("tax_rate.updated"));
}

#[test]
fn an_exclusive_rate_comes_on_top_of_each_line_and_an_inclusive_one_is_inside() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, seat) = (shop.plan("PRO", 1999), shop.plan("SEAT", 999));
    let on_top = rate(&mut shop, "8.875", false);
    let inside = rate(&mut shop, "19", true);

    let more = format!(
        "&items[1][price]={seat}&default_tax_rates[0]={on_top}&items[1][tax_rates][0]={inside}"
    );
    let sub = shop.subscribe(&customer, &plan, &more);

    let invoice = shop.see(&sub["latest_invoice"]);
    // 8.875% of 1999 is 177.41; 19% inside 999 is 159.50.
    assert_eq!(agreeing_tax(&invoice), 177 + 160);
    assert_eq!(
        (&invoice["subtotal"], &invoice["total"]),
        (&json!(2998), &json!(3175))
    );
    assert_eq!(invoice["subtotal_excluding_tax"], 2998 - 160);
    assert_eq!(invoice["amount_paid"], 3175);
    let line = &invoice["lines"]["data"][1]["taxes"][0];
    assert_eq!(
        (&line["tax_behavior"], &line["taxable_amount"]),
        (&json!("inclusive"), &json!(839))
    );
    assert_eq!(line["tax_rate_details"]["tax_rate"], inside.as_str());
}

#[test]
fn tax_is_calculated_after_discounts() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let on_top = rate(&mut shop, "10", false);
    let half = string(&shop.post("/v1/coupons", "percent_off=50&duration=forever")["id"]);

    let more = format!("&default_tax_rates[0]={on_top}&discounts[0][coupon]={half}");
    let sub = shop.subscribe(&customer, &plan, &more);

    let invoice = shop.see(&sub["latest_invoice"]);
    assert_eq!(agreeing_tax(&invoice), 100);
    assert_eq!(invoice["total"], 1100);
}

#[test]
fn a_plan_change_taxes_its_credit_and_its_debit() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 2000), shop.plan("PLUS", 5000));
    let on_top = rate(&mut shop, "10", false);
    let sub = shop.subscribe(&customer, &plan, &format!("&default_tax_rates[0]={on_top}"));
    shop.wait(31 * DAY / 2);

    let (path, body) = change(&sub, &plus, "&proration_behavior=always_invoice");
    let after = shop.post(&path, &body);

    let invoice = shop.see(&after["latest_invoice"]);
    assert_eq!(agreeing_tax(&invoice), 150);
    assert_eq!(invoice["total"], 1650);
}

#[test]
fn unknown_and_inactive_rates_are_refused_wherever_they_are_named() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let old = rate(&mut shop, "10", false);
    shop.post(&format!("/v1/tax_rates/{old}"), "active=false");
    let sub = format!("customer={customer}&items[0][price]={plan}");
    let session = format!(
        "mode=subscription&success_url=https://x.example/&line_items[0][price]={plan}&line_items[0][quantity]=1"
    );

    for (path, body, param) in [
        (
            "/v1/subscriptions",
            format!("{sub}&default_tax_rates[0]={old}"),
            "default_tax_rates[0]",
        ),
        (
            "/v1/subscriptions",
            format!("{sub}&items[0][tax_rates][0]=txr_x"),
            "items[0][tax_rates][0]",
        ),
        (
            "/v1/invoiceitems",
            format!("customer={customer}&amount=500&currency=usd&tax_rates[0]={old}"),
            "tax_rates[0]",
        ),
        (
            "/v1/invoices",
            format!("customer={customer}&default_tax_rates[0]=txr_x"),
            "default_tax_rates[0]",
        ),
        (
            "/v1/checkout/sessions",
            format!("{session}&line_items[0][tax_rates][0]={old}"),
            "line_items[0][tax_rates][0]",
        ),
    ] {
        let (status, error) = shop.refused("POST", path, &body);
        assert_eq!(
            (status, &error["param"]),
            (400, &json!(param)),
            "{path}: {error}"
        );
    }
    assert!(shop.core.objects("subscription").is_empty());
    assert!(shop.core.objects("invoice").is_empty());
}

#[test]
fn automatic_tax_uses_the_rate_of_the_state_or_of_the_country() {
    let mut shop = Shop::open();
    shop.core.set_tax("US", Some("NY"), "8.875", false).unwrap();
    shop.core.set_tax("US", None, "5", false).unwrap();
    shop.core.set_tax("DE", None, "19", true).unwrap();
    let plan = shop.plan("PRO", 2000);
    let mut total = |address: &str| {
        let customer = shop.customer("pm_card_visa");
        shop.post(&format!("/v1/customers/{customer}"), address);
        let sub = shop.subscribe(&customer, &plan, "&automatic_tax[enabled]=true");
        let invoice = shop.see(&sub["latest_invoice"]);
        assert_eq!(invoice["automatic_tax"]["status"], "complete");
        (invoice["total"].as_i64().unwrap(), agreeing_tax(&invoice))
    };

    assert_eq!(total("address[country]=US&address[state]=NY"), (2178, 178));
    assert_eq!(total("address[country]=US&address[state]=CA"), (2100, 100));
    assert_eq!(total("address[country]=DE"), (2000, 319));
    assert_eq!(total("address[country]=JP"), (2000, 0));
}

#[test]
fn the_tax_behavior_of_a_price_says_whether_it_includes_automatic_tax() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", true).unwrap();
    let on_top = shop.price(
        "NET",
        1000,
        "&recurring[interval]=month&tax_behavior=exclusive",
    );
    let customer = customer_in(&mut shop, "DE");

    let sub = shop.subscribe(&customer, &on_top, "&automatic_tax[enabled]=true");

    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 1190);
}

#[test]
fn automatic_tax_without_an_address_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let body = format!("customer={customer}&items[0][price]={plan}&automatic_tax[enabled]=true");

    let (status, error) = shop.refused("POST", "/v1/subscriptions", &body);
    let session = format!(
        "mode=subscription&success_url=https://x.example/&customer={customer}&line_items[0][price]={plan}&line_items[0][quantity]=1&automatic_tax[enabled]=true"
    );
    let (_, checkout) = shop.refused("POST", "/v1/checkout/sessions", &session);
    shop.post(
        "/v1/checkout/sessions",
        &format!("{session}&customer_update[address]=auto"),
    );

    assert_eq!(
        (status, &error["code"]),
        (400, &json!("customer_tax_location_invalid"))
    );
    assert_eq!(
        error["message"],
        "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax."
    );
    assert_eq!(checkout["code"], "customer_tax_location_invalid");
    assert!(shop.core.objects("subscription").is_empty());
}

#[test]
fn automatic_tax_and_tax_rates_exclude_each_other() {
    let mut shop = Shop::open();
    let customer = customer_in(&mut shop, "DE");
    let plan = shop.plan("PRO", 2000);
    let on_top = rate(&mut shop, "10", false);
    let base = format!("customer={customer}&automatic_tax[enabled]=true");
    let sub = format!("{base}&items[0][price]={plan}");
    let draft = string(&shop.post("/v1/invoices", &base)["id"]);
    let item = format!("customer={customer}&amount=500&currency=usd&invoice={draft}");

    for (path, body, param) in [
        (
            "/v1/subscriptions",
            format!("{sub}&default_tax_rates[0]={on_top}"),
            "default_tax_rates",
        ),
        (
            "/v1/subscriptions",
            format!("{sub}&items[0][tax_rates][0]={on_top}"),
            "items[0][tax_rates]",
        ),
        (
            "/v1/invoiceitems",
            format!("{item}&tax_rates[0]={on_top}"),
            "tax_rates",
        ),
    ] {
        let (_, error) = shop.refused("POST", path, &body);
        assert_eq!(error["param"], param, "{error}");
    }
}

#[test]
fn an_invoice_waits_for_the_address_that_its_automatic_tax_needs() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let customer = shop.customer("pm_card_visa");
    shop.post(
        "/v1/invoiceitems",
        &format!("customer={customer}&amount=1000&currency=usd"),
    );
    let body = format!(
        "customer={customer}&pending_invoice_items_behavior=include&automatic_tax[enabled]=true"
    );
    let draft = shop.post("/v1/invoices", &body);
    let path = format!("/v1/invoices/{}", string(&draft["id"]));

    let (status, error) = shop.refused("POST", &format!("{path}/finalize"), "");
    shop.post(&format!("/v1/customers/{customer}"), "address[country]=DE");
    let open = shop.post(&format!("{path}/finalize"), "");

    assert_eq!(draft["automatic_tax"]["status"], "requires_location_inputs");
    assert_eq!(
        (status, &error["code"]),
        (400, &json!("customer_tax_location_invalid"))
    );
    assert_eq!(
        (&open["status"], &open["total"]),
        (&json!("open"), &json!(1190))
    );
    assert_eq!(open["customer_address"]["country"], "DE");
}

#[test]
fn exempt_and_reverse_charged_customers_pay_no_tax() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let plan = shop.plan("PRO", 2000);
    for (word, reason) in [("exempt", "customer_exempt"), ("reverse", "reverse_charge")] {
        let customer = customer_in(&mut shop, "DE");
        shop.post(
            &format!("/v1/customers/{customer}"),
            &format!("tax_exempt={word}"),
        );

        let sub = shop.subscribe(&customer, &plan, "&automatic_tax[enabled]=true");

        let invoice = shop.see(&sub["latest_invoice"]);
        assert_eq!(
            (&invoice["total"], &invoice["customer_tax_exempt"]),
            (&json!(2000), &json!(word))
        );
        assert_eq!(invoice["total_taxes"][0]["taxability_reason"], reason);
    }
}

#[test]
fn checkout_charges_automatic_tax_for_the_address_that_the_customer_enters() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let plan = shop.plan("PRO", 2000);
    let id = shop.session("subscription", &plan, "&automatic_tax[enabled]=true");
    let open = shop.see(&json!(id));

    shop.core
        .set_checkout_address(&id, &json!({"country": "DE"}));
    let located = shop.see(&json!(id));
    let session = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(open["automatic_tax"]["status"], "requires_location_inputs");
    assert_eq!(
        (&open["amount_total"], &located["amount_total"]),
        (&json!(2000), &json!(2380))
    );
    assert_eq!(located["automatic_tax"]["status"], "complete");
    assert_eq!(session["total_details"]["amount_tax"], 380);
    assert_eq!(session["customer_details"]["address"]["country"], "DE");
    let invoice = shop.see(&session["invoice"]);
    assert_eq!(
        (&invoice["amount_paid"], agreeing_tax(&invoice)),
        (&json!(2380), 380)
    );
    let lines = shop.get(&format!(
        "/v1/checkout/sessions/{id}/line_items?expand[]=data.taxes"
    ));
    assert_eq!(lines["data"][0]["amount_tax"], 380);
    assert_eq!(lines["data"][0]["taxes"][0]["rate"]["percentage"], 19);
    shop.wait(31 * DAY + 2 * 3600);
    let sub = shop.see(&session["subscription"]);
    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 2380);
}

#[test]
fn a_one_time_checkout_charges_the_tax_rates_of_its_lines() {
    let mut shop = Shop::open();
    let price = shop.price("PACK", 1999, "");
    let on_top = rate(&mut shop, "8.875", false);
    let id = shop.session(
        "payment",
        &price,
        &format!("&line_items[0][tax_rates][0]={on_top}"),
    );

    let session = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        (&session["amount_subtotal"], &session["amount_total"]),
        (&json!(1999), &json!(2176))
    );
    assert_eq!(session["total_details"]["amount_tax"], 177);
    let intent = shop.see(&session["payment_intent"]);
    assert_eq!(intent["amount_received"], 2176);
}

#[test]
fn a_renewal_without_an_address_gives_up_automatic_tax() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let customer = customer_in(&mut shop, "DE");
    let plan = shop.plan("PRO", 2000);
    let sub = shop.subscribe(&customer, &plan, "&automatic_tax[enabled]=true");
    shop.post(&format!("/v1/customers/{customer}"), "address=");

    shop.wait(31 * DAY + 2 * 3600);

    let after = shop.see(&sub["id"]);
    let renewal = shop.see(&after["latest_invoice"]);
    assert_eq!(
        renewal["automatic_tax"]["disabled_reason"],
        "finalization_requires_location_inputs"
    );
    assert_eq!(
        (&renewal["total"], &renewal["status"]),
        (&json!(2000), &json!("paid"))
    );
    assert_eq!(
        after["automatic_tax"]["disabled_reason"],
        "requires_location_inputs"
    );
}

#[test]
fn the_table_of_taxes_is_set_read_and_cleared() {
    let mut shop = Shop::open();

    shop.core.set_tax("DE", None, "19", true).unwrap();
    let set = shop.core.set_tax("DE", None, "7", true).unwrap();

    assert_eq!(shop.core.taxes(), [set]);
    for (country, percentage) in [("de", "19"), ("DE", "-1"), ("DE", "101"), ("DE", "x")] {
        assert!(shop.core.set_tax(country, None, percentage, true).is_err());
    }
    assert!(shop.core.clear_tax("DE", None));
    assert!(shop.core.taxes().is_empty() && !shop.core.clear_tax("DE", None));
}

#[test]
fn a_customer_shows_whether_tax_can_be_calculated() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let customer = shop.customer("");
    let path = format!("/v1/customers/{customer}");
    let mut state = |body: &str| {
        shop.post(&path, body);
        shop.get(&format!("{path}?expand[]=tax"))["tax"]["automatic_tax"].clone()
    };

    assert_eq!(state("name=Ann"), "unrecognized_location");
    assert_eq!(state("address[country]=JP"), "not_collecting");
    assert_eq!(state("address[country]=DE"), "supported");
    let (status, error) = shop.refused(
        "POST",
        "/v1/customers",
        "tax[validate_location]=immediately",
    );
    assert_eq!(
        (status, &error["code"]),
        (400, &json!("customer_tax_location_invalid"))
    );
    assert_eq!(shop.core.objects("customer").len(), 1);
}
