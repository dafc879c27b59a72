//! Samples of `usage`: empty, typical and worst.

use super::*;
use crate::banners;
use crate::components::{Choice, Stat};
use crate::format;
use crate::labels;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::NOW;

impl UsagePage {
    /// Before the first call, a typical month, and the worst names and numbers.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

pub fn all() -> Vec<(&'static str, UsagePage)> {
    let empty = UsagePage {
        shell: samples::customer(Nav::Usage),
        stats: vec![
            Stat::new("Available", "100", "nothing held"),
            Stat::new("Credits used", "0", "in 30 days"),
            Stat::new(
                "Runs out in",
                "not enough data yet",
                "based on the last 7 days",
            ),
        ],
        banners: Vec::new(),
        keys: Choice::list(&[("", "All keys")], ""),
        chart: None,
        by_operation: Vec::new(),
        by_key: Vec::new(),
        recent: Vec::new(),
        csv: None,
        calls: None,
        ..typical()
    };
    let mut worst = typical();
    worst.shell = samples::worst(Nav::Usage);
    worst.by_operation = vec![evil_row(); 30];
    worst.by_key = vec![evil_row(); 30];
    worst.recent = vec![evil_call(); 25];
    worst.keys = Choice::list(&[("\"><script>", EVIL)], "");
    worst.stats = vec![Stat::new("Balance", format::credits(i64::MAX), EVIL); 5];
    vec![("empty", empty), ("typical", typical()), ("worst", worst)]
}

fn typical() -> UsagePage {
    UsagePage {
        shell: samples::customer_in_test_mode(Nav::Usage),
        lead: "24 Oct to 22 Nov 2026, counted in UTC".to_owned(),
        banners: vec![banners::credits_low("1,228 credits", Some("about 3 days"))],
        stats: vec![
            Stat::new("Available", "1,228", "12 held for calls in progress"),
            Stat::new("Credits used", "8,290", "$8.29 in 30 days"),
            Stat::new("Average cost per call", "1.04", "credits, $0.001"),
            Stat::new("Runs out in", "about 3 days", "346 credits per day"),
            Stat::new("Calls this period", "7,988", "79% of 10,000"),
        ],
        periods: Choice::list(
            &[
                ("30d", "Last 30 days"),
                ("period", "This billing period"),
                ("7d", "Last 7 days"),
            ],
            "30d",
        ),
        keys: Choice::list(
            &[("", "All keys"), ("key_1", "prod-web"), ("key_2", "batch")],
            "",
        ),
        chart: Some(crate::billing::samples::sample_chart()),
        by_operation: vec![
            UsageRow {
                meters: Some("1,240,300 input_tokens, 310,075.5 output_tokens".to_owned()),
                ..row("chat", "5,938", "1", "5,938", "71%")
            },
            row("embeddings", "1,900", "1", "1,900", "22%"),
            row("ocr", "150", "3.01", "452", "5%"),
        ],
        by_key: vec![
            row("prod-web", "6,100", "1.02", "6,222", "75%"),
            row("batch", "1,888", "1.1", "2,068", "24%"),
        ],
        recent: vec![
            CallRow {
                meters: Some("210 input_tokens, 800 output_tokens".to_owned()),
                ..call("chat", "prod-web", "1", "captured")
            },
            call("ocr", "batch", "3", "held"),
            call("chat", "prod-web", "0", "released"),
            call("ocr", "staging", "0", "refused"),
        ],
        csv: Some("/dashboard/usage.csv?period=30d".to_owned()),
        calls: Some("/dashboard/usage/calls?period=30d".to_owned()),
    }
}

fn row(name: &str, calls: &str, per_call: &str, credits: &str, share: &str) -> UsageRow {
    UsageRow {
        name: name.to_owned(),
        calls: calls.to_owned(),
        meters: None,
        per_call: per_call.to_owned(),
        credits: credits.to_owned(),
        share: share.to_owned(),
    }
}

fn call(operation: &str, key: &str, credits: &str, state: &str) -> CallRow {
    CallRow {
        when: format::second(NOW),
        operation: operation.to_owned(),
        key: key.to_owned(),
        id: "hold_8fK2".to_owned(),
        credits: credits.to_owned(),
        meters: None,
        href: "/dashboard/usage/calls/7".to_owned(),
        badge: labels::hold_badge(state),
    }
}

fn evil_row() -> UsageRow {
    let most = format::credits(i64::MAX);
    let name = format!("{LONG} {EVIL}");
    UsageRow {
        meters: Some(format!("{most} {LONG}")),
        ..row(&name, &format::count(u64::MAX), &most, &most, "below 1%")
    }
}

fn evil_call() -> CallRow {
    call(
        &format!("{LONG} {EVIL}"),
        EVIL,
        &format::credits(i64::MAX),
        EVIL,
    )
}
