//! The allowance of a month: what is still due of it, after what was granted earlier.

use super::{AccountFacts, Plan};
use crate::ledger::{GrantKind, NewGrant};
use crate::money::{Credits, MICROS_PER_CREDIT};
use crate::time::Timestamp;

/// The end of the source key of an allowance that a tier set by an operator brought.
const BY_HAND: &str = ":by_hand";

/// An allowance that was granted earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedAllowance {
    /// Its source key, `allowance:account:tier:start of the month`.
    pub source_key: String,
    /// The credits that were granted.
    pub amount: Credits,
    /// What of them went back with their payment.
    pub went_back: Credits,
    /// The time from which it can be spent.
    pub from: Timestamp,
    /// The time until which it can be spent; its start if it was voided or is frozen.
    pub until: Timestamp,
}

impl GrantedAllowance {
    fn is_left(&self, now: Timestamp) -> bool {
        now < self.until && self.kept().is_positive()
    }

    fn kept(&self) -> Credits {
        self.amount - self.went_back
    }
}

/// The credits of the month that were not granted yet: once for each tier and month. A tier
/// reached within a month grants the difference, in proportion to the time left, rounded down, once
/// the change was paid; a lower tier takes nothing back.
///
/// `granted` holds the allowances that began in the month, and those that can still be spent.
pub fn allowance_due(
    facts: &AccountFacts,
    plan: &Plan,
    granted: &[GrantedAllowance],
    now: Timestamp,
) -> Option<NewGrant> {
    let start = plan.month_start;
    let mut source_key = allowance_key(facts.account, &plan.earned_tier, start);
    if plan.is_by_hand {
        // No payment brought it, so none takes it back.
        source_key.push_str(BY_HAND);
    }
    let known = granted.iter().any(|one| one.source_key == source_key);
    if known || !plan.allowance.is_positive() || now >= plan.month_end {
        return None;
    }
    let (amount, from) = if plan.is_by_hand {
        by_hand(plan, granted, now)
    } else {
        let suffix = format!(":{}", start.micros());
        let before = granted
            .iter()
            .filter(|one| one.source_key.ends_with(&suffix))
            .map(|one| one.amount)
            .sum::<Credits>();
        // The start of the month, not now: two clocks may differ by a second, but the key must
        // not.
        (difference(plan, before, now), start)
    };
    amount.is_positive().then(|| NewGrant {
        effective_at: Some(from),
        expires_at: Some(plan.month_end),
        ..NewGrant::new(GrantKind::Allowance, source_key, amount)
    })
}

/// What a month still grants after `before`.
fn difference(plan: &Plan, before: Credits, now: Timestamp) -> Credits {
    if before == Credits::ZERO {
        return plan.allowance;
    }
    let more = (plan.allowance - before).max(Credits::ZERO);
    // A clock may be behind Stripe's, which began the month.
    let span = (now.max(plan.month_start), plan.month_end);
    whole_credits(part_of(more, span, (plan.month_start, plan.month_end)))
}

/// What a tier that an operator set grants, and from when. Its months seldom begin with those that
/// were paid, so it brings what exceeds the allowances that can still be spent, each in proportion
/// to the time for which both can be.
fn by_hand(plan: &Plan, granted: &[GrantedAllowance], now: Timestamp) -> (Credits, Timestamp) {
    let month = (plan.month_start, plan.month_end);
    let left = granted.iter().filter(|one| one.is_left(now));
    let left: Vec<&GrantedAllowance> = left.collect();
    if left.is_empty() {
        return (plan.allowance, month.0);
    }
    let from = now.max(month.0);
    let held: Credits = left
        .iter()
        .map(|one| {
            let until = one.until.min(month.1);
            part_of(one.kept(), (from, until), (one.from, one.until))
        })
        .sum();
    let due = part_of(plan.allowance, (from, month.1), month) - held;
    (whole_credits(due.max(Credits::ZERO)), from)
}

/// The end of the next allowance that keeps a tier set by an operator from granting more.
pub fn next_by_hand(
    plan: &Plan,
    granted: &[GrantedAllowance],
    now: Timestamp,
) -> Option<Timestamp> {
    let left = granted.iter().filter(|one| one.is_left(now));
    left.map(|one| one.until).min().filter(|_| plan.is_by_hand)
}

/// The part of `amount`, which is spread over `whole`, that falls into `span`.
fn part_of(
    amount: Credits,
    span: (Timestamp, Timestamp),
    whole: (Timestamp, Timestamp),
) -> Credits {
    let length =
        |(from, until): (Timestamp, Timestamp)| i128::from((until.micros() - from.micros()).max(0));
    let part = i128::from(amount.micros()) * length(span) / length(whole).max(1);
    let part = part.min(i128::from(amount.micros()));
    Credits::from_micros(i64::try_from(part).expect("a part is no larger than the whole"))
}

fn whole_credits(amount: Credits) -> Credits {
    Credits::from_micros(amount.micros() - amount.micros() % MICROS_PER_CREDIT)
}

/// The source key of an allowance: `allowance:account:tier:period start`.
pub(super) fn allowance_key(account: i64, tier: &str, period_start: Timestamp) -> String {
    format!("allowance:{account}:{tier}:{}", period_start.micros())
}
