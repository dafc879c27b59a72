//! Stripe's own description of its parameters and objects, which is parsed once.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::unserved;
use super::value::set;

/// The API version in which the twin renders objects.
pub const API_VERSION: &str = "2026-08-26.dahlia";
/// The version that the official SDKs pin. The twin responds to it in [`API_VERSION`].
pub const SDK_VERSION: &str = "2026-10-28.endive";

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the embedded data is valid JSON")
}

/// The parameters by path and method.
pub fn paths() -> &'static Value {
    static PATHS: OnceLock<Value> = OnceLock::new();
    PATHS.get_or_init(|| {
        let mut paths = read(include_str!("../../data/paths.json"))["paths"].take();
        add_undocumented_params(&mut paths);
        unserved::mark(&mut paths, &read(include_str!("../../data/unserved.json")));
        paths
    })
}

/// Adds what real clients send although the description of our version lacks it:
/// `allowed_payment_method_types` and the version itself from endive, `iterations` of schedules from
/// the CLI, and the two endpoints of hosted Checkout that the triggers of the CLI call.
fn add_undocumented_params(paths: &mut Value) {
    let words = json!({"type": "array", "items": {"type": "string"}});
    let expand = words.clone();
    for path in [
        "/v1/checkout/sessions",
        "/v1/payment_intents",
        "/v1/payment_intents/{intent}",
        "/v1/payment_intents/{intent}/confirm",
        "/v1/setup_intents",
        "/v1/setup_intents/{intent}",
        "/v1/setup_intents/{intent}/confirm",
    ] {
        for name in ["allowed_payment_method_types", "payment_method_types"] {
            if paths[path]["post"]["body"]["properties"][name].is_null() {
                paths[path]["post"]["body"]["properties"][name] = words.clone();
            }
        }
    }
    for path in [
        "/v1/subscription_schedules",
        "/v1/subscription_schedules/{schedule}",
    ] {
        let phases = &mut paths[path]["post"]["body"]["properties"]["phases"];
        set(
            phases,
            "items.properties.iterations",
            json!({"type": "integer"}),
        );
    }
    for path in [
        "/v1/webhook_endpoints",
        "/v1/webhook_endpoints/{webhook_endpoint}",
    ] {
        let version = &mut paths[path]["post"]["body"]["properties"]["api_version"];
        if let Some(known) = version["enum"].as_array_mut() {
            known.push(SDK_VERSION.into());
        }
    }
    let confirm = json!({"type": "object", "properties": {"expand": expand.clone(),
        "payment_method": {"type": "string"}, "expected_amount": {"type": "integer"}}});
    paths["/v1/payment_pages/{session}"] =
        json!({"get": {"query": {"expand": expand}, "body": {}}});
    paths["/v1/payment_pages/{session}/confirm"] = json!({"post": {"query": {}, "body": confirm}});
}

/// The parameters that older versions had: the date of the version that removed them, the path,
/// their names and the parameter that replaced them.
/// <https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-singular-coupon-promotion-code>,
/// <https://docs.stripe.com/changelog/clover/2025-09-30/polymorphic-coupon>
const REMOVED: &[(&str, &str, &[&str], &str)] = &[
    (
        "2025-03-31",
        "/v1/customers",
        &["coupon", "promotion_code"],
        "",
    ),
    (
        "2025-03-31",
        "/v1/customers/{customer}",
        &["coupon", "promotion_code"],
        "",
    ),
    (
        "2025-09-30",
        "/v1/promotion_codes",
        &["coupon"],
        "promotion",
    ),
];

/// The body of a path in a version of the API: with the parameters that were removed after it.
pub fn body_in(version: &str, path: &str) -> Cow<'static, Value> {
    let body = &paths()[path]["post"]["body"];
    let mut removed = REMOVED.iter();
    let Some((_, _, names, replaced)) =
        removed.find(|(date, known, ..)| *known == path && version < *date)
    else {
        return Cow::Borrowed(body);
    };
    let mut older = body.clone();
    for name in *names {
        older["properties"][*name] = json!({"type": "string"});
    }
    if let Some(required) = older["required"].as_array_mut() {
        required.retain(|name| name != replaced);
    }
    Cow::Owned(older)
}

/// The JSON Schema definitions of the objects.
pub fn definitions() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| read(include_str!("../../data/schema.json"))["$defs"].take())
}

/// The event types that an endpoint may subscribe to.
pub fn event_types() -> &'static Value {
    static TYPES: OnceLock<Value> = OnceLock::new();
    TYPES.get_or_init(|| read(include_str!("../../data/event-types.json")))
}

/// Whether the API version exists.
pub fn is_version(version: &str) -> bool {
    static VERSIONS: OnceLock<Value> = OnceLock::new();
    let known = VERSIONS.get_or_init(|| read(include_str!("../../data/api-versions.json")));
    version == SDK_VERSION
        || known
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one.as_str() == Some(version)))
}
