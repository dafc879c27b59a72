//! Timestamps as integers, and the clocks that provide them.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The number of microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// The number of seconds in a day.
pub const SECONDS_PER_DAY: i64 = 86_400;

impl Timestamp {
    /// Makes a timestamp from microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Makes a timestamp from whole seconds since the epoch, the format of Stripe's times.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// The timestamp in microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The timestamp in whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// The timestamp this many seconds later, or earlier when negative.
    pub const fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(
            self.0
                .saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)),
        )
    }

    /// The timestamp this many days of 24 hours later.
    pub const fn plus_days(self, days: i64) -> Timestamp {
        self.plus_seconds(days.saturating_mul(SECONDS_PER_DAY))
    }

    /// The number of the UTC day since the epoch.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(SECONDS_PER_DAY * MICROS_PER_SECOND)
    }

    /// RFC 3339 in UTC, to the second: `2026-11-22T10:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// RFC 3339 in UTC to the microsecond, so that it can be parsed without loss:
    /// `2026-11-22T10:00:00.000001Z`.
    pub fn rfc3339_micros(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    /// The UTC date as text: `2026-11-22`.
    pub fn date_text(self) -> String {
        self.civil().date().to_string()
    }

    /// The start of the UTC month that contains this time.
    pub fn month_start(self) -> Timestamp {
        let first = self.civil().date().first_of_month();
        from_civil(first.at(0, 0, 0, 0))
    }

    /// The time `months` calendar months later, keeping the day of the month and clamping it to the
    /// month's end. Counted from one anchor it never drifts: 31 Jan, 28 Feb, 31 Mar.
    pub fn plus_months(self, months: i64) -> Timestamp {
        let civil = self.civil();
        let months = i32::try_from(months).expect("a period lies within centuries");
        let moved = civil
            .checked_add(jiff::Span::new().months(months))
            .expect("a period lies within the calendar");
        from_civil(moved)
    }

    fn civil(self) -> jiff::civil::DateTime {
        let clamped = self
            .0
            .clamp(-62_135_596_800_000_000, 253_402_000_000_000_000);
        jiff::Timestamp::from_microsecond(clamped)
            .expect("clamped into the calendar")
            .to_zoned(TimeZone::UTC)
            .datetime()
    }
}

fn from_civil(civil: jiff::civil::DateTime) -> Timestamp {
    let zoned = civil.to_zoned(TimeZone::UTC).expect("UTC has no gaps");
    Timestamp(zoned.timestamp().as_microsecond())
}

/// Parses an RFC 3339 timestamp, or a date as its first moment in UTC.
pub fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(moment.as_microsecond()));
    }
    text.parse::<Date>()
        .ok()
        .map(|date| from_civil(date.at(0, 0, 0, 0)))
}

/// The period of `months` months that contains `now`, counted from `anchor`, excluding its end.
/// `None` before the anchor.
pub fn period_around(
    anchor: Timestamp,
    months: i64,
    now: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    assert!(months > 0, "a period has at least a month");
    if now < anchor {
        return None;
    }
    // A month has at least 28 days, so this starts at or after the period in question.
    let mut index = (now.seconds() - anchor.seconds()) / (28 * SECONDS_PER_DAY) / months + 1;
    while anchor.plus_months(index * months) > now {
        index -= 1;
    }
    Some((
        anchor.plus_months(index * months),
        anchor.plus_months((index + 1) * months),
    ))
}

/// A source of the current time. Two exist: the billing clock (periods, trials, expiry) and the
/// security clock (sessions, signatures, rate limits).
pub trait Clock: Send + Sync {
    /// The current time of this clock.
    fn now(&self) -> Timestamp;
}

/// A clock that doesn't advance until it is set, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Makes a clock set to `now`.
    pub fn new(now: Timestamp) -> ManualClock {
        ManualClock(AtomicI64::new(now.micros()))
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        parse(text).unwrap()
    }

    #[test]
    fn months_are_counted_from_the_anchor_and_never_drift() {
        let anchor = at("2026-01-31T10:00:00Z");

        assert_eq!(anchor.plus_months(1), at("2026-02-28T10:00:00Z"));
        assert_eq!(anchor.plus_months(2), at("2026-03-31T10:00:00Z"));
        assert_eq!(anchor.plus_months(25), at("2028-02-29T10:00:00Z"));
    }

    #[test]
    fn a_period_is_half_open() {
        let anchor = at("2026-01-31T10:00:00Z");
        let first = (anchor, at("2026-02-28T10:00:00Z"));

        assert_eq!(period_around(anchor, 1, anchor), Some(first));
        assert_eq!(
            period_around(anchor, 1, at("2026-02-28T09:59:59Z")),
            Some(first)
        );
        assert_eq!(
            period_around(anchor, 1, at("2026-02-28T10:00:00Z")),
            Some((at("2026-02-28T10:00:00Z"), at("2026-03-31T10:00:00Z")))
        );
        assert_eq!(period_around(anchor, 1, at("2026-01-30T00:00:00Z")), None);
    }

    #[test]
    fn timestamps_are_written_in_utc() {
        let moment = at("2026-11-22T10:00:00.5+02:00");

        assert_eq!(moment.rfc3339(), "2026-11-22T08:00:00Z");
        assert_eq!(moment.date_text(), "2026-11-22");
        assert_eq!(moment.month_start(), at("2026-11-01"));
        assert_eq!(at("1969-12-31T23:59:59Z").day(), -1);
    }
}
