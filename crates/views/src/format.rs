//! Formatting of numbers and times for display. Money and credits stay integers throughout; no
//! floats are used.

use std::fmt;

use askama::filters::HtmlSafe;
use domain::amounts::{group, sign, symbol};
use domain::money::{Credits, Currency, MICROS_PER_CREDIT};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::escape::Escaped;

pub use domain::amounts::{count, money};

/// Like [`money`], but "$19" when there are no cents, for plan prices.
pub fn price(minor: i64, currency: &str, exponent: u32) -> String {
    let whole = 10_u64.saturating_pow(exponent);
    if minor.unsigned_abs().is_multiple_of(whole) {
        let units = count(minor.unsigned_abs() / whole);
        return format!("{}{}{units}", sign(minor < 0), symbol(currency));
    }
    money(minor, currency, exponent)
}

/// Like [`money`], with the currency as stored; an unknown one is treated as US dollars.
pub fn money_in(minor: i64, currency: &str) -> String {
    let currency = Currency::parse(currency).unwrap_or(Currency::USD);
    money(minor, currency.code(), currency.exponent())
}

/// The price of one credit when `credits` of them cost `minor`: "$0.001", with up to four
/// significant digits, and at least the currency's decimals.
pub fn unit_price(minor: i64, credits: u64, currency: &str, exponent: u32) -> String {
    // Nine decimals are enough for a thousandth of the smallest pack's price; the rest is rounded
    // half up.
    const DECIMALS: u32 = 9;
    let credits = u128::from(credits.max(1));
    let scale = 10_u128.pow(DECIMALS.saturating_sub(exponent));
    let scaled = (u128::from(minor.unsigned_abs()) * scale + credits / 2) / credits;
    let (whole, rest) = (
        scaled / 10_u128.pow(DECIMALS),
        scaled % 10_u128.pow(DECIMALS),
    );

    let digits = format!("{rest:09}");
    let first = digits.find(|c| c != '0').unwrap_or(0);
    let least = exponent as usize;
    let keep = digits[..(first + 4).min(9)]
        .trim_end_matches('0')
        .len()
        .max(least);
    let whole = group(&whole.to_string());
    match keep {
        0 => format!("{}{}{whole}", sign(minor < 0), symbol(currency)),
        _ => format!(
            "{}{}{whole}.{}",
            sign(minor < 0),
            symbol(currency),
            &digits[..keep]
        ),
    }
}

/// Formats micro-credits as credits: "1,228", "0.25", "−12". Trailing zeros are omitted.
pub fn credits(micros: i64) -> String {
    let exact = Credits::from_micros(micros).to_string();
    let exact = exact.trim_start_matches('-');
    let sign = sign(micros < 0);
    match exact.split_once('.') {
        Some((whole, decimals)) => format!("{sign}{}.{decimals}", group(whole)),
        None => format!("{sign}{}", group(exact)),
    }
}

/// Credits with the unit: "1 credit", "1,228 credits".
pub fn credits_worded(micros: i64) -> String {
    let one = micros.unsigned_abs() == MICROS_PER_CREDIT.unsigned_abs();
    let word = if one { "credit" } else { "credits" };
    format!("{} {word}", credits(micros))
}

/// A signed change of credits: "+250", "−12", "0".
pub fn credits_change(micros: i64) -> String {
    if micros > 0 {
        format!("+{}", credits(micros))
    } else {
        credits(micros)
    }
}

/// A number with a noun: `counted(1, "call", "calls")` is "1 call".
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share in whole percent, "80%"; "below 1%" instead of 0%, and 100% only for the whole.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0%".to_owned();
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    match part * 100 / whole {
        0 if part > 0 => "below 1%".to_owned(),
        share => format!("{share}%"),
    }
}

/// A time for display: readable text, and the exact time for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// RFC 3339, UTC, for the `datetime` attribute.
    pub datetime: String,
    /// The displayed text: "15 Dec 2026".
    pub text: String,
    /// The exact time, shown as a tooltip: "2026-12-15 09:30:00 UTC".
    pub title: String,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            datetime,
            text,
            title,
        } = self;
        let (text, title) = (Escaped(text), Escaped(title));
        write!(
            f,
            r#"<time datetime="{datetime}" title="{title}">{text}</time>"#
        )
    }
}

impl HtmlSafe for When {}

/// The UTC date of a time: "15 Dec 2026".
pub fn day(unix_micros: i64) -> When {
    when(unix_micros, |at| day_text(at.date()))
}

/// The date and time: "22 Nov 2026, 10:00 UTC".
pub fn moment(unix_micros: i64) -> When {
    when(unix_micros, |at| {
        format!(
            "{}, {:02}:{:02} UTC",
            day_text(at.date()),
            at.hour(),
            at.minute()
        )
    })
}

/// The date and time to the second, for logs whose heading says UTC: "22 Nov, 13:52:07".
pub fn second(unix_micros: i64) -> When {
    when(unix_micros, |at| {
        let clock = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
        format!("{} {}, {clock}", at.day(), month(at.date()))
    })
}

/// The time of day alone: "13:52:07".
pub fn clock(unix_micros: i64) -> When {
    when(unix_micros, |at| {
        format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
    })
}

/// A date without its year, for chart labels: "24 Oct".
pub fn day_short(unix_micros: i64) -> String {
    let at = utc(unix_micros);
    format!("{} {}", at.day(), month(at.date()))
}

/// Calendar days (UTC) from one time to another; negative when `to` is before `from`.
pub fn days_between(from_micros: i64, to_micros: i64) -> i64 {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    to_micros.div_euclid(MICROS_PER_DAY) - from_micros.div_euclid(MICROS_PER_DAY)
}

fn when(unix_micros: i64, say: impl Fn(DateTime) -> String) -> When {
    let at = utc(unix_micros);
    let date = format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day());
    let time = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    When {
        datetime: format!("{date}T{time}Z"),
        text: say(at),
        title: format!("{date} {time} UTC"),
    }
}

/// A stored time outside the calendar's range is shown as the end of the range instead of failing.
fn utc(unix_micros: i64) -> DateTime {
    let edge = if unix_micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let at = Timestamp::from_microsecond(unix_micros).unwrap_or(edge);
    at.to_zoned(TimeZone::UTC).datetime()
}

fn day_text(date: Date) -> String {
    format!("{} {} {}", date.day(), month(date), date.year())
}

fn month(date: Date) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES[usize::try_from(date.month() - 1).expect("months count from one")]
}

/// How often something is paid: "monthly", "yearly".
pub fn often(interval: &str) -> &'static str {
    match interval {
        "year" => "yearly",
        "week" => "weekly",
        "day" => "daily",
        _ => "monthly",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_348_800_000_000; // 2026-11-22T12:00:00Z
    const DAY: i64 = 86_400_000_000;

    #[test]
    fn money_shows_the_decimals_of_its_currency() {
        assert_eq!(money(1900, "usd", 2), "$19.00");
        assert_eq!(money(500, "jpy", 0), "¥500");
        assert_eq!(money(1234, "kwd", 3), "KWD\u{a0}1.234");
        assert_eq!(money(5, "eur", 2), "€0.05");
        assert_eq!(money(0, "usd", 2), "$0.00");
    }

    #[test]
    fn money_taken_back_carries_a_true_minus_sign() {
        assert_eq!(money(-100, "usd", 2), "\u{2212}$1.00");
    }

    #[test]
    fn the_largest_amounts_are_exact_to_the_cent() {
        assert_eq!(money(i64::MAX, "usd", 2), "$92,233,720,368,547,758.07");
        assert_eq!(
            money(i64::MIN, "usd", 2),
            "\u{2212}$92,233,720,368,547,758.08"
        );
    }

    #[test]
    fn a_price_without_cents_leaves_them_out() {
        assert_eq!(price(1900, "usd", 2), "$19");
        assert_eq!(price(1950, "usd", 2), "$19.50");
        assert_eq!(price(0, "usd", 2), "$0");
    }

    #[test]
    fn the_price_of_one_credit_keeps_four_figures_that_count() {
        assert_eq!(unit_price(1000, 10_000, "usd", 2), "$0.001");
        assert_eq!(unit_price(900, 10_000, "usd", 2), "$0.0009");
        assert_eq!(unit_price(450, 500, "usd", 2), "$0.009");
        assert_eq!(unit_price(125, 100, "usd", 2), "$0.0125");
        assert_eq!(unit_price(100, 1, "usd", 2), "$1.00");
        assert_eq!(unit_price(500, 100, "jpy", 0), "¥5");
    }

    #[test]
    fn credits_have_thousands_and_at_most_six_decimals() {
        assert_eq!(credits(1_228_000_000), "1,228");
        assert_eq!(credits(250_000), "0.25");
        assert_eq!(credits(1), "0.000001");
        assert_eq!(credits(-12_000_000), "\u{2212}12");
        assert_eq!(credits(i64::MAX), "9,223,372,036,854.775807");
        assert_eq!(credits_worded(1_000_000), "1 credit");
        assert_eq!(credits_worded(1_500_000), "1.5 credits");
        assert_eq!(credits_change(250_000_000), "+250");
    }

    #[test]
    fn a_share_is_never_rounded_to_a_false_zero_or_a_false_hundred() {
        assert_eq!(percent(7_988, 10_000), "79%");
        assert_eq!(percent(1, 10_000), "below 1%");
        assert_eq!(percent(9_999, 10_000), "99%");
        assert_eq!(percent(5, 0), "0%");
    }

    #[test]
    fn a_day_is_read_as_words_and_carries_its_exact_time() {
        let when = day(NOON);

        assert_eq!(when.text, "22 Nov 2026");
        assert_eq!(
            when.to_string(),
            r#"<time datetime="2026-11-22T12:00:00Z" title="2026-11-22 12:00:00 UTC">22 Nov 2026</time>"#
        );
    }

    #[test]
    fn a_moment_names_its_zone() {
        assert_eq!(moment(NOON).text, "22 Nov 2026, 12:00 UTC");
        assert_eq!(second(NOON).text, "22 Nov, 12:00:00");
        assert_eq!(day_short(NOON), "22 Nov");
    }

    #[test]
    fn days_apart_are_calendar_days() {
        assert_eq!(days_between(NOON, NOON), 0);
        assert_eq!(days_between(NOON, NOON - 10 * DAY), -10);
        assert_eq!(
            days_between(NOON + 11 * 3_600_000_000, NOON + 13 * 3_600_000_000),
            1
        );
    }

    #[test]
    fn a_time_outside_the_calendar_is_still_shown() {
        assert_eq!(day(i64::MAX).text, "30 Dec 9999");
    }
}
