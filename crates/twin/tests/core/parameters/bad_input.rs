//! Bad input is refused with an error in JSON, and leaves no trace.

use serde_json::Value;
use twin::core::{ApiAnswer, Core};

use super::account::{self, Account};
use super::values::{Trial, parameters};
use super::{Operation, described, is_not_served, operations};
use crate::shop::check_as;

/// A mutated request and what must be wrong with it.
struct Mutation {
    key: String,
    value: String,
    code: Option<&'static str>,
    /// Whether the value is the id of an object of another kind.
    is_other_kind: bool,
}

/// The objects whose ids are sent where a parameter names an object of another kind.
const OTHER_KINDS: [&str; 4] = ["endpoint", "customer", "price", "subscription"];

/// The mutations of one served parameter.
fn mutations(account: &Account, key: &str, trials: &[Trial], kind: &str) -> Vec<Mutation> {
    let long = "x".repeat(20_001);
    let mut all = Vec::new();
    let mut add = |value: &str, code: Option<&'static str>, is_other_kind: bool| {
        all.push(Mutation {
            key: key.to_owned(),
            value: value.to_owned(),
            code,
            is_other_kind,
        });
    };
    match kind {
        "integer" => add("abc", Some("parameter_invalid_integer"), false),
        "boolean" | "number" => add("maybe", None, false),
        _ => add(&long, None, false),
    }
    let prefix = |id: &str| id.split_once('_').map(|(prefix, _)| prefix.to_owned());
    let named = trials.iter().filter_map(|trial| {
        let mut ids = account.ids.iter().filter(|(name, _)| *name != "soon");
        let (_, id) = ids.find(|(_, id)| **id == trial.own[0].1)?;
        Some(prefix(id))
    });
    let named: Vec<Option<String>> = named.collect();
    if !named.is_empty() {
        for other in OTHER_KINDS {
            let id = &account.ids[other];
            if !named.contains(&prefix(id)) {
                add(id, None, true);
            }
        }
    }
    all
}

/// The type of the parameter in the description, or `string` if it has several.
fn kind_of(trials: &[Trial]) -> &'static str {
    let values: Vec<&str> = trials.iter().map(|trial| trial.own[0].1.as_str()).collect();
    if values == ["true", "false"] {
        "boolean"
    } else if values.len() > 3 && values.iter().all(|one| one.parse::<i64>().is_ok()) {
        "integer"
    } else if values == ["12.5", "25"] {
        "number"
    } else {
        "string"
    }
}

fn state(core: &Core) -> Value {
    serde_json::to_value(core).unwrap()["store"].take()
}

fn send(
    core: &mut Core,
    operation: &Operation<'_>,
    mutation: &Mutation,
    trial: &Trial,
) -> ApiAnswer {
    let own = vec![(mutation.key.clone(), mutation.value.clone())];
    let mutated = Trial {
        beside: trial.beside.clone(),
        own,
        is_meant: false,
    };
    let request = operation.request(&operation.with(&mutated));
    core.api(&request, operation.account.now)
}

fn judge(answer: &ApiAnswer, mutation: &Mutation) -> Option<String> {
    let error = &answer.body["error"];
    let value: String = mutation.value.chars().take(30).collect();
    let shown = format!(
        "{}={value}: {} {}",
        mutation.key, answer.status, error["message"]
    );
    if !(400..500).contains(&answer.status) || error["message"].is_null() {
        return Some(shown);
    }
    check_as("error", &answer.body);
    let wrong_code = mutation.code.is_some_and(|code| error["code"] != code);
    wrong_code.then_some(shown)
}

#[test]
fn bad_values_of_every_parameter_are_refused_and_change_nothing() {
    let account = account::prepared();
    let mut problems = Vec::new();
    for (name, baselines) in &operations(&account) {
        let (method, template) = name.split_once(' ').unwrap();
        let known = parameters(&account, &described()[template][method]);
        for operation in baselines {
            let mut core = account.core.clone();
            let before = state(&core);
            let mut found = Vec::new();
            for (dotted, trials) in &known {
                let key = &trials[0].own[0].0;
                for mutation in mutations(&account, key, trials, kind_of(trials)) {
                    // An unknown id in a filter of a list finds nothing.
                    if method == "get" && mutation.is_other_kind {
                        continue;
                    }
                    let answer = send(&mut core, operation, &mutation, &trials[0]);
                    if is_not_served(&answer) {
                        break;
                    }
                    let problem = judge(&answer, &mutation);
                    found.extend(problem.map(|one| format!("{name} {dotted} {one}")));
                }
            }
            if found.is_empty() && state(&core) != before {
                found.push(format!("{name}: the state has changed"));
            }
            problems.extend(found);
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems: {problems:#?}",
        problems.len()
    );
}

#[test]
fn unknown_deep_and_malformed_parameters_are_refused_everywhere() {
    let account = account::prepared();
    let mut problems = Vec::new();
    for (name, baselines) in &operations(&account) {
        let operation = &baselines[0];
        let mut core = account.core.clone();
        let before = state(&core);
        for (key, code) in [
            ("unheard_of".to_owned(), Some("parameter_unknown")),
            ("unheard_of[0][a]".to_owned(), Some("parameter_unknown")),
            (format!("metadata{}", "[a]".repeat(20)), None),
            ("metadata[a".to_owned(), None),
            ("[a]".to_owned(), None),
        ] {
            let mutation = Mutation {
                key,
                value: "1".to_owned(),
                code,
                is_other_kind: false,
            };
            let answer = send(&mut core, operation, &mutation, &Trial::default());
            problems.extend(judge(&answer, &mutation).map(|one| format!("{name} {one}")));
        }
        if state(&core) != before {
            problems.push(format!("{name}: the state has changed"));
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems: {problems:#?}",
        problems.len()
    );
}
