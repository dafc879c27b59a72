//! What happens when two features meet.

use serde_json::json;
use twin::core::Payment;

use crate::shop::{DAY, NOW, Shop, string};

fn on_a_clock(shop: &mut Shop, frozen: i64, card: &str) -> (String, String) {
    let clock = shop.post(
        "/v1/test_helpers/test_clocks",
        &format!("frozen_time={frozen}"),
    );
    let clock = string(&clock["id"]);
    let body = format!(
        "test_clock={clock}&payment_method={card}&invoice_settings[default_payment_method]={card}"
    );
    let customer = string(&shop.post("/v1/customers", &body)["id"]);
    (clock, customer)
}

#[test]
fn a_dispute_of_a_customer_on_a_clock_has_its_deadline_in_the_time_of_the_account() {
    let mut shop = Shop::open();
    let (_, customer) = on_a_clock(&mut shop, NOW - 300 * DAY, "pm_card_createDispute");
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&customer, &plan, "");

    shop.wait(DAY);
    let open = shop.get("/v1/disputes")["data"][0].clone();
    shop.wait(30 * DAY);
    let lost = shop.get("/v1/disputes")["data"][0].clone();

    assert_eq!(open["status"], "needs_response");
    assert!(open["created"].as_i64() >= Some(NOW));
    assert_eq!(lost["status"], "lost");
}

#[test]
fn an_item_of_a_subscription_on_a_clock_changes_at_the_time_of_the_clock() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop, NOW - 300 * DAY, "pm_card_visa");
    let plan = shop.plan("PRO", 3100);
    let sub = shop.subscribe(&customer, &plan, "");
    let item = string(&sub["items"]["data"][0]["id"]);

    shop.post(&format!("/v1/subscription_items/{item}"), "quantity=3");

    let pending = shop.get(&format!(
        "/v1/invoiceitems?customer={customer}&pending=true"
    ));
    let amounts: Vec<i64> = pending["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts.iter().sum::<i64>(), 6200);
    assert_eq!(pending["data"][0]["test_clock"], clock.as_str());
    assert_eq!(pending["data"][0]["date"], NOW - 300 * DAY);
}

#[test]
fn a_balance_pays_only_invoices_in_its_currency_and_checkout_refuses_a_second_one() {
    let mut shop = Shop::open();
    let euros = "product_data[name]=EU&unit_amount=2000&currency=eur&recurring[interval]=month";
    let euros = string(&shop.post("/v1/prices", euros)["id"]);
    let rich = shop.customer("pm_card_visa");
    shop.post(&format!("/v1/customers/{rich}"), "balance=-500");
    let subscribed = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    shop.subscribe(&subscribed, &plan, "");

    let sub = shop.subscribe(&rich, &euros, "");
    let refused = shop.refused(
        "POST",
        "/v1/checkout/sessions",
        &format!("mode=subscription&customer={subscribed}&success_url=https://s.example&line_items[0][price]={euros}&line_items[0][quantity]=1"),
    );

    assert_eq!(shop.see(&sub["latest_invoice"])["amount_paid"], 2000);
    assert_eq!(shop.see(&json!(rich))["balance"], -500);
    assert!(
        refused.1["message"]
            .as_str()
            .unwrap()
            .contains("combine currencies")
    );
}

#[test]
fn a_spent_discount_cannot_be_used_again() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    shop.post("/v1/coupons", "id=HALF&percent_off=50&duration=once");
    let sub = shop.subscribe(&customer, &plan, "&discounts[0][coupon]=HALF");
    let first = shop.see(&sub["latest_invoice"]);
    let spent = string(&first["discounts"][0]);

    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));
    let again = shop.refused("POST", &path, &format!("discounts[0][discount]={spent}"));

    assert_eq!(first["total"], 1000);
    assert_eq!(again.1["code"], "resource_missing");
}

#[test]
fn a_recreated_coupon_has_its_own_terms_and_a_negative_one_is_refused() {
    let mut shop = Shop::open();
    let product = string(&shop.post("/v1/products", "name=Other")["id"]);
    shop.post(
        "/v1/coupons",
        &format!("id=ONE&percent_off=50&duration=once&applies_to[products][0]={product}"),
    );
    shop.delete("/v1/coupons/ONE");
    shop.post("/v1/coupons", "id=ONE&percent_off=50&duration=once");
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);

    let sub = shop.subscribe(&customer, &plan, "&discounts[0][coupon]=ONE");
    let negative = shop.refused("POST", "/v1/coupons", "percent_off=-5.5&duration=once");

    assert_eq!(shop.see(&sub["latest_invoice"])["total"], 1000);
    assert_eq!(negative.0, 400);
}

#[test]
fn a_credit_follows_a_discount_that_a_draft_was_given_later() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 2000);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    shop.wait(31 * DAY);
    let draft = string(&shop.see(&json!(sub))["latest_invoice"]);
    shop.post("/v1/coupons", "id=HALF&percent_off=50&duration=once");
    shop.post(
        &format!("/v1/invoices/{draft}"),
        "discounts[0][coupon]=HALF",
    );
    shop.post(&format!("/v1/invoices/{draft}/pay"), "");
    shop.wait(14 * DAY);

    shop.send(
        "DELETE",
        &format!("/v1/subscriptions/{sub}"),
        "prorate=true",
        None,
    );

    let pending = shop.get(&format!(
        "/v1/invoiceitems?customer={customer}&pending=true"
    ));
    assert_eq!(shop.see(&json!(draft))["amount_paid"], 1000);
    assert_eq!(pending["data"][0]["amount"], -500);
}

#[test]
fn a_bank_debit_that_succeeds_later_does_not_pay_a_void_invoice() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let debit = "type=sepa_debit&sepa_debit[iban]=AT611904300234573201&billing_details[email]=a@b.example&billing_details[name]=Ann";
    let method = string(&shop.post("/v1/payment_methods", debit)["id"]);
    shop.give_card(&customer, &method);
    let item = format!("customer={customer}&amount=2000&currency=eur");
    shop.post("/v1/invoiceitems", &item);
    let body = format!("customer={customer}&currency=eur&pending_invoice_items_behavior=include");
    let invoice = string(&shop.post("/v1/invoices", &body)["id"]);
    shop.post(&format!("/v1/invoices/{invoice}/pay"), "");

    shop.post(&format!("/v1/invoices/{invoice}/void"), "");
    shop.wait(20 * DAY);

    assert_eq!(shop.see(&json!(invoice))["status"], "void");
}

#[test]
fn a_refused_request_leaves_no_due_work() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let before = serde_json::to_value(&shop.core).unwrap()["due"].clone();

    let body = format!("customer={customer}&items[0][price]={plan}&expand[]=nothing");
    let refused = shop.refused("POST", "/v1/subscriptions", &body);

    assert_eq!(refused.0, 400);
    assert_eq!(serde_json::to_value(&shop.core).unwrap()["due"], before);
}

#[test]
fn what_a_deleted_clock_leaves_behind_lives_by_the_time_of_the_account() {
    let mut shop = Shop::open();
    let (clock, customer) = on_a_clock(&mut shop, NOW - 300 * DAY, "pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);
    shop.delete(&format!("/v1/test_helpers/test_clocks/{clock}"));
    shop.happened();

    shop.post(&format!("/v1/subscriptions/{sub}"), "metadata[a]=1");

    assert_eq!(shop.last("customer.subscription.updated")["created"], NOW);
}

#[test]
fn events_leave_the_list_after_thirty_days_whatever_a_clock_shows() {
    let mut shop = Shop::open();
    shop.customer("");
    on_a_clock(&mut shop, NOW - 300 * DAY, "pm_card_visa");
    let created = shop.happened().len();
    let listed = |shop: &mut Shop| {
        shop.get("/v1/events?limit=100")["data"]
            .as_array()
            .map(Vec::len)
    };

    let at_first = listed(&mut shop);
    shop.wait(30 * DAY - 1);
    shop.happened();
    let before = listed(&mut shop);
    shop.wait(1);
    shop.happened();
    let after = shop.get("/v1/events?limit=100");

    assert_eq!((at_first, before), (Some(created), Some(created)));
    // The clock is deleted after thirty days, too.
    let kinds: Vec<&str> = after["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["test_helpers.test_clock.deleted"]);
}

#[test]
fn the_payment_intent_of_an_invoice_takes_its_amount_from_the_invoice() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 2000);
    let sub = shop.subscribe(
        &customer,
        &plan,
        "&payment_behavior=default_incomplete&expand[]=latest_invoice.payments",
    );
    let intent = string(&sub["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]);
    let path = format!("/v1/payment_intents/{intent}");

    for field in ["amount=100", "currency=eur", "capture_method=manual"] {
        let (status, error) = shop.refused("POST", &path, field);
        assert_eq!(status, 400, "{field}");
        assert!(field.starts_with(error["param"].as_str().unwrap()));
    }
    shop.post(&format!("{path}/confirm"), "payment_method=pm_card_visa");

    assert_eq!(shop.see(&sub["latest_invoice"]["id"])["amount_paid"], 2000);
}

#[test]
fn an_invoice_that_was_paid_in_another_way_cannot_be_charged_any_more() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    shop.post(
        "/v1/invoiceitems",
        &format!("customer={customer}&amount=900&currency=usd"),
    );
    let body = format!("customer={customer}&pending_invoice_items_behavior=include");
    let invoice = string(&shop.post("/v1/invoices", &body)["id"]);
    let path = format!("/v1/invoices/{invoice}");
    let open = shop.post(&format!("{path}/finalize"), "expand[]=payments");
    let intent = string(&open["payments"]["data"][0]["payment"]["payment_intent"]);

    shop.post(&format!("{path}/pay"), "paid_out_of_band=true");
    let confirm = format!("/v1/payment_intents/{intent}/confirm");
    let (status, _) = shop.refused("POST", &confirm, "payment_method=pm_card_visa");

    assert_eq!(status, 400);
    assert!(shop.core.objects("charge").is_empty());
}

#[test]
fn a_renewal_whose_card_was_detached_is_past_due_and_retried() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let card = string(
        &shop.post(
            "/v1/payment_methods/pm_card_visa/attach",
            &format!("customer={customer}"),
        )["id"],
    );
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, &format!("&default_payment_method={card}"));
    shop.post(&format!("/v1/payment_methods/{card}/detach"), "");

    shop.wait(31 * DAY + 7_200);

    let invoice = shop.see(&shop.see(&sub["id"])["latest_invoice"]);
    assert_eq!(shop.see(&sub["id"])["status"], "past_due");
    assert_eq!(invoice["attempt_count"], 1);
    assert!(invoice["next_payment_attempt"].as_i64() > Some(shop.now));
    assert!(shop.did("invoice.payment_failed"));
}

#[test]
fn a_subscription_keeps_its_currency_when_its_items_change() {
    let mut shop = Shop::open();
    let euros = "product_data[name]=EU&unit_amount=2000&currency=eur&recurring[interval]=month";
    let euros = string(&shop.post("/v1/prices", euros)["id"]);
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    let item = string(&sub["items"]["data"][0]["id"]);

    let changed = shop.refused(
        "POST",
        &format!("/v1/subscriptions/{}", string(&sub["id"])),
        &format!("items[0][id]={item}&items[0][price]={euros}"),
    );
    let by_item = shop.refused(
        "POST",
        &format!("/v1/subscription_items/{item}"),
        &format!("price={euros}"),
    );
    let unknown = shop.refused("POST", "/v1/payment_intents", "amount=500&currency=xxx");

    assert!(
        changed.1["message"]
            .as_str()
            .unwrap()
            .contains("expected currency: `usd`")
    );
    assert_eq!(
        (by_item.0, unknown.1["param"].as_str()),
        (400, Some("currency"))
    );
}

#[test]
fn a_deleted_customer_can_no_longer_pay() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 1900);
    let session = shop.session("subscription", &plan, &format!("&customer={customer}"));
    let intent = format!("amount=900&currency=usd&customer={customer}");
    let intent = string(&shop.post("/v1/payment_intents", &intent)["id"]);
    let invoice = string(&shop.post("/v1/invoices", &format!("customer={customer}"))["id"]);
    shop.delete(&format!("/v1/customers/{customer}"));

    let card = Payment::Method("pm_card_visa".to_owned());
    let paid = shop.core.pay_checkout(&session, card, shop.now);
    let confirmed = shop.refused(
        "POST",
        &format!("/v1/payment_intents/{intent}/confirm"),
        "payment_method=pm_card_visa",
    );
    let finalized = shop.refused("POST", &format!("/v1/invoices/{invoice}/finalize"), "");

    assert!(paid.is_err());
    assert_eq!((confirmed.0, finalized.0), (400, 400));
    assert!(shop.core.objects("subscription").is_empty());
}
