//! Errors word by word, as they were recorded from Stripe.

use serde_json::{Value, json};

use crate::shop::{Shop, string};

/// What an error says, without what differs from request to request.
fn said(answer: (u16, Value)) -> (u16, Value) {
    let (status, mut error) = answer;
    if let Some(all) = error.as_object_mut() {
        all.remove("request_log_url");
    }
    (status, error)
}

fn documented(code: &str) -> String {
    format!("https://docs.stripe.com/error-codes/{code}")
}

#[test]
fn a_path_names_a_missing_object_with_404_and_a_parameter_with_400() {
    let mut shop = Shop::open();
    let url = documented("resource-missing");

    let path = said(shop.refused("GET", "/v1/customers/cus_none", ""));
    let named = said(shop.refused(
        "POST",
        "/v1/subscriptions",
        "customer=cus_none&items[0][price]=x",
    ));

    let error = |param: &str| {
        json!({"type": "invalid_request_error", "code": "resource_missing", "doc_url": url,
               "param": param, "message": "No such customer: 'cus_none'"})
    };
    assert_eq!(path, (404, error("id")));
    assert_eq!(named.0, 400);
    assert_eq!(named.1["message"], error("")["message"]);
}

#[test]
fn a_cursor_that_does_not_exist_or_names_another_kind_is_missing() {
    let mut shop = Shop::open();
    let customer = shop.customer("");

    for (path, cursor, id, noun) in [
        ("customers", "starting_after", "cus_none", "customer"),
        ("customers", "ending_before", "cus_none", "customer"),
        ("products", "starting_after", customer.as_str(), "product"),
        ("prices", "ending_before", customer.as_str(), "price"),
    ] {
        let target = format!("/v1/{path}?{cursor}={id}");
        let answer = said(shop.refused("GET", &target, ""));

        let error = json!({"type": "invalid_request_error", "code": "resource_missing",
            "doc_url": documented("resource-missing"), "param": cursor,
            "message": format!("No such {noun}: '{id}'")});
        assert_eq!(answer, (400, error), "{target}");
    }
}

#[test]
fn both_cursors_together_are_refused() {
    let mut shop = Shop::open();
    let id = shop.customer("");

    let target = format!("/v1/customers?starting_after={id}&ending_before={id}");
    let answer = said(shop.refused("GET", &target, ""));

    let error = json!({"type": "invalid_request_error", "code": "parameters_exclusive",
        "doc_url": documented("parameters-exclusive"), "param": "starting_after",
        "message": "You cannot parameterize with both starting_after and ending_before."});
    assert_eq!(answer, (400, error));
}

#[test]
fn a_mistyped_integer_links_to_the_older_address_of_the_documentation() {
    let mut shop = Shop::open();

    let answer = said(shop.refused("GET", "/v1/customers?limit=many", ""));

    let error = json!({"type": "invalid_request_error", "code": "parameter_invalid_integer",
        "doc_url": "https://stripe.com/docs/error-codes/parameter-invalid-integer",
        "param": "limit", "message": "Invalid integer: many"});
    assert_eq!(answer, (400, error));
}

#[test]
fn unknown_parameters_are_named_with_their_outer_ones() {
    let mut shop = Shop::open();

    let one = said(shop.refused("POST", "/v1/customers", "address[contry]=DE"));
    let two = said(shop.refused("POST", "/v1/customers", "nme=Ann&mail=a"));

    let error = |param: &str, message: &str| {
        json!({"type": "invalid_request_error", "code": "parameter_unknown", "param": param,
               "doc_url": documented("parameter-unknown"), "message": message})
    };
    let message = "Received unknown parameter: address[contry]";
    assert_eq!(one, (400, error("address[contry]", message)));
    let message = "Received unknown parameters: mail, nme";
    assert_eq!(two, (400, error("mail", message)));
}

#[test]
fn a_property_that_cannot_be_expanded_is_named() {
    let mut shop = Shop::open();
    let id = shop.customer("");

    let (status, error) = shop.refused("GET", &format!("/v1/customers/{id}?expand[0]=email"), "");

    assert_eq!(status, 400);
    assert_eq!(
        error["message"],
        "This property cannot be expanded (email)."
    );
}

#[test]
fn an_idempotency_key_with_other_parameters_says_so() {
    let mut shop = Shop::open();
    shop.send("POST", "/v1/customers", "name=Ann", Some("k1"));

    let answer = shop.send("POST", "/v1/customers", "name=Bob", Some("k1"));

    let error = &answer.body["error"];
    assert_eq!(
        (answer.status, &error["type"]),
        (400, &json!("idempotency_error"))
    );
    assert_eq!(
        error["message"],
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than 'k1' if you meant to execute a different request."
    );
}

/// Card numbers with their error code, their decline code if there is one, and their message.
const DECLINED: [(&str, &str, &str, &str); 8] = [
    (
        "4000000000000002",
        "card_declined",
        "generic_decline",
        "Your card was declined.",
    ),
    (
        "4000000000009995",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    (
        "4000000000009987",
        "card_declined",
        "lost_card",
        "Your card was declined.",
    ),
    (
        "4000000000009979",
        "card_declined",
        "stolen_card",
        "Your card was declined.",
    ),
    (
        "4000000000000069",
        "expired_card",
        "",
        "Your card has expired.",
    ),
    (
        "4000000000000127",
        "incorrect_cvc",
        "",
        "Your card's security code is incorrect.",
    ),
    (
        "4000000000000119",
        "processing_error",
        "",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    (
        "4000000000006975",
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    ),
];

#[test]
fn each_declined_card_has_its_code_and_its_message_by_its_number() {
    let mut shop = Shop::open();

    for (number, code, decline, message) in DECLINED {
        let body = format!(
            "amount=2000&currency=usd&confirm=true&payment_method_types[0]=card&payment_method={}",
            method(&mut shop, number)
        );
        let (status, error) = shop.refused("POST", "/v1/payment_intents", &body);

        assert_eq!(
            (status, &error["type"]),
            (402, &json!("card_error")),
            "{number}"
        );
        assert_eq!(error["code"], code, "{number}");
        if !decline.is_empty() {
            assert_eq!(error["decline_code"], decline, "{number}");
        }
        assert_eq!(error["message"], message, "{number}");
    }
}

/// A payment method of a typed card.
fn method(shop: &mut Shop, number: &str) -> String {
    let body = format!(
        "type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123"
    );
    string(&shop.post("/v1/payment_methods", &body)["id"])
}

#[test]
fn the_cards_of_disputes_and_warnings_do_what_their_numbers_say() {
    let mut shop = Shop::open();

    for (number, kind, reason) in [
        ("4000000000000259", "dispute", "fraudulent"),
        ("4000000000002685", "dispute", "product_not_received"),
        ("4000000000001976", "dispute", "fraudulent"),
        ("4000000000005423", "radar.early_fraud_warning", ""),
    ] {
        let body = format!(
            "amount=2000&currency=usd&confirm=true&payment_method={}",
            method(&mut shop, number)
        );
        let paid = shop.post("/v1/payment_intents", &body);

        let made = shop.core.objects(kind);
        let about = made
            .iter()
            .find(|row| row["charge"] == paid["latest_charge"]);
        let about = about.unwrap_or_else(|| panic!("{number} makes no {kind}"));
        if !reason.is_empty() {
            assert_eq!(about["reason"], reason, "{number}");
        }
    }
}

#[test]
fn a_trial_that_ends_now_without_a_card_is_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let plan = shop.plan("PRO", 2000);
    let sub = shop.subscribe(&customer, &plan, "&trial_period_days=5");
    let path = format!("/v1/subscriptions/{}", string(&sub["id"]));

    let (status, _) = shop.refused("POST", &path, "trial_end=now");

    assert_eq!(status, 400);
    assert_eq!(shop.see(&sub["id"])["status"], "trialing");
}

#[test]
fn an_unknown_version_is_refused_without_a_code() {
    let mut shop = Shop::open();
    let request = twin::core::ApiRequest {
        method: "GET".to_owned(),
        path: "/v1/customers".to_owned(),
        api_key: Some("sk_test_x".to_owned()),
        stripe_version: Some("2026-13-99".to_owned()),
        ..twin::core::ApiRequest::default()
    };

    let answer = shop.core.api(&request, shop.now);

    let error = &answer.body["error"];
    assert_eq!((answer.status, error.get("code")), (400, None));
    assert_eq!(error["message"], "Invalid Stripe API version: 2026-13-99");
}
