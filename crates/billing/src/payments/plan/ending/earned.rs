//! The credits that a period brings, and the share of its payment that the unspent ones are worth.

use domain::ledger::{GrantKind, Lot};
use domain::plan::{MONTHS_MAX, allowance_start};
use domain::time::Timestamp;

/// The credits that a period brings and the part that is left, in micro-credits.
#[derive(Clone, Debug, Default)]
pub(super) struct Earned {
    pub(super) keys: Vec<String>,
    pub(super) amount: i64,
    pub(super) left: i64,
    /// The part for months that have not begun, which a year's payment covers, too.
    pub(super) later: i64,
    /// The part of these that will be granted.
    pub(super) later_left: i64,
}

impl Earned {
    pub(super) fn of(grants: &[Lot], period: Option<(Timestamp, Timestamp)>) -> Earned {
        // The free allowance begins at other times.
        let is_its = |start: Timestamp| {
            period.is_some_and(|(from, until)| {
                start < until && (0..MONTHS_MAX).any(|month| from.plus_months(month) == start)
            })
        };
        Earned::sum(grants, |key| allowance_start(key).is_some_and(is_its))
    }

    /// Adds the allowances of months that have not begun, of which `left` will be granted: a refund
    /// reduces them, too.
    pub(super) fn and_later(mut self, later: i64, left: i64) -> Earned {
        self.later = later;
        self.later_left = left;
        self.amount += later;
        self.left += left;
        self
    }

    /// Sums the allowance grants with a matching source key.
    pub(super) fn sum(grants: &[Lot], is_wanted: impl Fn(&str) -> bool) -> Earned {
        let of_period = grants
            .iter()
            .filter(|grant| grant.kind == GrantKind::Allowance && is_wanted(&grant.source_key));
        of_period.fold(Earned::default(), |mut earned, grant| {
            earned.keys.push(grant.source_key.clone());
            earned.amount += grant.amount.micros();
            earned.left += grant.unheld().micros();
            earned
        })
    }

    /// The share of what was charged that corresponds to the credits left, rounded down; all of it
    /// if the period granted none. Credits that an earlier refund took are not left, so the share is
    /// of the whole charge.
    pub(super) fn left_of(&self, charged: i64) -> i64 {
        if self.amount == 0 {
            return charged;
        }
        part_of(charged, self.left.max(0), self.amount)
    }
}

/// The share `part / whole` of `amount`, rounded down.
pub(super) fn part_of(amount: i64, part: i64, whole: i64) -> i64 {
    let share = i128::from(amount) * i128::from(part) / i128::from(whole);
    i64::try_from(share).expect("a part is no larger than the whole")
}

/// How many months of a period begin after `date`, in Unix seconds.
pub(super) fn months_after((start, end): (Timestamp, Timestamp), date: i64) -> i64 {
    let begins = (1..MONTHS_MAX).map(|month| start.plus_months(month));
    let left = begins.take_while(|begin| *begin < end);
    let left = left.filter(|begin| begin.seconds() > date).count();
    i64::try_from(left).expect("a small bound")
}
