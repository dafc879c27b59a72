//! Payments that are authorized first, and whose payment method may pay.

use serde_json::{Value, json};

use crate::shop::{DAY, Shop, string};

const HOLD: &str = "amount=2500&currency=usd&capture_method=manual&confirm=true";

impl Shop {
    fn hold(&mut self) -> (String, String) {
        let intent = self.post(
            "/v1/payment_intents",
            &format!("{HOLD}&payment_method=pm_card_visa"),
        );
        (string(&intent["id"]), string(&intent["latest_charge"]))
    }

    fn refused_message(&mut self, path: &str, body: &str) -> String {
        let (status, error) = self.refused("POST", path, body);
        assert_eq!(status, 400, "{error}");
        string(&error["message"])
    }
}

#[test]
fn a_captured_part_refunds_at_most_itself() {
    let mut shop = Shop::open();
    let (intent, charge) = shop.hold();
    let path = format!("/v1/payment_intents/{intent}/capture");
    shop.post(&path, "amount_to_capture=1500&metadata[a]=b");

    let captured = shop.see(&json!(charge));
    let too_much = shop.refused_message("/v1/refunds", &format!("charge={charge}&amount=1501"));
    let refund = shop.post("/v1/refunds", &format!("charge={charge}"));
    let again = shop.refused("POST", "/v1/refunds", &format!("charge={charge}"));

    assert_eq!(captured["amount_captured"], 1500);
    assert_eq!(captured["amount_refunded"], 1000);
    assert_eq!(captured["refunded"], false);
    assert!(too_much.contains("greater than unrefunded amount on charge ($15.00)"));
    assert_eq!(refund["amount"], 1500);
    assert_eq!(again.1["code"], "charge_already_refunded");
    assert_eq!(shop.see(&json!(intent))["metadata"], json!({"a": "b"}));
    assert_eq!(shop.see(&json!(intent))["amount_received"], 1500);
}

#[test]
fn a_capture_takes_at_most_what_is_held_and_only_once() {
    let mut shop = Shop::open();
    let (intent, _) = shop.hold();
    let path = format!("/v1/payment_intents/{intent}/capture");

    let (_, more) = shop.refused("POST", &path, "amount_to_capture=2501");
    let (_, none) = shop.refused("POST", &path, "amount_to_capture=0");
    let (_, part) = shop.refused("POST", &path, "final_capture=false");
    shop.post(&path, "final_capture=true");
    let (_, twice) = shop.refused("POST", &path, "");

    assert_eq!(
        (&more["code"], &more["param"]),
        (&json!("amount_too_large"), &json!("amount_to_capture"))
    );
    assert_eq!(none["code"], "parameter_invalid_integer");
    assert_eq!(part["param"], "final_capture");
    assert_eq!(twice["code"], "payment_intent_unexpected_state");
}

#[test]
fn an_uncaptured_charge_is_not_refundable_and_nothing_is_left_of_the_attempt() {
    let mut shop = Shop::open();
    let (intent, charge) = shop.hold();
    shop.happened();

    let by_intent = shop.refused_message("/v1/refunds", &format!("payment_intent={intent}"));
    let by_charge = shop.refused_message("/v1/refunds", &format!("charge={charge}"));

    assert!(by_intent.contains("does not have a successful charge to refund"));
    assert!(by_charge.contains("is not a successful charge"));
    assert!(shop.core.objects("refund").is_empty());
    assert!(shop.happened().is_empty());
}

#[test]
fn an_authorization_lapses_after_seven_days() {
    let mut shop = Shop::open();
    let (intent, charge) = shop.hold();
    let until = shop.now + 7 * DAY;
    shop.happened();

    assert_eq!(
        shop.see(&json!(charge))["payment_method_details"]["card"]["capture_before"],
        until
    );
    shop.wait(7 * DAY - 1);
    assert!(shop.happened().is_empty());
    shop.wait(1);

    assert_eq!(
        shop.happened(),
        ["charge.expired", "payment_intent.canceled"]
    );
    let lapsed = shop.see(&json!(intent));
    assert_eq!(lapsed["status"], "canceled");
    assert_eq!(lapsed["cancellation_reason"], "expired");
    assert_eq!(shop.see(&json!(charge))["amount_refunded"], 2500);
    let path = format!("/v1/payment_intents/{intent}/capture");
    assert_eq!(shop.refused("POST", &path, "").0, 400);
}

#[test]
fn a_captured_authorization_does_not_lapse() {
    let mut shop = Shop::open();
    let (intent, _) = shop.hold();
    shop.post(&format!("/v1/payment_intents/{intent}/capture"), "");
    shop.happened();

    shop.wait(8 * DAY);

    assert!(shop.happened().is_empty());
    assert_eq!(shop.see(&json!(intent))["status"], "succeeded");
}

#[test]
fn a_canceled_authorization_gives_the_amount_back() {
    let mut shop = Shop::open();
    let (intent, charge) = shop.hold();
    shop.happened();

    shop.post(
        &format!("/v1/payment_intents/{intent}/cancel"),
        "cancellation_reason=abandoned",
    );

    assert_eq!(
        shop.happened(),
        ["charge.refunded", "payment_intent.canceled"]
    );
    assert_eq!(shop.see(&json!(charge))["refunded"], true);
}

#[test]
fn a_payment_method_of_another_customer_or_without_its_customer_is_refused() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    let bob = shop.customer("");
    let method = shop.give_card(&ann, "pm_card_visa");
    let pay = format!("amount=500&currency=usd&confirm=true&payment_method={method}");

    let none = shop.refused_message("/v1/payment_intents", &pay);
    let other = shop.refused_message("/v1/payment_intents", &format!("{pay}&customer={bob}"));
    let open = shop.post(
        "/v1/payment_intents",
        &format!("amount=500&currency=usd&customer={bob}"),
    );
    let path = format!("/v1/payment_intents/{}", string(&open["id"]));
    let update = shop.refused_message(&path, &format!("payment_method={method}"));
    let confirm = shop.refused_message(
        &format!("{path}/confirm"),
        &format!("payment_method={method}"),
    );
    let own = shop.post("/v1/payment_intents", &format!("{pay}&customer={ann}"));

    assert!(none.contains(&format!("belongs to the Customer {ann}")));
    for message in [other, update, confirm] {
        assert!(message.contains("another Customer"), "{message}");
    }
    assert_eq!(own["status"], "succeeded");
    assert_eq!(shop.core.objects("charge").len(), 1);
}

#[test]
fn a_payment_method_without_a_customer_pays_once() {
    let mut shop = Shop::open();
    let method = string(&shop.post("/v1/payment_methods", "type=card&card[token]=tok_visa")["id"]);
    let pay = format!("amount=500&currency=usd&confirm=true&payment_method={method}");
    shop.post("/v1/payment_intents", &pay);

    let again = shop.refused_message("/v1/payment_intents", &pay);
    let ann = shop.customer("");
    let path = format!("/v1/payment_methods/{method}/attach");
    let attach = shop.refused_message(&path, &format!("customer={ann}"));

    assert!(again.contains("may not be used again"));
    assert!(attach.contains("may not be used again"));
}

#[test]
fn a_payment_that_saves_its_method_can_use_it_again() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    let method = string(&shop.post("/v1/payment_methods", "type=card&card[token]=tok_visa")["id"]);
    let pay =
        format!("amount=500&currency=usd&customer={ann}&confirm=true&payment_method={method}");
    shop.post(
        "/v1/payment_intents",
        &format!("{pay}&setup_future_usage=off_session"),
    );

    let again = shop.post("/v1/payment_intents", &pay);

    assert_eq!(again["status"], "succeeded");
}

#[test]
fn parameters_of_a_confirmation_need_one() {
    let mut shop = Shop::open();
    for (name, value) in [
        ("off_session", "true"),
        ("error_on_requires_action", "true"),
        ("return_url", "https://a.example"),
    ] {
        let body = format!("amount=500&currency=usd&{name}={value}");
        let (status, error) = shop.refused("POST", "/v1/payment_intents", &body);

        assert_eq!((status, &error["param"]), (400, &Value::from(name)));
    }
    assert!(shop.core.objects("payment_intent").is_empty());
}

#[test]
fn a_payment_that_would_need_the_customer_fails_on_request() {
    let mut shop = Shop::open();
    let pay = "amount=500&currency=usd&confirm=true&payment_method=pm_card_authenticationRequired";

    let waiting = shop.post(
        "/v1/payment_intents",
        &format!("{pay}&return_url=https://a.example/back"),
    );
    let (status, error) = shop.refused(
        "POST",
        "/v1/payment_intents",
        &format!("{pay}&error_on_requires_action=true"),
    );

    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(
        waiting["next_action"]["redirect_to_url"]["return_url"],
        "https://a.example/back"
    );
    assert_eq!(
        (status, &error["code"]),
        (402, &json!("authentication_required"))
    );
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
}

#[test]
fn an_intent_takes_its_terms_when_it_is_made_changed_or_confirmed() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    let intent = shop.post(
        "/v1/payment_intents",
        "amount=500&currency=usd&statement_descriptor_suffix=PACK&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never",
    );
    let path = format!("/v1/payment_intents/{}", string(&intent["id"]));
    let changed = shop.post(
        &path,
        &format!("amount=700&currency=eur&customer={ann}&metadata[a]=b"),
    );
    let (_, small) = shop.refused("POST", &path, "amount=3");
    let body = "payment_method=pm_card_visa&receipt_email=a@b.example&capture_method=manual&payment_method_options[card][request_three_d_secure]=any";
    let held = shop.post(&format!("{path}/confirm"), body);
    let (_, late) = shop.refused("POST", &path, "amount=800");

    assert_eq!(
        intent["automatic_payment_methods"]["allow_redirects"],
        "never"
    );
    assert_eq!(
        (&changed["amount"], &changed["currency"]),
        (&json!(700), &json!("eur"))
    );
    assert_eq!(changed["customer"], ann.as_str());
    assert_eq!(small["code"], "amount_too_small");
    assert_eq!(held["status"], "requires_capture");
    assert_eq!(
        held["payment_method_options"]["card"]["request_three_d_secure"],
        "any"
    );
    let charge = shop.see(&held["latest_charge"]);
    assert_eq!(charge["statement_descriptor_suffix"], "PACK");
    assert_eq!(charge["receipt_email"], "a@b.example");
    assert_eq!(late["code"], "payment_intent_unexpected_state");
}

#[test]
fn the_security_code_is_unchecked_until_the_card_is_attached_or_charged() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    let token = "type=card&card[token]=tok_visa";
    let attached = string(&shop.post("/v1/payment_methods", token)["id"]);
    let charged = string(&shop.post("/v1/payment_methods", token)["id"]);
    let check = |shop: &Shop, id: &str| shop.see(&json!(id))["card"]["checks"]["cvc_check"].clone();
    let before = check(&shop, &attached);

    shop.post(
        &format!("/v1/payment_methods/{attached}/attach"),
        &format!("customer={ann}"),
    );
    let pay = format!("amount=500&currency=usd&confirm=true&payment_method={charged}");
    let paid = shop.post("/v1/payment_intents", &pay);

    assert_eq!(before, "unchecked");
    assert_eq!(check(&shop, &attached), "pass");
    assert_eq!(check(&shop, &charged), "pass");
    let charge = shop.see(&paid["latest_charge"]);
    assert_eq!(
        charge["payment_method_details"]["card"]["checks"]["cvc_check"],
        "pass"
    );
}

#[test]
fn the_payment_of_an_open_invoice_is_canceled_only_with_the_invoice() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_chargeCustomerFail", 1000);
    let sub = shop.subscribe(&customer, &plan, "&payment_behavior=default_incomplete");
    let invoice = string(&sub["latest_invoice"]);
    let intent = string(&shop.core.objects("payment_intent")[0]["id"]);

    let path = format!("/v1/payment_intents/{intent}/cancel");
    let (status, error) = shop.refused("POST", &path, "");
    assert_eq!(status, 400);
    assert_eq!(error["payment_intent"]["id"], intent.as_str());
    shop.post(&format!("/v1/invoices/{invoice}/void"), "");

    assert_eq!(shop.see(&json!(intent))["status"], "canceled");
}

/// Stripe's reference for updating a payment intent: metadata can be changed at any time.
#[test]
fn the_metadata_of_a_payment_that_succeeded_can_be_removed() {
    let mut shop = Shop::open();
    let (intent, _) = shop.hold();
    let path = format!("/v1/payment_intents/{intent}");
    shop.post(&format!("{path}/capture"), "");

    shop.post(&path, "metadata[a]=b");
    assert_eq!(shop.see(&json!(intent))["metadata"], json!({"a": "b"}));
    shop.post(&path, "metadata=");

    assert_eq!(shop.see(&json!(intent))["metadata"], json!({}));
    assert_eq!(shop.see(&json!(intent))["status"], "succeeded");
}
