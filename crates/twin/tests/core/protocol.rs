use serde_json::json;
use twin::core::{ApiRequest, Core, Failure, Permission, Times};

use crate::shop::{NOW, Shop, string};

#[test]
fn an_unknown_parameter_is_refused_by_name_and_changes_nothing() {
    let mut shop = Shop::open();

    let (status, error) = shop.refused("POST", "/v1/customers", "email=a@b.c&nme=Ann");
    let (_, nested) = shop.refused("POST", "/v1/customers", "address[lne1]=x");

    assert_eq!(status, 400);
    assert_eq!(error["code"], "parameter_unknown");
    assert_eq!(error["param"], "nme");
    assert_eq!(error["message"], "Received unknown parameter: nme");
    assert_eq!(nested["param"], "address[lne1]");
    assert!(shop.core.objects("customer").is_empty());
    assert!(shop.happened().is_empty());
}

#[test]
fn missing_mistyped_and_unknown_enum_parameters_are_refused() {
    let mut shop = Shop::open();

    let (_, missing) = shop.refused("POST", "/v1/prices", "unit_amount=5");
    let (_, typed) = shop.refused("POST", "/v1/prices", "currency=usd&unit_amount=5.5");
    let (_, unknown) = shop.refused("POST", "/v1/checkout/sessions", "mode=buy");

    assert_eq!(missing["code"], "parameter_missing");
    assert_eq!(missing["param"], "currency");
    assert_eq!(typed["code"], "parameter_invalid_integer");
    assert_eq!(
        unknown["message"],
        "Invalid mode: must be one of payment, setup, or subscription"
    );
}

#[test]
fn only_test_keys_are_accepted() {
    let mut core = Core::new(1, NOW);
    let mut ask = |key: Option<&str>| {
        let request = ApiRequest {
            method: "GET".to_owned(),
            path: "/v1/customers".to_owned(),
            api_key: key.map(str::to_owned),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    assert_eq!(ask(None).status, 401);
    assert_eq!(ask(Some("sk_live_abc")).status, 401);
    assert_eq!(ask(Some("nonsense")).status, 401);
    assert_eq!(ask(Some("sk_test_abc")).status, 200);
    assert_eq!(ask(Some("rk_test_abc")).status, 401);
}

#[test]
fn missing_objects_are_404_in_the_path_and_400_in_a_parameter() {
    let mut shop = Shop::open();

    let (in_path, error) = shop.refused("GET", "/v1/customers/cus_none", "");
    let (in_body, other) = shop.refused(
        "POST",
        "/v1/prices",
        "currency=usd&unit_amount=5&product=prod_none",
    );
    let (url, _) = shop.refused("GET", "/v1/nothing", "");

    assert_eq!(in_path, 404);
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["message"], "No such customer: 'cus_none'");
    assert_eq!((in_body, &other["param"]), (400, &json!("product")));
    assert_eq!(url, 404);
}

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
fn a_restricted_key_may_do_what_it_was_given_and_nothing_else() {
    let mut core = Core::new(1, NOW);
    let permissions = [
        ("customer".to_owned(), Permission::Read),
        ("product".to_owned(), Permission::Write),
    ];
    let key = core.add_restricted_key(permissions.into());
    let mut ask = |method: &str, path: &str, key: &str| {
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            body: if method == "POST" {
                "name=Ann".to_owned()
            } else {
                String::new()
            },
            api_key: Some(key.to_owned()),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    let denied = ask("POST", "/v1/customers", &key);

    assert_eq!(ask("GET", "/v1/customers", &key).status, 200);
    assert_eq!(ask("POST", "/v1/products", &key).status, 200);
    assert_eq!(ask("GET", "/v1/products", &key).status, 200);
    assert_eq!(ask("GET", "/v1/invoices", &key).status, 403);
    assert_eq!(ask("GET", "/v1/customers", "rk_test_unknown").status, 401);
    assert_eq!(denied.status, 403);
    let message = denied.body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("'rak_customer_write' permission"),
        "{message}"
    );
    assert!(!message.contains(&key), "{message}");
}

#[test]
fn another_account_and_another_content_type_are_refused() {
    let mut core = Core::new(1, NOW);
    let own = core.account_id().to_owned();
    let mut ask = |account: Option<&str>, kind: Option<&str>| {
        let request = ApiRequest {
            account: account.map(str::to_owned),
            content_type: kind.map(str::to_owned),
            idempotency_key: None,
            ..new_customer("")
        };
        core.api(&request, NOW)
    };

    let other = ask(Some("acct_other"), None);
    let json = ask(None, Some("application/json"));

    assert_eq!(
        (other.status, &other.body["error"]["code"]),
        (403, &json!("account_invalid"))
    );
    assert_eq!(json.status, 400);
    assert_eq!(
        ask(
            Some(&own),
            Some("application/x-www-form-urlencoded; charset=utf-8")
        )
        .status,
        200
    );
}

#[test]
fn events_name_the_request_and_its_key() {
    let mut shop = Shop::open();
    let answer = shop.send("POST", "/v1/customers", "name=Ann", Some("key-1"));

    let event = shop.last("customer.created");

    let request_id = answer
        .headers
        .iter()
        .find(|(name, _)| name == "Request-Id")
        .unwrap()
        .1
        .clone();
    assert_eq!(
        event["request"],
        json!({"id": request_id, "idempotency_key": "key-1"})
    );
    assert_eq!(event["api_version"], "2026-08-26.dahlia");
    assert_eq!(event["data"]["object"]["id"], answer.body["id"]);
}

#[test]
fn an_event_keeps_the_object_and_the_previous_values() {
    let mut shop = Shop::open();
    let id = string(&shop.post("/v1/customers", "name=Ann")["id"]);
    shop.post(&format!("/v1/customers/{id}"), "metadata[a]=1");
    let event = shop.last("customer.updated");
    shop.post(&format!("/v1/customers/{id}"), "name=Bob");

    assert_eq!(
        event["data"]["previous_attributes"],
        json!({"metadata": {"a": null}})
    );
    assert_eq!(
        shop.core.event(event["id"].as_str().unwrap()).unwrap()["data"]["object"]["name"],
        "Ann"
    );
    let renamed = shop.last("customer.updated");
    assert_eq!(
        renamed["data"]["previous_attributes"],
        json!({"name": "Ann"})
    );
}

#[test]
fn an_update_that_changes_nothing_emits_no_event() {
    let mut shop = Shop::open();
    let id = string(&shop.post("/v1/customers", "name=Ann")["id"]);
    shop.happened();

    shop.post(&format!("/v1/customers/{id}"), "name=Ann");

    assert!(shop.happened().is_empty());
}

#[test]
fn metadata_is_merged_and_an_empty_value_removes_a_key() {
    let mut shop = Shop::open();
    let id = string(&shop.post("/v1/customers", "metadata[a]=1&metadata[b]=2")["id"]);

    let changed = shop.post(&format!("/v1/customers/{id}"), "metadata[a]=&metadata[c]=3");
    let cleared = shop.post(&format!("/v1/customers/{id}"), "metadata=");
    let long = format!("metadata[{}]=1", "k".repeat(41));

    assert_eq!(changed["metadata"], json!({"b": "2", "c": "3"}));
    assert_eq!(cleared["metadata"], json!({}));
    assert_eq!(shop.refused("POST", "/v1/customers", &long).0, 400);
}

#[test]
fn a_deleted_customer_is_shown_as_deleted_and_no_longer_usable() {
    let mut shop = Shop::open();
    let id = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&id, &plan, "");
    shop.happened();

    let gone = shop.delete(&format!("/v1/customers/{id}"));
    let shown = shop.get(&format!("/v1/customers/{id}"));

    assert_eq!(
        gone,
        json!({"id": id, "object": "customer", "deleted": true})
    );
    assert_eq!(shown["deleted"], true);
    assert_eq!(
        shop.happened(),
        ["customer.subscription.deleted", "customer.deleted"]
    );
    assert_eq!(shop.see(&sub["id"])["status"], "canceled");
    assert_eq!(
        shop.refused("POST", &format!("/v1/customers/{id}"), "name=x")
            .0,
        404
    );
    let (status, error) = shop.refused(
        "POST",
        "/v1/subscriptions",
        &format!("customer={id}&items[0][price]={plan}"),
    );
    assert_eq!((status, &error["code"]), (400, &json!("resource_missing")));
    assert!(
        shop.get("/v1/customers")["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_lookup_key_belongs_to_one_price_and_moves_only_when_asked() {
    let mut shop = Shop::open();
    let old = shop.price("PRO", 1900, "&recurring[interval]=month&lookup_key=pro");

    let twice = shop.refused(
        "POST",
        "/v1/prices",
        "product_data[name]=X&currency=usd&unit_amount=1&lookup_key=pro",
    );
    let new = shop.price(
        "PRO",
        2900,
        "&recurring[interval]=month&lookup_key=pro&transfer_lookup_key=true",
    );
    let found = shop.get("/v1/prices?lookup_keys[]=pro");

    assert_eq!(twice.0, 400);
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], new.as_str());
    assert!(shop.see(&json!(old))["lookup_key"].is_null());
}

#[test]
fn an_unknown_version_is_refused_and_known_ones_are_echoed() {
    let mut core = Core::new(1, NOW);
    let mut ask = |version: &str| {
        let request = ApiRequest {
            method: "GET".to_owned(),
            path: "/v1/account".to_owned(),
            api_key: Some("sk_test_x".to_owned()),
            stripe_version: Some(version.to_owned()),
            ..ApiRequest::default()
        };
        core.api(&request, NOW)
    };

    assert_eq!(ask("2031-01-01.zebra").status, 400);
    for version in [
        "2024-11-20.acacia",
        "2026-08-26.dahlia",
        "2026-10-28.endive",
    ] {
        let answer = ask(version);
        assert_eq!(answer.status, 200, "{version}");
        assert!(
            answer
                .headers
                .contains(&("Stripe-Version".to_owned(), version.to_owned()))
        );
    }
}

#[test]
fn the_secret_of_a_webhook_endpoint_is_shown_once() {
    let mut shop = Shop::open();

    let made = shop.post(
        "/v1/webhook_endpoints",
        "url=https://shop.example/hook&enabled_events[]=invoice.paid&api_version=2026-08-26.dahlia",
    );
    let id = string(&made["id"]);
    let shown = shop.get(&format!("/v1/webhook_endpoints/{id}"));
    let known = shop.core.webhook_endpoints(NOW);

    assert!(string(&made["secret"]).starts_with("whsec_"));
    assert!(shown.get("secret").is_none());
    assert_eq!(known[0].secrets, [string(&made["secret"])]);
    assert!(known[0].wants("invoice.paid") && !known[0].wants("invoice.voided"));
    assert_eq!(
        shop.refused(
            "POST",
            "/v1/webhook_endpoints",
            "url=https://x.example&enabled_events[]=no.such"
        )
        .0,
        400
    );
    shop.delete(&format!("/v1/webhook_endpoints/{id}"));
    assert!(shop.core.webhook_endpoints(NOW).is_empty());
}

#[test]
fn the_same_seed_and_calls_give_the_same_bytes() {
    let story = || {
        let mut shop = Shop::open();
        let customer = shop.customer("pm_card_visa");
        let plan = shop.plan("PRO", 1900);
        shop.subscribe(&customer, &plan, "");
        shop.wait(40 * 86_400);
        shop.happened();
        (
            serde_json::to_string(&shop.core).unwrap(),
            serde_json::to_string(&shop.events).unwrap(),
        )
    };

    assert_eq!(story(), story());
}

#[test]
fn a_saved_twin_continues_where_it_stopped() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = shop.subscribe(&customer, &plan, "");

    let text = serde_json::to_string(&shop.core).unwrap();
    shop.core = serde_json::from_str(&text).unwrap();
    shop.wait(32 * 86_400);

    assert!(shop.did("invoice.paid"));
    assert_eq!(shop.see(&sub["id"])["status"], "active");
}
