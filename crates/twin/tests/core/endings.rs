//! How subscriptions end: what is credited, what is still billed, and what is refused afterwards.

use serde_json::{Value, json};

use crate::billing::{FEBRUARY, latest_invoice, subscriber};
use crate::changes::{amounts, change, on_plan};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

/// Cancels a subscription with parameters.
fn cancel(shop: &mut Shop, sub: &Value, more: &str) -> Value {
    let path = format!("/v1/subscriptions/{}", string(sub));
    let answer = shop.send("DELETE", &path, more, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn pending(shop: &Shop) -> Vec<i64> {
    let items = shop.core.objects("invoiceitem");
    let waiting = items.iter().filter(|item| item["invoice"].is_null());
    waiting
        .map(|item| item["amount"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_canceled_subscription_is_credited_on_a_draft_that_is_then_written_off() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.wait(31 * DAY / 2);

    let ended = cancel(&mut shop, &sub, "prorate=true&invoice_now=true");
    let events = shop.happened();
    let draft = shop.see(&ended["latest_invoice"]);
    shop.wait(HOUR);

    assert_eq!(
        events,
        [
            "invoiceitem.created",
            "invoice.created",
            "customer.subscription.deleted"
        ]
    );
    assert_eq!(
        (
            &draft["status"],
            &draft["billing_reason"],
            &draft["auto_advance"]
        ),
        (&json!("draft"), &json!("subscription_cycle"), &json!(true))
    );
    assert_eq!(
        (amounts(&draft), &draft["total"]),
        (vec![-950], &json!(-950))
    );
    assert_eq!(
        (&draft["period_start"], &draft["period_end"]),
        (&json!(NOW), &json!(shop.now - HOUR))
    );
    assert_eq!(shop.happened(), ["invoice.marked_uncollectible"]);
    let after = shop.see(&ended["latest_invoice"]);
    assert_eq!(
        (&after["status"], &after["number"]),
        (&json!("uncollectible"), &Value::Null)
    );
    assert_eq!(shop.see(&json!(customer))["balance"], 0);
}

#[test]
fn a_credit_without_an_invoice_waits_and_is_not_tied_to_the_subscription() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.wait(31 * DAY / 2);

    let ended = cancel(&mut shop, &sub, "prorate=true");

    assert_eq!(pending(&shop), [-950]);
    let items = shop.core.objects("invoiceitem");
    assert!(items[0]["parent"].is_null());
    assert_eq!(items[0]["proration"], true);
    assert_eq!(
        latest_invoice(&shop, &ended["id"])["billing_reason"],
        "subscription_create"
    );
}

#[test]
fn pending_prorations_are_dropped_unless_the_cancellation_bills_them() {
    for (more, left, billed) in [("", 0, false), ("invoice_now=true", 0, true)] {
        let mut shop = Shop::open();
        let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
        shop.wait(31 * DAY / 2);
        let (path, body) = change(&sub, &plus, "");
        shop.post(&path, &body);
        shop.happened();

        let ended = cancel(&mut shop, &sub["id"], more);
        let dropped = shop.did("invoiceitem.deleted");
        shop.wait(HOUR);

        assert_eq!(pending(&shop).len(), left);
        assert_eq!(dropped, !billed);
        let last = shop.see(&ended["latest_invoice"]);
        if billed {
            assert_eq!(
                (amounts(&last), &last["status"]),
                (vec![-950, 2450], &json!("paid"))
            );
        } else {
            assert_eq!(last["billing_reason"], "subscription_create");
        }
    }
}

#[test]
fn a_cancellation_without_anything_to_bill_makes_no_invoice() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");

    cancel(&mut shop, &sub, "invoice_now=true");

    assert_eq!(shop.happened(), ["customer.subscription.deleted"]);
}

#[test]
fn pending_prorations_are_billed_at_the_end_of_a_scheduled_cancellation() {
    let mut shop = Shop::open();
    let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.wait(31 * DAY / 2);
    let (path, body) = change(&sub, &plus, "");
    shop.post(&path, &body);
    shop.post(&path, "cancel_at_period_end=true");

    shop.wait(31 * DAY / 2 + HOUR);

    let last = latest_invoice(&shop, &sub["id"]);
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
    assert_eq!(
        (amounts(&last), &last["status"]),
        (vec![-950, 2450], &json!("paid"))
    );
}

#[test]
fn an_end_date_within_the_period_credits_the_rest_and_undoing_it_bills_it_again() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 3100, 4900);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let end = NOW + 10 * DAY;

    let cut = shop.post(&path, &format!("cancel_at={end}"));
    let credit = pending(&shop);
    let whole = shop.post(&path, "cancel_at=");
    let undone = pending(&shop);

    assert_eq!(credit, [-2100]);
    assert_eq!(cut["items"]["data"][0]["current_period_end"], end);
    assert_eq!(undone, [-2100, 2100]);
    assert_eq!(whole["items"]["data"][0]["current_period_end"], FEBRUARY);
    assert_eq!(
        (&whole["cancel_at"], &whole["canceled_at"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn an_end_date_can_be_set_without_prorations_or_with_an_invoice() {
    let mut shop = Shop::open();
    let (customer, sub, _) = on_plan(&mut shop, "pm_card_visa", 3100, 4900);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let end = NOW + 10 * DAY;

    shop.post(&path, &format!("cancel_at={end}&proration_behavior=none"));
    let none = pending(&shop);
    shop.post(&path, "cancel_at=&proration_behavior=none");
    let more = format!("cancel_at={end}&proration_behavior=always_invoice");
    let billed = shop.post(&path, &more);

    assert!(none.is_empty());
    assert_eq!(amounts(&shop.see(&billed["latest_invoice"])), [-2100]);
    assert_eq!(shop.see(&json!(customer))["balance"], -2100);
}

#[test]
fn an_ended_subscription_only_takes_metadata_and_the_reason() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&sub));
    let more = "cancellation_details[feedback]=too_expensive&cancellation_details[comment]=bye";

    let ended = cancel(&mut shop, &sub, more);
    let (status, error) = shop.refused("POST", &path, "days_until_due=3");
    let plus = shop.plan("PLUS", 900);
    let (item, _) = shop.refused(
        "POST",
        "/v1/subscription_items",
        &format!("subscription={}&price={plus}", string(&sub)),
    );
    let noted = shop.post(&path, "metadata[a]=b&cancellation_details[comment]=back");
    shop.wait(60 * DAY);

    assert_eq!(
        ended["cancellation_details"],
        json!({"comment": "bye", "feedback": "too_expensive", "reason": "cancellation_requested"})
    );
    assert_eq!((status, item), (400, 404));
    assert_eq!(error["code"], "invalid_canceled_subscription_fields");
    assert_eq!(noted["cancellation_details"]["comment"], "back");
    let old = string(&ended["items"]["data"][0]["id"]);
    let item = format!("/v1/subscription_items/{old}");
    assert_eq!(shop.refused("POST", &item, "quantity=2").0, 400);
    assert_eq!(shop.refused("DELETE", &item, "").0, 400);
    assert_eq!(
        shop.happened().last().unwrap(),
        "customer.subscription.updated"
    );
}
