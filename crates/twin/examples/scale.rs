//! Measures the twin's core with many objects: time and memory of creating, listing and renewing,
//! each beside its goal. It ends with exit code 1 if a goal is missed.
//!
//! - `cargo run --release -p twin --example scale -- customers`
//! - `cargo run --release -p twin --example scale -- year`: subscriptions that live for a year
//!
//! They are two processes, so that memory which one returned is not taken for what the other needs.
//! Memory is only measured on Linux.

#![expect(
    clippy::print_stdout,
    reason = "a measurement prints, reads the clock and stops at the first error"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use twin::core::{ApiRequest, Core};

/// 1 January 2026, midnight.
const NOW: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

fn main() -> ExitCode {
    let goals = match std::env::args().nth(1).as_deref() {
        Some("customers") => customers(),
        Some("year") => year(1_000),
        _ => {
            println!("scale customers|year");
            return ExitCode::from(2);
        }
    };
    let mut missed = 0;
    for goal in goals {
        let is_met = goal.seen <= goal.most;
        missed += u32::from(!is_met);
        println!(
            "{:<44}{:>10} {:<3} {} (at most {})",
            goal.what,
            goal.seen,
            goal.unit,
            if is_met { "met" } else { "missed" },
            goal.most
        );
    }
    ExitCode::from(u8::from(missed > 0))
}

/// A figure that should be at most `most`.
struct Goal {
    what: String,
    seen: u128,
    most: u128,
    unit: &'static str,
}

impl Goal {
    fn new(what: impl Into<String>, seen: u128, most: u128, unit: &'static str) -> Goal {
        let what = what.into();
        Goal {
            what,
            seen,
            most,
            unit,
        }
    }
}

/// Creates 10,000 customers, then 100,000.
fn customers() -> Vec<Goal> {
    let started = memory();
    let mut core = Core::new(1, NOW);
    let mut goals = Vec::new();
    let mut created = 0;
    for count in [10_000, 100_000] {
        let took = time(|| {
            for n in created..count {
                let body = format!("name=c{n}&email=c{n}@example.com");
                post(&mut core, "/v1/customers", &body);
                core.take_new_events();
            }
        });
        let each = took.as_micros() / u128::from(count - created);
        created = count;
        let what = format!("create a customer, up to {count}");
        goals.push(Goal::new(what, each, 200, "us"));
        if count == 10_000 {
            let what = "memory of 10000 customers";
            goals.push(Goal::new(what, memory().saturating_sub(started), 60, "MB"));
        }
        goals.extend(list(&mut core, count));
    }
    println!(
        "memory of 100000 customers: {} MB",
        memory().saturating_sub(started)
    );
    goals
}

/// The median time of a list of the newest ten customers, and of ten from the middle.
fn list(core: &mut Core, count: u32) -> Vec<Goal> {
    let middle = get(core, "/v1/customers", "limit=100")["data"][99]["id"].clone();
    let after = format!(
        "starting_after={}",
        middle.as_str().expect("a customer has an id")
    );
    let queries = [
        ("", "list the newest ten"),
        (&after, "list ten from within"),
    ];
    let goal = |(query, what): (&str, &str)| {
        let mut times: Vec<Duration> = (0..1_001)
            .map(|_| {
                time(|| {
                    get(core, "/v1/customers", query);
                })
            })
            .collect();
        times.sort();
        let what = format!("{what} of {count}, median");
        Goal::new(what, times[500].as_micros(), 200, "us")
    };
    queries.into_iter().map(goal).collect()
}

/// Lets a number of monthly subscriptions live for a year.
fn year(count: u32) -> Vec<Goal> {
    let before = memory();
    let mut core = Core::new(1, NOW);
    let product = post(&mut core, "/v1/products", "name=PRO");
    let body = format!(
        "product={}&currency=usd&unit_amount=1900&recurring[interval]=month",
        id(&product)
    );
    let price = id(&post(&mut core, "/v1/prices", &body));
    let subscribing = time(|| {
        for n in 0..count {
            let body = format!(
                "name=c{n}&payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_visa"
            );
            let customer = id(&post(&mut core, "/v1/customers", &body));
            let body = format!("customer={customer}&items[0][price]={price}");
            post(&mut core, "/v1/subscriptions", &body);
            core.take_new_events();
        }
    });
    println!("{count} subscriptions created in {subscribing:?}");
    let mut events = 0;
    let mut peak = 0;
    let year = time(|| {
        for day in 1..=365 {
            core.tick(NOW + day * DAY);
            events += core.take_new_events().len();
            peak = memory().max(peak);
        }
    });
    println!(
        "{} invoices, {events} events",
        core.objects("invoice").len()
    );
    let what = |what: &str| format!("{count} subscriptions by a year, {what}");
    vec![
        Goal::new(what("time"), year.as_millis(), 20_000, "ms"),
        Goal::new(what("memory"), peak.saturating_sub(before), 400, "MB"),
    ]
}

fn id(object: &Value) -> String {
    object["id"]
        .as_str()
        .expect("an object has an id")
        .to_owned()
}

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn post(core: &mut Core, path: &str, body: &str) -> Value {
    call(core, "POST", path, "", body)
}

fn get(core: &mut Core, path: &str, query: &str) -> Value {
    call(core, "GET", path, query, "")
}

fn call(core: &mut Core, method: &str, path: &str, query: &str, body: &str) -> Value {
    let request = ApiRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.to_owned(),
        api_key: Some("sk_test_scale".to_owned()),
        ..ApiRequest::default()
    };
    let answer = core.api(&request, core.now());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// The resident memory of this process in megabytes.
fn memory() -> u128 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u128>().ok());
    kilobytes.unwrap_or(0) / 1_024
}
