//! The dates of a subscription: the grid of its billing periods, and the periods with which it starts.

use serde_json::Value;

use super::time::{DAY, day_of_month, month_day, month_of, next_on_grid};
use super::value::{int, opt_int, text};

/// The moments at which the periods of a subscription start: multiples of an interval, counted from
/// the billing cycle anchor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid<'a> {
    anchor: i64,
    interval: &'a str,
    count: i64,
}

impl<'a> Grid<'a> {
    pub(super) fn new(anchor: i64, price: &'a Value) -> Grid<'a> {
        Grid {
            anchor,
            interval: text(price, "recurring.interval"),
            count: int(price, "recurring.interval_count").max(1),
        }
    }

    /// The grid of a subscription. A configured day of the month is kept in longer months even if
    /// the anchor is in a shorter one.
    pub(super) fn of(subscription: &Value, price: &'a Value) -> Grid<'a> {
        let anchor = int(subscription, "billing_cycle_anchor");
        let grid = Grid::new(anchor, price);
        match opt_int(subscription, "billing_cycle_anchor_config.day_of_month") {
            // The month before a shorter month always has the day.
            Some(day) if day > day_of_month(anchor) && grid.interval == "month" => Grid {
                anchor: month_day(anchor, -1, day),
                ..grid
            },
            _ => grid,
        }
    }

    /// The first moment of the grid after another one.
    pub(super) fn next(&self, after: i64) -> i64 {
        next_on_grid(self.anchor, self.interval, self.count, after)
    }

    pub(super) fn contains(&self, at: i64) -> bool {
        self.next(at - 1) == at
    }

    /// The length of the whole period that would start at `start`. A period that starts off the
    /// grid is measured by an interval that starts with it.
    pub(super) fn whole(&self, start: i64) -> i64 {
        if self.contains(start) {
            self.next(start) - start
        } else {
            let own = Grid {
                anchor: start,
                ..*self
            };
            own.next(start) - start
        }
    }
}

/// What the caller wishes for the dates of a new subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    /// The start, if it is in the past.
    pub(super) start: Option<i64>,
    pub(super) anchor: Option<i64>,
    pub(super) trial_end: Option<i64>,
    pub(super) cancel_at: Option<i64>,
}

/// The dates with which a subscription starts.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) start: i64,
    pub(super) anchor: i64,
    /// The periods that a start in the past has already completed.
    pub(super) past: Vec<(i64, i64)>,
    /// The current period.
    pub(super) period: (i64, i64),
}

/// The largest number of periods before the current one, as an invoice has at most 250 lines.
const PAST_PERIODS_MAX: usize = 249;

impl Terms {
    /// The dates of a subscription that is created at `now`, or `None` if its start in the past
    /// would bill too many periods.
    pub(super) fn new(price: &Value, wishes: Wishes, now: i64) -> Option<Terms> {
        let start = wishes.start.unwrap_or(now).min(now);
        let anchor = wishes.anchor.or(wishes.trial_end).unwrap_or(now);
        let grid = Grid::new(anchor, price);
        let mut past = Vec::new();
        let mut here = start;
        while here < now {
            let next = grid.next(here);
            let is_current = next > now;
            if is_current && wishes.trial_end.is_none() {
                break;
            }
            past.push((here, next.min(now)));
            here = next.min(now);
            if past.len() > PAST_PERIODS_MAX {
                return None;
            }
        }
        let natural = wishes.trial_end.unwrap_or_else(|| grid.next(here));
        let end = wishes
            .cancel_at
            .filter(|at| *at > here)
            .map_or(natural, |at| at.min(natural));
        Some(Terms {
            start,
            anchor,
            past,
            period: (here, end),
        })
    }
}

/// The next moment that a `billing_cycle_anchor_config` describes, after `after`. The parts of the
/// time that are not sent are those of `after`.
pub(super) fn configured_anchor(config: &Value, interval: &str, after: i64) -> i64 {
    let clock = after.rem_euclid(DAY);
    let part = |name: &str, known: i64| opt_int(config, name).unwrap_or(known);
    let time = part("hour", clock / 3600) * 3600
        + part("minute", clock / 60 % 60) * 60
        + part("second", clock % 60);
    let midnight = after - clock;
    let day = int(config, "day_of_month");
    let wanted = opt_int(config, "month").filter(|_| interval == "year");
    (0..=12)
        .filter(|months| wanted.is_none_or(|month| month_of(midnight, *months) == month))
        .map(|months| month_day(midnight, months, day) + time)
        .find(|at| *at > after)
        .unwrap_or(after)
}
