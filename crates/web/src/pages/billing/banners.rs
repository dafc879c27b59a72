//! Banners on the billing page: the plan, the card, pending payments and the call limit.

use billing::summary::View;
use domain::catalog::Catalog;
use domain::ledger::{GrantKind, Lot};
use domain::money::Credits;
use domain::plan::PlanStatus;
use domain::projection::TransactionType;
use domain::time::Timestamp;
use store::transactions::Transaction;
use views::components::Banner;
use views::{banners, format, offer};

use crate::pages::billing::BILLING;
use crate::pages::billing::paid::{amount, paid_title, price};
use crate::pages::billing::rows::{CHART_DAYS, Rows};
use crate::pages::standing::{CARD_WARNING_DAYS, card_ends, card_name, day, waiting_banner};

/// A payment still unconfirmed after this time is waiting for a bank, not for a webhook event.
const SLOW_AFTER_SECONDS: i64 = 120;

/// Banners about the plan, the most severe first.
pub(super) fn plan_banners(
    catalog: &Catalog,
    view: &View,
    rows: &Rows,
    now: Timestamp,
) -> Vec<Banner> {
    let plan = &view.plan;
    let title = paid_title(catalog, plan, rows.live.as_ref().or(rows.latest.as_ref()));
    let unpaid = rows.unpaid.as_ref();
    let due = unpaid.map(|invoice| amount(invoice.amount_due, &invoice.currency));
    let due = due.unwrap_or_else(|| "the open invoice".to_owned());
    let pay = unpaid.and_then(|invoice| invoice.hosted_url.clone());
    if let Some(waiting) = rows.waiting.as_ref().filter(|one| !one.is_unpaid())
        && plan.cancel_at.is_none()
    {
        return waiting_banner(catalog, rows.live.as_slice(), waiting);
    }
    let banner = match (plan.status, plan.cancel_at, plan.grace_until) {
        (PlanStatus::PastDue, _, Some(until)) if now < until => {
            let retry = unpaid.and_then(|invoice| invoice.next_payment_attempt);
            let reason = rows
                .failure
                .as_deref()
                .map(|text| text.trim_end_matches('.'));
            banners::past_due(&title, &due, reason, day(until), retry.map(day), pay)
        }
        (PlanStatus::PastDue | PlanStatus::Unpaid, ..) => banners::unpaid(&title, &due, pay),
        (PlanStatus::Paused, ..) => banners::paused(&title, rows.card.is_some()),
        (PlanStatus::Active | PlanStatus::Trialing, ..) if waits_for_payment(rows) => {
            let pay = pay.unwrap_or_else(|| BILLING.to_owned());
            match &rows.failure {
                Some(said) => banners::change_declined(&due, Some(said), &pay),
                None => banners::confirm_with_bank(&due, &pay),
            }
        }
        (PlanStatus::Trialing | PlanStatus::Active, Some(end), _) => {
            let monthly = view.lots.iter();
            let monthly = monthly
                .filter(|lot| lot.kind == GrantKind::Allowance && lot.expires_at == Some(end));
            let monthly: Credits = monthly.map(Lot::remaining).sum();
            banners::cancel_scheduled(&title, day(end), monthly.micros())
        }
        (PlanStatus::Trialing, None, _) => trial(catalog, view, rows, &title, now),
        (PlanStatus::Canceled, ..) if rows.trial_was_refused => banners::trial_refused(&title),
        (PlanStatus::Canceled, ..) => match rows.latest.as_ref().and_then(|row| row.ended_at) {
            // A plan that ended long ago needs no banner.
            Some(ended) if now < ended.plus_days(CHART_DAYS) => banners::ended(&title, day(ended)),
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    vec![banner]
}

/// Open disputes, and a paused collection; that of a suspended account needs no words of its own.
pub(super) fn exception_banners(
    catalog: &Catalog,
    view: &View,
    rows: &Rows,
    is_suspended: bool,
) -> Vec<Banner> {
    let disputes = rows.disputes.iter();
    let mut banners: Vec<Banner> = disputes
        .map(|one| banners::disputed(&amount(one.amount_minor, &one.currency)))
        .collect();
    if view.plan.is_paused && view.plan.status.is_running() && !is_suspended {
        let title = paid_title(catalog, &view.plan, rows.live.as_ref());
        let brings_credits = view.plan.allowance.is_positive();
        banners.push(banners::collection_paused(&title, brings_credits));
    }
    banners
}

/// Whether a plan change is waiting for its payment.
fn waits_for_payment(rows: &Rows) -> bool {
    let invoice = rows.unpaid.as_ref();
    let reason = invoice.and_then(|invoice| invoice.billing_reason.as_deref());
    reason == Some("subscription_update")
}

/// Announces the card's expiry only if a plan is charged to it.
pub(super) fn card_banner(view: &View, rows: &Rows, now: Timestamp) -> Option<Banner> {
    let card = rows.card.as_ref()?;
    rows.live
        .as_ref()
        .filter(|_| view.plan.cancel_at.is_none())?;
    let ends = card_ends(card)?;
    (ends.plus_days(-CARD_WARNING_DAYS) <= now)
        .then(|| banners::card_expiring(&card_name(card), ends <= now))
}

fn trial(catalog: &Catalog, view: &View, rows: &Rows, title: &str, now: Timestamp) -> Banner {
    let ends = view.plan.trial_end.unwrap_or(view.plan.period_end);
    let Some(card) = &rows.card else {
        return banners::trial_without_card(title, day(ends));
    };
    let days = format::days_between(now.micros(), ends.micros()).max(0);
    let left = format::counted(days.unsigned_abs(), "day", "days");
    let price = price(catalog, &view.plan, rows.live.as_ref());
    banners::trial(title, day(ends), &left, &price, &card_name(card))
}

/// Payments that were made but aren't confirmed. An open Checkout isn't one: nothing has been paid
/// there yet.
pub(super) fn pending_banners(rows: &Rows, now: Timestamp) -> Vec<Banner> {
    let paid = rows.pending.iter().filter(|row| {
        row.kind == TransactionType::CreditTopup && row.stripe_payment_intent_id.is_some()
    });
    let banner = |row: &Transaction| {
        let price = amount(row.amount_minor, &row.currency);
        let what = row.description.as_deref().unwrap_or("Your credits");
        let brings = format!("{what} are added");
        if now < row.occurred_at.plus_seconds(SLOW_AFTER_SECONDS) {
            banners::payment_pending(&price, &brings, BILLING)
        } else {
            banners::bank_payment_on_its_way(&price, &brings)
        }
    };
    paid.map(banner).collect()
}

/// Refunds that are owed.
pub(super) fn owed_banners(rows: &Rows) -> Vec<Banner> {
    let owed = rows.owed.iter();
    owed.map(|one| banners::refund_owed(&offer::money(one.amount), one.is_delayed))
        .collect()
}

pub(super) fn limit_banner(catalog: &Catalog, view: &View) -> Option<Banner> {
    let limit = view.plan.calls_limit?;
    (view.calls_this_period >= limit).then(|| {
        let title = offer::title(catalog, &view.plan.access_tier);
        let limit = format::count(limit.unsigned_abs());
        banners::plan_limit_reached(&limit, &title, day(view.plan.month_end))
    })
}
