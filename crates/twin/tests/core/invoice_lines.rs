//! Adding, changing and removing the lines of draft invoices.

use serde_json::{Value, json};

use crate::changes::amounts;
use crate::shop::{Shop, string};

/// Creates an empty draft and returns its path.
fn draft(shop: &mut Shop) -> (String, String) {
    let customer = shop.customer("pm_card_visa");
    let invoice = shop.post("/v1/invoices", &format!("customer={customer}&currency=usd"));
    shop.happened();
    (customer, format!("/v1/invoices/{}", string(&invoice["id"])))
}

fn line(invoice: &Value, index: usize) -> String {
    string(&invoice["lines"]["data"][index]["id"])
}

#[test]
fn lines_are_added_changed_and_removed_while_the_invoice_is_a_draft() {
    let mut shop = Shop::open();
    let (_, path) = draft(&mut shop);

    let two = shop.post(
        &format!("{path}/add_lines"),
        "lines[0][amount]=1000&lines[0][description]=One&lines[1][amount]=500&invoice_metadata[a]=b",
    );
    let events = shop.happened();
    let changed = shop.post(
        &format!("{path}/update_lines"),
        &format!("lines[0][id]={}&lines[0][amount]=700", line(&two, 0)),
    );
    let one = shop.post(
        &format!("{path}/lines/{}", line(&two, 1)),
        "description=Two&amount=300",
    );
    let left = shop.post(
        &format!("{path}/remove_lines"),
        &format!("lines[0][id]={}&lines[0][behavior]=delete", line(&two, 0)),
    );
    let paid = shop.post(&format!("{path}/pay"), "");

    assert_eq!(
        (amounts(&two), &two["total"]),
        (vec![1000, 500], &json!(1500))
    );
    assert_eq!(two["metadata"], json!({"a": "b"}));
    assert_eq!(
        events,
        [
            "invoiceitem.created",
            "invoiceitem.created",
            "invoice.updated"
        ]
    );
    assert_eq!(changed["total"], 1200);
    assert_eq!(
        (&one["object"], &one["description"], &one["amount"]),
        (&json!("line_item"), &json!("Two"), &json!(300))
    );
    assert_eq!(
        (amounts(&left), &left["amount_due"]),
        (vec![300], &json!(300))
    );
    assert_eq!(paid["amount_paid"], 300);
}

#[test]
fn a_line_that_is_unassigned_waits_and_can_be_added_again() {
    let mut shop = Shop::open();
    let (_, path) = draft(&mut shop);
    let one = shop.post(&format!("{path}/add_lines"), "lines[0][amount]=1000");
    let item = one["lines"]["data"][0]["parent"]["invoice_item_details"]["invoice_item"].clone();

    let none = shop.post(
        &format!("{path}/remove_lines"),
        &format!("lines[0][id]={}&lines[0][behavior]=unassign", line(&one, 0)),
    );
    let waiting = shop.see(&item)["invoice"].clone();
    let again = shop.post(
        &format!("{path}/add_lines"),
        &format!("lines[0][invoice_item]={}", string(&item)),
    );

    assert_eq!((&none["total"], &waiting), (&json!(0), &Value::Null));
    assert_eq!(
        (&again["total"], &shop.see(&item)["invoice"]),
        (&json!(1000), &again["id"])
    );
}

#[test]
fn lines_that_cannot_be_edited_are_refused_and_nothing_changes() {
    let mut shop = Shop::open();
    let (_, path) = draft(&mut shop);
    let one = shop.post(&format!("{path}/add_lines"), "lines[0][amount]=1000");
    shop.happened();

    let both = "lines[0][amount]=5&lines[1][amount]=1&lines[1][quantity]=2";
    let (_, exclusive) = shop.refused("POST", &format!("{path}/add_lines"), both);
    let unknown = shop.refused("POST", &format!("{path}/update_lines"), "lines[0][id]=il_x");
    let after = shop.get(&path);
    let silence = shop.happened();
    shop.post(&format!("{path}/finalize"), "");
    let (_, closed) = shop.refused("POST", &format!("{path}/add_lines"), "lines[0][amount]=5");

    assert_eq!(
        exclusive["message"],
        "You may only specify one of these parameters: amount, quantity."
    );
    assert_eq!(unknown.0, 400);
    assert_eq!(after["total"], one["total"]);
    assert!(silence.is_empty());
    assert_eq!(closed["code"], "invoice_not_editable");
}

#[test]
fn the_line_of_a_period_cannot_be_edited() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(
        &customer,
        &plan,
        "&collection_method=send_invoice&days_until_due=9",
    );
    let invoice = shop.see(&sub["latest_invoice"]);
    let path = format!(
        "/v1/invoices/{}/lines/{}",
        string(&invoice["id"]),
        line(&invoice, 0)
    );

    let (status, error) = shop.refused("POST", &path, "amount=5");

    assert_eq!(
        (status, &error["code"]),
        (400, &json!("invoice_not_editable"))
    );
}
