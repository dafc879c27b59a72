use serde_json::json;
use twin::core::{PayError, Payment};

use crate::shop::{DAY, NOW, Shop, card, good_card, string};

#[test]
fn a_pack_is_bought_and_the_session_is_paid() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session(
        "payment",
        &pack,
        &format!("&customer={customer}&metadata[intent]=i1&client_reference_id=acc&payment_intent_data[metadata][intent]=i1"),
    );
    shop.happened();

    let view = shop.core.checkout_view(&id).unwrap();
    let paid = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(view.amount_total, 1000);
    assert_eq!(
        view.success_url.unwrap(),
        format!("https://shop.example/ok?id={id}")
    );
    assert_eq!(paid["status"], "complete");
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!(paid["metadata"], json!({"intent": "i1"}));
    assert_eq!(
        shop.happened(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    let intent = shop.see(&paid["payment_intent"]);
    assert_eq!(intent["metadata"], json!({"intent": "i1"}));
    assert_eq!(intent["amount_received"], 1000);
    assert_eq!(
        shop.see(&intent["latest_charge"])["customer"],
        customer.as_str()
    );
    let event = shop.last("checkout.session.completed");
    assert!(event["request"]["id"].is_null());
}

#[test]
fn a_new_session_is_open_and_its_url_contains_its_id() {
    let mut shop = Shop::open();
    shop.core.set_public_url("http://twin.example/");
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");

    let session = shop.get(&format!("/v1/checkout/sessions/{id}?expand[]=line_items"));

    assert_eq!(session["url"], format!("http://twin.example/c/pay/{id}"));
    assert_eq!(session["status"], "open");
    assert_eq!(session["payment_status"], "unpaid");
    assert_eq!(session["expires_at"], NOW + DAY);
    assert_eq!(
        session["line_items"]["data"][0]["price"]["id"],
        pack.as_str()
    );
    assert!(session["payment_intent"].is_null());
    assert!(id.starts_with("cs_test_") && id.len() > 60);
}

#[test]
fn a_declined_card_leaves_the_session_open_with_a_failed_charge_and_another_pays() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");
    shop.happened();

    let refused = shop.core.pay_checkout(&id, card("4000000000009995"), NOW);
    let after_refusal = shop.happened();
    let open = shop.see(&json!(id));
    let failed = shop.last("charge.failed");
    let paid = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        refused,
        Err(PayError::Card {
            code: "card_declined".into(),
            decline_code: "insufficient_funds".into(),
            message: "Your card has insufficient funds.".into()
        })
    );
    assert_eq!(
        after_refusal,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed"
        ]
    );
    assert_eq!(
        (&open["status"], &open["payment_status"]),
        (&json!("open"), &json!("unpaid"))
    );
    assert_eq!(
        failed["data"]["object"]["outcome"]["reason"],
        "insufficient_funds"
    );
    assert_eq!(paid["payment_intent"], open["payment_intent"]);
    assert_eq!(shop.core.objects("charge").len(), 2);
}

#[test]
fn a_mistyped_card_is_refused_without_a_charge() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");
    let mut code_of = |payment: Payment| match shop.core.pay_checkout(&id, payment, NOW) {
        Err(PayError::Card { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    let typed = |number: &str, exp_year: u32, cvc: &str| Payment::Card {
        number: number.into(),
        exp_month: 12,
        exp_year,
        cvc: cvc.into(),
    };

    assert_eq!(
        code_of(typed("4242424242424241", 2030, "123")),
        "incorrect_number"
    );
    assert_eq!(
        code_of(typed("4242424242424242", 2020, "123")),
        "invalid_expiry_year"
    );
    assert_eq!(code_of(typed("4242424242424242", 2030, "1")), "invalid_cvc");
    assert!(shop.core.objects("charge").is_empty());
}

#[test]
fn a_session_completes_after_the_customer_has_authenticated() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");
    shop.happened();

    let asked = shop.core.pay_checkout(&id, card("4000002760003184"), NOW);
    let waiting = shop.core.checkout_view(&id).unwrap().awaits_authentication;
    let events = shop.happened();
    let refused = shop.core.authenticate_checkout(&id, false, NOW);
    shop.core
        .pay_checkout(&id, card("4000002760003184"), NOW)
        .unwrap_err();
    let paid = shop.core.authenticate_checkout(&id, true, NOW).unwrap();

    assert_eq!(asked, Err(PayError::RequiresAuthentication));
    assert!(waiting);
    assert_eq!(
        events,
        ["payment_intent.created", "payment_intent.requires_action"]
    );
    assert!(
        matches!(refused, Err(PayError::Card { code, .. }) if code == "payment_intent_authentication_failure")
    );
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!(shop.core.objects("charge").len(), 1);
}

#[test]
fn a_delayed_payment_completes_unpaid_and_is_settled_later() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let good = shop.session("payment", &pack, "");
    let bad = shop.session("payment", &pack, "");
    shop.happened();

    let unpaid = shop
        .core
        .pay_checkout(&good, Payment::Delayed, NOW)
        .unwrap();
    let first = shop.happened();
    shop.wait(3 * DAY);
    let paid = shop.core.settle_checkout(&good, true, shop.now).unwrap();
    let second = shop.happened();
    shop.core
        .pay_checkout(&bad, Payment::Delayed, shop.now)
        .unwrap_err();
    let expired = shop.core.settle_checkout(&bad, false, shop.now);

    assert_eq!(
        (&unpaid["status"], &unpaid["payment_status"]),
        (&json!("complete"), &json!("unpaid"))
    );
    assert_eq!(first.last().unwrap(), "checkout.session.completed");
    assert!(!first.contains(&"charge.succeeded".to_owned()));
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!(
        second
            .iter()
            .filter(|kind| *kind != "checkout.session.expired")
            .collect::<Vec<_>>(),
        [
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.async_payment_succeeded"
        ]
    );
    assert!(matches!(expired, Err(PayError::NotPossible(_))));
}

#[test]
fn a_delayed_payment_that_fails_stays_unpaid() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");
    shop.core.pay_checkout(&id, Payment::Delayed, NOW).unwrap();
    shop.happened();

    let failed = shop.core.settle_checkout(&id, false, NOW).unwrap();

    assert_eq!(
        (&failed["status"], &failed["payment_status"]),
        (&json!("complete"), &json!("unpaid"))
    );
    assert_eq!(
        shop.happened(),
        [
            "charge.failed",
            "payment_intent.payment_failed",
            "checkout.session.async_payment_failed"
        ]
    );
}

#[test]
fn a_session_expires_after_a_day_and_can_no_longer_be_paid() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "");
    shop.happened();

    shop.wait(DAY - 1);
    let before = shop.happened();
    shop.wait(1);

    assert!(before.is_empty());
    assert_eq!(shop.happened(), ["checkout.session.expired"]);
    let event = shop.last("checkout.session.expired");
    assert_eq!(event["created"], NOW + DAY);
    assert!(matches!(
        shop.core.pay_checkout(&id, good_card(), shop.now),
        Err(PayError::NotPossible(_))
    ));
    assert_eq!(
        shop.refused("POST", &format!("/v1/checkout/sessions/{id}/expire"), "")
            .0,
        400
    );
}

#[test]
fn an_invalid_session_is_refused() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let plan = shop.plan("PRO", 1900);
    let tiny = shop.price("Crumb", 20, "");
    let ok = "success_url=https://x.example/&line_items[0][quantity]=1";
    let mut refuse = |body: String| shop.refused("POST", "/v1/checkout/sessions", &body).1;

    assert_eq!(
        refuse(format!("{ok}&line_items[0][price]={pack}"))["param"],
        "mode"
    );
    assert!(
        string(&refuse(format!("mode=payment&{ok}&line_items[0][price]={plan}"))["message"])
            .contains("recurring")
    );
    assert!(
        string(
            &refuse(format!(
                "mode=subscription&{ok}&line_items[0][price]={pack}"
            ))["message"]
        )
        .contains("recurring")
    );
    assert_eq!(
        refuse(format!("mode=payment&{ok}&line_items[0][price]={tiny}"))["code"],
        "amount_too_small"
    );
    assert_eq!(
        refuse(format!("mode=payment&{ok}&line_items[0][price]=price_none"))["param"],
        "line_items[0][price]"
    );
    assert_eq!(
        refuse("mode=payment&success_url=https://x.example/".to_owned())["param"],
        "line_items"
    );
    assert_eq!(
        refuse(format!(
            "mode=payment&line_items[0][price]={pack}&line_items[0][quantity]=1"
        ))["param"],
        "success_url"
    );
    assert_eq!(
        refuse(format!(
            "mode=payment&{ok}&line_items[0][price]={pack}&customer=cus_none"
        ))["code"],
        "resource_missing"
    );
    assert_eq!(
        refuse(format!(
            "mode=payment&{ok}&line_items[0][price]={pack}&subscription_data[description]=x"
        ))["param"],
        "subscription_data"
    );
    assert_eq!(
        refuse(format!(
            "mode=payment&{ok}&line_items[0][price]={pack}&expires_at={}",
            NOW + 2 * DAY
        ))["param"],
        "expires_at"
    );
}

#[test]
fn the_old_and_the_new_name_of_payment_method_types_are_both_accepted() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");

    for name in ["payment_method_types", "allowed_payment_method_types"] {
        let id = shop.session("payment", &pack, &format!("&{name}[]=card"));
        assert_eq!(
            shop.see(&json!(id))["payment_method_types"],
            json!(["card"])
        );
    }
}

#[test]
fn the_cli_completes_a_session_through_its_payment_page() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1500, "");
    let id = shop.session("payment", &pack, "");
    let method = shop.post("/v1/payment_methods", "type=card&card[token]=tok_visa");

    shop.get(&format!("/v1/payment_pages/{id}"));
    let wrong = shop.refused(
        "POST",
        &format!("/v1/payment_pages/{id}/confirm"),
        &format!("payment_method={}&expected_amount=1", string(&method["id"])),
    );
    shop.post(
        &format!("/v1/payment_pages/{id}/confirm"),
        &format!(
            "payment_method={}&expected_amount=1500",
            string(&method["id"])
        ),
    );

    assert_eq!(wrong.0, 400);
    assert_eq!(shop.see(&json!(id))["payment_status"], "paid");
}

#[test]
fn an_iban_settles_automatically() {
    let mut shop = Shop::open();
    let body = "product_data[name]=Credits&unit_amount=1500&currency=eur";
    let pack = string(&shop.post("/v1/prices", body)["id"]);
    let mut pay = |iban: &str| {
        let id = shop.session("payment", &pack, "&payment_method_types[]=sepa_debit");
        let body =
            format!("type=sepa_debit&sepa_debit[iban]={iban}&billing_details[email]=a@b.example");
        let method = string(&shop.post("/v1/payment_methods", &body)["id"]);
        shop.post(
            &format!("/v1/payment_pages/{id}/confirm"),
            &format!("payment_method={method}"),
        );
        shop.wait(60);
        shop.happened()
    };

    assert!(
        pay("AT611904300234573201")
            .contains(&"checkout.session.async_payment_succeeded".to_owned())
    );
    assert!(
        pay("AT861904300235473202").contains(&"checkout.session.async_payment_failed".to_owned())
    );
}

#[test]
fn a_promotion_code_reduces_the_total() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 2000);
    let coupon = string(&shop.post("/v1/coupons", "percent_off=25.5&duration=once")["id"]);
    shop.post(
        "/v1/promotion_codes",
        &format!("promotion[type]=coupon&promotion[coupon]={coupon}&code=HELLO"),
    );
    let id = shop.session("subscription", &plan, "&allow_promotion_codes=true");

    let wrong = shop.core.apply_promotion_code(&id, "NOPE", NOW);
    let session = shop.core.apply_promotion_code(&id, "hello", NOW).unwrap();
    let paid = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();
    shop.wait(32 * DAY);

    assert!(wrong.is_err());
    assert_eq!(session["amount_total"], 1490);
    assert_eq!(shop.see(&paid["invoice"])["amount_paid"], 1490);
    let renewal = shop.last("invoice.paid");
    assert_eq!(renewal["data"]["object"]["amount_paid"], 2000);
}
