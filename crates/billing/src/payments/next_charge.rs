//! What an account is charged next, as every page and answer shows it: Stripe's preview as of the
//! last sync, or the reason why nothing will be charged.

use domain::money::{Currency, MinorUnits};
use domain::plan::{Plan, PlanStatus};
use domain::time::Timestamp;
use store::Tx;
use store::subscriptions::Subscription;

use crate::payments::preview::Line;

/// A preview that is older than this is shown with its date, in seconds.
const OLD_SECONDS: i64 = 26 * 3_600;

/// The next charge of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// When the invoice is made.
    pub at: Timestamp,
    /// What will be charged.
    pub amount: MinorUnits,
    /// The lines that add up to it.
    pub lines: Vec<(String, MinorUnits)>,
    /// When Stripe was asked.
    pub as_of: Timestamp,
    /// Whether that is long ago, or the plan has changed since.
    pub is_old: bool,
}

/// What an account is charged next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This will be charged.
    Charge(Charge),
    /// Nothing is due: there is no plan to pay for.
    Nothing,
    /// The plan ends before its next invoice.
    Ends,
    /// Stripe has paused the collection: what it does with invoices meanwhile, in its word, and when
    /// it continues automatically.
    CollectionPaused(String, Option<Timestamp>),
    /// A trial ended without a payment method: the plan waits.
    PlanPaused,
    /// An invoice is open, and has to be paid first.
    Unpaid,
    /// Stripe's preview hasn't been fetched yet.
    Unknown,
}

/// The next charge of the live subscription of an account.
pub fn of(
    tx: &mut Tx<'_>,
    plan: &Plan,
    live: Option<&Subscription>,
    now: Timestamp,
) -> store::Result<Next> {
    let Some(live) = live else {
        return Ok(Next::Nothing);
    };
    let row = store::next_charges::find(tx, live.account_id, &live.subscription_id)?;
    Ok(match plan.status {
        PlanStatus::PastDue | PlanStatus::Unpaid => Next::Unpaid,
        PlanStatus::Paused => Next::PlanPaused,
        _ if live.paused => {
            let behavior = live.pause_behavior.clone().unwrap_or_default();
            Next::CollectionPaused(behavior, live.resumes_at)
        }
        PlanStatus::Active | PlanStatus::Trialing => match row {
            Some(row) => read(&row, now).unwrap_or(match plan.cancel_at {
                Some(_) => Next::Ends,
                None => Next::Nothing,
            }),
            None if ends_with_period(live) => Next::Ends,
            None => Next::Unknown,
        },
        PlanStatus::None | PlanStatus::Incomplete | PlanStatus::Canceled => Next::Nothing,
    })
}

fn ends_with_period(live: &Subscription) -> bool {
    let ends = live.cancel_at.zip(live.period_end);
    live.cancel_at_period_end || ends.is_some_and(|(ends, period)| ends <= period)
}

fn read(row: &store::next_charges::NextCharge, now: Timestamp) -> Option<Next> {
    let currency = row.currency.as_deref().and_then(Currency::parse)?;
    let money = |minor| MinorUnits::new(minor, currency);
    let lines = row.lines.as_deref().unwrap_or("[]");
    let lines: Vec<Line> = serde_json::from_str(lines).unwrap_or_default();
    Some(Next::Charge(Charge {
        at: row.due_at?,
        amount: money(row.amount_minor?),
        lines: lines
            .into_iter()
            .map(|line| (line.name, money(line.minor)))
            .collect(),
        as_of: row.fetched_at,
        is_old: row.is_stale() || now > row.fetched_at.plus_seconds(OLD_SECONDS),
    }))
}
