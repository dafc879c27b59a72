use serde_json::json;
use twin::core::{ApiRequest, Core};

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

#[test]
fn a_parameter_with_a_null_byte_is_refused() {
    let mut shop = Shop::open();

    for body in ["name=a%00b", "metadata[a%00b]=1", "email=a%00@b.co"] {
        let (status, _) = shop.refused("POST", "/v1/customers", body);
        assert_eq!(status, 400, "{body}");
    }
    let (status, _) = shop.refused("GET", "/v1/customers?email=a%00@b.co", "");
    assert_eq!(status, 400);
    assert!(shop.core.objects("customer").is_empty());
}
