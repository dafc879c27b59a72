use serde_json::json;

use crate::shop::{DAY, HOUR, NOW, Shop, string};

fn paid(shop: &mut Shop, card: &str, amount: i64) -> (String, String) {
    let body = format!(
        "amount={amount}&currency=usd&confirm=true&payment_method={card}&payment_method_types[]=card"
    );
    let intent = shop.post("/v1/payment_intents", &body);
    (string(&intent["id"]), string(&intent["latest_charge"]))
}

#[test]
fn a_confirmed_payment_intent_emits_its_events_in_order() {
    let mut shop = Shop::open();

    let (intent, charge) = paid(&mut shop, "pm_card_visa", 2000);

    assert_eq!(
        shop.happened(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
    assert_eq!(shop.see(&json!(intent))["status"], "succeeded");
    assert_eq!(shop.see(&json!(charge))["payment_intent"], intent.as_str());
}

#[test]
fn each_declining_card_says_why() {
    let cases = [
        (
            "pm_card_chargeDeclined",
            "card_declined",
            "generic_decline",
            "Your card was declined.",
        ),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "Your card has insufficient funds.",
        ),
        (
            "pm_card_chargeDeclinedLostCard",
            "card_declined",
            "lost_card",
            "Your card was declined.",
        ),
        (
            "pm_card_chargeDeclinedExpiredCard",
            "expired_card",
            "expired_card",
            "Your card has expired.",
        ),
        (
            "pm_card_chargeDeclinedIncorrectCvc",
            "incorrect_cvc",
            "incorrect_cvc",
            "Your card's security code is incorrect.",
        ),
    ];
    for (card, code, decline, message) in cases {
        let mut shop = Shop::open();
        let body = format!("amount=2000&currency=usd&confirm=true&payment_method={card}");

        let (status, error) = shop.refused("POST", "/v1/payment_intents", &body);

        assert_eq!(
            (status, string(&error["code"])),
            (402, code.to_owned()),
            "{card}"
        );
        assert_eq!(
            (string(&error["decline_code"]), string(&error["message"])),
            (decline.into(), message.into())
        );
        assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
        assert_eq!(
            shop.happened(),
            [
                "payment_intent.created",
                "charge.failed",
                "payment_intent.payment_failed"
            ]
        );
    }
}

#[test]
fn a_declining_card_cannot_be_saved_except_the_one_that_fails_only_on_charges() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let body = format!("customer={customer}");

    let (status, error) = shop.refused(
        "POST",
        "/v1/payment_methods/pm_card_chargeDeclined/attach",
        &body,
    );
    shop.post(
        "/v1/payment_methods/pm_card_chargeCustomerFail/attach",
        &body,
    );

    assert_eq!((status, &error["code"]), (402, &json!("card_declined")));
    let methods = shop.get(&format!("/v1/customers/{customer}/payment_methods"));
    assert_eq!(methods["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_card_that_always_requires_authentication_declines_off_session_payments() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_authenticationRequired");
    let method = string(&shop.see(&json!(customer))["invoice_settings"]["default_payment_method"]);
    let base = format!(
        "amount=2000&currency=usd&confirm=true&customer={customer}&payment_method={method}"
    );

    let present = shop.post("/v1/payment_intents", &base);
    let (status, error) = shop.refused(
        "POST",
        "/v1/payment_intents",
        &format!("{base}&off_session=true"),
    );

    assert_eq!(present["status"], "requires_action");
    assert_eq!(
        (status, &error["code"]),
        (402, &json!("authentication_required"))
    );
}

#[test]
fn an_amount_below_the_minimum_is_refused() {
    let mut shop = Shop::open();

    let (_, error) = shop.refused("POST", "/v1/payment_intents", "amount=49&currency=usd");
    let yen = shop.post("/v1/payment_intents", "amount=50&currency=jpy");

    assert_eq!(error["code"], "amount_too_small");
    assert_eq!(yen["amount"], 50);
}

#[test]
fn partial_refunds_add_up_and_cannot_exceed_the_charge() {
    let mut shop = Shop::open();
    let (intent, charge) = paid(&mut shop, "pm_card_visa", 2000);
    shop.happened();

    let first = shop.post(
        "/v1/refunds",
        &format!("payment_intent={intent}&amount=500&reason=requested_by_customer"),
    );
    let events = shop.happened();
    let half = shop.see(&json!(charge));
    let (_, too_much) = shop.refused(
        "POST",
        "/v1/refunds",
        &format!("charge={charge}&amount=1501"),
    );
    shop.post("/v1/refunds", &format!("charge={charge}"));
    let (_, again) = shop.refused("POST", "/v1/refunds", &format!("charge={charge}"));

    assert_eq!(
        (&first["amount"], &first["status"]),
        (&json!(500), &json!("succeeded"))
    );
    assert_eq!(events, ["refund.created", "charge.refunded"]);
    assert_eq!(
        (&half["amount_refunded"], &half["refunded"]),
        (&json!(500), &json!(false))
    );
    assert!(
        string(&too_much["message"]).contains("greater than unrefunded amount on charge ($15.00)")
    );
    let whole = shop.see(&json!(charge));
    assert_eq!(
        (&whole["amount_refunded"], &whole["refunded"]),
        (&json!(2000), &json!(true))
    );
    assert_eq!(again["code"], "charge_already_refunded");
    let listed = shop.get(&format!("/v1/charges/{charge}?expand[]=refunds"));
    assert_eq!(listed["refunds"]["data"].as_array().unwrap().len(), 2);
}

#[test]
fn a_pending_refund_succeeds_later_and_a_failing_one_returns_the_money() {
    let mut shop = Shop::open();
    let (_, pending) = paid(&mut shop, "pm_card_pendingRefund", 2000);
    let (_, failing) = paid(&mut shop, "pm_card_refundFail", 2000);

    let first = shop.post("/v1/refunds", &format!("charge={pending}"));
    let second = shop.post("/v1/refunds", &format!("charge={failing}"));
    shop.happened();
    shop.wait(HOUR);

    assert_eq!(first["status"], "pending");
    assert_eq!(shop.see(&first["id"])["status"], "succeeded");
    assert_eq!(shop.see(&second["id"])["status"], "failed");
    assert_eq!(shop.see(&json!(failing))["amount_refunded"], 0);
    let events = shop.happened();
    assert!(
        events.contains(&"refund.updated".to_owned())
            && events.contains(&"refund.failed".to_owned())
    );
}

#[test]
fn a_dispute_withdraws_the_money_and_evidence_wins_it_back() {
    let mut shop = Shop::open();
    let (intent, charge) = paid(&mut shop, "pm_card_createDispute", 2000);
    let opened = shop.happened();
    let dispute = shop.get(&format!("/v1/disputes?payment_intent={intent}"))["data"][0].clone();
    let refused = shop.refused("POST", "/v1/refunds", &format!("charge={charge}"));

    shop.post(
        &format!("/v1/disputes/{}", string(&dispute["id"])),
        "evidence[uncategorized_text]=winning_evidence",
    );

    assert!(opened.ends_with(&[
        "charge.dispute.created".to_owned(),
        "charge.dispute.funds_withdrawn".to_owned()
    ]));
    assert_eq!(
        (&dispute["status"], &dispute["reason"]),
        (&json!("needs_response"), &json!("fraudulent"))
    );
    assert_eq!(refused.1["code"], "charge_disputed");
    assert_eq!(shop.see(&dispute["id"])["status"], "won");
    let events = shop.happened();
    assert!(events.contains(&"charge.dispute.funds_reinstated".to_owned()));
    assert_eq!(events.last().unwrap(), "charge.dispute.closed");
    assert_eq!(
        shop.last("charge.dispute.closed")["data"]["object"]["status"],
        "won"
    );
}

#[test]
fn a_dispute_can_be_lost_and_an_inquiry_leaves_the_charge_refundable() {
    let mut shop = Shop::open();
    let (_, charge) = paid(&mut shop, "pm_card_visa", 2000);
    let (_, asked) = paid(&mut shop, "pm_card_createDisputeInquiry", 2000);

    let dispute = shop
        .core
        .dispute(&charge, "product_not_received", NOW)
        .unwrap();
    let lost = shop
        .core
        .close_dispute(dispute["id"].as_str().unwrap(), false, NOW)
        .unwrap();
    shop.post("/v1/refunds", &format!("charge={asked}"));

    assert_eq!(lost["status"], "lost");
    assert!(!shop.did("charge.dispute.funds_reinstated"));
    let inquiry = shop.get(&format!("/v1/disputes?charge={asked}"))["data"][0].clone();
    assert_eq!(inquiry["status"], "warning_needs_response");
    assert!(
        shop.core
            .close_dispute(dispute["id"].as_str().unwrap(), true, NOW)
            .is_err()
    );
}

#[test]
fn an_authorized_payment_is_captured_in_part() {
    let mut shop = Shop::open();
    let intent = shop.post(
        "/v1/payment_intents",
        "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa&capture_method=manual",
    );
    let id = string(&intent["id"]);

    let captured = shop.post(
        &format!("/v1/payment_intents/{id}/capture"),
        "amount_to_capture=1500",
    );

    assert_eq!(intent["status"], "requires_capture");
    assert_eq!(
        (&captured["status"], &captured["amount_received"]),
        (&json!("succeeded"), &json!(1500))
    );
}

#[test]
fn an_invoice_below_the_minimum_is_carried_over_to_the_balance() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let body = |amount: i64| format!("customer={customer}&amount={amount}&currency=usd");
    shop.post("/v1/invoiceitems", &body(30));
    let invoice = string(
        &shop.post(
            "/v1/invoices",
            &format!("customer={customer}&pending_invoice_items_behavior=include"),
        )["id"],
    );

    let small = shop.post(&format!("/v1/invoices/{invoice}/finalize"), "");
    shop.post("/v1/invoiceitems", &body(100));
    let next = string(
        &shop.post(
            "/v1/invoices",
            &format!("customer={customer}&pending_invoice_items_behavior=include"),
        )["id"],
    );
    let paid = shop.post(&format!("/v1/invoices/{next}/pay"), "");

    assert_eq!(
        (
            &small["status"],
            &small["amount_due"],
            &small["ending_balance"]
        ),
        (&json!("paid"), &json!(0), &json!(30))
    );
    assert_eq!(
        (&paid["amount_paid"], &paid["ending_balance"]),
        (&json!(130), &json!(0))
    );
}

#[test]
fn a_manual_invoice_is_finalized_voided_or_marked_uncollectible() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let mut invoice = || {
        shop.post(
            "/v1/invoiceitems",
            &format!("customer={customer}&amount=2000&currency=usd"),
        );
        let id = string(
            &shop.post(
                "/v1/invoices",
                &format!("customer={customer}&pending_invoice_items_behavior=include"),
            )["id"],
        );
        shop.post(&format!("/v1/invoices/{id}/finalize"), "");
        id
    };
    let (first, second) = (invoice(), invoice());

    let void = shop.post(&format!("/v1/invoices/{first}/void"), "");
    let given_up = shop.post(&format!("/v1/invoices/{second}/mark_uncollectible"), "");
    let (_, closed) = shop.refused("POST", &format!("/v1/invoices/{first}/pay"), "");
    let paid = shop.post(&format!("/v1/invoices/{second}/pay"), "");

    assert_eq!(
        (&void["status"], &given_up["status"]),
        (&json!("void"), &json!("uncollectible"))
    );
    assert!(string(&closed["message"]).contains("void"));
    assert_eq!(paid["status"], "paid");
}

#[test]
fn charged_money_becomes_available_after_two_days() {
    let mut shop = Shop::open();
    paid(&mut shop, "pm_card_visa", 2000);

    let early = shop.get("/v1/balance");
    shop.wait(2 * DAY);
    let later = shop.get("/v1/balance");

    assert_eq!(
        (
            &early["available"][0]["amount"],
            &early["pending"][0]["amount"]
        ),
        (&json!(0), &json!(1912))
    );
    assert_eq!(later["available"][0]["amount"], 1912);
}
