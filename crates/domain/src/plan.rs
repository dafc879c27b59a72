//! What an account may do now: a function of its subscriptions, as last fetched, and the time.
//!
//! Changes over time need no event: the end of a grace period, a cancellation that takes effect and
//! a new allowance are visible on the next read (`docs/reference/sync.md`, Status to access).

mod allowance;
mod free;
mod payments;
mod status;

#[cfg(test)]
mod tests;

pub use allowance::{GrantedAllowance, allowance_due, next_by_hand};
pub use free::FreeClaim;
pub use payments::{Claim, MONTHS_MAX, PeriodInvoice, PlanInvoice, allowance_start, claims};
pub use status::{PlanStatus, SubscriptionStatus};

use crate::catalog::{Catalog, Tier};
use crate::ledger::{TURN_HOURS_MAX, Turn, WalletStatus};
use crate::money::Credits;
use crate::time::{SECONDS_PER_DAY, Timestamp, period_around};
use crate::words::words;

/// Days for which an account keeps its tier after a failed payment, unless the operator sets
/// another number.
pub const GRACE_DAYS_DEFAULT: i64 = 7;

const SECONDS_PER_HOUR: i64 = 3_600;

/// A month has at most this many days.
const MONTH_DAYS_MAX: i64 = 31;

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
    /// The billing interval of its price: `month`, `year`, `week` or `day`.
    pub interval: Option<String>,
    /// The time from which Stripe counts the periods; `None` when unknown.
    pub anchor_at: Option<Timestamp>,
    /// Whether Stripe has paused the collection of its payments.
    pub is_paused: bool,
    /// Whether we paused it, because the account was suspended.
    pub is_paused_by_us: bool,
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
    /// Whether the account may be used: a closed one earns nothing, a suspended one no paid plan's
    /// allowance for a period that isn't paid for. It keeps its free allowance, which it can't spend.
    pub status: AccountStatus,
    /// The latest free allowance of the account's address, whichever account it was granted to.
    pub free_claim: Option<FreeClaim>,
    /// A tier set by the operator, and when that expires.
    pub tier_override: Option<(String, Option<Timestamp>)>,
    /// The account's subscriptions, including ended ones.
    pub subscriptions: Vec<SubscriptionFacts>,
    /// The invoices of these subscriptions that still matter.
    pub invoices: Vec<PlanInvoice>,
}

impl AccountFacts {
    /// The tier that an operator set, while it lasts.
    fn overriding(&self, now: Timestamp) -> Option<&str> {
        let (tier, until) = self.tier_override.as_ref()?;
        until.is_none_or(|until| now < until).then_some(tier)
    }

    /// What a paused plan of the account earns: nothing while the account is suspended.
    fn while_paused(&self, rules: PlanRules) -> AllowanceWhilePaused {
        match self.status {
            AccountStatus::Active => rules.while_paused,
            AccountStatus::Suspended | AccountStatus::Closed => AllowanceWhilePaused::None,
        }
    }
}

/// The operator's rules that a plan depends on, besides the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRules {
    /// Days for which an account keeps its tier after a failed payment.
    pub grace_days: i64,
    /// What a plan earns while the collection of its payments is paused.
    pub while_paused: AllowanceWhilePaused,
}

impl Default for PlanRules {
    fn default() -> PlanRules {
        PlanRules {
            grace_days: GRACE_DAYS_DEFAULT,
            while_paused: AllowanceWhilePaused::None,
        }
    }
}

words! {
    /// What a plan earns while the collection of its payments is paused, whatever Stripe does with
    /// its invoices meanwhile.
    pub enum AllowanceWhilePaused {
        /// A period that begins while collection is paused brings no allowance.
        None = "none",
        /// It brings its allowance as if it had been paid.
        Full = "full",
    }
}

/// What the account may do, and until when this answer is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The tier of the chosen subscription, whether or not it gives access.
    pub tier: String,
    /// The tier that determines what the account may do.
    pub access_tier: String,
    /// Whether an operator set that tier, and it is not the free one.
    pub is_by_hand: bool,
    /// The status, as the API shows it.
    pub status: PlanStatus,
    /// The subscription that determines the plan, if any.
    pub subscription_id: Option<String>,
    /// The start of the period that was or will be paid for.
    pub period_start: Timestamp,
    /// The end of that period.
    pub period_end: Timestamp,
    /// The start of the month for which calls and the allowance are counted. A period of a year
    /// has twelve.
    pub month_start: Timestamp,
    /// The end of that month.
    pub month_end: Timestamp,
    /// The turn to a period whose renewal has not been settled; the old allowance serves meanwhile.
    pub turn: Option<Turn>,
    /// Whether Stripe has paused the collection of payments.
    pub is_paused: bool,
    /// The time at which a cancellation ends the paid access.
    pub cancel_at: Option<Timestamp>,
    /// The end of the trial; `None` without a trial.
    pub trial_end: Option<Timestamp>,
    /// The time at which access ends unless the failed payment succeeds.
    pub grace_until: Option<Timestamp>,
    /// Calls allowed per month; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// The tier whose allowance the month grants: that before a change which isn't paid.
    pub earned_tier: String,
    /// Credits that the month grants; zero while they are not earned.
    pub allowance: Credits,
    /// The earliest time at which this answer may change.
    pub valid_until: Timestamp,
}

/// The plan of an account at `now`.
pub fn plan_at(facts: &AccountFacts, catalog: &Catalog, rules: PlanRules, now: Timestamp) -> Plan {
    let free_period = period_around(facts.anchor_at, 1, now)
        .unwrap_or((facts.anchor_at, facts.anchor_at.plus_months(1)));
    let chosen = choose(facts, catalog, rules, now);
    let granted = facts.overriding(now).and_then(|name| catalog.tier(name));
    let paid = chosen.as_ref().filter(|chosen| chosen.access.is_some());
    let access = granted.or_else(|| paid.and_then(|chosen| chosen.access));
    let tier = access.unwrap_or_else(|| catalog.free());
    let subscribed = paid.filter(|_| granted.is_none());
    let period = subscribed.map_or(free_period, |chosen| {
        (chosen.facts.period_start, chosen.facts.period_end)
    });
    let turn = subscribed.and_then(|chosen| chosen.turn(now));
    let month = subscribed.map_or(free_period, |chosen| chosen.facts.month_at(now));
    let is_claimed = tier.is_free()
        && facts
            .free_claim
            .is_some_and(|claim| claim.bars(month.0, month.1));
    let earned = facts.status != AccountStatus::Closed
        && subscribed.map_or(facts.is_verified && !is_claimed, |chosen| {
            chosen.earns_allowance(facts.while_paused(rules), now)
        });
    let earned_tier = subscribed.map_or(Some(tier), |chosen| {
        let (invoices, held) = (&facts.invoices, chosen.facts);
        if !payments::awaits_change(invoices, &held.id, &tier.name, month.0) {
            return Some(tier);
        }
        let before = payments::tier_before_change(invoices, held);
        before.and_then(|name| catalog.tier(name))
    });
    let of_live = || chosen.as_ref().filter(|c| c.facts.status.is_live());
    Plan {
        tier: shown_tier(chosen.as_ref(), tier),
        access_tier: tier.name.clone(),
        is_by_hand: granted.is_some_and(|tier| !tier.is_free()),
        status: chosen
            .as_ref()
            .map_or(PlanStatus::None, |chosen| chosen.facts.status.shown()),
        subscription_id: chosen.as_ref().map(|chosen| chosen.facts.id.clone()),
        period_start: period.0,
        period_end: period.1,
        month_start: month.0,
        month_end: month.1,
        turn,
        is_paused: of_live().is_some_and(|chosen| chosen.facts.is_paused),
        cancel_at: of_live().and_then(|chosen| chosen.facts.cancel_at),
        trial_end: chosen
            .as_ref()
            .filter(|c| c.facts.status == SubscriptionStatus::Trialing)
            .and_then(|c| c.facts.trial_end),
        grace_until: chosen.as_ref().and_then(|chosen| chosen.grace_until),
        calls_limit: tier.calls_limit,
        earned_tier: earned_tier.unwrap_or(tier).name.clone(),
        allowance: match earned_tier {
            Some(tier) if earned => tier.allowance,
            _ => Credits::ZERO,
        },
        valid_until: valid_until(
            facts,
            chosen.as_ref(),
            [
                free_period.1,
                month.1,
                turn.map_or(month.1, |turn| turn.until),
            ],
            now,
        ),
    }
}

struct Chosen<'a> {
    facts: &'a SubscriptionFacts,
    /// What became of the invoice of its current period.
    invoice: PeriodInvoice,
    access: Option<&'a Tier>,
    grace_until: Option<Timestamp>,
}

impl Chosen<'_> {
    /// Allowances are granted for a paid period only: not while its invoice is open, nor when it
    /// failed, was voided or its money went back. A paused period earns what the operator's rule
    /// says, whatever Stripe does with its invoice, and nothing if we paused it for a suspension.
    fn earns_allowance(&self, while_paused: AllowanceWhilePaused, now: Timestamp) -> bool {
        let is_running = matches!(
            self.facts.status,
            SubscriptionStatus::Active | SubscriptionStatus::Trialing
        );
        let is_known = now < self.facts.period_end;
        let earned = match self.invoice {
            PeriodInvoice::Paid => true,
            PeriodInvoice::Reversed => false,
            _ if self.facts.is_paused => {
                while_paused == AllowanceWhilePaused::Full && !self.facts.is_paused_by_us
            }
            PeriodInvoice::None => true,
            PeriodInvoice::Pending | PeriodInvoice::Failed | PeriodInvoice::Void => false,
        };
        is_running && is_known && earned
    }

    /// The turn that is going on: the period ended, and its renewal has neither been paid nor
    /// failed. A plan that ends with its period, and one whose collection is paused, has none.
    fn turn(&self, now: Timestamp) -> Option<Turn> {
        let facts = self.facts;
        let is_renewing = matches!(
            facts.status,
            SubscriptionStatus::Active
                | SubscriptionStatus::Trialing
                | SubscriptionStatus::Unknown(_)
        ) && !facts.is_paused;
        let at = if facts.period_end <= now {
            // Stripe has begun a period that we have not seen yet.
            facts.period_end
        } else if self.invoice == PeriodInvoice::Pending {
            facts.period_start
        } else {
            return None;
        };
        let until = at.plus_seconds(TURN_HOURS_MAX * SECONDS_PER_HOUR);
        (is_renewing && now < until).then_some(Turn { at, until })
    }
}

impl SubscriptionFacts {
    /// The month at `now` for which calls and the allowance are counted. Months are counted from
    /// Stripe's anchor, whatever the interval of the price, and end with the period at the latest.
    fn month_at(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        // A clock that is behind Stripe's sees a period that begins in the future: its first month.
        let now = now.max(self.period_start);
        let is_short = matches!(self.interval.as_deref(), Some("week" | "day"));
        let anchor = self.anchor_at.unwrap_or(self.created_at);
        if is_short && self.status != SubscriptionStatus::Trialing && anchor <= now {
            return period_around(anchor, 1, now).unwrap_or((self.period_start, self.period_end));
        }
        let (start, end) = (self.period_start, self.period_end);
        if now >= end {
            // Stripe has begun a period that we have not seen yet.
            let anchor = self
                .anchor_at
                .filter(|anchor| *anchor <= now)
                .unwrap_or(end);
            let next = period_around(anchor, 1, now).unwrap_or((end, end.plus_months(1)));
            return (next.0.max(end), next.1);
        }
        let is_month = end.seconds() - start.seconds() <= MONTH_DAYS_MAX * SECONDS_PER_DAY;
        if is_month {
            return (start, end);
        }
        let anchor = match self.status {
            SubscriptionStatus::Trialing => start,
            _ => self.anchor_at.filter(|at| *at <= now).unwrap_or(start),
        };
        let month = period_around(anchor, 1, now).unwrap_or((start, end));
        (month.0.max(start), month.1.min(end))
    }
}

/// The subscription that counts: one that gives access before one that doesn't, then the highest
/// tier, then a live one, then the newest.
fn choose<'a>(
    facts: &'a AccountFacts,
    catalog: &'a Catalog,
    rules: PlanRules,
    now: Timestamp,
) -> Option<Chosen<'a>> {
    let considered = facts.subscriptions.iter().map(|subscription| {
        let grace_until = (subscription.status == SubscriptionStatus::PastDue)
            .then(|| {
                subscription
                    .past_due_since
                    .unwrap_or(subscription.period_start)
            })
            .map(|since| since.plus_days(rules.grace_days));
        let tier = subscription
            .tier
            .as_deref()
            .and_then(|name| catalog.tier(name));
        let access = tier.filter(|_| gives_access(subscription, grace_until, now));
        Chosen {
            facts: subscription,
            invoice: payments::of_period(&facts.invoices, subscription),
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
    ends: [Timestamp; 3],
    now: Timestamp,
) -> Timestamp {
    let [free_end, ..] = ends;
    let edges = [
        chosen.map(|chosen| chosen.facts.period_end),
        chosen.and_then(|chosen| chosen.grace_until),
        chosen.and_then(|chosen| chosen.facts.cancel_at),
        facts.tier_override.as_ref().and_then(|(_, until)| *until),
    ];
    edges
        .into_iter()
        .flatten()
        .chain(ends)
        .filter(|edge| *edge > now)
        .min()
        .unwrap_or(free_end)
}
