use serde_json::json;
use twin::core::{ApiAnswer, ApiRequest, Failure, Times};

use crate::shop::{NOW, Shop};

#[test]
fn a_repeated_idempotency_key_replays_the_saved_answer() {
    let mut shop = Shop::open();

    let first = shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));
    let again = shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));

    assert_eq!(first.body, again.body);
    assert!(
        again
            .headers
            .contains(&("Idempotent-Replayed".to_owned(), "true".to_owned()))
    );
    assert!(
        !first
            .headers
            .iter()
            .any(|(name, _)| name == "Idempotent-Replayed")
    );
    assert_eq!(shop.core.objects("customer").len(), 1);
    assert_eq!(shop.happened(), ["customer.created"]);
}

#[test]
fn an_idempotency_key_with_other_parameters_is_refused() {
    let mut shop = Shop::open();
    shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));

    let other = shop.send("POST", "/v1/customers", "name=Bob", Some("key-1"));

    assert_eq!(other.status, 400);
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    assert_eq!(
        other.body["error"]["message"],
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than 'key-1' if you meant to execute a different request."
    );
}

#[test]
fn a_validation_failure_is_not_saved_under_its_key_and_keys_are_forgotten_after_a_day() {
    let mut shop = Shop::open();
    shop.send("POST", "/v1/customers", "nonsense=1", Some("key-1"));

    let good = shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));
    shop.wait(86_401);
    let later = shop.send("POST", "/v1/customers", "name=Bob", Some("key-1"));

    assert_eq!((good.status, later.status), (200, 200));
    assert_eq!(shop.core.objects("customer").len(), 2);
}

#[test]
fn a_failure_during_execution_is_saved_and_replayed_with_nothing_done() {
    let mut shop = Shop::open();
    let request = new_customer("key-1");

    let failed = shop.core.api_at(&request, at(NOW), failure(false));
    let replayed = shop.core.api(&request, NOW);

    assert_eq!(
        (failed.status, &failed.body["error"]["type"]),
        (500, &json!("api_error"))
    );
    assert_eq!((replayed.status, &replayed.body), (500, &failed.body));
    assert!(
        replayed
            .headers
            .contains(&("Idempotent-Replayed".to_owned(), "true".to_owned()))
    );
    assert!(shop.core.objects("customer").is_empty());
    assert!(shop.happened().is_empty());
}

#[test]
fn a_failure_after_the_work_keeps_the_work_and_replays_the_error() {
    let mut shop = Shop::open();
    let request = new_customer("key-1");

    let failed = shop.core.api_at(&request, at(NOW), failure(true));
    let replayed = shop.core.api(&request, NOW);

    assert_eq!((failed.status, replayed.status), (500, 500));
    assert_eq!(shop.core.objects("customer").len(), 1);
    assert_eq!(shop.happened(), ["customer.created"]);
}

fn retry_advice(answer: &ApiAnswer) -> Option<&str> {
    let mut headers = answer.headers.iter();
    let header = headers.find(|(name, _)| name == "Stripe-Should-Retry")?;
    Some(header.1.as_str())
}

#[test]
fn a_request_that_failed_while_it_was_executed_should_not_be_retried() {
    let mut shop = Shop::open();
    let request = new_customer("key-1");

    let failed = shop.core.api_at(&request, at(NOW), failure(true));
    let replayed = shop.core.api(&request, NOW);
    let refused = shop.send("POST", "/v1/customers", "nonsense=1", Some("key-2"));
    let done = shop.send("POST", "/v1/customers", "name=Ann", Some("key-3"));

    assert_eq!(retry_advice(&failed), Some("false"));
    assert_eq!(retry_advice(&replayed), Some("false"));
    assert_eq!((retry_advice(&refused), retry_advice(&done)), (None, None));
}

#[test]
fn an_invalid_request_is_refused_before_it_can_fail_and_is_not_saved() {
    let mut shop = Shop::open();
    let mut request = new_customer("key-1");
    request.body = "nonsense=1".to_owned();

    let refused = shop.core.api_at(&request, at(NOW), failure(false));
    let executed = shop.core.api(&new_customer("key-1"), NOW);

    assert_eq!((refused.status, executed.status), (400, 200));
}

#[test]
fn keys_age_by_real_time_whatever_the_billing_clock_shows() {
    let mut shop = Shop::open();
    let request = new_customer("key-1");
    let times = |billing, real| Times { billing, real };

    let first = shop.core.api_at(&request, at(NOW), None);
    let same = shop
        .core
        .api_at(&request, times(NOW + 90 * 86_400, NOW + 86_399), None);
    let other = shop
        .core
        .api_at(&request, times(NOW + 90 * 86_400, NOW + 86_400), None);

    assert_eq!(first.body["id"], same.body["id"]);
    assert_ne!(first.body["id"], other.body["id"]);
}

#[test]
fn the_same_parameters_in_another_order_are_the_same_request() {
    let mut shop = Shop::open();

    let first = shop.send("POST", "/v1/customers", "name=Ann&phone=1", Some("key-1"));
    let same = shop.send("POST", "/v1/customers", "phone=1&name=Ann", Some("key-1"));
    let swapped = shop.send("POST", "/v1/customers", "phone=Ann&name=1", Some("key-1"));

    assert_eq!(first.body, same.body);
    assert_eq!(swapped.body["error"]["type"], "idempotency_error");
}

fn new_customer(key: &str) -> ApiRequest {
    ApiRequest {
        method: "POST".to_owned(),
        path: "/v1/customers".to_owned(),
        body: "name=Ann".to_owned(),
        api_key: Some("sk_test_x".to_owned()),
        idempotency_key: Some(key.to_owned()),
        ..ApiRequest::default()
    }
}

fn at(now: i64) -> Times {
    Times {
        billing: now,
        real: now,
    }
}

fn failure(keeps_work: bool) -> Option<Failure> {
    Some(Failure {
        status: 500,
        keeps_work,
    })
}

#[test]
fn an_idempotency_key_at_another_endpoint_is_refused_with_both_of_them() {
    let mut shop = Shop::open();
    shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));

    let other = shop.send("POST", "/v1/products", "name=Ann", Some("key-1"));

    assert_eq!(other.status, 400);
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    assert_eq!(
        other.body["error"]["message"],
        "Keys for idempotent requests can only be used for the same endpoint they were first used for ('/v1/products' vs '/v1/customers'). Try using a key other than 'key-1' if you meant to execute a different request."
    );
}
