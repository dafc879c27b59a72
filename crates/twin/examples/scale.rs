//! Measures the twin's core with many objects: time and memory of creating, listing and renewing.
//! Run it with `cargo run --release -p twin --example scale`. Memory is only measured on Linux.

#![expect(
    clippy::print_stdout,
    reason = "a measurement prints, reads the clock and stops at the first error"
)]

use std::time::{Duration, Instant};

use serde_json::Value;
use twin::core::{ApiRequest, Core};

/// 1 January 2026, midnight.
const NOW: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

fn main() {
    // First, so that memory which the customers left is not counted.
    renew(1_000);
    let started = memory();
    let mut core = Core::new(1, NOW);
    let mut created = 0;
    let mut took = Duration::ZERO;
    for count in [10_000, 100_000] {
        took += time(|| {
            for n in created..count {
                post(
                    &mut core,
                    "/v1/customers",
                    &format!("name=c{n}&email=c{n}@example.com"),
                );
                core.take_new_events();
            }
        });
        created = count;
        let rate = f64::from(count) / took.as_secs_f64();
        println!(
            "{count} customers: {rate:.0} creates/s, {} MB",
            memory() - started
        );
        list(&mut core, count);
    }
}

/// The median time of a list of the newest ten customers, and of ten from the middle.
fn list(core: &mut Core, count: i32) {
    let middle = get(core, "/v1/customers", "limit=100")["data"][99]["id"].clone();
    let after = format!(
        "starting_after={}",
        middle.as_str().expect("a customer has an id")
    );
    for query in ["", after.as_str()] {
        let mut times: Vec<Duration> = (0..1_001)
            .map(|_| {
                time(|| {
                    get(core, "/v1/customers", query);
                })
            })
            .collect();
        times.sort();
        println!(
            "list of ten at {count} ({query:.14}): median {:?}, p99 {:?}",
            times[500], times[990]
        );
    }
}

/// Lets a number of monthly subscriptions live for a year.
fn renew(count: i32) {
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
        "{count} subscriptions by a year: {year:?}, {events} events, {} MB at most, {} MB at the end, {} invoices",
        peak - before,
        memory() - before,
        core.objects("invoice").len()
    );
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
fn memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<i64>().ok());
    kilobytes.unwrap_or(0) / 1_024
}
