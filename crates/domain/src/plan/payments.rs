//! What the invoices of a plan say about its periods: whether a period was paid for, and which of
//! its credits went back with the money.

use super::SubscriptionFacts;
use crate::catalog::Catalog;
use crate::invoices::{BillingReason, InvoiceStatus};
use crate::money::{Credits, share_of};
use crate::time::Timestamp;

/// An invoice of a subscription, as far as access and allowances depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanInvoice {
    /// Stripe's id of the invoice.
    pub id: String,
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// The tier of its price; `None` when the price isn't a plan's.
    pub tier: Option<String>,
    /// The status; `None` for a word that this version doesn't know.
    pub status: Option<InvoiceStatus>,
    /// The reason for the invoice, in Stripe's words.
    pub billing_reason: String,
    /// Whether it charges for a change within a period rather than for a period.
    pub is_proration: bool,
    /// The amount that is due, in minor units.
    pub amount_due: i64,
    /// Whether a payment was attempted and did not succeed at once; one still in progress does not count.
    pub is_tried: bool,
    /// What its line for the plan pays for: a period, or the rest of one after a change.
    pub period: Option<(Timestamp, Timestamp)>,
    /// The amount of the charge that paid it, in minor units; zero when none did.
    pub charged: i64,
    /// The part of the charge that went back, in minor units.
    pub reversed: i64,
    /// Whether a dispute about the charge is open.
    pub is_disputed: bool,
}

/// What became of the invoice that pays for the current period of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodInvoice {
    /// Nothing had to be paid.
    None,
    /// It is a draft, or no payment was attempted yet.
    Pending,
    /// Its payment failed, needs the cardholder's confirmation, or was written off.
    Failed,
    /// It was voided.
    Void,
    /// It was paid.
    Paid,
    /// It was paid, and all of the money went back.
    Reversed,
}

impl PlanInvoice {
    /// Whether it charges for a change of plan within a period.
    fn is_change(&self) -> bool {
        self.is_proration && self.reason() == Some(BillingReason::SubscriptionUpdate)
    }

    fn reason(&self) -> Option<BillingReason> {
        BillingReason::from_word(&self.billing_reason)
    }

    /// Whether it pays for whole periods. An operator's own invoice doesn't, and neither does a
    /// change.
    fn is_for_period(&self) -> bool {
        !self.is_proration && self.billing_reason != "manual"
    }

    fn is_paid(&self) -> bool {
        self.status == Some(InvoiceStatus::Paid)
    }

    fn is_unpaid(&self) -> bool {
        let is_unpaid = |status: InvoiceStatus| status.is_unpaid() || status == InvoiceStatus::Void;
        self.amount_due > 0 && self.status.is_some_and(is_unpaid)
    }

    fn is_reversed(&self) -> bool {
        self.charged > 0 && self.reversed >= self.charged
    }
}

/// What became of the invoice of the subscription's current period.
pub(super) fn of_period(invoices: &[PlanInvoice], facts: &SubscriptionFacts) -> PeriodInvoice {
    let of_period = |invoice: &&PlanInvoice| {
        let starts = invoice.period.map_or(facts.period_start, |period| period.0);
        // A change of interval pays for a period that begins with it: another one while it waits for
        // its payment.
        let is_its = if invoice.reason() == Some(BillingReason::SubscriptionUpdate) {
            starts == facts.period_start
        } else {
            starts >= facts.period_start
        };
        invoice.subscription == facts.id && invoice.is_for_period() && is_its
    };
    let current: Vec<&PlanInvoice> = invoices.iter().filter(of_period).collect();
    let any = |is: &dyn Fn(&PlanInvoice) -> bool| current.iter().any(|invoice| is(invoice));
    let has = |status: InvoiceStatus| {
        any(&|invoice| invoice.is_unpaid() && invoice.status == Some(status))
    };
    let open = |is_tried: bool| {
        any(&|invoice| {
            invoice.is_unpaid()
                && invoice.status == Some(InvoiceStatus::Open)
                && invoice.is_tried == is_tried
        })
    };
    if open(true) || has(InvoiceStatus::Uncollectible) {
        PeriodInvoice::Failed
    } else if open(false) || has(InvoiceStatus::Draft) {
        PeriodInvoice::Pending
    } else if any(&|invoice| invoice.is_paid() && !invoice.is_reversed())
        || (any(&PlanInvoice::is_paid) && is_changed_and_paid(invoices, facts))
    {
        PeriodInvoice::Paid
    } else if any(&PlanInvoice::is_paid) {
        PeriodInvoice::Reversed
    } else if has(InvoiceStatus::Void) {
        PeriodInvoice::Void
    } else {
        PeriodInvoice::None
    }
}

/// Whether a change within the current period was paid for and its money stayed: it brings its
/// difference also after the money for the period itself went back.
fn is_changed_and_paid(invoices: &[PlanInvoice], facts: &SubscriptionFacts) -> bool {
    invoices.iter().any(|invoice| {
        invoice.subscription == facts.id
            && invoice.is_change()
            && invoice.is_paid()
            && invoice.charged > 0
            && !invoice.is_reversed()
            && invoice
                .period
                .is_some_and(|(start, _)| start >= facts.period_start)
    })
}

/// Whether the change to a subscription's tier, within the period of this month, has an invoice that
/// isn't paid: the difference is not earned then, in any month of the period.
pub(super) fn awaits_change(
    invoices: &[PlanInvoice],
    subscription: &str,
    tier: &str,
    month_start: Timestamp,
) -> bool {
    let changes = || {
        invoices.iter().filter(|invoice| {
            invoice.subscription == subscription
                && invoice.is_change()
                && invoice.tier.as_deref() == Some(tier)
                && invoice.period.is_some_and(|period| period.1 > month_start)
        })
    };
    changes().any(PlanInvoice::is_unpaid)
        && !changes().any(|one| one.is_paid() && !one.is_reversed())
}

/// The tier that was paid for last in the current period of a subscription.
pub(super) fn tier_before_change<'a>(
    invoices: &'a [PlanInvoice],
    facts: &SubscriptionFacts,
) -> Option<&'a str> {
    let paid = invoices.iter().filter(|invoice| {
        invoice.subscription == facts.id
            && (invoice.is_for_period() || invoice.is_change())
            && invoice.is_paid()
            && !invoice.is_reversed()
    });
    let of_period = paid.filter_map(|invoice| {
        let starts = invoice.period.map_or(facts.period_start, |period| period.0);
        (starts >= facts.period_start).then_some((starts, invoice.tier.as_deref()?))
    });
    of_period
        .max_by_key(|(starts, _)| *starts)
        .map(|(_, tier)| tier)
}

/// The longest period that is sold has this many months.
pub const MONTHS_MAX: i64 = 36;

/// What the reversals of a plan's payments claim back of one allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The source key of the allowance.
    pub source_key: String,
    /// The credits that are claimed back now.
    pub reversed: Credits,
    /// Whether a payment that brought it is disputed.
    pub is_frozen: bool,
}

/// An allowance, read from its source key `allowance:account:tier:start of the month`.
struct Allowance<'a> {
    source_key: &'a str,
    tier: &'a str,
    start: Timestamp,
    amount: Credits,
}

impl<'a> Allowance<'a> {
    fn read((source_key, amount): &'a (String, Credits)) -> Option<Allowance<'a>> {
        let mut parts = source_key.strip_prefix("allowance:")?.splitn(3, ':');
        let (_, tier, start) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Allowance {
            source_key,
            tier,
            start: Timestamp::from_micros(start.parse().ok()?),
            amount: *amount,
        })
    }
}

/// The start of the month that an allowance is for, from its source key; `None` for another grant's.
pub fn allowance_start(source_key: &str) -> Option<Timestamp> {
    let (_, start) = source_key.strip_prefix("allowance:")?.rsplit_once(':')?;
    Some(Timestamp::from_micros(start.parse().ok()?))
}

/// What is claimed back of each of `allowances` (source keys and amounts), given all invoices of
/// the account's plans whose money went back or is disputed, and those of the same periods.
///
/// A period's payment brought the allowances of its months. The payment of a change within a period
/// brought the difference that the change added: the grant of the new tier in the month of the
/// change, and in the months after it what exceeds the tier before. A difference that nothing was
/// charged for belongs to the period's payment.
pub fn claims(
    allowances: &[(String, Credits)],
    invoices: &[PlanInvoice],
    catalog: &Catalog,
) -> Vec<Claim> {
    let all: Vec<Allowance<'_>> = allowances
        .iter()
        .filter_map(Allowance::read)
        .filter(|one| one.tier != catalog.free().name)
        .collect();
    let claim = |one: &Allowance<'_>| {
        let parts = parts_of(one, &all, invoices, catalog);
        Claim {
            source_key: one.source_key.to_owned(),
            reversed: parts
                .iter()
                .map(|(invoice, part)| {
                    let back = share_of(
                        part.micros(),
                        invoice.reversed.min(invoice.charged),
                        invoice.charged,
                    );
                    Credits::from_micros(back)
                })
                .sum(),
            is_frozen: parts.iter().any(|(invoice, _)| invoice.is_disputed),
        }
    };
    all.iter().map(claim).collect()
}

/// The payments that brought an allowance, with the part that each of them brought.
fn parts_of<'a>(
    one: &Allowance<'_>,
    all: &[Allowance<'_>],
    invoices: &'a [PlanInvoice],
    catalog: &Catalog,
) -> Vec<(&'a PlanInvoice, Credits)> {
    let Some((base, changes)) = payments_of(one, invoices) else {
        return Vec::new();
    };
    let credits_of = |tier: Option<&str>| {
        let tier = tier.and_then(|tier| catalog.tier(tier));
        tier.map_or(Credits::ZERO, |tier| tier.allowance)
    };
    let own = credits_of(Some(one.tier));
    let is_difference = all
        .iter()
        .any(|other| other.start == one.start && credits_of(Some(other.tier)) < own);
    let mut left = one.amount;
    let mut parts = Vec::new();
    let mut below = Credits::ZERO;
    let is_own = |change: &&&PlanInvoice| change.tier.as_deref() == Some(one.tier);
    if is_difference {
        let payment = changes.iter().rev().find(is_own).copied().unwrap_or(base);
        return vec![(payment, left)];
    }
    for payment in std::iter::once(base).chain(changes) {
        let credits = credits_of(payment.tier.as_deref()).min(own);
        let part = (credits - below).max(Credits::ZERO).min(left);
        if part.is_positive() {
            below = credits;
            left = left - part;
            parts.push((payment, part));
        }
    }
    // What no payment accounts for, such as more credits than the tier brings today.
    match parts.last_mut() {
        Some((_, part)) => *part = *part + left,
        None => parts.push((base, left)),
    }
    parts
}

/// Whether a period that was free of charge, such as a trial, brought an allowance: then the payment
/// of another subscription that began in the same second did not.
fn is_of_free_period(one: &Allowance<'_>, invoices: &[PlanInvoice]) -> bool {
    let mut own = invoices.iter().filter(|invoice| {
        invoice.is_for_period()
            && invoice.is_paid()
            && invoice.tier.as_deref() == Some(one.tier)
            && invoice.period.is_some_and(|(start, _)| start == one.start)
    });
    own.next().is_some_and(|first| first.charged == 0) && own.all(|other| other.charged == 0)
}

/// The payment of the period that an allowance belongs to, and the paid changes within that period,
/// the earliest first.
fn payments_of<'a>(
    one: &Allowance<'_>,
    invoices: &'a [PlanInvoice],
) -> Option<(&'a PlanInvoice, Vec<&'a PlanInvoice>)> {
    if is_of_free_period(one, invoices) {
        return None;
    }
    let is_charged = |invoice: &&PlanInvoice| invoice.is_paid() && invoice.charged > 0;
    let candidates = invoices.iter().filter(is_charged).filter_map(|base| {
        let (start, end) = base.period.filter(|_| base.is_for_period())?;
        let mut changes: Vec<&PlanInvoice> = invoices
            .iter()
            .filter(is_charged)
            .filter(|change| change.is_change() && change.subscription == base.subscription)
            .filter(|change| {
                change
                    .period
                    .is_some_and(|(from, _)| from >= start && from < end)
            })
            .collect();
        changes.sort_by_key(|change| change.period.map(|period| period.0));
        let has_tier = |invoice: &PlanInvoice| invoice.tier.as_deref() == Some(one.tier);
        let has_tier = has_tier(base) || changes.iter().any(|change| has_tier(change));
        // After a change to a lower plan, no payment has the tier of the credits.
        let is_its_month = || (0..MONTHS_MAX).any(|month| start.plus_months(month) == one.start);
        let is_its = start <= one.start && one.start < end && (has_tier || is_its_month());
        is_its.then_some((has_tier, base, changes))
    });
    // Of two subscriptions that paid for the same credits, the one whose money stayed counts.
    let best = candidates.max_by_key(|(has_tier, base, _)| {
        let starts = base.period.map(|period| period.0);
        let kept = share_of(10_000, (base.charged - base.reversed).max(0), base.charged);
        (*has_tier, starts, kept)
    });
    best.map(|(_, base, changes)| (base, changes))
}
