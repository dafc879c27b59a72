//! Pending changes of a plan: they take effect after their payment, or at the end of the period.

use super::snapshot::{Schedule, Snapshot, Subscription};
use super::transaction::{Transaction, TransactionStatus, TransactionType, free_of_charge};
use super::{Desired, Known};
use crate::catalog::Terms;
use crate::money::Currency;
use crate::time::Timestamp;
use crate::words::words;

/// A change of plan that has not taken effect yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// What the change is waiting for.
    pub kind: PendingKind,
    /// The tier after the change.
    pub tier: String,
    /// The time of the change or, for one that is waiting for its payment, the time at which it
    /// lapses.
    pub at: Timestamp,
    /// What the plan costs after the change, and how often; `None` if that isn't known.
    pub terms: Option<Terms>,
}

words! {
    /// What a pending change is waiting for.
    pub enum PendingKind {
        /// It is waiting for its scheduled time.
        Scheduled = "scheduled",
        /// It is waiting for its payment.
        Payment = "payment",
    }
}

/// The pending change of a subscription, if there is one.
pub(super) fn pending(
    snapshot: &Snapshot,
    fetched: &Subscription,
    known: &Known,
    now: Timestamp,
) -> Option<PendingChange> {
    if !fetched.status.is_live() {
        return None;
    }
    if let Some((price, expires_at)) = &fetched.pending_update {
        return Some(PendingChange {
            kind: PendingKind::Payment,
            tier: known.tier_of_price.get(price)?.clone(),
            at: *expires_at,
            terms: known.terms_of_price.get(price).cloned(),
        });
    }
    let id = fetched.schedule_id.as_ref()?;
    let schedule = snapshot.schedules.iter().find(|one| one.id == *id)?;
    let next = schedule.phases.iter().find(|phase| phase.starts_at > now);
    let next = next.filter(|_| schedule.ended_at.is_none())?;
    let price = next.price_id.as_ref()?;
    let tier = known.tier_of_price.get(price)?;
    (next.price_id != fetched.price_id).then(|| PendingChange {
        kind: PendingKind::Scheduled,
        tier: tier.clone(),
        at: next.starts_at,
        terms: known.terms_of_price.get(price).cloned(),
    })
}

/// Projects one row for each schedule that leads to a lower plan: pending, completed or canceled.
pub(super) fn project_downgrades(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    for schedule in &snapshot.schedules {
        if let Some((tier, starts_at)) = lesser(schedule, known) {
            wanted
                .transactions
                .push(downgrade(snapshot, schedule, tier, starts_at, now));
        }
    }
}

/// The first phase with a lower tier than the phase before it.
fn lesser<'a>(schedule: &Schedule, known: &Known<'a>) -> Option<(&'a String, Timestamp)> {
    let tier = |price: &Option<String>| known.tier_of_price.get(price.as_ref()?);
    schedule.phases.windows(2).find_map(|pair| {
        let (from, to) = (tier(&pair[0].price_id)?, tier(&pair[1].price_id)?);
        let is_less = known.rank_of_tier.get(to)? < known.rank_of_tier.get(from)?;
        is_less.then_some((to, pair[1].starts_at))
    })
}

fn downgrade(
    snapshot: &Snapshot,
    schedule: &Schedule,
    tier: &str,
    starts_at: Timestamp,
    now: Timestamp,
) -> Transaction {
    let status = match schedule.ended_at {
        Some(ended_at) if ended_at < starts_at => TransactionStatus::Cancelled,
        None if now < starts_at => TransactionStatus::Pending,
        _ => TransactionStatus::Completed,
    };
    let subscription = snapshot
        .subscriptions
        .iter()
        .find(|one| Some(&one.id) == schedule.subscription_id.as_ref());
    let price = subscription.and_then(|subscription| subscription.price);
    Transaction {
        natural_key: format!("downgrade:{}", schedule.id),
        status,
        tier: Some(tier.to_owned()),
        description: format!("Plan change, from {}", starts_at.date_text()),
        occurred_at: match status {
            TransactionStatus::Completed => starts_at,
            _ => schedule.created_at,
        },
        ..free_of_charge(
            TransactionType::SubscriptionDowngrade,
            price.map_or(Currency::USD, |price| price.currency),
        )
    }
}
