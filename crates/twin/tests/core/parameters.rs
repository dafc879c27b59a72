//! No parameter is silent: each of Stripe's description has an effect, is refused by name, or is
//! listed with the reason why no client can see its effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;
use twin::core::{ApiAnswer, ApiRequest, Core, Payment};

use crate::shop::DAY;

use account::Account;
use values::{Trial, parameters};

mod account;
mod bad_input;
mod no_ops;
mod values;

/// Parameters that stand for another one, so that only one of both may be sent.
const RIVALS: &[(&str, &str)] = &[
    ("price_data", "price"),
    ("payment_method_data", "payment_method"),
    ("product_data", "product"),
    ("collection_method", "days_until_due"),
    ("due_date", "days_until_due"),
    ("customer_email", "customer"),
    ("payment_intent", "charge"),
    ("percent_off", "amount_off"),
    ("unit_amount_decimal", "unit_amount"),
    ("unit_amount_decimal", "amount"),
    ("unit_amount_decimal", "price"),
    ("unit_amount", "price"),
    ("price_data", "unit_amount"),
    ("price_data", "amount"),
    ("price", "amount"),
    ("price", "unit_amount"),
    ("amount", "price"),
    ("amount", "unit_amount"),
    ("amount", "quantity"),
    ("quantity", "amount"),
    ("currency", "price"),
    ("amount_off", "percent_off"),
    ("allow_promotion_codes", "discounts"),
    ("duration", "end_date"),
];

/// Parameters that the rules require beside others although the description doesn't: inside the
/// named one, the given one with its value.
const COMPANIONS: &[(&str, &str, &str)] = &[
    ("price_data", "unit_amount", "100"),
    ("items][0][price_data", "recurring][interval", "month"),
    ("price_data", "product", "{product}"),
    ("default_price_data", "unit_amount", "100"),
    ("product_data", "name", "New"),
    ("billing_mode", "type", "flexible"),
    ("shipping", "name", "Ann"),
    ("shipping", "address][line1", "1 Main St"),
    ("shipping_details", "name", "Ann"),
    ("shipping_details", "address][line1", "1 Main St"),
    ("add_invoice_items][0", "price", "{pack}"),
    ("invoice_items][0", "price", "{pack}"),
    ("phases][0", "items][0][price", "{price}"),
    (
        "features][subscription_update",
        "products][0][product",
        "{product}",
    ),
    (
        "features][subscription_update",
        "products][0][prices][0",
        "{price}",
    ),
    (
        "features][subscription_update",
        "default_allowed_updates][0",
        "price",
    ),
];

/// How many requests are followed for weeks to find an effect that the answer doesn't show.
const LATER_MAX: usize = 4;

type Pairs = Vec<(String, String)>;

fn described() -> &'static Value {
    static DESCRIBED: OnceLock<Value> = OnceLock::new();
    DESCRIBED.get_or_init(|| {
        let mut whole: Value = serde_json::from_str(include_str!("../../data/paths.json")).unwrap();
        whole["paths"].take()
    })
}

/// An operation of the description with one of its baseline requests.
struct Operation<'a> {
    account: &'a Account,
    method: String,
    path: String,
    pairs: Pairs,
}

impl Operation<'_> {
    fn request(&self, pairs: &Pairs) -> ApiRequest {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let (query, body) = match self.method.as_str() {
            "get" => (form, String::new()),
            _ => (String::new(), form),
        };
        ApiRequest {
            method: self.method.to_uppercase(),
            path: self.path.clone(),
            query,
            body,
            api_key: Some("sk_test_x".to_owned()),
            ..ApiRequest::default()
        }
    }

    /// The pairs of the baseline with those of a trial.
    fn with(&self, trial: &Trial) -> Pairs {
        let mut pairs = self.pairs.clone();
        let own = trial.own.first().map_or("", |(key, _)| key.as_str());
        let companions = COMPANIONS.iter().filter_map(|(name, other, value)| {
            let start = place_of(own, name)?;
            Some((format!("{start}[{other}]"), self.account.fill(value)))
        });
        let beside: Pairs = companions.chain(trial.beside.iter().cloned()).collect();
        for (key, value) in &beside {
            if !pairs.iter().any(|(known, _)| known == key) {
                pairs.push((key.clone(), value.clone()));
            }
        }
        for (added, removed) in RIVALS {
            pairs.retain(|(key, _)| {
                !trial
                    .own
                    .iter()
                    .any(|(own, _)| is_rival(own, added, key, removed))
            });
        }
        for (key, value) in &trial.own {
            pairs.retain(|(known, _)| known != key);
            pairs.push((key.clone(), value.clone()));
        }
        pairs
    }

    fn run(&self, pairs: &Pairs) -> (Core, ApiAnswer) {
        let mut core = self.account.core.clone();
        let answer = core.api(&self.request(pairs), self.account.now);
        (core, answer)
    }

    /// Everything that follows from a request: its events, the payment of a Checkout session, and
    /// what happens in the next weeks.
    fn consequences(&self, pairs: &Pairs) -> String {
        let (mut core, answer) = self.run(pairs);
        let mut now = self.account.now;
        let mut events = Vec::new();
        if answer.body["object"] == "checkout.session"
            && let Some(id) = answer.body["id"].as_str()
        {
            let lines = ApiRequest {
                path: format!("/v1/checkout/sessions/{id}/line_items"),
                method: "GET".to_owned(),
                api_key: Some("sk_test_x".to_owned()),
                ..ApiRequest::default()
            };
            events.push(core.api(&lines, now).body);
            let _ = core.pay_checkout(
                id,
                Payment::Method(self.account.ids["free_method"].clone()),
                now,
            );
        }
        // Events of more than 30 days ago are gone.
        events.extend(core.take_events());
        for kind in ["payment_method", "price", "product"] {
            events.extend(core.objects(kind).into_iter().cloned());
        }
        for _ in 0..4 {
            now += 10 * DAY;
            core.tick(now);
            events.extend(core.take_events());
        }
        format!("{} {events:?}", answer.body)
    }
}

/// The start of a key up to a name in it: `a[0][name][b]` becomes `a[0][name]`.
fn place_of(key: &str, name: &str) -> Option<String> {
    if let Some(rest) = key.strip_prefix(name.split(']').next().unwrap_or(name)) {
        let whole = name.replacen(']', "", 1);
        let whole = if name.contains(']') {
            format!("{whole}]")
        } else {
            whole
        };
        return (rest.starts_with('[') && key.starts_with(&whole)).then_some(whole);
    }
    let inner = format!("[{name}]");
    let at = key.find(&format!("{inner}["))?;
    Some(key[..at + inner.len()].to_owned())
}

/// Whether `key` is the parameter `removed` beside the parameter `added` in `own`.
fn is_rival(own: &str, added: &str, key: &str, removed: &str) -> bool {
    own.match_indices(added).any(|(at, _)| {
        let (start, rest) = (&own[..at], &own[at + added.len()..]);
        let is_whole = (start.is_empty() || start.ends_with('['))
            && (rest.is_empty() || rest.starts_with(['[', ']']));
        let close = if start.is_empty() { "" } else { "]" };
        is_whole && key == format!("{start}{removed}{close}")
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    HasEffect,
    /// Every value that was tried was refused because of the parameter.
    Refused,
    Silent,
    /// Every request failed for another reason, the last of which is given.
    Unreached(String),
}

/// Judges a parameter of an operation with one of its baselines.
fn judge(operation: &Operation<'_>, trials: &[Trial]) -> Verdict {
    let without = without(operation, trials);
    let mut accepted = Vec::new();
    let mut shown: BTreeSet<String> = BTreeSet::new();
    let mut refused = false;
    let mut complaint = String::new();
    let plain = operation.run(&without).1;
    if is_accepted(&plain) {
        shown.insert(plain.body.to_string());
        accepted.push(without);
    }
    let mut was_accepted = false;
    let mut meaning_refused = false;
    for trial in trials {
        let pairs = operation.with(trial);
        let (_, answer) = operation.run(&pairs);
        if is_accepted(&answer) {
            was_accepted = true;
            shown.insert(answer.body.to_string());
            accepted.push(pairs);
            if shown.len() > 1 {
                return Verdict::HasEffect;
            }
            continue;
        }
        let error = &answer.body["error"];
        let named = error["param"].as_str().unwrap_or("");
        let own = &trial.own[0].0;
        // The trials differ in this value only. If one is accepted and another, which fits the
        // description too, is refused, then the twin reads what the value means.
        meaning_refused |= trial.is_meant;
        if named == own || named == own.strip_suffix("[0]").unwrap_or(own) {
            refused = true;
        } else {
            complaint = format!("{} ({named})", error["message"]);
        }
    }
    if !was_accepted {
        return if refused {
            Verdict::Refused
        } else {
            Verdict::Unreached(complaint)
        };
    }
    if meaning_refused {
        return Verdict::HasEffect;
    }
    let mut later = accepted
        .iter()
        .take(LATER_MAX)
        .map(|pairs| operation.consequences(pairs));
    let first = later.next();
    if later.any(|other| Some(other) != first) {
        Verdict::HasEffect
    } else {
        Verdict::Silent
    }
}

fn is_not_served(answer: &ApiAnswer) -> bool {
    let message = answer.body["error"]["message"].as_str().unwrap_or("");
    message.ends_with("is not served by this twin.")
}

fn is_accepted(answer: &ApiAnswer) -> bool {
    answer.status == 200 || answer.status == 402
}

/// The baseline with the parameters beside the tried one, but without it.
fn without(operation: &Operation<'_>, trials: &[Trial]) -> Pairs {
    let own = &trials[0].own[0].0;
    if operation.pairs.iter().any(|(key, _)| key == own) {
        return operation.pairs.clone();
    }
    let mut pairs = operation.with(&trials[0]);
    pairs.retain(|(key, _)| key != own);
    pairs
}

/// A request for every served operation that succeeds without any further parameter. A line of the
/// file has the operation, the path unless it is filled from the names in the operation, and the
/// parameters. Some operations have several, since their parameters belong to different modes.
fn operations(account: &Account) -> BTreeMap<String, Vec<Operation<'_>>> {
    let mut all: BTreeMap<String, Vec<Operation<'_>>> = BTreeMap::new();
    let lines = include_str!("parameters/baselines.txt").lines();
    let listed = lines.map(|line| {
        let mut parts = line.split(" | ");
        let name = parts.next().unwrap();
        let target = parts.next().filter(|target| *target != "-").unwrap_or("");
        (name, target, parts.next().unwrap_or(""))
    });
    for (name, target, body) in listed {
        let (method, template) = name.split_once(' ').unwrap();
        let target = if target.is_empty() { template } else { target };
        let pairs = form_urlencoded::parse(account.fill(body).as_bytes())
            .into_owned()
            .collect();
        all.entry(name.to_owned()).or_default().push(Operation {
            account,
            method: method.to_owned(),
            path: account.fill(target),
            pairs,
        });
    }
    all
}

/// Judges the served parameters of all operations.
fn verdicts() -> BTreeMap<(String, String), Verdict> {
    let account = account::prepared();
    let operations = operations(&account);
    std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                let (account, operations) = (&account, &operations);
                scope.spawn(move || {
                    let mine = operations.iter().skip(half).step_by(2);
                    let all =
                        mine.flat_map(|(name, baselines)| verdicts_of(account, name, baselines));
                    all.collect::<Vec<_>>()
                })
            })
            .collect();
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect()
    })
}

/// The verdicts on the parameters of an operation that are served.
fn verdicts_of(
    account: &Account,
    name: &str,
    baselines: &[Operation<'_>],
) -> Vec<((String, String), Verdict)> {
    let (method, template) = name.split_once(' ').unwrap();
    let mut verdicts = Vec::new();
    let mut scratch = account.core.clone();
    for (dotted, trials) in parameters(account, &described()[template][method]) {
        let is_unserved = baselines.iter().any(|one| {
            let probe = scratch.api(&one.request(&one.with(&trials[0])), account.now);
            let named = probe.body["error"]["param"].as_str().unwrap_or("");
            let is_about = !named.is_empty() && trials[0].own[0].0.starts_with(named);
            is_about && is_not_served(&probe)
        });
        if is_unserved {
            continue;
        }
        let mut best = Verdict::Unreached(String::new());
        for operation in baselines {
            let verdict = judge(operation, &trials);
            let is_better = matches!(best, Verdict::Unreached(_))
                || (best == Verdict::Refused && verdict == Verdict::Silent)
                || verdict == Verdict::HasEffect;
            if is_better {
                best = verdict;
            }
            if best == Verdict::HasEffect {
                break;
            }
        }
        verdicts.push(((name.to_owned(), dotted), best));
    }
    verdicts
}

#[test]
fn every_baseline_request_succeeds_and_every_served_operation_has_one() {
    let account = account::prepared();
    let operations = operations(&account);
    let mut problems = Vec::new();
    for (path, methods) in described().as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let name = format!("{method} {path}");
            for operation in operations.get(&name).into_iter().flatten() {
                let (_, answer) = operation.run(&operation.pairs);
                if answer.status != 200 && answer.status != 402 {
                    problems.push(format!("{name}: {}", answer.body["error"]["message"]));
                }
            }
            let bare = Operation {
                account: &account,
                method: method.clone(),
                path: path.clone(),
                pairs: Vec::new(),
            };
            let is_served = !is_not_served(&bare.run(&Vec::new()).1);
            let has_parameters = !parameters(&account, &methods[method]).is_empty();
            let never_succeeds = [
                "post /v1/refunds/{refund}/cancel",
                "post /v1/subscriptions/{subscription}/migrate",
            ];
            let can_succeed = !never_succeeds.contains(&name.as_str());
            if is_served && can_succeed && has_parameters != operations.contains_key(&name) {
                problems.push(format!("{name} has no baseline"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_parameter_has_an_effect_or_is_refused_by_name() {
    let mut problems = Vec::new();
    let mut unused: BTreeSet<(&str, &str)> = no_ops::NO_OPS
        .iter()
        .map(|(operation, name, _)| (*operation, *name))
        .collect();
    for ((operation, name), verdict) in verdicts() {
        match (verdict, no_ops::find(&operation, &name)) {
            (Verdict::Silent, Some(entry)) => {
                unused.remove(&entry);
            }
            (Verdict::Silent, None) => problems.push(format!("silent {operation} {name}")),
            (Verdict::Unreached(why), _) => {
                problems.push(format!("unreached {operation} {name}: {why}"));
            }
            _ => {}
        }
    }
    for (operation, name) in unused {
        problems.push(format!("stale {operation} {name}"));
    }
    assert!(
        problems.is_empty(),
        "{} problems: {problems:#?}",
        problems.len()
    );
}
