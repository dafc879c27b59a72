use serde_json::{Value, json};
use twin::core::DunningEnd;

use crate::billing::{FEBRUARY, latest_invoice, subscriber};
use crate::shop::{DAY, HOUR, Shop, string};

#[test]
fn a_failing_renewal_is_past_due_then_retried_then_canceled() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY);
    shop.happened();

    shop.wait(HOUR);
    let first = shop.happened();
    let invoice = latest_invoice(&shop, &sub);

    assert_eq!(
        first,
        [
            "invoice.finalized",
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "invoice.payment_failed",
            "customer.updated",
            "invoice.updated",
            "customer.subscription.updated",
        ]
    );
    assert_eq!(shop.see(&sub)["status"], "past_due");
    assert_eq!(
        shop.last("customer.subscription.updated")["data"]["previous_attributes"],
        json!({"status": "active"})
    );
    assert_eq!(
        (&invoice["status"], &invoice["attempt_count"]),
        (&json!("open"), &json!(1))
    );
    assert_eq!(invoice["next_payment_attempt"], FEBRUARY + HOUR + 3 * DAY);

    let mut attempts = Vec::new();
    for days in [3, 5, 7, 6] {
        assert_eq!(shop.see(&sub)["status"], "past_due");
        shop.wait(days * DAY);
        attempts.push(
            latest_invoice(&shop, &sub)["attempt_count"]
                .as_i64()
                .unwrap(),
        );
    }
    assert_eq!(attempts, [2, 3, 4, 5]);
    let ended = shop.see(&sub);
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["cancellation_details"]["reason"], "payment_failed");
    assert!(shop.did("customer.subscription.deleted"));
    let invoice = latest_invoice(&shop, &sub);
    assert_eq!(
        (&invoice["status"], &invoice["next_payment_attempt"]),
        (&json!("open"), &Value::Null)
    );
    shop.wait(60 * DAY);
    assert!(shop.happened().is_empty());
}

#[test]
fn dunning_can_end_unpaid_and_later_invoices_stay_drafts() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![1], DunningEnd::MarkUnpaid);
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");

    shop.wait(31 * DAY + HOUR + DAY);
    let unpaid = shop.see(&sub)["status"].clone();
    shop.wait(30 * DAY);

    assert_eq!(unpaid, "unpaid");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "draft");
    assert_eq!(latest_invoice(&shop, &sub)["auto_advance"], false);
}

#[test]
fn dunning_can_leave_a_subscription_past_due() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![], DunningEnd::LeavePastDue);
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");

    shop.wait(40 * DAY);

    assert_eq!(shop.see(&sub)["status"], "past_due");
}

#[test]
fn a_new_card_and_a_paid_invoice_recover_the_subscription() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    shop.give_card(&customer, "pm_card_mastercard");
    shop.happened();

    let invoice = latest_invoice(&shop, &sub);
    let paid = shop.post(&format!("/v1/invoices/{}/pay", string(&invoice["id"])), "");

    assert_eq!(paid["status"], "paid");
    assert_eq!(shop.see(&sub)["status"], "active");
    let events = shop.happened();
    assert!(events.contains(&"invoice.paid".to_owned()));
    assert_eq!(
        shop.last("customer.subscription.updated")["data"]["previous_attributes"],
        json!({"status": "past_due"})
    );
    shop.wait(DAY * 3);
    assert!(shop.happened().is_empty());
}

#[test]
fn after_a_hard_decline_attempts_are_counted_but_not_charged_until_there_is_a_new_card() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.decline(&customer, "stolen_card");
    shop.wait(31 * DAY + HOUR);
    shop.happened();

    shop.wait(3 * DAY);
    let second = shop.happened();
    let counted = latest_invoice(&shop, &sub)["attempt_count"].clone();
    shop.give_card(&customer, "pm_card_mastercard");
    shop.wait(5 * DAY);

    assert!(
        !second.iter().any(|kind| kind.starts_with("charge.")),
        "{second:?}"
    );
    assert_eq!(counted, 2);
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn a_manual_attempt_after_the_first_does_not_count() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    let before = latest_invoice(&shop, &sub);

    let (status, error) = shop.refused(
        "POST",
        &format!("/v1/invoices/{}/pay", string(&before["id"])),
        "",
    );

    let after = latest_invoice(&shop, &sub);
    assert_eq!((status, &error["type"]), (402, &json!("card_error")));
    assert_eq!(error["message"], "Your card was declined.");
    assert_eq!(after["attempt_count"], 1);
    assert_eq!(
        after["next_payment_attempt"],
        before["next_payment_attempt"]
    );
}

#[test]
fn a_renewal_without_a_card_fails_without_a_charge() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    let methods = shop.get(&format!("/v1/customers/{customer}/payment_methods"));
    let method = string(&methods["data"][0]["id"]);
    shop.post(&format!("/v1/payment_methods/{method}/detach"), "");
    shop.happened();

    shop.wait(31 * DAY + HOUR);

    let events = shop.happened();
    assert!(events.contains(&"invoice.payment_failed".to_owned()));
    assert!(!events.iter().any(|kind| kind.starts_with("charge.")));
    assert_eq!(shop.see(&sub)["status"], "past_due");
}

/// Renews a subscription for 20.00 with a coupon that applies to one invoice. The renewal fails
/// first.
fn renewal_with_a_coupon(shop: &mut Shop) -> (String, Value) {
    shop.post("/v1/coupons", "id=ONCE&percent_off=50&duration=once");
    let (customer, plan) = shop.buyer("pm_card_visa", 2000);
    let sub = shop.subscribe(&customer, &plan, "");
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    shop.post(&path, "discounts[0][coupon]=ONCE");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    assert_eq!(shop.see(&sub["id"])["status"], "past_due");
    (customer, sub["id"].clone())
}

#[test]
fn a_coupon_counts_once_for_a_renewal_that_is_paid_on_a_retry() {
    let mut shop = Shop::open();
    let (customer, sub) = renewal_with_a_coupon(&mut shop);
    let failed = latest_invoice(&shop, &sub);
    shop.wait(3 * DAY);
    let again = latest_invoice(&shop, &sub);
    shop.give_card(&customer, "pm_card_visa");
    shop.wait(5 * DAY);
    let paid = latest_invoice(&shop, &sub);
    shop.wait(28 * DAY);
    let next = latest_invoice(&shop, &sub);

    for invoice in [&failed, &again, &paid] {
        assert_eq!(invoice["id"], failed["id"]);
        assert_eq!(invoice["total"], 1000);
        assert_eq!(invoice["total_discount_amounts"][0]["amount"], 1000);
    }
    assert_eq!(
        (
            &failed["attempt_count"],
            &again["attempt_count"],
            &paid["attempt_count"]
        ),
        (&json!(1), &json!(2), &json!(3))
    );
    assert_eq!(
        (&paid["status"], &paid["amount_paid"]),
        (&json!("paid"), &json!(1000))
    );
    assert_eq!(shop.get("/v1/coupons/ONCE")["times_redeemed"], 1);
    assert_eq!(shop.see(&sub)["discounts"], json!([]));
    assert_eq!(
        (&next["total"], &next["discounts"]),
        (&json!(2000), &json!([]))
    );
    shop.happened();
    let ended = shop.events.iter();
    let ended = ended.filter(|event| event["type"] == "customer.discount.deleted");
    assert_eq!(ended.count(), 1);
}

#[test]
fn a_coupon_is_used_up_by_a_renewal_that_is_never_paid() {
    let mut shop = Shop::open();
    let (_, sub) = renewal_with_a_coupon(&mut shop);

    shop.wait(30 * DAY);

    let ended = shop.see(&sub);
    assert_eq!(
        (&ended["status"], &ended["discounts"]),
        (&json!("canceled"), &json!([]))
    );
    assert_eq!(latest_invoice(&shop, &sub)["amount_remaining"], 1000);
    assert_eq!(shop.get("/v1/coupons/ONCE")["times_redeemed"], 1);
}

#[test]
fn an_attempt_by_bank_debit_counts_when_it_begins_and_once() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    let debit = "type=sepa_debit&sepa_debit[iban]=DE62370400440532013001&billing_details[name]=Maya&billing_details[email]=maya@example.com";
    let debit = string(&shop.post("/v1/payment_methods", debit)["id"]);
    shop.give_card(&customer, &debit);

    shop.wait(31 * DAY);
    shop.wait(HOUR);
    let begun = latest_invoice(&shop, &sub);
    let status = shop.see(&sub)["status"].clone();
    shop.wait(5);
    let failed = latest_invoice(&shop, &sub);

    assert_eq!(
        (
            &begun["status"],
            &begun["attempted"],
            &begun["attempt_count"]
        ),
        (&json!("open"), &json!(true), &json!(1))
    );
    assert_eq!(status, "active", "it has not failed");
    assert_eq!(failed["attempt_count"], 1);
    assert!(failed["next_payment_attempt"].is_i64());
    assert_eq!(shop.see(&sub)["status"], "past_due");
}
