//! Usage by day as a chart.

use std::collections::HashMap;

use store::ledger::DayUsage;
use views::chart::{Chart, Day};
use views::format;

/// Operations that have their own color in a chart; the rest is "Other".
pub(crate) const OPERATIONS_SHOWN: usize = 3;

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// The total number of calls and of their micro-credits.
pub(crate) fn total(rows: &[DayUsage]) -> (i64, i64) {
    rows.iter().fold((0_i64, 0_i64), |(calls, spent), row| {
        (
            calls.saturating_add(row.calls),
            spent.saturating_add(row.credits),
        )
    })
}

/// Credits per call, to the hundredth; "no data" without calls.
pub(crate) fn mean(micros: i64, calls: i64) -> String {
    const HUNDREDTH: i64 = 10_000;
    match micros.checked_div(calls) {
        Some(mean) if mean >= HUNDREDTH => format::credits(mean / HUNDREDTH * HUNDREDTH),
        Some(mean) => format::credits(mean),
        None => "no data".to_owned(),
    }
}

/// Credits by operation, the most expensive first.
pub(crate) fn ranked(rows: &[DayUsage]) -> Vec<(String, i64, i64)> {
    let mut sums: HashMap<&str, (i64, i64)> = HashMap::new();
    for row in rows {
        let sum = sums.entry(&row.operation).or_default();
        sum.0 = sum.0.saturating_add(row.calls);
        sum.1 = sum.1.saturating_add(row.credits);
    }
    let mut ranked: Vec<_> = sums
        .into_iter()
        .map(|(name, (calls, credits))| (name.to_owned(), calls, credits))
        .collect();
    ranked.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    ranked
}

/// Bars for the days `from..=to`, by operation; `None` without usage. All but the most expensive
/// operations are one series, "Other".
pub fn chart(id: &str, title: &str, rows: &[DayUsage], from: i64, to: i64) -> Option<Chart> {
    let ranked = ranked(rows);
    if ranked.is_empty() {
        return None;
    }
    // A single fourth operation is shown under its own name rather than as "Other".
    let shown = match ranked.len() {
        ..=4 => ranked.len(),
        _ => OPERATIONS_SHOWN,
    };
    let mut series: Vec<String> = ranked
        .iter()
        .take(shown)
        .map(|(name, ..)| name.clone())
        .collect();
    if ranked.len() > shown {
        series.push("Other".to_owned());
    }
    let mut days: Vec<Day> = (from..=to)
        .map(|day| Day {
            at: day * DAY_MICROS,
            spent: vec![0; series.len()],
        })
        .collect();
    for row in rows {
        let place = usize::try_from(row.day - from).ok();
        let Some(day) = place.and_then(|place| days.get_mut(place)) else {
            continue;
        };
        let own = ranked.iter().position(|(name, ..)| *name == row.operation);
        let column = own.filter(|own| *own < shown).unwrap_or(series.len() - 1);
        day.spent[column] = day.spent[column].saturating_add(row.credits);
    }
    Some(Chart::new(id, title, series, &days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDIT: i64 = 1_000_000;

    fn used(day: i64, operation: &str, credits: i64) -> DayUsage {
        DayUsage {
            day,
            operation: operation.to_owned(),
            calls: 1,
            credits: credits * CREDIT,
        }
    }

    #[test]
    fn a_chart_folds_the_cheaper_operations_into_one_and_loses_none() {
        let rows: Vec<DayUsage> = ["a", "b", "c", "d", "e"]
            .iter()
            .zip([10, 20, 30, 40, 50])
            .map(|(operation, credits)| used(7, operation, credits))
            .collect();

        let html = chart("c", "Credits", &rows, 1, 7).unwrap().to_string();

        assert!(html.contains("7 Jan") || html.contains("8 Jan"), "{html}");
        assert!(
            html.contains("150 credits (e 50, d 40, c 30, Other 30)"),
            "{html}"
        );
    }

    #[test]
    fn without_calls_there_is_no_chart_and_no_mean() {
        assert!(chart("c", "Credits", &[], 1, 7).is_none());
        assert_eq!(mean(0, 0), "no data");
        assert_eq!(mean(CREDIT, 3), "0.33");
        assert_eq!(mean(10, 3), "0.000003");
    }
}
