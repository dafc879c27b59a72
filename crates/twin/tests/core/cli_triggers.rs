//! The request chains of the official CLI's triggers, each with its event.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::shop::{HOUR, Shop};

/// The triggers whose event the CLI itself gives another name: the first payment of a subscription.
const OTHER_EVENTS: &[(&str, &str)] = &[
    ("subscription.payment_failed", "invoice.payment_failed"),
    (
        "subscription.payment_succeeded",
        "invoice.payment_succeeded",
    ),
];

/// The triggers whose event doesn't happen yet.
const UNMET: &[&str] = &[
    "subscription_schedule.aborted",
    "subscription_schedule.completed",
    "subscription_schedule.expiring",
];

fn chains() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cli-triggers");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|one| one == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Replaces `${name:path}` by what an earlier request of the chain answered.
fn filled(text: &str, answers: &HashMap<String, Value>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').unwrap() + start;
        let query = rest[start + 2..end].split('|').next().unwrap();
        let (name, path) = query.split_once(':').unwrap();
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = answers
            .get(name)
            .and_then(|answer| answer.pointer(&pointer));
        let value = value.unwrap_or_else(|| panic!("{query} is unknown"));
        filled += &rest[..start];
        filled += &value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        rest = &rest[end + 1..];
    }
    filled + rest
}

fn pairs(
    value: &Value,
    key: &str,
    answers: &HashMap<String, Value>,
    all: &mut Vec<(String, String)>,
) {
    let inside = |name: &str| {
        if key.is_empty() {
            name.to_owned()
        } else {
            format!("{key}[{name}]")
        }
    };
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                pairs(value, &inside(name), answers, all);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pairs(value, &inside(&index.to_string()), answers, all);
            }
        }
        Value::String(text) => all.push((key.to_owned(), filled(text, answers))),
        other => all.push((key.to_owned(), other.to_string())),
    }
}

/// Runs a chain and returns the types of all events, or the first refusal.
fn run(chain: &Value) -> Result<Vec<String>, String> {
    let mut shop = Shop::open();
    let mut answers = HashMap::new();
    for fixture in chain["fixtures"].as_array().unwrap() {
        let mut all = Vec::new();
        pairs(&fixture["params"], "", &answers, &mut all);
        all.retain(|(key, _)| !key.is_empty());
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&all)
            .finish();
        let path = filled(fixture["path"].as_str().unwrap(), &answers);
        let method = fixture["method"].as_str().unwrap().to_uppercase();
        let (target, body) = match method.as_str() {
            "GET" => (format!("{path}?{body}"), String::new()),
            _ => (path, body),
        };
        let answer = shop.send(&method, &target, &body, None);
        if answer.status != 200 && answer.status != 402 {
            return Err(format!(
                "{method} {target}: {}",
                answer.body["error"]["message"]
            ));
        }
        answers.insert(fixture["name"].as_str().unwrap().to_owned(), answer.body);
    }
    let mut events = shop.happened();
    shop.wait(HOUR);
    events.extend(shop.happened());
    Ok(events)
}

#[test]
fn every_trigger_of_the_cli_makes_its_event() {
    let mut unmet = Vec::new();
    let mut problems = Vec::new();
    for (name, chain) in chains() {
        let other = OTHER_EVENTS.iter().find(|(trigger, _)| *trigger == name);
        let wanted = other.map_or(name.as_str(), |(_, event)| event);
        match run(&chain) {
            Ok(events) if events.iter().any(|one| one == wanted) => {}
            Ok(events) => {
                problems.push(format!("{name} only made {events:?}"));
                unmet.push(name);
            }
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                unmet.push(name);
            }
        }
    }
    assert_eq!(unmet, UNMET, "{problems:#?}");
}
