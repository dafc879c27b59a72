//! Calendar arithmetic in UTC on seconds since 1970, as Stripe calculates billing periods.

/// The number of seconds in a day.
pub const DAY: i64 = 86_400;
/// The number of seconds in an hour.
pub const HOUR: i64 = 3_600;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The year, month (1 to 12) and day of a number of days since 1970-01-01 (Howard Hinnant's
/// algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Moves `anchor` by whole months. The day of the month stays the anchor's, clamped to the end of
/// the month.
pub fn add_months(anchor: i64, months: i64) -> i64 {
    let (year, month, day) = civil(anchor.div_euclid(DAY));
    let index = year * 12 + (month - 1) + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    let day = day.min(days_in_month(year, month));
    days_from_civil(year, month, day) * DAY + anchor.rem_euclid(DAY)
}

/// A day of the month that is `months` after the month of `at`, at the same time of day. The day is
/// clamped to the end of the month.
pub fn month_day(at: i64, months: i64, day: i64) -> i64 {
    let (year, month, _) = civil(at.div_euclid(DAY));
    let index = year * 12 + (month - 1) + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    let day = day.clamp(1, days_in_month(year, month));
    days_from_civil(year, month, day) * DAY + at.rem_euclid(DAY)
}

/// The day of the month, from 1 to 31.
pub fn day_of_month(at: i64) -> i64 {
    civil(at.div_euclid(DAY)).2
}

/// The number, from 1 to 12, of the month that is `months` after the month of `at`.
pub fn month_of(at: i64, months: i64) -> i64 {
    let (_, month, _) = civil(at.div_euclid(DAY));
    (month - 1 + months).rem_euclid(12) + 1
}

/// Moves `anchor` by `count` intervals (`day`, `week`, `month` or `year`).
pub fn add_interval(anchor: i64, interval: &str, count: i64) -> i64 {
    match interval {
        "day" => anchor + count * DAY,
        "week" => anchor + count * 7 * DAY,
        "year" => add_months(anchor, count * 12),
        _ => add_months(anchor, count),
    }
}

/// The first multiple of the interval from `anchor` that is later than `after`. Counting from the
/// anchor keeps its day: 31 Jan, 28 Feb, 31 Mar.
pub fn next_on_grid(anchor: i64, interval: &str, count: i64, after: i64) -> i64 {
    let count = count.max(1);
    let approximate = match interval {
        "day" => DAY,
        "week" => 7 * DAY,
        "year" => 366 * DAY,
        _ => 31 * DAY,
    } * count;
    let mut steps = (after - anchor) / approximate - 1;
    while add_interval(anchor, interval, steps * count) > after {
        steps -= 1;
    }
    while add_interval(anchor, interval, steps * count) <= after {
        steps += 1;
    }
    add_interval(anchor, interval, steps * count)
}

/// Formats a day as in Stripe's line descriptions: `22 Nov 2026`.
pub fn day_text(at: i64) -> String {
    let (year, month, day) = civil(at.div_euclid(DAY));
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|index| MONTHS.get(index))
        .unwrap_or(&"");
    format!("{day} {name} {year}")
}

/// Formats a day as `2026-11-22`.
pub fn date_text(at: i64) -> String {
    let (year, month, day) = civil(at.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: i64, day: i64) -> i64 {
        days_from_civil(year, month, day) * DAY + 12 * HOUR
    }

    #[test]
    fn months_keep_the_anchor_day_and_clamp_to_the_end_of_the_month() {
        let anchor = at(2024, 1, 31);

        assert_eq!(add_months(anchor, 1), at(2024, 2, 29));
        assert_eq!(
            next_on_grid(anchor, "month", 1, at(2024, 2, 29)),
            at(2024, 3, 31)
        );
        assert_eq!(
            next_on_grid(anchor, "month", 1, at(2024, 3, 31)),
            at(2024, 4, 30)
        );
        assert_eq!(
            next_on_grid(at(2024, 2, 29), "year", 1, at(2024, 2, 29)),
            at(2025, 2, 28)
        );
        assert_eq!(next_on_grid(anchor, "week", 2, anchor), anchor + 14 * DAY);
        assert_eq!(
            next_on_grid(at(2026, 6, 15), "month", 1, at(2026, 1, 1)),
            at(2026, 1, 15)
        );
    }

    #[test]
    fn days_are_formatted_as_stripe_formats_them() {
        assert_eq!(day_text(at(2026, 11, 2)), "2 Nov 2026");
        assert_eq!(date_text(at(2026, 1, 2)), "2026-01-02");
    }
}
