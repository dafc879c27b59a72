use serde_json::{Value, json};

use crate::shop::{Shop, string};

#[test]
fn lists_are_newest_first_and_paged_both_ways() {
    let mut shop = Shop::open();
    let ids: Vec<String> = (0..5)
        .map(|n| string(&shop.post("/v1/customers", &format!("name=c{n}"))["id"]))
        .collect();

    let first = shop.get("/v1/customers?limit=2");
    let second = shop.get(&format!("/v1/customers?limit=2&starting_after={}", ids[3]));
    let back = shop.get(&format!("/v1/customers?limit=2&ending_before={}", ids[1]));
    let last = shop.get(&format!("/v1/customers?limit=2&starting_after={}", ids[1]));
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| string(&one["name"]))
            .collect()
    };

    assert_eq!(
        (names(&first), &first["has_more"]),
        (vec!["c4".into(), "c3".into()], &json!(true))
    );
    assert_eq!(names(&second), ["c2", "c1"]);
    assert_eq!(
        (names(&back), &back["has_more"]),
        (vec!["c3".into(), "c2".into()], &json!(true))
    );
    assert_eq!(
        (names(&last), &last["has_more"]),
        (vec!["c0".into()], &json!(false))
    );
    assert_eq!(first["url"], "/v1/customers");
}

#[test]
fn bad_cursors_and_limits_are_refused() {
    let mut shop = Shop::open();
    let id = shop.customer("");

    let (status, error) = shop.refused("GET", "/v1/customers?starting_after=cus_none", "");
    let both = shop.refused(
        "GET",
        &format!("/v1/customers?starting_after={id}&ending_before={id}"),
        "",
    );
    let word = shop.refused("GET", "/v1/customers?limit=many", "");
    let other_kind = shop.refused("GET", &format!("/v1/products?ending_before={id}"), "");

    assert_eq!((status, &error["code"]), (400, &json!("resource_missing")));
    assert_eq!(both.1["code"], "parameters_exclusive");
    assert_eq!(word.1["code"], "parameter_invalid_integer");
    assert_eq!(other_kind.1["code"], "resource_missing");
}

#[test]
fn a_limit_outside_of_its_bounds_counts_as_the_nearest_one() {
    let mut shop = Shop::open();
    for _ in 0..101 {
        shop.customer("");
    }

    let none = shop.get("/v1/customers?limit=0");
    let many = shop.get("/v1/customers?limit=101");

    let count = |page: &Value| page["data"].as_array().map(Vec::len);
    assert_eq!((count(&none), count(&many)), (Some(1), Some(100)));
    assert_eq!(many["has_more"], true);
}

#[test]
fn expansions_replace_ids_and_invalid_ones_are_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("PRO", 1900);
    let sub = string(&shop.subscribe(&customer, &plan, "")["id"]);

    let deep = shop.get(&format!(
        "/v1/subscriptions/{sub}?expand[]=latest_invoice.payments&expand[]=customer&expand[]=items.data.price.product"
    ));
    let listed = shop.get("/v1/subscriptions?expand[]=data.customer");
    let wrong = shop.refused(
        "GET",
        &format!("/v1/subscriptions/{sub}?expand[]=nothing"),
        "",
    );
    let scalar = shop.refused(
        "GET",
        &format!("/v1/subscriptions/{sub}?expand[]=status"),
        "",
    );
    let deeper = shop.refused(
        "GET",
        &format!("/v1/subscriptions/{sub}?expand[]=a.b.c.d.e"),
        "",
    );

    assert_eq!(deep["customer"]["email"], "ann@example.com");
    assert_eq!(deep["items"]["data"][0]["price"]["product"]["name"], "PRO");
    assert_eq!(
        deep["latest_invoice"]["payments"]["data"][0]["status"],
        "paid"
    );
    assert_eq!(listed["data"][0]["customer"]["id"], customer.as_str());
    assert_eq!(
        wrong.1["message"],
        "This property cannot be expanded (nothing)."
    );
    assert_eq!(scalar.0, 400);
    assert!(
        deeper.1["message"]
            .as_str()
            .unwrap()
            .contains("more than 4 levels")
    );
    let invoice = string(&deep["latest_invoice"]["id"]);
    let paid = shop.get(&format!(
        "/v1/invoices/{invoice}?expand[]=payments.data.payment.payment_intent"
    ));
    assert_eq!(
        paid["payments"]["data"][0]["payment"]["payment_intent"]["status"],
        "succeeded"
    );
    assert!(
        shop.get(&format!("/v1/invoices/{invoice}"))
            .get("payments")
            .is_none()
    );
}

#[test]
fn a_refused_expansion_undoes_the_request() {
    let mut shop = Shop::open();

    let (status, _) = shop.refused("POST", "/v1/customers", "name=Ann&expand[]=nothing");

    assert_eq!(status, 400);
    assert!(shop.core.objects("customer").is_empty());
    assert!(shop.happened().is_empty());
}

#[test]
fn customers_are_found_by_metadata_and_email() {
    let mut shop = Shop::open();
    shop.post(
        "/v1/customers",
        "email=a@example.com&metadata[accountId]=one",
    );
    shop.post(
        "/v1/customers",
        "email=b@example.com&metadata[accountId]=two",
    );

    let by_metadata = shop.get("/v1/customers/search?query=metadata['accountId']:'two'");
    let by_both = shop
        .get("/v1/customers/search?query=email:'a@example.com' AND metadata['accountId']:'two'");
    let by_mail = shop.get("/v1/customers?email=a@example.com");

    assert_eq!(by_metadata["data"][0]["email"], "b@example.com");
    assert_eq!(by_metadata["object"], "search_result");
    assert!(by_both["data"].as_array().unwrap().is_empty());
    assert_eq!(by_mail["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        shop.refused("GET", "/v1/customers/search?query=nonsense", "")
            .0,
        400
    );
}

#[test]
fn events_are_filtered_by_the_success_of_their_deliveries() {
    let mut shop = Shop::open();
    shop.post("/v1/customers", "name=Ann");
    shop.post("/v1/customers", "name=Bob");
    let events = shop.core.take_events();
    let waiting = events[0]["id"].as_str().unwrap();
    shop.core.set_pending_webhooks(waiting, 1);

    let failed = shop.get("/v1/events?delivery_success=false");
    let delivered = shop.get("/v1/events?delivery_success=true");
    shop.core.set_pending_webhooks(waiting, 0);
    let none = shop.get("/v1/events?delivery_success=false");

    assert_eq!(failed["data"].as_array().unwrap().len(), 1);
    assert_eq!(failed["data"][0]["id"], waiting);
    assert_eq!(delivered["data"].as_array().unwrap().len(), 1);
    assert!(none["data"].as_array().unwrap().is_empty());
}
