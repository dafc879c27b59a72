//! Lists inside objects: at most ten elements are shown, and all of them count.

use serde_json::{Value, json};

use crate::shop::{Shop, string};

/// A draft with twelve lines of one dollar.
fn long_draft(shop: &mut Shop) -> String {
    let customer = shop.customer("pm_card_visa");
    let draft = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    for _ in 0..12 {
        let body = format!("customer={customer}&invoice={draft}&amount=100");
        shop.post("/v1/invoiceitems", &body);
    }
    draft
}

fn length(list: &Value) -> (usize, bool) {
    let data = list["data"].as_array().unwrap();
    (data.len(), list["has_more"].as_bool().unwrap())
}

#[test]
fn an_invoice_shows_ten_lines_everywhere_and_its_own_list_has_the_rest() {
    let mut shop = Shop::open();
    let draft = long_draft(&mut shop);

    let shown = shop.get(&format!("/v1/invoices/{draft}"));
    let listed = shop.get("/v1/invoices");
    let event = shop.last("invoice.updated");
    let all = shop.get(&format!("/v1/invoices/{draft}/lines?limit=100"));
    let last = string(&shown["lines"]["data"][9]["id"]);
    let rest = shop.get(&format!("/v1/invoices/{draft}/lines?starting_after={last}"));
    let paid = shop.post(&format!("/v1/invoices/{draft}/pay"), "");

    for lines in [
        &shown["lines"],
        &listed["data"][0]["lines"],
        &event["data"]["object"]["lines"],
        &paid["lines"],
    ] {
        assert_eq!(length(lines), (10, true));
    }
    assert_eq!((length(&all), length(&rest)), ((12, false), (2, false)));
    assert_eq!(
        (&shown["total"], &paid["amount_paid"]),
        (&json!(1200), &json!(1200))
    );
}

#[test]
fn a_change_past_the_tenth_line_is_not_among_the_previous_values() {
    let mut shop = Shop::open();
    let draft = long_draft(&mut shop);
    let all = shop.get(&format!("/v1/invoices/{draft}/lines?limit=100"));
    let twelfth = string(&all["data"][11]["id"]);
    shop.happened();

    shop.post(
        &format!("/v1/invoices/{draft}/lines/{twelfth}"),
        "amount=300",
    );

    let before = shop.last("invoice.updated")["data"]["previous_attributes"].clone();
    assert_eq!(before["total"], 1200);
    assert_eq!(before.get("lines"), None);
}

#[test]
fn credit_notes_subscriptions_and_sessions_show_ten_elements_too() {
    let mut shop = Shop::open();
    let draft = long_draft(&mut shop);
    shop.post(&format!("/v1/invoices/{draft}/finalize"), "");
    let customer = shop.customer("pm_card_visa");
    let (mut note, mut items) = (format!("invoice={draft}"), format!("customer={customer}"));
    let mut session = "mode=payment&success_url=https://shop.example/ok".to_owned();
    for index in 0..12 {
        let plan = shop.plan(&format!("Plan {index}"), 100);
        let pack = shop.price(&format!("Pack {index}"), 100, "");
        note += &format!("&lines[{index}][type]=custom_line_item&lines[{index}][unit_amount]=10");
        items += &format!("&items[{index}][price]={plan}");
        session += &format!("&line_items[{index}][price]={pack}&line_items[{index}][quantity]=1");
    }

    let note = shop.post("/v1/credit_notes", &note);
    let sub = shop.post("/v1/subscriptions", &items);
    let session = shop.post(
        "/v1/checkout/sessions",
        &format!("{session}&expand[0]=line_items"),
    );

    let of_note = shop.get(&format!(
        "/v1/credit_notes/{}/lines?limit=50",
        string(&note["id"])
    ));
    let of_sub = shop.get(&format!(
        "/v1/subscription_items?limit=50&subscription={}",
        string(&sub["id"])
    ));
    let path = format!(
        "/v1/checkout/sessions/{}/line_items?limit=50",
        string(&session["id"])
    );
    let of_session = shop.get(&path);
    for (short, whole) in [
        (&note["lines"], &of_note),
        (&sub["items"], &of_sub),
        (&session["line_items"], &of_session),
    ] {
        assert_eq!((length(short), length(whole)), ((10, true), (12, false)));
    }
    assert_eq!(
        (&note["total"], &session["amount_total"]),
        (&json!(120), &json!(1200))
    );
}
