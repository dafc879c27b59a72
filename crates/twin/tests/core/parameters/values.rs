//! The parameters of an operation, and values to try for each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::account::Account;
use crate::shop::{DAY, HOUR};

/// One way to send a parameter: its own pairs, and those of the required parameters beside it.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    pub beside: Vec<(String, String)>,
    pub own: Vec<(String, String)>,
    /// Whether the value is a word of the description or the id of an object, so that it can only be
    /// refused because of its meaning.
    pub is_meant: bool,
}

/// The parameters of an operation by their dotted names, each with its trials.
pub type Parameters = BTreeMap<String, Vec<Trial>>;

/// Reads the parameters of an operation at every depth.
pub fn parameters(account: &Account, described: &Value) -> Parameters {
    let mut found = Parameters::new();
    for (name, schema) in described["query"].as_object().into_iter().flatten() {
        collect(account, schema, name, name, &[], &mut found);
    }
    collect(account, &described["body"], "", "", &[], &mut found);
    found
}

fn inside(outer: &str, name: &str) -> String {
    if outer.is_empty() {
        name.to_owned()
    } else {
        format!("{outer}[{name}]")
    }
}

fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(all) => all.iter().collect(),
        None => vec![schema],
    }
}

fn is_clearing(schema: &Value) -> bool {
    schema["enum"]
        .as_array()
        .is_some_and(|all| all.len() == 1 && all[0] == "")
}

fn collect(
    account: &Account,
    schema: &Value,
    key: &str,
    dotted: &str,
    beside: &[(String, String)],
    found: &mut Parameters,
) {
    let all = alternatives(schema);
    for one in all.iter().filter(|one| all.len() == 1 || !is_clearing(one)) {
        match one["type"].as_str().unwrap_or("object") {
            "object" if one["additionalProperties"].is_object() => {
                let inner = &one["additionalProperties"];
                let name = if inner["type"] == "object" {
                    "eur"
                } else {
                    "color"
                };
                collect(account, inner, &inside(key, name), dotted, beside, found);
            }
            "object" => collect_fields(account, one, (key, dotted), beside, found),
            "array" => {
                let element = inside(key, "0");
                collect(account, &one["items"], &element, dotted, beside, found);
            }
            _ => {
                let trials = found.entry(dotted.to_owned()).or_default();
                for value in values(account, one, key) {
                    trials.push(Trial {
                        beside: beside.to_vec(),
                        own: vec![(key.to_owned(), value)],
                        is_meant: one["enum"].is_array()
                            || one["type"] == "boolean"
                            || NAMES.iter().any(|(name, _)| *name == last_name(key)),
                    });
                }
            }
        }
    }
}

fn collect_fields(
    account: &Account,
    schema: &Value,
    (key, dotted): (&str, &str),
    beside: &[(String, String)],
    found: &mut Parameters,
) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut more = beside.to_vec();
        for other in required.iter().filter(|one| *one != name) {
            fill(
                account,
                &schema["properties"][*other],
                &inside(key, other),
                &mut more,
            );
        }
        let dotted = if dotted.is_empty() {
            name.clone()
        } else {
            format!("{dotted}.{name}")
        };
        collect(account, field, &inside(key, name), &dotted, &more, found);
    }
}

/// Adds the pairs of a required parameter.
fn fill(account: &Account, schema: &Value, key: &str, pairs: &mut Vec<(String, String)>) {
    let one = alternatives(schema)[0];
    match one["type"].as_str().unwrap_or("object") {
        "object" => {
            for name in one["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                fill(account, &one["properties"][name], &inside(key, name), pairs);
            }
        }
        "array" => fill(account, &one["items"], &inside(key, "0"), pairs),
        _ => {
            let all = values(account, one, key);
            // The kind that needs nothing else, if there is one.
            let plain = all.iter().find(|value| *value == "text");
            if let Some(value) = plain.or(all.first()) {
                pairs.push((key.to_owned(), value.clone()));
            }
        }
    }
}

/// The objects of the account that a parameter may name.
const NAMES: &[(&str, &[&str])] = &[
    (
        "charge",
        &["charge", "other_charge", "disputed_charge", "warned_charge"],
    ),
    ("configuration", &["configuration"]),
    ("coupon", &["coupon", "other_coupon"]),
    ("customer", &["customer", "other_customer"]),
    ("default_tax_rates", &["tax_rate"]),
    ("discount", &["discount", "own_discount"]),
    ("tax_rate", &["tax_rate", "other_rate"]),
    ("tax_rates", &["tax_rate", "other_rate"]),
    ("default_payment_method", &["method", "second_method"]),
    ("default_price", &["price"]),
    ("from_subscription", &["subscription", "double"]),
    ("invoice", &["invoice", "paid_invoice", "open_invoice"]),
    ("payment", &["paid_intent"]),
    (
        "payment_intent",
        &["paid_intent", "other_intent", "warned_intent"],
    ),
    ("payment_method", &["method", "second_method"]),
    (
        "price",
        &["price", "pack", "better_price", "extra_price", "other_pack"],
    ),
    ("prices", &["price", "better_price"]),
    ("product", &["product", "other_product"]),
    ("products", &["product"]),
    ("promotion_code", &["promotion_code", "other_code"]),
    (
        "id",
        &[
            "item",
            "double_item",
            "cheap_item",
            "line",
            "second_line",
            "taxed_line",
            "discounted_line",
        ],
    ),
    ("invoice_line_item", &["open_line", "second_open_line"]),
    ("schedule", &["schedule"]),
    ("source", &["charge", "refund"]),
    ("subscription", &["subscription", "other_subscription"]),
    ("test_clock", &["test_clock"]),
];

/// Values for parameters whose form the description doesn't give.
const WORDS: &[(&str, &[&str])] = &[
    ("address", &["1 Main St"]),
    ("cancel_url", &["https://a.example/back"]),
    ("country", &["DE", "US"]),
    ("currency", &["usd", "eur"]),
    ("day_of_month", &["9"]),
    ("delivery_success", &["true", "false"]),
    ("email", &["zoe@example.com", "ann@example.com"]),
    ("code", &["SAVE", "HALF"]),
    ("enabled_events", &["*", "invoice.paid"]),
    ("exp_month", &["3", "4"]),
    ("frozen_time", &["1767225600", "1767312000", "1767315600"]),
    ("iban", &["DE89370400440532013000", "AT611904300234573201"]),
    ("key", &["size", "color"]),
    ("number", &["4242424242424242", "5555555555554444"]),
    ("token", &["tok_visa", "tok_mastercard"]),
    ("payment_method_types", &["card", "sepa_debit"]),
    ("allowed_payment_method_types", &["card", "sepa_debit"]),
    (
        "success_url",
        &["https://a.example/1", "https://a.example/2"],
    ),
    (
        "expand",
        &[
            "customer",
            "data.customer",
            "charge",
            "promotion.coupon",
            "data.payment_intent",
            "data.product",
            "12345",
        ],
    ),
    ("exp_year", &["2033", "2035"]),
    ("interval_count", &["2", "1"]),
    ("lookup_keys", &["basic"]),
    ("percent_off", &["25", "12.5"]),
    ("preferred_locales", &["de"]),
    (
        "type",
        &["invoice.paid", "charge", "card", "eu_vat", "au_abn"],
    ),
    ("value", &["DE123456789", "12345678912"]),
    ("types", &["invoice.paid", "charge.succeeded"]),
    (
        "query",
        &[
            "currency:'eur'",
            "name:'Bob'",
            "active:'false'",
            "status:'trialing'",
        ],
    ),
    ("quantity", &["3", "1"]),
    ("tax_code", &["txcd_10000000"]),
    ("unit_amount_decimal", &["150", "275", "12.5"]),
];

fn values(account: &Account, schema: &Value, key: &str) -> Vec<String> {
    let last = last_name(key);
    if let Some(all) = schema["enum"].as_array() {
        return all
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
    }
    if let Some((_, names)) = NAMES.iter().find(|(name, _)| *name == last) {
        return names
            .iter()
            .map(|name| account.ids[*name].clone())
            .collect();
    }
    if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == last) {
        return words.iter().map(|word| (*word).to_owned()).collect();
    }
    match schema["type"].as_str().unwrap_or("string") {
        "boolean" => vec!["true".into(), "false".into()],
        "integer" => integers(account.now),
        "number" => vec!["12.5".into(), "25".into()],
        _ => [
            "Some text",
            "https://b.example/x",
            "zoe@example.com",
            "12345",
        ]
        .iter()
        .map(|one| (*one).to_owned())
        .collect(),
    }
}

fn integers(now: i64) -> Vec<String> {
    let numbers = [
        1,
        2,
        7,
        300,
        0,
        now + HOUR,
        now + 10 * DAY,
        now - 60,
        now - 3 * DAY,
    ];
    numbers.iter().map(i64::to_string).collect()
}

/// The last name of a key that is not an index.
fn last_name(key: &str) -> &str {
    key.split(['[', ']'])
        .rfind(|part| !part.is_empty() && part.parse::<u32>().is_err())
        .unwrap_or(key)
}
