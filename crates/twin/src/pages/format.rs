//! Formats money, dates and lines for the pages.

use crate::core::{LineView, is_zero_decimal};

/// Formats an amount in minor units: `1900` of `usd` is `$19.00`. A negative amount gets a real
/// minus sign (U+2212).
pub(super) fn money(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "\u{2212}" } else { "" };
    let amount = amount.unsigned_abs();
    let figure = if is_zero_decimal(currency) {
        grouped(amount)
    } else {
        format!("{}.{:02}", grouped(amount / 100), amount % 100)
    };
    match currency {
        "usd" => format!("{sign}${figure}"),
        "eur" => format!("{sign}€{figure}"),
        "gbp" => format!("{sign}£{figure}"),
        other => format!("{sign}{figure} {}", other.to_uppercase()),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a day as `15 Dec 2026`.
pub(super) fn day(seconds: i64) -> String {
    formatted(seconds, "%-d %b %Y")
}

/// Formats a moment as `15 Dec 2026, 09:30:00 UTC`.
pub(super) fn moment(seconds: i64) -> String {
    formatted(seconds, "%-d %b %Y, %H:%M:%S UTC")
}

/// Formats a moment as RFC 3339 for the `datetime` attribute.
pub(super) fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

fn formatted(seconds: i64, format: &str) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |at| at.strftime(format).to_string(),
    )
}

/// Formats a billing interval as ` per month` or ` every 3 months`. A one-time price gets an empty
/// string.
pub(super) fn per(interval: Option<&str>, count: i64) -> String {
    match (interval, count) {
        (None, _) => String::new(),
        (Some(interval), 0 | 1) => format!(" per {interval}"),
        (Some(interval), count) => format!(" every {count} {interval}s"),
    }
}

/// Formats a line as a label and an amount.
pub(super) fn line(line: &LineView, currency: &str) -> (String, String) {
    let mut label = line.description.clone();
    if line.quantity > 1 {
        label = format!("{label} × {}", line.quantity);
    }
    let per = per(line.interval.as_deref(), line.interval_count);
    (label, format!("{}{per}", money(line.amount, currency)))
}

/// Formats one of Stripe's status values for display: `past_due` becomes `past due`.
pub(super) fn plain(status: &str) -> String {
    status.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped_and_keeps_its_minor_units() {
        assert_eq!(money(1_900, "usd"), "$19.00");
        assert_eq!(money(-123_456_789, "eur"), "\u{2212}€1,234,567.89");
        assert_eq!(money(5, "gbp"), "£0.05");
        assert_eq!(money(1_500, "jpy"), "1,500 JPY");
        assert_eq!(money(i64::MIN, "usd"), "\u{2212}$92,233,720,368,547,758.08");
    }

    #[test]
    fn moments_are_formatted_in_utc_with_the_year() {
        assert_eq!(day(1_797_292_800), "15 Dec 2026");
        assert_eq!(moment(0), "1 Jan 1970, 00:00:00 UTC");
    }
}
