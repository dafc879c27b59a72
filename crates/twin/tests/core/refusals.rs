//! What the twin doesn't serve is refused by name.

use serde_json::Value;

use crate::shop::Shop;

#[test]
fn a_parameter_that_is_not_served_is_refused_by_name_at_every_depth() {
    let mut shop = Shop::open();
    for (path, body, param) in [
        (
            "/v1/payment_intents",
            "amount=500&currency=usd&transfer_data[destination]=acct_1",
            "transfer_data",
        ),
        (
            "/v1/checkout/sessions",
            "mode=payment&payment_intent_data[on_behalf_of]=acct_1",
            "payment_intent_data[on_behalf_of]",
        ),
        (
            "/v1/subscription_schedules",
            "phases[0][items][0][price]=x&phases[0][transfer_data][destination]=acct_1",
            "phases[0][transfer_data]",
        ),
    ] {
        let (status, error) = shop.refused("POST", path, body);

        assert_eq!(status, 400);
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], param);
        assert_eq!(
            error["message"],
            format!("`{param}` is not served by this twin.")
        );
        assert!(error.get("code").is_none());
    }
}

#[test]
fn a_filter_that_is_not_served_is_refused_by_name() {
    let mut shop = Shop::open();

    let (status, error) = shop.refused("GET", "/v1/balance/history?payout=po_1", "");

    assert_eq!((status, &error["param"]), (400, &Value::from("payout")));
}

#[test]
fn a_described_operation_that_is_not_served_says_so() {
    let mut shop = Shop::open();

    let (status, error) = shop.refused("POST", "/v1/products/prod_1/features", "");
    let (unknown, other) = shop.refused("PUT", "/v1/products", "");

    assert_eq!(status, 404);
    assert_eq!(
        error["message"],
        "`POST /v1/products/{product}/features` is not served by this twin."
    );
    assert_eq!(unknown, 404);
    assert!(
        other["message"]
            .as_str()
            .unwrap()
            .starts_with("Unrecognized request URL")
    );
}
