//! The request chains of the official CLI's `trigger`, run against the twin as the CLI runs them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use twin::core::DunningEnd;

use crate::shop::{Shop, string};

/// Chains whose event does not happen: `aborted`, which only an unpaid subscription causes, and
/// `expiring`, whose chain stops nine days before the end although the event is documented for
/// seven.
const NOT_REACHED: [&str; 2] = [
    "subscription_schedule.aborted",
    "subscription_schedule.expiring",
];

/// Chains that name coupons as older versions of the API did, which is why they are sent in one.
const OLDER: [&str; 5] = [
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "promotion_code.created",
    "promotion_code.updated",
];

#[test]
fn every_trigger_of_the_cli_emits_its_event_except_two_that_cannot() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cli-triggers");
    let mut wrong = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let chain: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        if let Err(problem) = run(&kind, &chain) {
            wrong.insert(kind, problem);
        }
    }
    let missed: Vec<&str> = wrong.keys().map(String::as_str).collect();
    assert_eq!(missed, NOT_REACHED, "{wrong:#?}");
}

fn run(kind: &str, chain: &Value) -> Result<(), String> {
    let mut shop = Shop::open();
    // The chain of a completed schedule has no card and lasts longer than all retries.
    let (days, end) = (vec![3, 5, 7, 6], DunningEnd::LeavePastDue);
    shop.core.set_dunning(days, end);
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    for step in chain["fixtures"].as_array().unwrap() {
        let path = filled(&string(&step["path"]), &answers);
        let mut form = String::new();
        flatten("", &step["params"], &answers, &mut form);
        let method = string(&step["method"]).to_uppercase();
        let (target, body) = if method == "GET" {
            (format!("{path}?{form}"), "")
        } else {
            (path, form.as_str())
        };
        let version = OLDER.contains(&kind).then_some("2025-02-24.acacia");
        let answer = shop.send_as_of(version, (&method, &target), body, None);
        let error = answer.body["error"]["type"].as_str();
        if answer.status != 200
            && (error.is_none() || error != step["expected_error_type"].as_str())
        {
            return Err(format!(
                "{method} {target} {body}: {}",
                answer.body["error"]["message"]
            ));
        }
        answers.insert(string(&step["name"]), answer.body);
    }
    shop.wait(60);
    let happened = shop.happened();
    // The names of two chains are scenarios, not event types.
    let wanted = match kind {
        "subscription.payment_failed" => "invoice.payment_failed",
        "subscription.payment_succeeded" => "invoice.payment_succeeded",
        kind => kind,
    };
    if happened.iter().any(|one| one == wanted) {
        Ok(())
    } else {
        Err(format!("only {happened:?}"))
    }
}

/// Replaces `${name:field.0.id}` with the value from an earlier answer.
fn filled(text: &str, answers: &BTreeMap<String, Value>) -> String {
    let Some(start) = text.find("${") else {
        return text.to_owned();
    };
    let end = start + text[start..].find('}').unwrap();
    let (name, field) = text[start + 2..end].split_once(':').unwrap();
    let (field, default) = field.split_once('|').unwrap_or((field, ""));
    let mut here = answers.get(name).unwrap_or(&Value::Null);
    for part in field.split('.') {
        here = match part.parse::<usize>() {
            Ok(index) => &here[index],
            Err(_) => &here[part],
        };
    }
    let value = match here {
        Value::String(text) => text.clone(),
        Value::Null => default.to_owned(),
        other => other.to_string(),
    };
    filled(
        &format!("{}{value}{}", &text[..start], &text[end + 1..]),
        answers,
    )
}

fn flatten(name: &str, value: &Value, answers: &BTreeMap<String, Value>, form: &mut String) {
    let inside = |key: &str| match (name, key.split_once('[')) {
        ("", _) => key.to_owned(),
        (_, Some((first, rest))) => format!("{name}[{first}][{rest}"),
        _ => format!("{name}[{key}]"),
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, one)| flatten(&inside(key), one, answers, form)),
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                flatten(&inside(&index.to_string()), one, answers, form);
            }
        }
        Value::Null => {}
        scalar => {
            let text = scalar
                .as_str()
                .map_or_else(|| scalar.to_string(), str::to_owned);
            let text = filled(&text, answers)
                .replace('%', "%25")
                .replace('&', "%26")
                .replace('+', "%2B");
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(&format!("{name}={text}"));
        }
    }
}
