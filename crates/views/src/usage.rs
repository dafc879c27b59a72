//! `/dashboard/usage`: what was used and what it cost.

use askama::Template;

use crate::chart::Chart;
use crate::components::{Badge, Banner, Choice, Stat};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::Shell;

/// The usage dashboard.
#[derive(Clone, Debug, Template)]
#[template(path = "usage.html")]
pub struct UsagePage {
    /// The frame.
    pub shell: Shell,
    /// "24 Oct to 22 Nov 2026, counted in UTC"
    pub lead: String,
    /// Low credits, no credits.
    pub banners: Vec<Banner>,
    /// Balance, used, mean cost of a call, how long it lasts, calls this period.
    pub stats: Vec<Stat>,
    /// The periods to choose from (`period`).
    pub periods: Vec<Choice>,
    /// The keys to choose from (`key`).
    pub keys: Vec<Choice>,
    /// Credits by day; none while there is nothing to draw.
    pub chart: Option<Chart>,
    /// By operation, the dearest first.
    pub by_operation: Vec<UsageRow>,
    /// By API key.
    pub by_key: Vec<UsageRow>,
    /// The latest calls.
    pub recent: Vec<CallRow>,
    /// The usage as a file.
    pub csv: Option<String>,
    /// All calls.
    pub calls: Option<String>,
}

/// What one operation or one key used.
#[derive(Clone, Debug)]
pub struct UsageRow {
    /// "chat" or "prod-web"
    pub name: String,
    /// "5,938"
    pub calls: String,
    /// The mean: "1.04"
    pub per_call: String,
    /// "5,938"
    pub credits: String,
    /// "71%"
    pub share: String,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// When.
    pub when: When,
    /// The operation.
    pub operation: String,
    /// The key's name.
    pub key: String,
    /// The hold's id.
    pub id: String,
    /// What it cost.
    pub credits: String,
    /// Its receipt.
    pub href: String,
    /// What became of it.
    pub badge: Badge,
}

/// How long the balance lasts at the pace of the last seven days, in words: credits per day are
/// `spent_micros / 7`. Without any spending there is no estimate, rather than forever.
pub fn lasts(available_micros: i64, spent_micros_in_seven_days: i64) -> String {
    if spent_micros_in_seven_days <= 0 {
        return "not enough data yet".to_owned();
    }
    let days = i128::from(available_micros.max(0)) * 7 / i128::from(spent_micros_in_seven_days);
    match days {
        0 => "less than a day".to_owned(),
        1 => "about 1 day".to_owned(),
        2..=999 => format!("about {days} days"),
        _ => "over 999 days".to_owned(),
    }
}

/// A table of the page: its element id, its heading, its first column, its rows.
type Table<'a> = (&'static str, &'static str, &'static str, &'a [UsageRow]);

impl UsagePage {
    fn tables(&self) -> [Table<'_>; 2] {
        [
            ("h-op", "By operation", "Operation", &self.by_operation),
            ("h-key", "By API key", "Key", &self.by_key),
        ]
    }

    /// Before the first call, a typical month, and the worst names and numbers.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;

    use crate::format;
    use crate::layout::Nav;
    use crate::samples;
    use crate::samples::EVIL;
    use crate::samples::LONG;
    use crate::samples::NOW;
    use crate::words;

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
            banners: vec![words::credits_low("1,228 credits", Some("about 3 days"))],
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
            chart: Some(crate::billing::sample_chart()),
            by_operation: vec![
                row("chat", "5,938", "1", "5,938", "71%"),
                row("embeddings", "1,900", "1", "1,900", "22%"),
                row("ocr", "150", "3.01", "452", "5%"),
            ],
            by_key: vec![
                row("prod-web", "6,100", "1.02", "6,222", "75%"),
                row("batch", "1,888", "1.1", "2,068", "24%"),
            ],
            recent: vec![
                call("chat", "prod-web", "1", "captured"),
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
            href: "/dashboard/usage/calls/7".to_owned(),
            badge: words::hold_badge(state),
        }
    }

    fn evil_row() -> UsageRow {
        let most = format::credits(i64::MAX);
        row(
            &format!("{LONG} {EVIL}"),
            &format::count(u64::MAX),
            &most,
            &most,
            "below 1%",
        )
    }

    fn evil_call() -> CallRow {
        call(
            &format!("{LONG} {EVIL}"),
            EVIL,
            &format::credits(i64::MAX),
            EVIL,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::lasts;

    const CREDIT: i64 = 1_000_000;

    #[test]
    fn the_estimate_is_the_balance_over_the_mean_of_seven_days() {
        assert_eq!(lasts(1_228 * CREDIT, 346 * 7 * CREDIT), "about 3 days");
        assert_eq!(lasts(10 * CREDIT, 70 * CREDIT), "about 1 day");
        assert_eq!(lasts(CREDIT, 70 * CREDIT), "less than a day");
    }

    #[test]
    fn without_usage_there_is_no_estimate_and_no_infinity() {
        assert_eq!(lasts(1_228 * CREDIT, 0), "not enough data yet");
        assert_eq!(lasts(i64::MAX, 1), "over 999 days");
        assert_eq!(lasts(i64::MIN, i64::MAX), "less than a day");
    }
}
