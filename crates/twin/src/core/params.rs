//! Validates parameters against Stripe's own description: refuses unknown ones by name and converts
//! values to their types.

use serde_json::{Map, Value};

use super::errors::{Answer, ApiError, refuse_param};
use super::unserved;
use super::value::{AMOUNT_MAX, has, limited, opt_int, price_amount, text};

/// Validates and types a body against its schema.
pub fn body(schema: &Value, raw: Value) -> Answer {
    object(schema, raw, "")
}

/// Validates and types a query against its named parameters.
pub fn query(parameters: &Value, raw: Value) -> Answer {
    let Value::Object(raw) = raw else {
        return Ok(Value::Object(Map::new()));
    };
    properties(parameters, &[], raw, "")
}

/// The longest text of a parameter, and of the evidence of a dispute.
/// <https://docs.stripe.com/api/disputes/update>
const TEXT_LENGTH_MAX: usize = 5_000;
const EVIDENCE_LENGTH_MAX: usize = 20_000;

/// The currency in the text about an amount that is sent without one.
const DEFAULT_CURRENCY: &str = "usd";

fn object(schema: &Value, raw: Value, name: &str) -> Answer {
    let raw = match raw {
        Value::Object(map) => map,
        Value::Array(list) if list.is_empty() => Map::new(),
        _ => return refuse_param("", name, format!("Invalid object: {name}")),
    };
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|one| one.is_object())
    {
        return raw
            .into_iter()
            .map(|(key, value)| {
                let typed = check(values, value, &inside(name, &key))?;
                Ok((key, typed))
            })
            .collect::<Answer<Map<_, _>>>()
            .map(Value::Object);
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    properties(&schema["properties"], &required, raw, name)
}

fn properties(known: &Value, required: &[&str], raw: Map<String, Value>, name: &str) -> Answer {
    let unknown: Vec<String> = raw
        .keys()
        .filter(|key| known.get(key.as_str()).is_none())
        .map(|key| inside(name, key))
        .collect();
    if let Some(first) = unknown.first() {
        let plural = if unknown.len() > 1 { "s" } else { "" };
        let message = format!("Received unknown parameter{plural}: {}", unknown.join(", "));
        return refuse_param("parameter_unknown", first, message);
    }
    if let Some(key) = raw
        .keys()
        .find(|key| unserved::is_marked(&known[key.as_str()]))
    {
        let name = inside(name, key);
        let message = format!("`{name}` is not served by this twin.");
        return refuse_param("", &name, message);
    }
    for key in required {
        if !raw.contains_key(*key) {
            return Err(ApiError::required(&inside(name, key)));
        }
    }
    let currency = raw.get("currency").and_then(Value::as_str);
    let currency = currency.unwrap_or(DEFAULT_CURRENCY).to_lowercase();
    raw.into_iter()
        .map(|(key, value)| {
            let param = inside(name, &key);
            let typed = check(&known[&key], value, &param).map_err(|error| {
                let is_own = error.param.as_deref() == Some(&param);
                match limited(i64::MAX, &currency, &param) {
                    Err(own) if is_own && error.code == own.code => own,
                    _ => error,
                }
            })?;
            Ok((key, typed))
        })
        .collect::<Answer<Map<_, _>>>()
        .map(Value::Object)
}

/// Refuses parameters of which only one may be sent.
pub fn only_one_of(sent: &Value, names: &[&str], outer: &str) -> Answer<()> {
    let named: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| has(sent, name))
        .collect();
    let [first, second, ..] = named[..] else {
        return Ok(());
    };
    refuse_rivals(first, second, outer)
}

/// The refusal of two parameters beside each other.
pub fn refuse_rivals(first: &str, second: &str, outer: &str) -> Answer<()> {
    let message = format!("You may only specify one of these parameters: {first}, {second}.");
    refuse_param("", &inside(outer, first), message)
}

/// The name of a parameter inside another one, if there is one.
pub fn inside(outer: &str, key: &str) -> String {
    if outer.is_empty() {
        key.to_owned()
    } else {
        format!("{outer}[{key}]")
    }
}

fn check(schema: &Value, raw: Value, name: &str) -> Answer {
    if let Some(alternatives) = schema["anyOf"].as_array() {
        return one_of(alternatives, raw, name);
    }
    match schema["type"].as_str().unwrap_or("object") {
        "object" => object(schema, raw, name),
        "array" => array(schema, raw, name),
        scalar => scalar_value(schema, scalar, &raw, name),
    }
}

/// Reads the first alternative that matches. If none does, it returns the error of the closest one.
fn one_of(alternatives: &[Value], raw: Value, name: &str) -> Answer {
    let is_text = raw.is_string();
    let is_indexed = is_indexed(&raw);
    let mut complaint = None;
    for schema in alternatives {
        let kind = schema["type"].as_str().unwrap_or("object");
        let near = match kind {
            "object" => !is_text && !is_indexed,
            "array" => !is_text && is_indexed,
            _ => is_text,
        };
        if !near {
            continue;
        }
        match check(schema, raw.clone(), name) {
            Ok(value) => return Ok(value),
            Err(error) => complaint = complaint.or(Some(error)),
        }
    }
    Err(complaint.unwrap_or_else(|| ApiError::bad("", name, format!("Invalid value for {name}"))))
}

fn is_indexed(raw: &Value) -> bool {
    match raw {
        Value::Array(_) => true,
        Value::Object(map) => !map.is_empty() && map.keys().all(|key| key.parse::<u32>().is_ok()),
        _ => false,
    }
}

fn array(schema: &Value, raw: Value, name: &str) -> Answer {
    let wrong = || ApiError::bad("", name, "Invalid array");
    let elements: Vec<(String, Value)> = match raw {
        Value::Array(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, one)| (index.to_string(), one))
            .collect(),
        Value::Object(map) if is_indexed(&Value::Object(map.clone())) => {
            let mut list: Vec<(String, Value)> = map.into_iter().collect();
            list.sort_by_key(|(key, _)| key.parse::<u32>().unwrap_or(u32::MAX));
            list
        }
        // An empty string clears a list.
        Value::String(text) if text.is_empty() => return Ok(Value::String(text)),
        _ => return Err(wrong()),
    };
    elements
        .into_iter()
        .map(|(key, one)| check(&schema["items"], one, &inside(name, &key)))
        .collect::<Answer<Vec<_>>>()
        .map(Value::Array)
}

fn scalar_value(schema: &Value, kind: &str, raw: &Value, name: &str) -> Answer {
    let Some(text) = raw.as_str() else {
        return refuse_param("", name, format!("Invalid {kind}: {raw}"));
    };
    match kind {
        "integer" => {
            let (least, most) = bounds(name);
            match text.parse::<i64>() {
                Ok(number) if number < least => {
                    let message = format!("This value must be greater than or equal to {least}.");
                    refuse_param("parameter_invalid_integer", name, message)
                }
                Ok(number) if number > most && last_of(name).contains("amount") => {
                    limited(number, DEFAULT_CURRENCY, name).map(Value::from)
                }
                Ok(number) if number > most => {
                    let message = format!("This value must be less than or equal to {most}.");
                    refuse_param("parameter_invalid_integer", name, message)
                }
                Ok(number) => Ok(Value::from(number)),
                Err(_) => {
                    let message = format!("Invalid integer: {text}");
                    refuse_param("parameter_invalid_integer", name, message)
                }
            }
        }
        "number" => text
            .parse::<serde_json::Number>()
            .map(Value::Number)
            .map_err(|_| ApiError::bad("", name, format!("Invalid decimal: {text}"))),
        "boolean" => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => refuse_param("", name, format!("Invalid boolean: {text}")),
        },
        _ => words(schema, text, name),
    }
}

/// The quantity of a price in the parameters that `param` names, or else the one before. Their product
/// must be an amount that Stripe bills.
pub fn quantity_in(sent: &Value, price: &Value, before: i64, param: &str) -> Answer<i64> {
    let quantity = opt_int(sent, "quantity").unwrap_or(before);
    let amount = price_amount(price, quantity);
    limited(amount, text(price, "currency"), &inside(param, "quantity"))?;
    Ok(quantity)
}

/// The innermost name of a parameter.
fn last_of(name: &str) -> &str {
    let last = name.rsplit('[').next().unwrap_or(name);
    last.trim_end_matches(']')
}

/// The limits of an integer parameter. They keep every sum far from an overflow.
fn bounds(name: &str) -> (i64, i64) {
    const YEAR_2200: i64 = 7_258_118_400;
    let last = last_of(name);
    match last {
        "quantity" => (0, 999_999),
        "trial_period_days" | "days_until_due" | "interval_count" | "iterations" => (1, 1_095),
        "duration_in_months" => (1, 120),
        "limit" => (i64::MIN, i64::MAX),
        _ if last.contains("amount") || last == "balance" => (-AMOUNT_MAX, AMOUNT_MAX),
        _ => (0, YEAR_2200),
    }
}

fn words(schema: &Value, text: &str, name: &str) -> Answer {
    let most = if name.starts_with("evidence[") {
        EVIDENCE_LENGTH_MAX
    } else {
        TEXT_LENGTH_MAX
    };
    if text.chars().count() > most {
        let start: String = text.chars().take(20).collect();
        let message = format!("Invalid string: {start}...; must be at most {most} characters");
        return refuse_param("", name, message);
    }
    let Some(allowed) = schema["enum"].as_array() else {
        if schema["format"] != "currency" {
            return Ok(Value::String(text.to_owned()));
        }
        let code = text.to_lowercase();
        if code.is_empty() || is_currency(&code) {
            return Ok(Value::String(code));
        }
        let message = format!("Invalid currency: {code}. Stripe does not support this currency.");
        return refuse_param("", name, message);
    };
    if allowed.iter().any(|one| one.as_str() == Some(text)) {
        return Ok(Value::String(text.to_owned()));
    }
    let choices: Vec<&str> = allowed
        .iter()
        .filter_map(Value::as_str)
        .filter(|one| !one.is_empty())
        .collect();
    let choices = match choices.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, [one])) => format!("{one} or {last}"),
        Some((last, rest)) => format!("{}, or {last}", rest.join(", ")),
        None => String::new(),
    };
    refuse_param(
        "",
        name,
        format!("Invalid {name}: must be one of {choices}"),
    )
}

/// Whether Stripe charges in a currency. <https://docs.stripe.com/currencies>
fn is_currency(code: &str) -> bool {
    const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd \
        bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd \
        fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf \
        krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad \
        ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd \
        shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf \
        xcd xcg xof xpf yer zar zmw";
    CURRENCIES.split_whitespace().any(|one| one == code)
}

/// Refuses more elements than a list of items takes.
pub(super) fn check_count(sent: &[Value], param: &str) -> Answer<()> {
    const ELEMENTS_MAX: usize = 20;
    if sent.len() > ELEMENTS_MAX {
        let message = format!("You can pass at most {ELEMENTS_MAX} `{param}`.");
        return refuse_param("", param, message);
    }
    Ok(())
}

/// The metadata after an update: keys are added and replaced, an empty value removes a key, and an
/// empty string removes all keys.
pub fn metadata(before: &Value, sent: &Value) -> Answer {
    const KEYS_MAX: usize = 50;
    let mut after = match sent {
        Value::Null => {
            return Ok(if before.is_object() {
                before.clone()
            } else {
                empty()
            });
        }
        Value::String(_) => return Ok(empty()),
        _ => before.as_object().cloned().unwrap_or_default(),
    };
    for (key, value) in sent.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or("");
        let param = format!("metadata[{key}]");
        if key.chars().count() > 40 || key.contains(['[', ']']) {
            let message = format!(
                "Invalid metadata key: {key}. Keys are at most 40 characters long and hold no square brackets."
            );
            return refuse_param("", &param, message);
        }
        if text.chars().count() > 500 {
            let message = format!(
                "Metadata values can have up to 500 characters, but you passed in a value that is {} characters. Invalid value: {text}",
                text.chars().count()
            );
            return refuse_param("", &param, message);
        }
        if text.is_empty() {
            after.remove(key);
        } else {
            after.insert(key.clone(), value.clone());
        }
    }
    if after.len() > KEYS_MAX {
        let message = format!("You can have up to {KEYS_MAX} keys of metadata.");
        return refuse_param("", "metadata", message);
    }
    Ok(Value::Object(after))
}

fn empty() -> Value {
    Value::Object(Map::new())
}
