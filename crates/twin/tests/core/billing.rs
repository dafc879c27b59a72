use serde_json::{Value, json};

use crate::shop::{DAY, HOUR, NOW, Shop, card, good_card, string};

/// Creates a customer with a subscription for $19.00 a month.
pub fn subscriber(shop: &mut Shop, card: &str) -> (String, Value) {
    let customer = shop.customer(card);
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.happened();
    (customer, sub["id"].clone())
}

pub fn latest_invoice(shop: &Shop, sub: &Value) -> Value {
    shop.see(&shop.see(sub)["latest_invoice"])
}

/// 1 February 2026.
pub const FEBRUARY: i64 = NOW + 31 * DAY;

#[test]
fn a_subscription_from_the_api_is_paid_immediately_and_its_event_comes_last() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    shop.happened();

    let sub = shop.subscribe(&customer, &plan, "&metadata[account]=a1");

    assert_eq!(sub["status"], "active");
    assert_eq!(sub["items"]["data"][0]["current_period_end"], FEBRUARY);
    assert_eq!(sub["billing_mode"]["type"], "flexible");
    assert_eq!(
        shop.happened(),
        [
            "invoice.created",
            "invoice.finalized",
            "customer.updated",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.payment_succeeded",
            "invoice.paid",
            "invoice_payment.paid",
            "customer.subscription.created",
        ]
    );
    let invoice = latest_invoice(&shop, &sub["id"]);
    assert_eq!(
        invoice["parent"]["subscription_details"]["metadata"],
        json!({"account": "a1"})
    );
    assert_eq!(
        invoice["lines"]["data"][0]["description"],
        "1 × PRO (at $19.00 / month)"
    );
    assert_eq!(
        invoice["lines"]["data"][0]["period"],
        json!({"start": NOW, "end": FEBRUARY})
    );
}

#[test]
fn a_renewal_drafts_an_invoice_and_charges_it_an_hour_later() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");

    shop.wait(31 * DAY);
    let at_boundary = shop.happened();
    let draft = latest_invoice(&shop, &sub);
    shop.wait(HOUR - 1);
    let nothing = shop.happened();
    shop.wait(1);

    assert_eq!(
        at_boundary,
        [
            "invoice.upcoming",
            "customer.subscription.updated",
            "invoice.created"
        ]
    );
    assert_eq!(
        (&draft["status"], &draft["billing_reason"]),
        (&json!("draft"), &json!("subscription_cycle"))
    );
    assert_eq!(draft["automatically_finalizes_at"], FEBRUARY + 3601);
    assert_eq!(draft["next_payment_attempt"], FEBRUARY + 3600);
    assert!(nothing.is_empty());
    assert_eq!(
        shop.happened(),
        [
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice.payment_succeeded",
            "invoice.paid",
            "invoice_payment.paid",
        ]
    );
    let item = &shop.see(&sub)["items"]["data"][0];
    assert_eq!(
        (&item["current_period_start"], &item["current_period_end"]),
        (&json!(FEBRUARY), &json!(FEBRUARY + 28 * DAY))
    );
    let event = shop.last("invoice.paid");
    assert!(event["request"]["id"].is_null());
    assert_eq!(event["created"], FEBRUARY + HOUR);
}

#[test]
fn everything_due_during_a_long_advance_happens_at_its_own_time() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");

    shop.wait(366 * DAY);

    let paid = shop.count("invoice", "paid");
    assert_eq!(paid, 13);
    let times: Vec<i64> = {
        shop.happened();
        shop.events
            .iter()
            .map(|event| event["created"].as_i64().unwrap())
            .collect()
    };
    assert!(times.is_sorted());
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn next_due_returns_the_earliest_moment() {
    let mut shop = Shop::open();
    let (_, _) = subscriber(&mut shop, "pm_card_visa");

    assert_eq!(shop.core.next_due(), Some(FEBRUARY - 7 * DAY));
    shop.wait(24 * DAY);
    assert_eq!(shop.core.next_due(), Some(FEBRUARY));
    shop.wait(7 * DAY);
    assert_eq!(shop.core.next_due(), Some(FEBRUARY + HOUR));
}

#[test]
fn a_cancellation_at_the_end_of_the_period_can_be_undone_and_takes_effect_at_the_boundary() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&sub));

    let wish = shop.post(&path, "cancel_at_period_end=true");
    let undone = shop.post(&path, "cancel_at_period_end=false");
    let events = shop.happened();
    shop.post(&path, "cancel_at_period_end=true");
    shop.wait(31 * DAY - 1);
    let still = shop.see(&sub)["status"].clone();
    shop.happened();
    shop.wait(1);

    assert_eq!(
        (&wish["cancel_at"], &wish["canceled_at"]),
        (&json!(FEBRUARY), &json!(NOW))
    );
    assert_eq!(
        wish["cancellation_details"]["reason"],
        "cancellation_requested"
    );
    assert_eq!(
        (&undone["cancel_at"], &undone["canceled_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        events,
        [
            "customer.subscription.updated",
            "customer.subscription.updated"
        ]
    );
    assert_eq!(still, "active");
    assert_eq!(shop.happened(), ["customer.subscription.deleted"]);
    let ended = shop.see(&sub);
    assert_eq!(
        (&ended["status"], &ended["ended_at"]),
        (&json!("canceled"), &json!(FEBRUARY))
    );
}

#[test]
fn an_immediate_cancellation_emits_one_event_and_cannot_be_repeated() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let path = format!("/v1/subscriptions/{}", string(&sub));

    let ended = shop.delete(&path);

    assert_eq!(ended["status"], "canceled");
    assert_eq!(shop.happened(), ["customer.subscription.deleted"]);
    assert_eq!(shop.refused("DELETE", &path, "").0, 404);
    assert_eq!(
        shop.refused("POST", &path, "cancel_at_period_end=true").0,
        400
    );
    shop.wait(60 * DAY);
    assert!(shop.happened().is_empty());
}

#[test]
fn an_end_date_ends_a_subscription_in_the_middle_of_a_period() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");

    shop.post(
        &format!("/v1/subscriptions/{}", string(&sub)),
        &format!("cancel_at={}", NOW + 5 * DAY),
    );
    shop.wait(5 * DAY);

    assert_eq!(shop.see(&sub)["status"], "canceled");
}

#[test]
fn an_unpaid_first_invoice_makes_the_subscription_incomplete_and_expires_after_23_hours() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_chargeCustomerFail");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.happened();

    shop.wait(23 * HOUR);

    assert_eq!(sub["status"], "incomplete");
    assert_eq!(shop.see(&sub["id"])["status"], "incomplete_expired");
    assert_eq!(latest_invoice(&shop, &sub["id"])["status"], "void");
    assert_eq!(
        shop.happened(),
        [
            "payment_intent.canceled",
            "invoice.voided",
            "customer.subscription.updated"
        ]
    );
}

#[test]
fn error_if_incomplete_keeps_nothing_and_emits_nothing() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_chargeCustomerFail");
    let plan = shop.plan("PRO", 1900);
    shop.happened();

    let body =
        format!("customer={customer}&items[0][price]={plan}&payment_behavior=error_if_incomplete");
    let (status, error) = shop.refused("POST", "/v1/subscriptions", &body);

    assert_eq!((status, &error["code"]), (402, &json!("card_declined")));
    assert!(shop.core.objects("subscription").is_empty());
    assert!(shop.core.objects("charge").is_empty());
    assert!(shop.happened().is_empty());
}

#[test]
fn default_incomplete_waits_for_the_payment_intent_to_be_confirmed() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 1900);

    let sub = shop.subscribe(&customer, &plan, "&payment_behavior=default_incomplete&expand[]=latest_invoice.confirmation_secret&expand[]=latest_invoice.payments");
    let intent = string(&sub["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]);
    shop.post(
        &format!("/v1/payment_intents/{intent}/confirm"),
        "payment_method=pm_card_visa",
    );

    assert_eq!(sub["status"], "incomplete");
    assert!(
        string(&sub["latest_invoice"]["confirmation_secret"]["client_secret"]).starts_with(&intent)
    );
    assert_eq!(shop.see(&sub["id"])["status"], "active");
}

#[test]
fn a_subscription_without_any_card_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 1900);

    let (status, error) = shop.refused(
        "POST",
        "/v1/subscriptions",
        &format!("customer={customer}&items[0][price]={plan}"),
    );

    assert_eq!((status, &error["code"]), (400, &json!("resource_missing")));
    assert!(shop.core.objects("subscription").is_empty());
}

#[test]
fn the_portal_cancels_resumes_and_changes_the_card() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.core.remove_portal_defaults();
    let nothing = shop.refused(
        "POST",
        "/v1/billing_portal/sessions",
        &format!("customer={customer}"),
    );
    shop.core.save_portal_defaults();
    let portal = shop.post(
        "/v1/billing_portal/sessions",
        &format!("customer={customer}&return_url=https://shop.example/back"),
    );
    let id = string(&portal["id"]);
    let secret = string(&portal["url"])
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let sub = string(&sub);

    let canceled = shop.core.portal_cancel(&secret, &sub, NOW).unwrap();
    let resumed = shop.core.portal_resume(&id, &sub, NOW).unwrap();
    shop.core
        .portal_set_card(&id, card("5555555555554444"), NOW)
        .unwrap();
    let view = shop.core.portal_view(&secret).unwrap();
    let refused = shop
        .core
        .portal_set_card(&id, card("4000000000000002"), NOW);

    assert!(string(&nothing.1["message"]).starts_with("No configuration provided"));
    assert_eq!(canceled["cancel_at_period_end"], true);
    assert_eq!(resumed["cancel_at_period_end"], false);
    assert_eq!(view.card.unwrap().last4, "4444");
    assert_eq!(view.subscriptions[0].name, "PRO");
    assert_eq!(view.invoices.len(), 1);
    assert_eq!(view.return_url.unwrap(), "https://shop.example/back");
    assert!(view.allows.cancel && !view.allows.switch_plan);
    assert!(refused.is_err());
}

#[test]
fn a_new_card_in_the_portal_pays_open_invoices_immediately() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    let portal = string(
        &shop.post(
            "/v1/billing_portal/sessions",
            &format!("customer={customer}"),
        )["id"],
    );

    shop.core
        .portal_set_card(&portal, good_card(), shop.now)
        .unwrap();

    assert_eq!(shop.see(&sub)["status"], "active");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "paid");
}

#[test]
fn an_open_invoice_is_paid_on_its_page() {
    let mut shop = Shop::open();
    let (customer, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    shop.wait(31 * DAY + HOUR);
    let invoice = latest_invoice(&shop, &sub);
    let token = string(&invoice["hosted_invoice_url"])
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();

    let view = shop.core.invoice_view(&token).unwrap();
    let refused = shop
        .core
        .pay_invoice_page(&token, card("4000000000009995"), shop.now);
    let paid = shop
        .core
        .pay_invoice_page(&token, good_card(), shop.now)
        .unwrap();

    assert_eq!((view.status.as_str(), view.amount_due), ("open", 1900));
    assert_eq!(view.last_error.as_deref(), Some("Your card was declined."));
    assert!(refused.is_err());
    assert_eq!(paid["status"], "paid");
    assert_eq!(shop.see(&sub)["status"], "active");
}

#[test]
fn a_paused_collection_drafts_invoices_and_charges_nothing() {
    let mut shop = Shop::open();
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    shop.post(
        &format!("/v1/subscriptions/{}", string(&sub)),
        "pause_collection[behavior]=keep_as_draft",
    );
    shop.happened();

    shop.wait(35 * DAY);

    assert_eq!(shop.see(&sub)["status"], "active");
    assert_eq!(latest_invoice(&shop, &sub)["status"], "draft");
}

#[test]
fn the_anchor_day_survives_short_months() {
    let mut shop = Shop::open();
    shop.wait(30 * DAY);
    let (_, sub) = subscriber(&mut shop, "pm_card_visa");
    let mut ends = Vec::new();

    for _ in 0..3 {
        let end = shop.see(&sub)["items"]["data"][0]["current_period_end"]
            .as_i64()
            .unwrap();
        ends.push((end - NOW) / DAY);
        shop.wait(end - shop.now);
    }

    // 28 February, 31 March, 30 April.
    assert_eq!(ends, [58, 89, 119]);
}
