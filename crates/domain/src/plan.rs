//! What an account may do now: a function of its subscriptions, as last fetched, and the time.
//!
//! Changes over time need no event: the end of a grace period, a cancellation that takes effect and
//! a new allowance are visible on the next read (`docs/reference/sync.md`, Status to access).

#[cfg(test)]
mod tests;

use crate::catalog::{Catalog, Tier};
use crate::ledger::{GrantKind, NewGrant, WalletStatus};
use crate::money::Credits;
use crate::time::{Timestamp, period_around};
use crate::words::words;

/// Days for which an account keeps its tier after a failed payment, unless the operator sets
/// another number.
pub const GRACE_DAYS_DEFAULT: i64 = 7;

words! {
    /// The kind of account.
    pub enum AccountKind {
        /// One person, who cannot invite others.
        Personal = "personal",
        /// An organization with members.
        Organisation = "organisation",
    }
}

words! {
    /// Whether an account may be used.
    pub enum AccountStatus {
        /// The account may act.
        Active = "active",
        /// An operator suspended it: it can be read, but may neither spend nor buy.
        Suspended = "suspended",
        /// It was closed; only its accounting records remain.
        Closed = "closed",
    }
}

impl AccountStatus {
    /// What the status of the account means for its wallet.
    pub const fn wallet(self) -> WalletStatus {
        match self {
            AccountStatus::Active => WalletStatus::Active,
            AccountStatus::Suspended => WalletStatus::Frozen,
            AccountStatus::Closed => WalletStatus::Closed,
        }
    }
}

/// The status of a subscription, with Stripe's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    /// The first payment has not been made yet.
    Incomplete,
    /// The first payment was never made.
    IncompleteExpired,
    /// The subscription is in its trial.
    Trialing,
    /// The subscription is paid.
    Active,
    /// A payment failed and is being retried.
    PastDue,
    /// Stripe no longer retries the payment.
    Unpaid,
    /// A trial ended without a payment method.
    Paused,
    /// The subscription ended.
    Canceled,
    /// A status that this version doesn't know.
    Unknown(String),
}

impl SubscriptionStatus {
    /// Parses Stripe's word; an unknown one is kept as is.
    pub fn from_word(word: &str) -> SubscriptionStatus {
        match word {
            "incomplete" => SubscriptionStatus::Incomplete,
            "incomplete_expired" => SubscriptionStatus::IncompleteExpired,
            "trialing" => SubscriptionStatus::Trialing,
            "active" => SubscriptionStatus::Active,
            "past_due" => SubscriptionStatus::PastDue,
            "unpaid" => SubscriptionStatus::Unpaid,
            "paused" => SubscriptionStatus::Paused,
            "canceled" => SubscriptionStatus::Canceled,
            other => SubscriptionStatus::Unknown(other.to_owned()),
        }
    }

    /// Stripe's word for the status.
    pub fn word(&self) -> &str {
        match self {
            SubscriptionStatus::Incomplete => "incomplete",
            SubscriptionStatus::IncompleteExpired => "incomplete_expired",
            SubscriptionStatus::Trialing => "trialing",
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::PastDue => "past_due",
            SubscriptionStatus::Unpaid => "unpaid",
            SubscriptionStatus::Paused => "paused",
            SubscriptionStatus::Canceled => "canceled",
            SubscriptionStatus::Unknown(word) => word,
        }
    }

    /// Whether it can still charge its customer: no second subscription may be bought while it can.
    pub fn is_live(&self) -> bool {
        !matches!(
            self,
            SubscriptionStatus::Canceled
                | SubscriptionStatus::IncompleteExpired
                | SubscriptionStatus::Incomplete
        )
    }

    /// The status that the API shows for the account.
    pub fn shown(&self) -> PlanStatus {
        match self {
            SubscriptionStatus::Incomplete => PlanStatus::Incomplete,
            SubscriptionStatus::Trialing => PlanStatus::Trialing,
            SubscriptionStatus::Active | SubscriptionStatus::Unknown(_) => PlanStatus::Active,
            SubscriptionStatus::PastDue => PlanStatus::PastDue,
            SubscriptionStatus::Unpaid => PlanStatus::Unpaid,
            SubscriptionStatus::Paused => PlanStatus::Paused,
            SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => {
                PlanStatus::Canceled
            }
        }
    }
}

words! {
    /// The status of an account's plan, as the API shows it.
    pub enum PlanStatus {
        /// The account never had a subscription.
        None = "NONE",
        /// The first payment has not been made yet.
        Incomplete = "INCOMPLETE",
        /// The subscription is in its trial.
        Trialing = "TRIALING",
        /// The subscription is paid.
        Active = "ACTIVE",
        /// A payment failed and is being retried.
        PastDue = "PAST_DUE",
        /// Stripe no longer retries the payment.
        Unpaid = "UNPAID",
        /// A trial ended without a payment method.
        Paused = "PAUSED",
        /// The subscription ended.
        Canceled = "CANCELED",
    }
}

impl PlanStatus {
    /// Whether a subscription is running: paid, in its trial, or past due with retries pending.
    pub const fn is_running(self) -> bool {
        matches!(
            self,
            PlanStatus::Active | PlanStatus::Trialing | PlanStatus::PastDue
        )
    }
}

/// The facts about one subscription that its plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// Stripe's id of the subscription.
    pub id: String,
    /// The status as it was fetched.
    pub status: SubscriptionStatus,
    /// The tier that its price is mapped to; `None` for a price that was never in the catalog.
    pub tier: Option<String>,
    /// The start of the current period. The period excludes its end.
    pub period_start: Timestamp,
    /// The end of the current period.
    pub period_end: Timestamp,
    /// The time at which it is scheduled to end, if any.
    pub cancel_at: Option<Timestamp>,
    /// The time at which the subscription ended; `None` while it has not.
    pub ended_at: Option<Timestamp>,
    /// The end of the trial, including a past one; `None` without a trial.
    pub trial_end: Option<Timestamp>,
    /// The creation time of the oldest unpaid invoice whose payment failed.
    pub past_due_since: Option<Timestamp>,
    /// Whether the invoice of the current period is still unpaid.
    pub awaits_payment: bool,
    /// The time at which the subscription was created.
    pub created_at: Timestamp,
}

/// The facts about one account that its plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// The account's number, part of an allowance's source key.
    pub account: i64,
    /// The time from which its free periods are counted.
    pub anchor_at: Timestamp,
    /// Whether a user has verified the email address.
    pub is_verified: bool,
    /// A tier set by the operator, and when that expires.
    pub tier_override: Option<(String, Option<Timestamp>)>,
    /// The account's subscriptions, including ended ones.
    pub subscriptions: Vec<SubscriptionFacts>,
}

/// What the account may do, and until when this answer is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The tier of the chosen subscription, whether or not it gives access.
    pub tier: String,
    /// The tier that determines what the account may do.
    pub access_tier: String,
    /// The status, as the API shows it.
    pub status: PlanStatus,
    /// The subscription that determines the plan, if any.
    pub subscription_id: Option<String>,
    /// The start of the period for which limits and the allowance are counted.
    pub period_start: Timestamp,
    /// The end of the current period.
    pub period_end: Timestamp,
    /// The time at which a cancellation ends the paid access.
    pub cancel_at: Option<Timestamp>,
    /// The end of the trial; `None` without a trial.
    pub trial_end: Option<Timestamp>,
    /// The time at which access ends unless the failed payment succeeds.
    pub grace_until: Option<Timestamp>,
    /// Calls allowed per period; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// Credits that the period grants; zero while they are not earned.
    pub allowance: Credits,
    /// The earliest time at which this answer may change.
    pub valid_until: Timestamp,
}

/// The plan of an account at `now`.
pub fn plan_at(facts: &AccountFacts, catalog: &Catalog, grace_days: i64, now: Timestamp) -> Plan {
    let free_period = period_around(facts.anchor_at, 1, now)
        .unwrap_or((facts.anchor_at, facts.anchor_at.plus_months(1)));
    let chosen = choose(facts, catalog, grace_days, now);
    let granted = facts
        .tier_override
        .as_ref()
        .filter(|(_, until)| until.is_none_or(|until| now < until))
        .and_then(|(name, _)| catalog.tier(name));
    let paid = chosen.as_ref().filter(|chosen| chosen.access.is_some());
    let access = granted.or_else(|| paid.and_then(|chosen| chosen.access));
    let tier = access.unwrap_or_else(|| catalog.free());
    let on_subscription = granted.is_none() && paid.is_some();
    let (period_start, period_end) = match (&chosen, on_subscription) {
        (Some(chosen), true) => (chosen.facts.period_start, chosen.facts.period_end),
        _ => free_period,
    };
    let earned = match (&chosen, on_subscription) {
        (Some(chosen), true) => chosen.earns_allowance(),
        _ => facts.is_verified,
    };
    Plan {
        tier: shown_tier(chosen.as_ref(), tier),
        access_tier: tier.name.clone(),
        status: chosen
            .as_ref()
            .map_or(PlanStatus::None, |chosen| chosen.facts.status.shown()),
        subscription_id: chosen.as_ref().map(|chosen| chosen.facts.id.clone()),
        period_start,
        period_end,
        cancel_at: chosen
            .as_ref()
            .filter(|c| c.facts.status.is_live())
            .and_then(|c| c.facts.cancel_at),
        trial_end: chosen
            .as_ref()
            .filter(|c| c.facts.status == SubscriptionStatus::Trialing)
            .and_then(|c| c.facts.trial_end),
        grace_until: chosen.as_ref().and_then(|chosen| chosen.grace_until),
        calls_limit: tier.calls_limit,
        allowance: if earned {
            tier.allowance
        } else {
            Credits::ZERO
        },
        valid_until: valid_until(facts, chosen.as_ref(), period_end, free_period.1, now),
    }
}

/// The credits of the period that were not granted yet: once for each tier and period. A tier
/// reached within a period grants the difference, in proportion to the time left, rounded down; a
/// lower tier takes nothing back.
pub fn allowance_due(
    facts: &AccountFacts,
    plan: &Plan,
    granted_in_period: &[(String, Credits)],
    now: Timestamp,
) -> Option<NewGrant> {
    let source_key = allowance_key(facts.account, &plan.access_tier, plan.period_start);
    let known = granted_in_period.iter().any(|(key, _)| *key == source_key);
    if known || !plan.allowance.is_positive() || now >= plan.period_end {
        return None;
    }
    let suffix = format!(":{}", plan.period_start.micros());
    let before = granted_in_period
        .iter()
        .filter(|(key, _)| key.ends_with(&suffix))
        .map(|(_, amount)| *amount)
        .sum::<Credits>();
    let amount = if before == Credits::ZERO {
        plan.allowance
    } else {
        let more = (plan.allowance - before).max(Credits::ZERO);
        let left = plan.period_end.micros() - now.micros();
        let whole = plan.period_end.micros() - plan.period_start.micros();
        let part = i128::from(more.micros()) * i128::from(left) / i128::from(whole);
        let part = i64::try_from(part).expect("a part is no larger than the whole");
        Credits::from_micros(part - part % crate::money::MICROS_PER_CREDIT)
    };
    amount.is_positive().then(|| NewGrant {
        // The start of the period, not now: two clocks may differ by a second, but the key must
        // not.
        effective_at: Some(plan.period_start),
        expires_at: Some(plan.period_end),
        ..NewGrant::new(GrantKind::Allowance, source_key, amount)
    })
}

/// The source key of an allowance: `allowance:account:tier:period start`.
fn allowance_key(account: i64, tier: &str, period_start: Timestamp) -> String {
    format!("allowance:{account}:{tier}:{}", period_start.micros())
}

struct Chosen<'a> {
    facts: &'a SubscriptionFacts,
    access: Option<&'a Tier>,
    grace_until: Option<Timestamp>,
}

impl Chosen<'_> {
    /// Allowances are granted for a paid period only: not while its invoice is open or has failed.
    fn earns_allowance(&self) -> bool {
        let status = &self.facts.status;
        matches!(
            status,
            SubscriptionStatus::Active | SubscriptionStatus::Trialing
        ) && !self.facts.awaits_payment
    }
}

/// The subscription that counts: one that gives access before one that doesn't, then the highest
/// tier, then a live one, then the newest.
fn choose<'a>(
    facts: &'a AccountFacts,
    catalog: &'a Catalog,
    grace_days: i64,
    now: Timestamp,
) -> Option<Chosen<'a>> {
    let considered = facts.subscriptions.iter().map(|subscription| {
        let grace_until = (subscription.status == SubscriptionStatus::PastDue)
            .then(|| {
                subscription
                    .past_due_since
                    .unwrap_or(subscription.period_start)
            })
            .map(|since| since.plus_days(grace_days));
        let tier = subscription
            .tier
            .as_deref()
            .and_then(|name| catalog.tier(name));
        let access = tier.filter(|_| gives_access(subscription, grace_until, now));
        Chosen {
            facts: subscription,
            access,
            grace_until,
        }
    });
    considered.max_by_key(|chosen| {
        let rank = chosen.access.map(|tier| tier.rank);
        (rank, chosen.facts.status.is_live(), chosen.facts.created_at)
    })
}

fn gives_access(
    subscription: &SubscriptionFacts,
    grace_until: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    if subscription.cancel_at.is_some_and(|end| end <= now) {
        return false;
    }
    match subscription.status {
        SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::Unknown(_) => true,
        SubscriptionStatus::PastDue => grace_until.is_some_and(|until| now < until),
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Canceled => false,
    }
}

/// A live subscription's tier is shown even while it gives no access; otherwise the access tier.
fn shown_tier(chosen: Option<&Chosen>, access: &Tier) -> String {
    let live = chosen.filter(|chosen| {
        chosen.facts.status.is_live() && chosen.access.is_none() && access.is_free()
    });
    match live.and_then(|chosen| chosen.facts.tier.as_ref()) {
        Some(tier) if live.is_some_and(|c| c.facts.status == SubscriptionStatus::PastDue) => {
            tier.clone()
        }
        _ => access.name.clone(),
    }
}

fn valid_until(
    facts: &AccountFacts,
    chosen: Option<&Chosen>,
    period_end: Timestamp,
    free_end: Timestamp,
    now: Timestamp,
) -> Timestamp {
    let edges = [
        Some(period_end),
        Some(free_end),
        chosen.and_then(|chosen| chosen.grace_until),
        chosen.and_then(|chosen| chosen.facts.cancel_at),
        facts.tier_override.as_ref().and_then(|(_, until)| *until),
    ];
    edges
        .into_iter()
        .flatten()
        .filter(|edge| *edge > now)
        .min()
        .unwrap_or(free_end)
}
