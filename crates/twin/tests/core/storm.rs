//! Random requests: the twin answers every one and stays consistent.

use serde_json::Value;
use twin::core::{ApiRequest, Core, Payment};

use crate::shop::{HOUR, NOW, check};

/// A small random number generator, so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }
}

/// A value of the described type, sometimes an existing id and sometimes an invalid value.
fn value(dice: &mut Dice, schema: &Value, core: &Core) -> String {
    let schema = schema["anyOf"]
        .as_array()
        .map_or(schema, |all| &all[dice.roll(all.len())]);
    if let Some(words) = schema["enum"].as_array() {
        return words[dice.roll(words.len())]
            .as_str()
            .unwrap_or("")
            .to_owned();
    }
    match schema["type"].as_str() {
        Some("boolean") => dice.pick(&["true", "false", "x"]).to_owned(),
        Some("integer") => {
            let now = (core.now() + 86_400 * 10).to_string();
            dice.pick(&["0", "1", "2", "1500", "-5", "99999999999999", now.as_str()])
                .to_owned()
        }
        _ => some_id(dice, core),
    }
}

fn some_id(dice: &mut Dice, core: &Core) -> String {
    const KINDS: [&str; 12] = [
        "customer",
        "price",
        "product",
        "subscription",
        "invoice",
        "payment_intent",
        "charge",
        "checkout.session",
        "payment_method",
        "refund",
        "subscription_schedule",
        "dispute",
    ];
    let all = core.objects(KINDS[dice.roll(KINDS.len())]);
    if all.is_empty() || dice.roll(4) == 0 {
        dice.pick(&[
            "usd",
            "pm_card_visa",
            "tok_visa",
            "",
            "a@b.example",
            "http://x.example",
            "pm_card_chargeCustomerFail",
        ])
        .to_owned()
    } else {
        all[dice.roll(all.len())]["id"].as_str().unwrap().to_owned()
    }
}

fn form(dice: &mut Dice, schema: &Value, name: &str, core: &Core, depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    for (key, one) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"]
            .as_array()
            .is_some_and(|all| all.contains(&Value::from(key.as_str())));
        if !required && dice.roll(6) != 0 {
            continue;
        }
        let inner = if name.is_empty() {
            key.clone()
        } else {
            format!("{name}[{key}]")
        };
        let one = one["anyOf"]
            .as_array()
            .map_or(one, |all| &all[dice.roll(all.len())]);
        match one["type"].as_str() {
            Some("object") if depth < 4 => parts.extend(form(dice, one, &inner, core, depth + 1)),
            Some("array") if one["items"]["type"] == "object" => {
                parts.extend(form(
                    dice,
                    &one["items"],
                    &format!("{inner}[0]"),
                    core,
                    depth + 1,
                ));
            }
            Some("array") => parts.push(format!("{inner}[]={}", value(dice, &one["items"], core))),
            Some("object") => {}
            _ => parts.push(format!("{inner}={}", value(dice, one, core))),
        }
    }
    parts
}

#[test]
fn the_twin_answers_every_request_and_its_objects_fit_the_schema() {
    let described: Value = serde_json::from_str(include_str!("../../data/paths.json")).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let names: Vec<&String> = paths.keys().collect();
    let mut accepted = 0;
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let mut core = Core::new(seed, NOW);
        let mut now = NOW;
        for kind in [
            "checkout.session.completed",
            "customer.subscription.updated",
            "invoice.paid",
        ] {
            core.trigger(kind, now).unwrap();
        }
        for _ in 0..500 {
            now += i64::try_from(dice.roll(5)).unwrap() * HOUR * 5;
            let template = names[dice.roll(names.len())];
            let methods = paths[template].as_object().unwrap();
            let method = methods.keys().nth(dice.roll(methods.len())).unwrap();
            // Too many deletions would leave nothing to test with.
            if method == "delete" && dice.roll(5) != 0 {
                continue;
            }
            let path: Vec<String> = template
                .split('/')
                .map(|part| {
                    if part.starts_with('{') {
                        some_id(&mut dice, &core)
                    } else {
                        part.to_owned()
                    }
                })
                .collect();
            let body = form(&mut dice, &methods[method]["body"], "", &core, 0).join("&");
            let request = ApiRequest {
                method: method.to_uppercase(),
                path: path.join("/"),
                body,
                api_key: Some("sk_test_x".to_owned()),
                ..ApiRequest::default()
            };
            let answer = core.api(&request, now);
            if answer.status == 200 {
                accepted += 1;
                check(&answer.body);
            }
            for event in core.take_events() {
                check(&event["data"]["object"]);
            }
            let open: Vec<String> = core
                .objects("checkout.session")
                .iter()
                .filter(|row| row["status"] == "open")
                .map(|row| row["id"].as_str().unwrap().to_owned())
                .collect();
            if let Some(session) = open.first() {
                let card = dice.pick(&[
                    "pm_card_visa",
                    "pm_card_chargeDeclined",
                    "pm_card_authenticationRequired",
                ]);
                let _ = core.pay_checkout(session, Payment::Method(card.to_owned()), now);
            }
        }
    }
    assert!(accepted > 200, "only {accepted} requests were accepted");
}
