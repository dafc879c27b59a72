//! Functions that read and write JSON objects by dotted paths.

use serde_json::{Map, Value};

use super::decimals;
use super::errors::{Answer, ApiError};

static NULL: Value = Value::Null;

/// The value at a dotted path (`items.data.0.price.id`), or null.
pub fn get<'a>(value: &'a Value, path: &str) -> &'a Value {
    let mut here = value;
    for part in path.split('.') {
        here = match here {
            Value::Object(map) => map.get(part).unwrap_or(&NULL),
            Value::Array(list) => part
                .parse::<usize>()
                .ok()
                .and_then(|index| list.get(index))
                .unwrap_or(&NULL),
            _ => return &NULL,
        };
    }
    here
}

/// The string at a path, or `None` if it is absent, null or empty (an empty string unsets a value
/// at Stripe).
pub fn opt<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    get(value, path).as_str().filter(|text| !text.is_empty())
}

/// The string at a path, or an empty one.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    get(value, path).as_str().unwrap_or("")
}

/// The string at a path as an owned value.
pub fn owned(value: &Value, path: &str) -> String {
    text(value, path).to_owned()
}

/// The integer at a path, or 0.
pub fn int(value: &Value, path: &str) -> i64 {
    get(value, path).as_i64().unwrap_or(0)
}

/// The integer at a path, if there is one.
pub fn opt_int(value: &Value, path: &str) -> Option<i64> {
    get(value, path).as_i64()
}

/// Whether the value at a path is `true`.
pub fn flag(value: &Value, path: &str) -> bool {
    get(value, path).as_bool().unwrap_or(false)
}

/// Whether the value at a path is present and not null.
pub fn has(value: &Value, path: &str) -> bool {
    !get(value, path).is_null()
}

/// The elements of the array at a path. Anything else has no elements.
pub fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    get(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// The ids of objects, or of ids.
pub fn ids(objects: &[Value]) -> Vec<Value> {
    let id = |one: &Value| {
        if one.is_object() {
            one["id"].clone()
        } else {
            one.clone()
        }
    };
    objects.iter().map(id).collect()
}

/// Writes a value at a dotted path and creates the objects in between.
pub fn set(value: &mut Value, path: &str, new: impl Into<Value>) {
    let mut here = value;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        if let Value::Array(list) = here {
            let Some(slot) = part
                .parse::<usize>()
                .ok()
                .and_then(|index| list.get_mut(index))
            else {
                return;
            };
            here = slot;
        } else {
            if !here.is_object() {
                *here = Value::Object(Map::new());
            }
            let Value::Object(map) = here else { return };
            here = map.entry(part).or_insert(Value::Null);
        }
        if parts.peek().is_none() {
            *here = new.into();
            return;
        }
    }
}

/// The value at a path, or null if it is absent or an empty string.
pub fn or_null(value: &Value, path: &str) -> Value {
    match get(value, path) {
        Value::String(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    }
}

/// An address with its absent parts as null.
pub fn address(sent: &Value) -> Value {
    let parts = ["city", "country", "line1", "line2", "postal_code", "state"];
    let parts = parts.map(|part| (part.to_owned(), or_null(sent, part)));
    Value::Object(Map::from_iter(parts))
}

/// The string at a name, or the error that names the missing parameter.
pub fn required<'a>(params: &'a Value, name: &str) -> Answer<&'a str> {
    opt(params, name).ok_or_else(|| ApiError::required(name))
}

/// The current period of a subscription item.
pub fn period(item: &Value) -> (i64, i64) {
    (
        int(item, "current_period_start"),
        int(item, "current_period_end"),
    )
}

/// Copies the fields with these names that were sent.
pub fn copy(to: &mut Value, sent: &Value, names: &[&str]) {
    for name in names.iter().filter(|name| has(sent, name)) {
        to[*name] = get(sent, name).clone();
    }
}

/// Copies the fields with these names that were sent. An empty string unsets a field.
pub fn copy_or_null(to: &mut Value, sent: &Value, names: &[&str]) {
    for name in names.iter().filter(|name| has(sent, name)) {
        to[*name] = or_null(sent, name);
    }
}

/// Formats minor units as in Stripe's messages: `$19.00`, `¥500`.
pub fn money_text(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let symbol = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        "jpy" => "¥",
        _ => "",
    };
    let suffix = if symbol.is_empty() {
        format!(" {}", currency.to_uppercase())
    } else {
        String::new()
    };
    let units = amount.unsigned_abs();
    if is_zero_decimal(currency) {
        format!("{sign}{symbol}{units}{suffix}")
    } else {
        format!("{sign}{symbol}{}.{:02}{suffix}", units / 100, units % 100)
    }
}

/// Whether the currency has no decimals, so that its minor unit is the whole unit.
pub fn is_zero_decimal(currency: &str) -> bool {
    const ZERO: [&str; 16] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
        "xaf", "xof", "xpf",
    ];
    ZERO.contains(&currency)
}

/// The amount of a number of units of a price, after its `transform_quantity`.
pub fn price_amount(price: &Value, quantity: i64) -> i64 {
    let units = match opt_int(price, "transform_quantity.divide_by") {
        Some(by) if by > 0 => {
            let rounds_up = text(price, "transform_quantity.round") == "up";
            quantity / by + i64::from(rounds_up && quantity % by != 0)
        }
        _ => quantity,
    };
    decimals::times(unit_price(price), units).unwrap_or(i64::MAX)
}

/// The exact price of one unit, which can have decimals.
pub fn unit_price(price: &Value) -> i128 {
    decimals::parse(text(price, "unit_amount_decimal")).unwrap_or(0)
}

/// The price of one unit in whole minor units.
pub fn rounded_price(price: &Value) -> i64 {
    decimals::times(unit_price(price), 1).unwrap_or(i64::MAX)
}

/// Formats the price of one unit: `$19.00`, or `$0.055` if it has decimals.
pub fn unit_text(price: &Value) -> String {
    let currency = text(price, "currency");
    if let Some(amount) = opt_int(price, "unit_amount") {
        return money_text(amount, currency);
    }
    let places = if is_zero_decimal(currency) { 1 } else { 100 };
    in_currency(&decimals::to_text(unit_price(price) / places), currency)
}

/// Formats units that are written already as money: `0.055` becomes `$0.055`.
fn in_currency(units: &str, currency: &str) -> String {
    let zero = if is_zero_decimal(currency) {
        "0"
    } else {
        "0.00"
    };
    money_text(0, currency).replacen(zero, units, 1)
}

/// The largest amount of one price, payment or line. <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
pub const AMOUNT_MAX: i64 = 99_999_999;

/// An amount of a line, or the error that names the parameter that makes it too large.
pub fn limited(amount: i64, currency: &str, param: &str) -> Answer<i64> {
    if (-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) {
        return Ok(amount);
    }
    let most = if is_zero_decimal(currency) {
        "99,999,999"
    } else {
        "999,999.99"
    };
    let most = in_currency(most, currency);
    let message = format!("Amount must be no more than {most}");
    Err(ApiError::bad("amount_too_large", param, message))
}

/// The smallest amount that Stripe charges in a currency.
pub fn minimum_charge(currency: &str) -> i64 {
    match currency {
        "gbp" => 30,
        "jpy" => 50,
        "krw" => 500,
        "mxn" => 1000,
        "hkd" => 400,
        "sek" | "nok" => 300,
        "dkk" => 250,
        "czk" => 1500,
        "huf" => 17_500,
        "pln" => 200,
        _ => 50,
    }
}

/// Copies the fields of one object onto another.
pub fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(map), Value::Object(more)) = (value, more) {
        map.extend(more);
    }
}
