//! What can be changed on an invoice, whose it is, and when a draft is finalized.

use serde_json::{Value, json};

use crate::billing::{FEBRUARY, latest_invoice, subscriber};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

/// Creates a draft invoice over $20.00.
fn draft(shop: &mut Shop, customer: &str, more: &str) -> String {
    let item = format!("customer={customer}&amount=2000&currency=usd");
    shop.post("/v1/invoiceitems", &item);
    let body = format!("customer={customer}&pending_invoice_items_behavior=include{more}");
    string(&shop.post("/v1/invoices", &body)["id"])
}

#[test]
fn a_finalized_invoice_refuses_edits_of_its_content() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let id = draft(&mut shop, &customer, "");
    let path = format!("/v1/invoices/{id}");
    shop.post(&path, "description=Before&footer=Thanks");
    shop.post(&format!("{path}/finalize"), "");
    let before = shop.see(&json!(id));
    shop.happened();

    for edit in [
        "description=After",
        "footer=After",
        "collection_method=send_invoice",
        "due_date=1800000000",
        "number=X-1",
    ] {
        let (status, error) = shop.refused("POST", &path, edit);
        assert_eq!(status, 400);
        assert_eq!(
            error["message"],
            "Finalized invoices can't be updated in this way"
        );
        assert_eq!(error["param"], edit.split('=').next().unwrap());
    }
    assert_eq!(shop.see(&json!(id)), before);
    let open = shop.post(&path, "metadata[a]=b&auto_advance=false");
    shop.post(&format!("{path}/pay"), "");
    let (paid, _) = shop.refused("POST", &path, "auto_advance=true");
    let noted = shop.post(&path, "metadata[a]=c");

    assert_eq!(open["metadata"], json!({"a": "b"}));
    assert_eq!(paid, 400);
    assert_eq!(noted["metadata"], json!({"a": "c"}));
}

#[test]
fn an_invoice_of_an_unknown_subscription_or_of_another_customer_is_refused() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    let other = shop.customer("");
    shop.happened();

    let (unknown, error) = shop.refused(
        "POST",
        "/v1/invoices",
        &format!("customer={customer}&subscription=sub_unknown"),
    );
    let (theirs, _) = shop.refused(
        "POST",
        "/v1/invoices",
        &format!("customer={other}&subscription={}", string(&sub)),
    );

    assert_eq!((unknown, &error["param"]), (400, &json!("subscription")));
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(theirs, 400);
    assert!(shop.happened().is_empty());
}

#[test]
fn pending_items_are_left_out_of_a_new_invoice_unless_asked_for() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    shop.post(
        "/v1/invoiceitems",
        &format!("customer={customer}&amount=2000&currency=usd"),
    );

    let empty = shop.post("/v1/invoices", &format!("customer={customer}"));

    assert_eq!(empty["total"], 0);
    assert!(empty["lines"]["data"].as_array().unwrap().is_empty());
}

#[test]
fn a_draft_that_advances_is_finalized_and_charged_at_its_moment() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let id = draft(&mut shop, &customer, "");
    let path = format!("/v1/invoices/{id}");
    shop.wait(3 * DAY);
    let still = shop.see(&json!(id))["status"].clone();

    let later = shop.now + 2 * DAY;
    let planned = shop.post(
        &path,
        &format!("auto_advance=true&automatically_finalizes_at={later}"),
    );
    shop.wait(2 * DAY);

    assert_eq!(still, "draft");
    assert_eq!(planned["automatically_finalizes_at"], later);
    assert_eq!(shop.see(&json!(id))["status"], "paid");
}

#[test]
fn invoices_refuse_what_their_state_forbids() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let (first, second) = (
        draft(&mut shop, &customer, ""),
        draft(&mut shop, &customer, ""),
    );
    let path = |id: &str, verb: &str| format!("/v1/invoices/{id}/{verb}");

    let (draft_void, _) = shop.refused("POST", &path(&first, "void"), "");
    shop.post(&path(&first, "pay"), "");
    shop.post(&path(&second, "finalize"), "");
    shop.post(&path(&second, "mark_uncollectible"), "");
    let (_, paid_void) = shop.refused("POST", &path(&first, "void"), "");
    let (_, twice) = shop.refused("POST", &path(&second, "mark_uncollectible"), "");
    let (_, deleted) = shop.refused("DELETE", &format!("/v1/invoices/{first}"), "");

    assert_eq!(draft_void, 400);
    assert_eq!(
        paid_void["message"],
        "Invoices with `paid` payments cannot be voided."
    );
    assert_eq!(
        twice["message"],
        "This invoice has already been marked uncollectible."
    );
    assert_eq!(deleted["message"], "You can only delete draft invoices.");
}

#[test]
fn an_invoice_paid_outside_is_paid_without_a_charge_and_only_once() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let id = draft(&mut shop, &customer, "");
    let path = format!("/v1/invoices/{id}/pay");
    shop.happened();

    let paid = shop.post(&path, "paid_out_of_band=true");
    let events = shop.happened();
    let (again, _) = shop.refused("POST", &path, "paid_out_of_band=true");

    assert_eq!(paid["status"], "paid");
    assert!(!events.iter().any(|kind| kind.starts_with("charge.")));
    assert_eq!(again, 400);
}

/// The id of the newest `invoice.created` event.
fn created_event(shop: &mut Shop) -> String {
    string(&shop.last("invoice.created")["id"])
}

#[test]
fn a_renewal_waits_up_to_72_hours_for_its_event_to_be_acknowledged() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.wait(31 * DAY);
    let event = created_event(&mut shop);

    shop.core.set_created_delivery(&event, false);
    let held = latest_invoice(&shop, &sub);
    shop.wait(72 * HOUR - 1);
    let waiting = latest_invoice(&shop, &sub)["status"].clone();
    shop.wait(1);

    assert!(held["webhooks_delivered_at"].is_null());
    assert_eq!(held["automatically_finalizes_at"], FEBRUARY + 72 * HOUR + 1);
    assert_eq!(waiting, "draft");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "paid");
}

#[test]
fn a_renewal_is_finalized_an_hour_after_its_event_is_acknowledged() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.wait(31 * DAY);
    let event = created_event(&mut shop);

    shop.core.set_created_delivery(&event, true);
    let untouched = latest_invoice(&shop, &sub)["automatically_finalizes_at"].clone();
    shop.core.set_created_delivery(&event, false);
    shop.wait(10 * HOUR);
    shop.core.set_created_delivery(&event, true);
    let told = latest_invoice(&shop, &sub);
    shop.wait(HOUR - 1);
    let waiting = latest_invoice(&shop, &sub)["status"].clone();
    shop.wait(1);

    assert_eq!(untouched, FEBRUARY + HOUR + 1);
    assert_eq!(told["webhooks_delivered_at"], FEBRUARY + 10 * HOUR);
    assert_eq!(told["automatically_finalizes_at"], FEBRUARY + 11 * HOUR + 1);
    assert_eq!(waiting, "draft");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "paid");
    shop.core.set_created_delivery(&event, false);
    assert_eq!(latest_invoice(&shop, &sub)["status"], "paid");
}

#[test]
fn the_delivery_of_other_events_holds_nothing() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.wait(31 * DAY);
    shop.happened();
    let others: Vec<Value> = shop.events.clone();

    for event in others
        .iter()
        .filter(|event| event["type"] != "invoice.created")
    {
        shop.core
            .set_created_delivery(event["id"].as_str().unwrap(), false);
    }
    shop.core.set_created_delivery("evt_unknown", false);

    assert_eq!(
        latest_invoice(&shop, &sub)["automatically_finalizes_at"],
        NOW + 31 * DAY + HOUR + 1
    );
}
