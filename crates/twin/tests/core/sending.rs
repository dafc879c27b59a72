//! Subscriptions and invoices that are paid by invoice: drafts, due dates and what follows them.

use serde_json::{Value, json};
use twin::core::DunningEnd;

use crate::billing::latest_invoice;
use crate::changes::{amounts, change};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

const SENT: &str = "&collection_method=send_invoice&days_until_due=14";

fn sent(shop: &mut Shop) -> (String, Value) {
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 3100);
    shop.happened();
    let sub = shop.subscribe(&customer, &plan, SENT);
    (customer, sub)
}

#[test]
fn a_subscription_by_invoice_is_active_while_its_first_invoice_is_a_draft() {
    let mut shop = Shop::open();

    let (_, sub) = sent(&mut shop);
    let created = shop.happened();
    let draft = latest_invoice(&shop, &sub["id"]);
    shop.wait(HOUR);

    assert_eq!(
        (&sub["status"], &sub["days_until_due"]),
        (&json!("active"), &json!(14))
    );
    assert_eq!(
        created,
        ["invoice.created", "customer.subscription.created"]
    );
    assert_eq!(
        (
            &draft["status"],
            &draft["collection_method"],
            &draft["auto_advance"]
        ),
        (&json!("draft"), &json!("send_invoice"), &json!(true))
    );
    assert_eq!(draft["due_date"], NOW + 14 * DAY);
    assert_eq!(draft["automatically_finalizes_at"], NOW + HOUR + 1);
    assert!(draft["next_payment_attempt"].is_null());
    assert_eq!(
        shop.happened(),
        [
            "invoice.finalized",
            "customer.updated",
            "payment_intent.created",
            "invoice.sent"
        ]
    );
    let open = latest_invoice(&shop, &sub["id"]);
    assert_eq!(
        (&open["status"], &open["attempt_count"]),
        (&json!("open"), &json!(0))
    );
}

#[test]
fn an_invoice_past_its_due_date_is_overdue_and_its_subscription_past_due() {
    let mut shop = Shop::open();
    let (customer, sub) = sent(&mut shop);
    shop.wait(14 * DAY - 1);
    shop.happened();

    shop.wait(1);
    let overdue = shop.happened();
    let late = shop.see(&sub["id"])["status"].clone();
    shop.give_card(&customer, "pm_card_visa");
    let invoice = string(&sub["latest_invoice"]);
    shop.post(&format!("/v1/invoices/{invoice}/pay"), "");

    assert_eq!(
        overdue,
        [
            "invoice.overdue",
            "customer.updated",
            "customer.subscription.updated"
        ]
    );
    assert_eq!(late, "past_due");
    assert_eq!(shop.see(&sub["id"])["status"], "active");
}

#[test]
fn an_invoice_that_stays_unpaid_ends_its_subscription_after_another_deadline() {
    let mut shop = Shop::open();
    shop.core.set_dunning(vec![10, 20], DunningEnd::MarkUnpaid);
    let (_, sub) = sent(&mut shop);

    shop.wait(44 * DAY - 1);
    let before = shop.see(&sub["id"])["status"].clone();
    shop.wait(1);

    assert_eq!(before, "past_due");
    assert_eq!(shop.see(&sub["id"])["status"], "unpaid");
    assert!(
        !shop
            .happened()
            .iter()
            .any(|kind| kind.starts_with("charge."))
    );
}

#[test]
fn a_renewal_by_invoice_is_sent_and_not_charged() {
    let mut shop = Shop::open();
    let (customer, sub) = sent(&mut shop);
    shop.wait(HOUR);
    shop.give_card(&customer, "pm_card_visa");
    let first = string(&sub["latest_invoice"]);
    shop.post(&format!("/v1/invoices/{first}/pay"), "");
    shop.happened();

    shop.wait(31 * DAY);

    let events = shop.happened();
    assert_eq!(
        events,
        [
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "invoice.sent"
        ]
    );
    assert_eq!(latest_invoice(&shop, &sub["id"])["status"], "open");
}

#[test]
fn a_failed_payment_before_the_due_date_leaves_the_subscription_active() {
    let mut shop = Shop::open();
    let (customer, sub) = sent(&mut shop);
    shop.wait(HOUR);
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    let invoice = string(&sub["latest_invoice"]);

    shop.refused("POST", &format!("/v1/invoices/{invoice}/pay"), "");

    assert_eq!(shop.see(&sub["id"])["status"], "active");
    assert_eq!(
        latest_invoice(&shop, &sub["id"])["due_date"],
        NOW + 14 * DAY
    );
}

#[test]
fn days_until_due_and_send_invoice_need_each_other() {
    let mut shop = Shop::open();
    let (customer, sub) = sent(&mut shop);
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let plan = string(&sub["items"]["data"][0]["price"]["id"]);
    let create = format!("customer={customer}&items[0][price]={plan}");

    let (_, without) = shop.refused(
        "POST",
        "/v1/subscriptions",
        &format!("{create}&collection_method=send_invoice"),
    );
    let (_, alone) = shop.refused(
        "POST",
        "/v1/subscriptions",
        &format!("{create}&days_until_due=3"),
    );
    let back = "collection_method=charge_automatically&days_until_due=3";
    let (changed, _) = shop.refused("POST", &path, back);
    let charged = shop.post(&path, "collection_method=charge_automatically");
    let (again, _) = shop.refused("POST", &path, "collection_method=send_invoice");

    assert_eq!(
        without["message"],
        "If invoice collection method is 'send_invoice', you must specify 'days_until_due'."
    );
    assert_eq!(
        alone["message"],
        "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'."
    );
    assert_eq!((changed, again), (400, 400));
    assert!(charged["days_until_due"].is_null());
}

#[test]
fn an_upgrade_of_a_subscription_by_invoice_is_drafted_and_not_charged() {
    let mut shop = Shop::open();
    let (_, sub) = sent(&mut shop);
    let plus = shop.plan("PLUS", 6200);
    let (path, body) = change(&sub, &plus, "&proration_behavior=always_invoice");

    let changed = shop.post(&path, &body);

    let invoice = shop.see(&changed["latest_invoice"]);
    assert_eq!(
        (&invoice["status"], &changed["status"]),
        (&json!("draft"), &json!("active"))
    );
    assert_eq!(invoice["due_date"], NOW + 14 * DAY);
    assert_eq!(amounts(&invoice), [-3100, 6200]);
}

#[test]
fn a_trial_by_invoice_ends_with_a_draft_and_needs_no_card() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 3100);
    let sub = shop.subscribe(&customer, &plan, &format!("{SENT}&trial_period_days=10"));
    shop.wait(DAY);

    let ended = shop.post(
        &format!("/v1/subscriptions/{}", string(&sub["id"])),
        "trial_end=now",
    );

    assert!(sub["pending_setup_intent"].is_null());
    let invoice = shop.see(&ended["latest_invoice"]);
    assert_eq!(
        (&ended["status"], &invoice["status"]),
        (&json!("active"), &json!("draft"))
    );
}

#[test]
fn an_invoice_by_itself_needs_a_due_date_to_be_sent() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let body = |more: &str| format!("customer={customer}{more}");

    let (_, without) = shop.refused(
        "POST",
        "/v1/invoices",
        &body("&collection_method=send_invoice"),
    );
    let (_, charged) = shop.refused("POST", "/v1/invoices", &body("&days_until_due=3"));
    let draft = shop.post(
        "/v1/invoices",
        &body("&collection_method=send_invoice&days_until_due=3"),
    );
    let path = format!("/v1/invoices/{}", string(&draft["id"]));
    let moved = shop.post(&path, "days_until_due=5");

    assert_eq!(
        without["message"],
        "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'."
    );
    assert_eq!(
        charged["message"],
        "You can only specify 'due_date' or 'days_until_due' if invoice collection method is 'send_invoice'."
    );
    assert_eq!(draft["due_date"], NOW + 3 * DAY);
    assert_eq!(moved["due_date"], NOW + 5 * DAY);
}

#[test]
fn an_invoice_that_is_charged_cannot_be_sent() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let invoice = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);

    let (status, _) = shop.refused("POST", &format!("/v1/invoices/{invoice}/send"), "");

    assert_eq!(status, 400);
    assert!(!shop.did("invoice.sent"));
}
