//! The status of a subscription follows its latest invoice.

use serde_json::{Value, json};
use twin::core::DunningEnd;

use crate::billing::{FEBRUARY, latest_invoice, subscriber};
use crate::changes::{amounts, change, on_plan};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

/// Creates a subscriber whose first renewal was declined.
fn behind(shop: &mut Shop) -> (String, Value, String) {
    let (customer, sub) = subscriber(shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    shop.happened();
    let invoice = string(&latest_invoice(shop, &sub)["id"]);
    (customer, sub, invoice)
}

#[test]
fn a_latest_invoice_that_is_voided_or_written_off_makes_the_subscription_active() {
    for verb in ["void", "mark_uncollectible"] {
        let mut shop = Shop::open();
        let (_, sub, invoice) = behind(&mut shop);
        let before = shop.see(&sub)["status"].clone();

        shop.post(&format!("/v1/invoices/{invoice}/{verb}"), "");

        assert_eq!(
            (&before, &shop.see(&sub)["status"]),
            (&json!("past_due"), &json!("active"))
        );
        assert_eq!(
            shop.last("customer.subscription.updated")["data"]["previous_attributes"],
            json!({"status": "past_due"})
        );
    }
}

#[test]
fn an_older_invoice_neither_revives_nor_harms_a_subscription() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![60, 60], DunningEnd::Cancel);
    let (customer, sub, older) = behind(&mut shop);
    shop.wait(28 * DAY);
    let renewed = string(&latest_invoice(&shop, &sub)["id"]);

    // The newer invoice failed too, so paying the older one changes nothing.
    shop.give_card(&customer, "pm_card_mastercard");
    shop.post(&format!("/v1/invoices/{older}/pay"), "");
    let after_older = shop.see(&sub)["status"].clone();
    shop.post(&format!("/v1/invoices/{renewed}/pay"), "");

    assert_ne!(older, renewed);
    assert_eq!(after_older, "past_due");
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn the_last_retry_of_an_older_invoice_does_not_end_an_active_subscription() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![40], DunningEnd::Cancel);
    let (customer, sub, older) = behind(&mut shop);
    shop.give_card(&customer, "pm_card_mastercard");
    shop.wait(28 * DAY);
    let renewed = shop.see(&sub)["status"].clone();

    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(12 * DAY);

    assert_eq!(renewed, "active");
    assert_eq!(shop.see(&json!(older))["attempt_count"], 2);
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn voiding_the_first_invoice_expires_an_incomplete_subscription() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_chargeCustomerFail");
    let plan = shop.plan("PRO", 1900);
    let mut end = |verb: &str| {
        let sub = shop.subscribe(&customer, &plan, "");
        let invoice = string(&sub["latest_invoice"]);
        shop.post(&format!("/v1/invoices/{invoice}/{verb}"), "");
        string(&shop.see(&sub["id"])["status"])
    };

    assert_eq!(end("void"), "incomplete_expired");
    assert_eq!(end("mark_uncollectible"), "active");
}

#[test]
fn an_incomplete_subscription_only_takes_what_helps_to_pay_it() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_chargeCustomerFail");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let good = shop.give_card(&customer, "pm_card_visa");

    let (status, error) = shop.refused("POST", &path, "cancel_at_period_end=true");
    let rescued = shop.post(&path, &format!("default_payment_method={good}"));
    let cleared = shop.post(&path, "default_payment_method=");

    assert_eq!(
        (status, &error["param"]),
        (400, &json!("cancel_at_period_end"))
    );
    assert_eq!(rescued["default_payment_method"], good.as_str());
    assert!(cleared["default_payment_method"].is_null());
}

#[test]
fn an_unpaid_subscription_is_active_once_its_latest_draft_is_paid() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![1], DunningEnd::MarkUnpaid);
    let (customer, sub, _) = behind(&mut shop);
    shop.wait(DAY);
    let unpaid = shop.see(&sub)["status"].clone();
    shop.wait(28 * DAY);
    shop.give_card(&customer, "pm_card_mastercard");
    let draft = latest_invoice(&shop, &sub);

    shop.post(&format!("/v1/invoices/{}/pay", string(&draft["id"])), "");

    assert_eq!(
        (&unpaid, &draft["status"]),
        (&json!("unpaid"), &json!("draft"))
    );
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn a_past_due_subscription_that_is_canceled_is_no_longer_charged() {
    let mut shop = Shop::open();
    let (_, sub, invoice) = behind(&mut shop);

    shop.delete(&format!("/v1/subscriptions/{}", string(&sub)));
    shop.happened();
    shop.wait(60 * DAY);
    let paid = shop.see(&json!(invoice));

    assert!(shop.happened().is_empty());
    assert_eq!(
        (&paid["status"], &paid["auto_advance"]),
        (&json!("open"), &json!(false))
    );
}

#[test]
fn a_pause_of_collection_ends_at_its_time() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&sub));
    let at = FEBRUARY + 5 * DAY;
    let pause = format!("pause_collection[behavior]=void&pause_collection[resumes_at]={at}");
    shop.post(&path, &pause);
    shop.wait(31 * DAY);
    shop.happened();

    shop.wait(5 * DAY - 1);
    let silence = shop.happened();
    shop.wait(1);
    let resumed = shop.happened();
    let skipped = latest_invoice(&shop, &sub)["status"].clone();
    shop.wait(28 * DAY + HOUR);

    assert!(silence.is_empty(), "{silence:?}");
    assert_eq!(resumed, ["customer.subscription.updated"]);
    assert_eq!(
        shop.events
            .iter()
            .rev()
            .find(|event| event["created"] == at)
            .unwrap()["data"]["previous_attributes"]["pause_collection"],
        json!({"behavior": "void", "resumes_at": at})
    );
    assert_eq!(skipped, "void");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "paid");
    let past = format!("pause_collection[behavior]=void&pause_collection[resumes_at]={NOW}");
    assert_eq!(shop.refused("POST", &path, &past).0, 400);
}

/// Creates a subscription that is paused because its trial ended without a card.
fn paused(shop: &mut Shop) -> (String, Value) {
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 1900);
    let more = "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let sub = shop.subscribe(&customer, &plan, more);
    shop.wait(7 * DAY);
    shop.happened();
    (customer, sub["id"].clone())
}

#[test]
fn a_paused_subscription_resumes_once_its_invoice_is_paid() {
    let mut shop = Shop::open();
    let (customer, sub) = paused(&mut shop);
    let path = format!("/v1/subscriptions/{}/resume", string(&sub));

    let waiting = shop.post(&path, "");
    let open = latest_invoice(&shop, &sub);
    shop.give_card(&customer, "pm_card_visa");
    shop.happened();
    shop.post(&format!("/v1/invoices/{}/pay", string(&open["id"])), "");

    assert_eq!(waiting["status"], "paused");
    assert_eq!(
        (&open["status"], &open["billing_reason"]),
        (&json!("open"), &json!("subscription_cycle"))
    );
    let after = shop.see(&sub);
    assert_eq!(
        (&after["status"], &after["billing_cycle_anchor"]),
        (&json!("active"), &json!(shop.now))
    );
    assert!(shop.did("customer.subscription.resumed"));
}

#[test]
fn a_resumption_that_is_not_paid_expires_and_voiding_it_keeps_the_pause() {
    let mut shop = Shop::open();
    let (customer, sub) = paused(&mut shop);
    let path = format!("/v1/subscriptions/{}/resume", string(&sub));

    shop.post(&path, "");
    let first = latest_invoice(&shop, &sub)["id"].clone();
    shop.wait(23 * HOUR);
    shop.post(&path, "");
    let second = string(&latest_invoice(&shop, &sub)["id"]);
    shop.post(&format!("/v1/invoices/{second}/void"), "");
    let kept = shop.see(&sub)["status"].clone();
    shop.give_card(&customer, "pm_card_visa");
    let resumed = shop.post(&path, "");
    let (again, error) = shop.refused("POST", &path, "");

    assert_eq!(shop.see(&first)["status"], "void");
    assert_eq!(kept, "paused");
    assert_eq!(resumed["status"], "active");
    assert_eq!(again, 400);
    assert_eq!(
        error["message"],
        "You can only resume a subscription if it is `paused`."
    );
}

#[test]
fn a_pending_update_ends_with_its_subscription_and_does_not_come_back() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    shop.decline(&customer, "insufficient_funds");
    let more = "&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete";
    let (path, body) = change(&sub, &plus, more);
    let waiting = shop.post(&path, &body);

    shop.delete(&path);
    shop.happened();
    shop.wait(60 * DAY);

    assert!(shop.happened().is_empty());
    assert_eq!(shop.see(&waiting["latest_invoice"])["status"], "void");
    assert!(shop.see(&sub["id"])["pending_update"].is_null());
}

#[test]
fn a_paid_subscription_that_becomes_a_trial_is_credited_for_its_period() {
    let mut shop = Shop::open();
    let (customer, sub, _) = on_plan(&mut shop, "pm_card_visa", 3100, 4900);
    shop.wait(10 * DAY);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));

    let trial = shop.post(&path, &format!("trial_end={}", NOW + 20 * DAY));
    let invoice = shop.see(&trial["latest_invoice"]);

    assert_eq!(
        (&trial["status"], &trial["trial_start"]),
        (&json!("trialing"), &json!(NOW + 10 * DAY))
    );
    assert_eq!(amounts(&invoice), [-2100, 0]);
    assert_eq!(
        (
            &invoice["status"],
            &invoice["billing_reason"],
            &invoice["attempt_count"]
        ),
        (&json!("paid"), &json!("subscription_update"), &json!(0))
    );
    assert_eq!(shop.see(&json!(customer))["balance"], -2100);
}

#[test]
fn a_renewal_is_announced_seven_days_before_with_a_preview() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&sub));

    shop.wait(24 * DAY - 1);
    let silence = shop.happened();
    shop.wait(1);
    let notice = shop.happened();
    shop.post(&path, "cancel_at_period_end=true");
    shop.post(&path, "cancel_at_period_end=false");
    shop.wait(7 * DAY + HOUR);
    shop.happened();
    shop.post(&path, "cancel_at_period_end=true");
    shop.wait(28 * DAY);

    assert!(silence.is_empty());
    assert_eq!(notice, ["invoice.upcoming"]);
    let all: Vec<&Value> = shop
        .events
        .iter()
        .filter(|one| one["type"] == "invoice.upcoming")
        .collect();
    assert_eq!(all.len(), 1);
    let preview = &all[0]["data"]["object"];
    assert_eq!(
        (&preview["amount_due"], &preview["billing_reason"]),
        (&json!(1900), &json!("upcoming"))
    );
    assert!(!shop.did("invoice.upcoming"));
}

#[test]
fn renewals_of_short_periods_and_by_invoice_are_not_announced() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let weekly = shop.price("WEEKLY", 700, "&recurring[interval]=week");
    let monthly = shop.plan("PRO", 1900);
    shop.subscribe(&customer, &weekly, "");
    shop.subscribe(
        &customer,
        &monthly,
        "&collection_method=send_invoice&days_until_due=90",
    );

    shop.wait(40 * DAY);

    assert!(!shop.did("invoice.upcoming"));
}

#[test]
fn a_pause_of_collection_also_holds_the_invoices_of_changes() {
    for (behavior, status) in [
        ("void", "void"),
        ("mark_uncollectible", "uncollectible"),
        ("keep_as_draft", "draft"),
    ] {
        let mut shop = Shop::open();
        let (_, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
        let (path, body) = change(&sub, &plus, "&proration_behavior=always_invoice");
        shop.post(&path, &format!("pause_collection[behavior]={behavior}"));
        shop.happened();

        let changed = shop.post(&path, &body);
        shop.wait(2 * DAY);

        assert_eq!(shop.see(&changed["latest_invoice"])["status"], status);
        assert_eq!(changed["items"]["data"][0]["price"]["id"], plus.as_str());
        assert!(
            !shop
                .happened()
                .iter()
                .any(|kind| kind.starts_with("charge."))
        );
    }
}

#[test]
fn a_deleted_customer_takes_its_planned_schedules_along() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let body = format!(
        "customer={customer}&start_date={}&phases[0][items][0][price]={plan}",
        NOW + DAY
    );
    let schedule = shop.post("/v1/subscription_schedules", &body);

    shop.delete(&format!("/v1/customers/{customer}"));
    shop.happened();
    shop.wait(60 * DAY);

    assert_eq!(shop.see(&schedule["id"])["status"], "canceled");
    assert!(shop.happened().is_empty());
    assert!(shop.core.objects("subscription").is_empty());
}
