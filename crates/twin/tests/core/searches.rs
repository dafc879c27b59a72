//! The language of searches, and what is refused in it.

use serde_json::{Value, json};

use crate::shop::{Shop, string};

fn found(shop: &mut Shop, kind: &str, query: &str) -> Vec<String> {
    let query = query
        .replace('>', "%3E")
        .replace('<', "%3C")
        .replace('=', "%3D");
    let page = shop.get(&format!("/v1/{kind}/search?query={query}"));
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap_or("").to_owned())
        .collect()
}

fn fault(shop: &mut Shop, query: &str) -> Value {
    let query = query
        .replace('>', "%3E")
        .replace('<', "%3C")
        .replace('=', "%3D");
    let (status, error) = shop.refused("GET", &format!("/v1/customers/search?query={query}"), "");
    assert_eq!(status, 400);
    error
}

fn people() -> Shop {
    let mut shop = Shop::open();
    shop.post(
        "/v1/customers",
        "name=Ann AND Bob&email=ann@a.example&metadata[team]=red",
    );
    shop.wait(10);
    shop.post("/v1/customers", "name=O'Hara&email=ohara@b.example");
    shop
}

#[test]
fn words_of_the_language_inside_quotation_marks_are_text() {
    let mut shop = people();

    assert_eq!(
        found(&mut shop, "customers", "name:'Ann AND Bob'"),
        ["Ann AND Bob"]
    );
    assert_eq!(found(&mut shop, "customers", "name:'O\\'Hara'"), ["O'Hara"]);
    assert_eq!(found(&mut shop, "customers", "name:\"O'Hara\""), ["O'Hara"]);
    assert_eq!(found(&mut shop, "customers", "email~'b.ex'"), ["O'Hara"]);
}

#[test]
fn clauses_with_only_a_space_between_them_must_all_hold() {
    let mut shop = people();

    let both = found(&mut shop, "customers", "name~'ann' metadata['team']:'red'");
    let one = found(&mut shop, "customers", "name~'ann' -metadata['team']:'red'");
    let any = found(&mut shop, "customers", "name~'ann' OR name~'hara'");
    let without = found(&mut shop, "customers", "metadata['team']:null");
    let with = found(&mut shop, "customers", "-metadata['team']:null");

    assert_eq!(both, ["Ann AND Bob"]);
    assert!(one.is_empty());
    assert_eq!(any.len(), 2);
    assert_eq!(without, ["O'Hara"]);
    assert_eq!(with, ["Ann AND Bob"]);
}

#[test]
fn numbers_are_compared_with_and_without_quotation_marks() {
    let mut shop = people();
    let start = crate::shop::NOW;

    assert_eq!(
        found(&mut shop, "customers", &format!("created>{start}")),
        ["O'Hara"]
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created>='{start}'")).len(),
        2
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created<={start}")),
        ["Ann AND Bob"]
    );
    assert_eq!(
        found(&mut shop, "customers", &format!("created:{start}")),
        ["Ann AND Bob"]
    );
}

#[test]
fn each_fault_in_a_search_is_refused_with_its_reason() {
    let mut shop = people();
    let eleven = ["name:'a'"; 11].join(" ");
    for (query, why) in [
        ("name", "no operator follows the field `name`"),
        ("name:", "has no value"),
        ("name:'Ann", "isn't closed"),
        ("name:Ann", "must be in quotation marks"),
        ("name:'Ann'x", "directly follows a value"),
        (
            "name:'a' AND email:'b' OR name:'c'",
            "AND and OR can't be combined",
        ),
        (
            "name:'a' email:'b' OR name:'c'",
            "AND and OR can't be combined",
        ),
        ("(name:'a')", "isn't the name of a field"),
        ("AND name:'a'", "no operator follows the field `AND`"),
        ("name:'a' AND ", "no operator follows the field `AND`"),
        ("metadata[team]:'red'", "must be quoted"),
        ("metadata['team'~'red'", "must be quoted"),
        ("name>'a'", "`>` isn't supported for the field `name`"),
        (
            "created~'176'",
            "`~` isn't supported for the field `created`",
        ),
        ("metadata['team']~'red'", "`~` isn't supported"),
        ("created>'today'", "is compared with a number"),
        ("name~'an'", "at least 3 characters"),
        (eleven.as_str(), "more than 10 clauses"),
        (" ", "has no clauses"),
    ] {
        let error = fault(&mut shop, query);

        let message = error["message"].as_str().unwrap();
        assert!(message.contains(why), "{query}: {message}");
        assert_eq!(error["param"], "query", "{query}");
    }
    let error = fault(&mut shop, "metadata:'red'");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("unsupported search field")
    );
}

/// The fields that can be searched, as documented, each with its place in the object.
/// <https://docs.stripe.com/search#supported-query-fields-for-each-resource>
const FIELDS: [(&str, &[(&str, &str)]); 7] = [
    (
        "charges",
        &[
            ("amount", "/amount"),
            (
                "billing_details.address.postal_code",
                "/billing_details/address/postal_code",
            ),
            ("created", "/created"),
            ("currency", "/currency"),
            ("customer", "/customer"),
            ("disputed", "/disputed"),
            ("metadata['team']", "/metadata/team"),
            (
                "payment_method_details.card.brand",
                "/payment_method_details/card/brand",
            ),
            (
                "payment_method_details.card.exp_month",
                "/payment_method_details/card/exp_month",
            ),
            (
                "payment_method_details.card.exp_year",
                "/payment_method_details/card/exp_year",
            ),
            (
                "payment_method_details.card.fingerprint",
                "/payment_method_details/card/fingerprint",
            ),
            (
                "payment_method_details.card.last4",
                "/payment_method_details/card/last4",
            ),
            ("refunded", "/refunded"),
            ("status", "/status"),
        ],
    ),
    (
        "customers",
        &[
            ("created", "/created"),
            ("email", "/email"),
            ("metadata['team']", "/metadata/team"),
            ("name", "/name"),
            ("phone", "/phone"),
        ],
    ),
    (
        "invoices",
        &[
            ("created", "/created"),
            ("currency", "/currency"),
            ("customer", "/customer"),
            (
                "last_finalization_error_code",
                "/last_finalization_error/code",
            ),
            (
                "last_finalization_error_type",
                "/last_finalization_error/type",
            ),
            ("metadata['team']", "/metadata/team"),
            ("number", "/number"),
            ("receipt_number", "/receipt_number"),
            ("status", "/status"),
            ("subscription", "/parent/subscription_details/subscription"),
            ("total", "/total"),
        ],
    ),
    (
        "payment_intents",
        &[
            ("amount", "/amount"),
            ("created", "/created"),
            ("currency", "/currency"),
            ("customer", "/customer"),
            ("metadata['team']", "/metadata/team"),
            ("status", "/status"),
        ],
    ),
    (
        "prices",
        &[
            ("active", "/active"),
            ("currency", "/currency"),
            ("lookup_key", "/lookup_key"),
            ("metadata['team']", "/metadata/team"),
            ("product", "/product"),
            ("type", "/type"),
        ],
    ),
    (
        "products",
        &[
            ("active", "/active"),
            ("description", "/description"),
            ("metadata['team']", "/metadata/team"),
            ("name", "/name"),
            ("shippable", "/shippable"),
            ("url", "/url"),
        ],
    ),
    (
        "subscriptions",
        &[
            ("canceled_at", "/canceled_at"),
            ("created", "/created"),
            ("metadata['team']", "/metadata/team"),
            ("status", "/status"),
        ],
    ),
];

/// An object of each kind in which every field that can be searched has a value, after another one of
/// its kind.
fn full_objects(shop: &mut Shop) -> Vec<Value> {
    let team = "metadata[team]=red";
    let product = format!("name=Pro&description=All&url=https://a.example&shippable=true&{team}");
    let product = shop.post("/v1/products", &product);
    let price = format!(
        "product={}&unit_amount=2000&currency=usd&recurring[interval]=month&lookup_key=pro&{team}",
        string(&product["id"])
    );
    let price = shop.post("/v1/prices", &price);
    let customer = format!("name=Ann&email=ann@a.example&phone=555&{team}");
    let customer = string(&shop.post("/v1/customers", &customer)["id"]);
    let method = shop.post(
        "/v1/payment_methods",
        "type=card&card[token]=tok_visa&billing_details[address][postal_code]=10115",
    );
    let method = string(&method["id"]);
    let path = format!("/v1/payment_methods/{method}/attach");
    shop.post(&path, &format!("customer={customer}"));
    let intent = format!(
        "customer={customer}&payment_method={method}&amount=700&currency=usd&confirm=true&off_session=true&{team}"
    );
    let intent = shop.post("/v1/payment_intents", &intent);
    let charge = string(&intent["latest_charge"]);
    shop.post(&format!("/v1/charges/{charge}"), team);
    let body = format!("&default_payment_method={method}&{team}");
    let sub = shop.subscribe(&customer, &string(&price["id"]), &body);
    let invoice = string(&sub["latest_invoice"]);
    shop.post(&format!("/v1/invoices/{invoice}"), team);
    let sub = string(&sub["id"]);
    shop.delete(&format!("/v1/subscriptions/{sub}"));
    // Nothing in the twin fails to finalize, and it numbers no receipts.
    let mut saved = serde_json::to_value(&shop.core).unwrap();
    let row = &mut saved["store"]["rows"][&invoice];
    row["receipt_number"] = "2277-9887".into();
    row["last_finalization_error"] = json!({"code": "customer_tax_location_invalid",
        "type": "invalid_request_error"});
    shop.core = serde_json::from_value(saved).unwrap();
    [
        charge.as_str(),
        &customer,
        &invoice,
        &string(&intent["id"]),
        &string(&price["id"]),
        &string(&product["id"]),
        &sub,
    ]
    .map(|id| shop.see(&json!(id)))
    .to_vec()
}

#[test]
fn every_documented_field_finds_an_object_that_has_it() {
    let mut shop = people();
    let objects = full_objects(&mut shop);
    let mut missed = Vec::new();
    for ((kind, fields), object) in FIELDS.into_iter().zip(&objects) {
        for (field, place) in fields {
            let value = object.pointer(place).unwrap_or(&Value::Null);
            assert!(!value.is_null(), "{kind} {field} has no value");
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            let page = shop.get(&format!("/v1/{kind}/search?query={field}:'{value}'"));

            let mut rows = page["data"].as_array().unwrap().iter();
            if !rows.any(|row| row["id"] == object["id"]) {
                missed.push(format!("{kind} {field}"));
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}
