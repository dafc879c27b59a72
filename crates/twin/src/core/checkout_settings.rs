//! The settings of a Checkout session that its page follows: consent, custom fields and texts, and
//! which payment methods it asks for.

use serde_json::{Value, json};
use stripe::objects::CheckoutMode;

use super::errors::{Answer, refuse_param};
use super::value::{flag, get, has, list, opt, opt_int, or_null, text};

const CUSTOM_FIELDS_MAX: usize = 3;
const OPTIONS_MAX: usize = 200;
const TEXT_LENGTH_MAX: usize = 1_200;

/// The fields of a session that its settings determine.
pub(super) fn settings(sent: &Value, mode: &CheckoutMode) -> Answer {
    refuse_misplaced(sent, mode)?;
    Ok(json!({
        "consent_collection": consent_collection(sent),
        "custom_fields": custom_fields(sent)?,
        "custom_text": custom_text(sent)?,
        "payment_method_collection": match mode {
            CheckoutMode::Payment => "if_required",
            _ => opt(sent, "payment_method_collection").unwrap_or("always"),
        },
        "phone_number_collection": {"enabled": flag(sent, "phone_number_collection.enabled")},
    }))
}

/// Refuses settings of another mode. <https://docs.stripe.com/api/checkout/sessions/create>
fn refuse_misplaced(sent: &Value, mode: &CheckoutMode) -> Answer<()> {
    let is_subscription = *mode == CheckoutMode::Subscription;
    if has(sent, "payment_method_collection") && !is_subscription {
        let message = "`payment_method_collection` can only be set in `subscription` mode.";
        return refuse_param("", "payment_method_collection", message);
    }
    if has(sent, "submit_type") && *mode == CheckoutMode::Setup {
        let message = "`submit_type` can only be set in `payment` or `subscription` mode.";
        return refuse_param("", "submit_type", message);
    }
    if has(sent, "customer_update") && opt(sent, "customer").is_none() {
        let message = "`customer_update` can only be set if `customer` is set.";
        return refuse_param("", "customer_update", message);
    }
    let needs_currency =
        *mode == CheckoutMode::Setup && list(sent, "payment_method_types").is_empty();
    if needs_currency && opt(sent, "currency").is_none() {
        let message =
            "You must provide `currency` in `setup` mode if `payment_method_types` is not set.";
        return refuse_param("parameter_missing", "currency", message);
    }
    if opt(sent, "ui_mode").is_some_and(|ui| ui != "hosted_page") {
        let message = "Only `hosted_page` of `ui_mode` is served by this twin.";
        return refuse_param("", "ui_mode", message);
    }
    Ok(())
}

fn consent_collection(sent: &Value) -> Value {
    let consent = get(sent, "consent_collection");
    if !consent.is_object() {
        return Value::Null;
    }
    json!({"payment_method_reuse_agreement": get(consent, "payment_method_reuse_agreement"),
           "promotions": or_null(consent, "promotions"),
           "terms_of_service": or_null(consent, "terms_of_service")})
}

fn custom_text(sent: &Value) -> Answer {
    let mut whole = json!({});
    for name in [
        "after_submit",
        "shipping_address",
        "submit",
        "terms_of_service_acceptance",
    ] {
        let place = format!("custom_text.{name}.message");
        if text(sent, &place).chars().count() > TEXT_LENGTH_MAX {
            let message = format!("Text may be up to {TEXT_LENGTH_MAX} characters in length.");
            return refuse_param("", &format!("custom_text[{name}][message]"), message);
        }
        whole[name] = match opt(sent, &place) {
            Some(message) => json!({ "message": message }),
            None => Value::Null,
        };
    }
    Ok(whole)
}

fn custom_fields(sent: &Value) -> Answer<Vec<Value>> {
    let fields = list(sent, "custom_fields");
    if fields.len() > CUSTOM_FIELDS_MAX {
        let message = format!("You can set up to {CUSTOM_FIELDS_MAX} custom fields.");
        return refuse_param("", "custom_fields", message);
    }
    let mut whole: Vec<Value> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let key = text(field, "key");
        let is_plain = key
            .bytes()
            .all(|one| one.is_ascii_alphanumeric() || b"_-".contains(&one));
        let is_known = whole.iter().any(|one| one["key"] == key);
        if !is_plain || key.is_empty() || key.len() > 200 || is_known {
            let message = "The `key` of a custom field must be unique and alphanumeric, and up to 200 characters long.";
            return refuse_param("", &format!("custom_fields[{index}][key]"), message);
        }
        whole.push(custom_field(field, index)?);
    }
    Ok(whole)
}

fn custom_field(field: &Value, index: usize) -> Answer {
    let kind = text(field, "type");
    if let Some(other) = ["dropdown", "numeric", "text"]
        .iter()
        .find(|name| **name != kind && has(field, name))
    {
        let param = format!("custom_fields[{index}][{other}]");
        let message = format!("`{other}` can only be set on a custom field of type `{other}`.");
        return refuse_param("", &param, message);
    }
    let own = get(field, kind);
    let mut details = json!({"default_value": or_null(own, "default_value"), "value": null});
    if kind == "dropdown" {
        let options = list(own, "options");
        if options.is_empty() || options.len() > OPTIONS_MAX {
            let param = format!("custom_fields[{index}][dropdown][options]");
            let message = format!("A dropdown has 1 to {OPTIONS_MAX} options.");
            return refuse_param("", &param, message);
        }
        details["options"] = options.into();
    } else {
        for name in ["maximum_length", "minimum_length"] {
            details[name] = opt_int(own, name).into();
        }
    }
    Ok(
        json!({"key": field["key"], "label": field["label"], "optional": flag(field, "optional"),
              "type": kind, kind: details}),
    )
}

/// How a customer may adjust the quantity of a line.
pub(super) fn adjustable_quantity(line: &Value, quantity: i64, param: &str) -> Answer {
    const MAXIMUM: i64 = 999_999;
    let sent = get(line, "adjustable_quantity");
    if !sent.is_object() {
        return Ok(Value::Null);
    }
    let minimum = opt_int(sent, "minimum").unwrap_or(0);
    let maximum = opt_int(sent, "maximum").unwrap_or(99);
    if flag(sent, "enabled") && !(minimum..=maximum.min(MAXIMUM)).contains(&quantity) {
        let message = "The quantity must be between the `minimum` and the `maximum` of `adjustable_quantity`.";
        return refuse_param("", &format!("{param}[adjustable_quantity]"), message);
    }
    Ok(json!({"enabled": flag(sent, "enabled"), "maximum": maximum, "minimum": minimum}))
}
