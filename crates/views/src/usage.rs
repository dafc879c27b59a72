//! `/dashboard/usage`: usage and its cost.

use askama::Template;

use crate::chart::Chart;
use crate::components::{Badge, Banner, Choice, Stat};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "usage.html")]
pub struct UsagePage {
    pub shell: Shell,
    /// For example "24 Oct to 22 Nov 2026, counted in UTC".
    pub lead: String,
    /// Banners about low or no credits.
    pub banners: Vec<Banner>,
    /// Balance, usage, average cost of a call, how long the balance lasts, calls this period.
    pub stats: Vec<Stat>,
    /// The periods to choose from (`period`).
    pub periods: Vec<Choice>,
    pub keys: Vec<Choice>,
    /// Credits by day; `None` if there is nothing to draw.
    pub chart: Option<Chart>,
    /// Usage by operation, highest cost first.
    pub by_operation: Vec<UsageRow>,
    pub by_key: Vec<UsageRow>,
    pub recent: Vec<CallRow>,
    pub csv: Option<String>,
    pub calls: Option<String>,
}

page!(UsagePage);

/// The usage of one operation or one key.
#[derive(Clone, Debug)]
pub struct UsageRow {
    /// For example "chat" or "prod-web".
    pub name: String,
    /// The units of each meter of an operation that has several: "210 tokens".
    pub meters: Option<String>,
    /// For example "5,938".
    pub calls: String,
    pub per_call: String,
    /// For example "5,938".
    pub credits: String,
    /// For example "71%".
    pub share: String,
}

#[derive(Clone, Debug)]
pub struct CallRow {
    pub when: When,
    pub operation: String,
    pub key: String,
    pub id: String,
    pub credits: String,
    /// The units of each meter, if its operation has several.
    pub meters: Option<String>,
    pub href: String,
    pub badge: Badge,
}

/// How long the balance lasts at the rate of the last seven days, in words; the rate per day is
/// `spent_micros / 7`. Without any spending there is no estimate, rather than an infinite one.
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

/// A table of the page: its element id, heading, title of the first column, and rows.
type Table<'a> = (&'static str, &'static str, &'static str, &'a [UsageRow]);

impl UsagePage {
    fn tables(&self) -> [Table<'_>; 2] {
        [
            ("h-op", "By operation", "Operation", &self.by_operation),
            ("h-key", "By API key", "Key", &self.by_key),
        ]
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
