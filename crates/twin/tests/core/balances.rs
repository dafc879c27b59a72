//! The balance of customers, its transactions, and credit notes.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use serde_json::{Value, json};

use crate::changes::{change, on_plan};
use crate::shop::{Shop, string};

/// The types and amounts of the transactions of a customer, oldest first.
fn transactions(shop: &mut Shop, customer: &str) -> Vec<(String, i64, i64)> {
    let listed = shop.get(&format!(
        "/v1/customers/{customer}/balance_transactions?limit=100"
    ));
    let all = listed["data"].as_array().unwrap().iter().rev();
    all.map(|one| {
        (
            string(&one["type"]),
            one["amount"].as_i64().unwrap(),
            one["ending_balance"].as_i64().unwrap(),
        )
    })
    .collect()
}

fn balance(shop: &Shop, customer: &str) -> Value {
    shop.see(&json!(customer))["balance"].clone()
}

/// Creates an open or a paid invoice over an amount.
fn invoice(shop: &mut Shop, customer: &str, amount: i64, more: &str) -> Value {
    let body = format!("customer={customer}&amount={amount}&currency=usd&description=Work{more}");
    shop.post("/v1/invoiceitems", &body);
    let body = format!("customer={customer}&pending_invoice_items_behavior=include");
    let draft = shop.post("/v1/invoices", &body);
    shop.post(
        &format!("/v1/invoices/{}/finalize", string(&draft["id"])),
        "",
    )
}

fn paid(shop: &mut Shop, customer: &str, amount: i64, more: &str) -> Value {
    let open = invoice(shop, customer, amount, more);
    shop.post(&format!("/v1/invoices/{}/pay", string(&open["id"])), "")
}

#[test]
fn every_change_of_a_balance_writes_a_transaction() {
    let mut shop = Shop::open();
    let customer = string(&shop.post("/v1/customers", "email=a@b.example&balance=-500")["id"]);
    shop.give_card(&customer, "pm_card_visa");
    let path = format!("/v1/customers/{customer}/balance_transactions");
    shop.post(
        &path,
        "amount=-200&currency=usd&description=Gift&metadata[a]=b",
    );
    shop.post(&format!("/v1/customers/{customer}"), "balance=-1000");

    let open = invoice(&mut shop, &customer, 700, "");

    assert_eq!(
        (&open["starting_balance"], &open["ending_balance"]),
        (&json!(-1000), &json!(-300))
    );
    assert_eq!(open["status"], "paid");
    assert_eq!(
        transactions(&mut shop, &customer),
        [
            ("initial".to_owned(), -500, -500),
            ("adjustment".to_owned(), -200, -700),
            ("adjustment".to_owned(), -300, -1000),
            ("applied_to_invoice".to_owned(), 700, -300),
        ]
    );
    let of_invoice = shop.get(&format!("{path}?invoice={}", string(&open["id"])));
    assert_eq!(of_invoice["data"].as_array().unwrap().len(), 1);
}

#[test]
fn an_amount_too_small_to_charge_is_carried_over_with_a_transaction() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");

    invoice(&mut shop, &customer, 40, "");

    assert_eq!(
        transactions(&mut shop, &customer),
        [("invoice_too_small".to_owned(), 40, 40)]
    );
}

#[test]
fn a_downgrade_credits_the_balance_and_names_its_invoice() {
    let mut shop = Shop::open();
    let (customer, sub, cheap) = on_plan(&mut shop, "pm_card_visa", 4900, 1900);

    let (path, body) = change(&sub, &cheap, "&proration_behavior=always_invoice");
    let after = shop.post(&path, &body);

    let path = format!("/v1/customers/{customer}/balance_transactions");
    let newest = shop.get(&path)["data"][0].clone();
    assert_eq!(
        (&newest["type"], &newest["amount"]),
        (&json!("applied_to_invoice"), &json!(-3000))
    );
    assert_eq!(newest["invoice"], after["latest_invoice"]);
}

#[test]
fn voiding_an_invoice_gives_the_applied_balance_back() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    shop.post(&format!("/v1/customers/{customer}"), "balance=-300");
    let open = invoice(&mut shop, &customer, 1000, "");
    let applied = balance(&shop, &customer);

    shop.post(&format!("/v1/invoices/{}/void", string(&open["id"])), "");

    assert_eq!(
        (open["amount_due"].clone(), applied),
        (json!(700), json!(0))
    );
    assert_eq!(balance(&shop, &customer), -300);
    let last = transactions(&mut shop, &customer).pop().unwrap();
    assert_eq!(last, ("unapplied_from_invoice".to_owned(), -300, -300));
}

#[test]
fn a_transaction_is_read_and_updated_under_its_customer_only() {
    let mut shop = Shop::open();
    let (customer, other) = (shop.customer(""), shop.customer(""));
    let base = format!("/v1/customers/{customer}/balance_transactions");
    let made = shop.post(&base, "amount=100&currency=usd");
    let id = string(&made["id"]);

    let changed = shop.post(&format!("{base}/{id}"), "description=Fee&metadata[k]=v");
    let (missing, _) = shop.refused(
        "GET",
        &format!("/v1/customers/{other}/balance_transactions/{id}"),
        "",
    );

    assert_eq!(
        (&changed["description"], &changed["metadata"]["k"]),
        (&json!("Fee"), &json!("v"))
    );
    assert_eq!(missing, 404);
    assert_eq!(shop.get(&format!("{base}/{id}"))["ending_balance"], 100);
    assert_eq!(balance(&shop, &customer), 100);
}

#[test]
fn a_credit_note_to_the_balance_names_its_transaction() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let paid = paid(&mut shop, &customer, 2000, "");
    let id = string(&paid["id"]);

    let note = shop.post(
        "/v1/credit_notes",
        &format!("invoice={id}&amount=500&credit_amount=500"),
    );

    let transaction = shop.see(&note["customer_balance_transaction"]);
    assert_eq!(transaction["type"], "credit_note");
    assert_eq!(
        (&transaction["credit_note"], &transaction["invoice"]),
        (&note["id"], &paid["id"])
    );
    assert_eq!(balance(&shop, &customer), -500);
}

#[test]
fn a_line_of_a_credit_note_has_only_the_fields_of_its_type() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let paid = paid(&mut shop, &customer, 2000, "");
    let (id, line) = (string(&paid["id"]), &paid["lines"]["data"][0]["id"]);
    let custom = "lines[0][type]=custom_line_item&lines[0][unit_amount]=100&lines[0][quantity]=1";
    let billed = format!(
        "lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={}&lines[0][amount]=100",
        string(line)
    );
    for (lines, name, value) in [
        (custom, "invoice_line_item", "il_1"),
        (&billed, "unit_amount", "100"),
        (&billed, "tax_rates][0", "txr_1"),
    ] {
        let body = format!("invoice={id}&refund_amount=100&{lines}&lines[0][{name}]={value}");

        let (status, error) = shop.refused("POST", "/v1/credit_notes", &body);

        let name = name.trim_end_matches("][0");
        assert_eq!(status, 400);
        assert_eq!(error["param"], format!("lines[0][{name}]"));
    }
    assert_eq!(shop.core.objects("credit_note").len(), 0);
}

#[test]
fn a_preview_of_a_credit_note_changes_nothing() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let paid = paid(&mut shop, &customer, 2000, "");
    let id = string(&paid["id"]);
    let line = string(&paid["lines"]["data"][0]["id"]);
    shop.happened();
    let query = format!(
        "invoice={id}&refund_amount=2000&lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={line}"
    );

    let preview = shop.get(&format!("/v1/credit_notes/preview?{query}"));
    let lines = shop.get(&format!("/v1/credit_notes/preview/lines?{query}"));
    let (status, _) = shop.refused(
        "GET",
        &format!("/v1/credit_notes/preview?invoice={id}&amount=1"),
        "",
    );

    assert_eq!(
        (&preview["total"], &preview["type"]),
        (&json!(2000), &json!("post_payment"))
    );
    assert_eq!(lines["data"][0]["invoice_line_item"], line.as_str());
    assert_eq!(status, 400);
    assert!(shop.core.objects("credit_note").is_empty() && shop.core.objects("refund").is_empty());
    assert_eq!(shop.see(&paid["id"]), paid);
    assert!(shop.happened().is_empty());
}

#[test]
fn a_credit_note_of_a_line_credits_its_discount_and_its_tax() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let rate = shop.post(
        "/v1/tax_rates",
        "display_name=VAT&percentage=10&inclusive=false",
    );
    let half = shop.post("/v1/coupons", "percent_off=50");
    let more = format!(
        "&tax_rates[0]={}&discounts[0][coupon]={}",
        string(&rate["id"]),
        string(&half["id"])
    );
    let paid = paid(&mut shop, &customer, 2000, &more);
    let id = string(&paid["id"]);
    let line = string(&paid["lines"]["data"][0]["id"]);
    let of_line =
        format!("invoice={id}&lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={line}");

    let note = shop.post(
        "/v1/credit_notes",
        &format!("{of_line}&lines[0][amount]=500&refund_amount=275"),
    );
    let (_, error) = shop.refused(
        "POST",
        "/v1/credit_notes",
        &format!("{of_line}&lines[0][amount]=1501&refund_amount=825"),
    );

    assert_eq!(paid["total"], 1100);
    assert_eq!(
        (&note["subtotal"], &note["discount_amount"]),
        (&json!(500), &json!(250))
    );
    assert_eq!(
        (&note["total"], &note["total_excluding_tax"]),
        (&json!(275), &json!(250))
    );
    assert_eq!(note["total_taxes"][0]["amount"], 25);
    assert_eq!(shop.core.objects("refund")[0]["amount"], 275);
    assert!(string(&error["message"]).contains("what is left of the line ($15.00)"));
}

#[test]
fn a_credit_note_for_an_amount_contains_its_share_of_tax() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let rate = shop.post(
        "/v1/tax_rates",
        "display_name=VAT&percentage=10&inclusive=false",
    );
    let paid = paid(
        &mut shop,
        &customer,
        2000,
        &format!("&tax_rates[0]={}", string(&rate["id"])),
    );
    let id = string(&paid["id"]);

    let note = shop.post(
        "/v1/credit_notes",
        &format!("invoice={id}&amount=1100&refund_amount=1100"),
    );

    assert_eq!(
        (&note["total"], &note["total_excluding_tax"]),
        (&json!(1100), &json!(1000))
    );
    assert_eq!(note["total_taxes"][0]["amount"], 100);
    let after = shop.see(&paid["id"]);
    assert_eq!(after["post_payment_credit_notes_amount"], 1100);
}

#[test]
fn an_open_invoice_that_a_credit_note_settles_is_paid_without_a_payment() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("", 1000);
    let sub = shop.subscribe(
        &customer,
        &plan,
        "&collection_method=send_invoice&days_until_due=7",
    );
    let invoice = string(&sub["latest_invoice"]);
    shop.post(&format!("/v1/invoices/{invoice}/finalize"), "");
    shop.happened();

    shop.post(
        "/v1/credit_notes",
        &format!("invoice={invoice}&amount=1000"),
    );

    let events = shop.happened();
    assert!(events.contains(&"invoice.paid".to_owned()));
    assert!(!events.contains(&"invoice.payment_succeeded".to_owned()));
}
