//! The fields by which objects are looked up and listed without a look at all of them.

use serde_json::Value;

use super::value::{list, opt, text};

/// The position of a field in [`FIELDS`].
pub type Index = usize;

/// The indexed fields: the kind of the object, the name of the filter in lists, and the path of the
/// field. A `*` in the path stands for every element of a list.
const FIELDS: &[(&str, &str, &str)] = &[
    ("balance_transaction", "source", "source"),
    ("charge", "customer", "customer"),
    ("charge", "payment_intent", "payment_intent"),
    ("checkout.session", "customer", "customer"),
    ("checkout.session", "invoice", "invoice"),
    ("checkout.session", "payment_intent", "payment_intent"),
    ("checkout.session", "subscription", "subscription"),
    ("credit_note", "customer", "customer"),
    ("credit_note", "invoice", "invoice"),
    ("customer", "email", "email"),
    ("customer", "test_clock", "test_clock"),
    ("customer_balance_transaction", "customer", "customer"),
    ("dispute", "charge", "charge"),
    ("dispute", "payment_intent", "payment_intent"),
    ("event", "type", "type"),
    ("invoice", "customer", "customer"),
    (
        "invoice",
        "subscription",
        "parent.subscription_details.subscription",
    ),
    ("invoice_payment", "invoice", "invoice"),
    ("invoiceitem", "customer", "customer"),
    ("invoiceitem", "invoice", "invoice"),
    ("payment_intent", "customer", "customer"),
    ("payment_method", "customer", "customer"),
    ("price", "lookup_key", "lookup_key"),
    ("price", "product", "product"),
    ("promotion_code", "code", "code"),
    ("promotion_code", "coupon", "promotion.coupon"),
    ("radar.early_fraud_warning", "charge", "charge"),
    ("refund", "charge", "charge"),
    ("refund", "payment_intent", "payment_intent"),
    ("setup_intent", "customer", "customer"),
    ("subscription", "customer", "customer"),
    ("subscription", "price", "items.data.*.price.id"),
    ("subscription", "item", "items.data.*.id"),
    ("subscription_schedule", "customer", "customer"),
    ("tax_id", "customer", "customer"),
];

/// The index of a field of a kind, if it has one.
pub fn of(kind: &str, field: &str) -> Option<Index> {
    FIELDS
        .iter()
        .position(|(owner, name, _)| *owner == kind && *name == field)
}

/// The key of a value in an index. Promotion codes are found in any case.
pub fn key(index: Index, value: &str) -> (Index, String) {
    let key = match FIELDS[index] {
        ("promotion_code", "code", _) => value.to_lowercase(),
        _ => value.to_owned(),
    };
    (index, key)
}

/// The indexes that contain an object, and its values there.
fn keys_of(object: &Value) -> impl Iterator<Item = (Index, String)> + '_ {
    let kind = text(object, "object");
    let fields = FIELDS.iter().enumerate();
    fields
        .filter(move |(_, (owner, ..))| *owner == kind)
        .flat_map(|(index, (.., path))| {
            let values = values_at(object, path).into_iter();
            values.map(move |value| key(index, value))
        })
}

fn values_at<'a>(object: &'a Value, path: &str) -> Vec<&'a str> {
    match path.split_once(".*.") {
        Some((outer, inner)) => {
            let elements = list(object, outer).iter();
            elements.filter_map(|one| opt(one, inner)).collect()
        }
        None => opt(object, path).into_iter().collect(),
    }
}

/// Where an object is listed: its kind, and its values in the indexes.
#[derive(PartialEq)]
pub struct Places {
    pub kind: Option<String>,
    pub indexed: Vec<(Index, String)>,
}

/// The places of an object. A deleted one, or a note about an object, has none.
pub fn places_of(value: &Value) -> Places {
    let kind = text(value, "object");
    if kind.is_empty() || value["deleted"] == Value::Bool(true) {
        return Places {
            kind: None,
            indexed: Vec::new(),
        };
    }
    Places {
        kind: Some(kind.to_owned()),
        indexed: keys_of(value).collect(),
    }
}

/// The places of an event of a type.
pub fn places_of_event(kind: &str) -> Places {
    let indexed = of("event", "type").map(|index| (index, kind.to_owned()));
    Places {
        kind: Some("event".to_owned()),
        indexed: indexed.into_iter().collect(),
    }
}
