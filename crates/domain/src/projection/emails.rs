//! The emails that a snapshot requires, each sent once per key.

use super::snapshot::{Charge, Dispute, Intent, Invoice, Refund, Session, Snapshot, Subscription};
use super::states::{BillingReason, PaymentStatus, RefundStatus};
use super::transaction::{Transaction, TransactionStatus};
use super::{Desired, Known, MAIL_AGE_DAYS_MAX};
use crate::dunning::{DunningStep, step_due};
use crate::letters::{DisputeOutcome, Letter};
use crate::money::{Credits, share_of};
use crate::plan::SubscriptionStatus;
use crate::time::Timestamp;

/// An email to send once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The key of the email: at most one is sent per key.
    pub key: String,
    /// What the email says.
    pub letter: Letter,
}

/// Days before the end of a trial at which its customer is notified.
pub const TRIAL_WARNING_DAYS: i64 = 3;

/// The emails about the end of a trial or of a plan. `is_last` says that no other plan
/// is live or ended later: while the customer has another plan, nothing has ended for them.
pub(super) fn ending(
    fetched: &Subscription,
    tier: &str,
    is_last: bool,
    now: Timestamp,
    wanted: &mut Desired,
) {
    if let Some(at) = trial_to_end(fetched, now) {
        let tier = tier.to_owned();
        wanted.mails.push(Mail {
            key: format!("trial-ends:{}:{}", fetched.id, at.seconds()),
            letter: Letter::TrialEnds {
                tier,
                at: at.micros(),
                charge: fetched
                    .next_charge
                    .map(|charge| (charge.amount, charge.currency.code().to_owned())),
            },
        });
    }
    if is_last || fetched.status != SubscriptionStatus::Canceled {
        plan_ending(fetched, tier, now, wanted);
    }
}

/// The end of a trial that is near. It is read from the trial itself, so a lost event doesn't
/// matter; a trial without a payment afterward is reported as an ending plan instead.
fn trial_to_end(fetched: &Subscription, now: Timestamp) -> Option<Timestamp> {
    let at = fetched.trial_end?;
    let is_near = at.plus_days(-TRIAL_WARNING_DAYS) <= now && now < at;
    let goes_on = fetched.status == SubscriptionStatus::Trialing && fetched.ends_at().is_none();
    (is_near && goes_on).then_some(at)
}

fn plan_ending(fetched: &Subscription, tier: &str, now: Timestamp, wanted: &mut Desired) {
    let recent = |at: Timestamp| now < at.plus_days(MAIL_AGE_DAYS_MAX);
    if fetched.status == SubscriptionStatus::Canceled {
        if fetched.ended_at.is_some_and(recent) {
            let letter = Letter::PlanEnded {
                tier: tier.to_owned(),
            };
            wanted.mails.push(Mail {
                key: format!("plan-ended:{}", fetched.id),
                letter,
            });
        }
    } else if let Some(at) = fetched.ends_at()
        && fetched.status.is_live()
        && at > now
    {
        let asked = fetched.canceled_at.unwrap_or(at).seconds();
        let letter = Letter::PlanEnding {
            tier: tier.to_owned(),
            at: at.micros(),
        };
        wanted.mails.push(Mail {
            key: format!("plan-ending:{}:{asked}", fetched.id),
            letter,
        });
    }
}

/// Whether what became of a payment or refund that began at `began_at` is reported: if that was
/// recent, or if its row is stored as pending, such as that of a bank debit that took weeks.
fn is_news(row_key: &str, began_at: Timestamp, known: &Known, now: Timestamp) -> bool {
    known.pending.contains(row_key) || now < began_at.plus_days(MAIL_AGE_DAYS_MAX)
}

/// The email about a pack's payment: that it was received, or that it failed after the page was
/// completed, such as a bank debit. A failed automatic purchase is reported by the job that requested
/// it.
pub(super) fn pack(
    session: &Session,
    intent: &Intent,
    row: &Transaction,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    if !is_news(&row.natural_key, session.created_at, known, now) {
        return;
    }
    let (amount, currency) = (row.amount.amount, row.amount.currency.code().to_owned());
    let is_paid = session.payment_status() == Some(PaymentStatus::Paid);
    let (word, letter) = if is_paid && session.is_automatic {
        let letter = Letter::AutoTopupDone {
            credits: (intent.credits + intent.bonus).micros(),
            amount,
            currency,
        };
        ("receipt", letter)
    } else if is_paid && session.payment_intent.is_some() {
        let letter = Letter::Receipt {
            description: row.description.clone(),
            tier: None,
            amount,
            currency,
            url: row.receipt_url.clone(),
        };
        ("receipt", letter)
    } else if row.status == TransactionStatus::Failed && !session.is_automatic {
        let letter = Letter::PurchaseFailed {
            description: row.description.clone(),
            failure: row.failure.clone(),
            amount,
            currency,
        };
        ("payment-failed", letter)
    } else {
        return;
    };
    let key = format!("{word}:{}", session.id);
    wanted.mails.push(Mail { key, letter });
}

/// The emails about a plan's payment.
pub(super) fn invoice(
    invoice: &Invoice,
    row: &Transaction,
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let recent = now
        < invoice
            .paid_at
            .unwrap_or(invoice.created_at)
            .plus_days(MAIL_AGE_DAYS_MAX);
    let past_due = past_due(snapshot, invoice);
    match row.status {
        TransactionStatus::Completed if invoice.amount_paid > 0 && recent => {
            if had_failed(snapshot, invoice) {
                let tier = row.tier.clone();
                wanted.mails.push(Mail {
                    key: format!("recovered:{}", invoice.id),
                    letter: Letter::PaymentRecovered { tier },
                });
            }
            wanted.mails.push(Mail {
                key: format!("receipt:{}", invoice.id),
                letter: Letter::Receipt {
                    description: row.description.clone(),
                    tier: row.tier.clone(),
                    amount: row.amount.amount,
                    currency: row.amount.currency.code().to_owned(),
                    url: invoice.hosted_url.clone(),
                },
            });
        }
        TransactionStatus::Failed if let Some(subscription) = past_due => {
            dun(invoice, row, (snapshot, subscription), known, now, wanted);
        }
        // A change of plan that needs the bank's confirmation leaves the plan unchanged until then.
        TransactionStatus::Failed | TransactionStatus::Pending
            if invoice.needs_confirmation
                && recent
                && invoice.billing_reason() != Some(BillingReason::SubscriptionCreate) =>
        {
            confirm(invoice, row, wanted);
        }
        _ => {}
    }
}

/// The email about a failed payment of a past-due plan. Its access ends with the grace period of the
/// oldest unpaid invoice, so only that one announces and reports the end; a later one is reported
/// while the plan still works.
fn dun(
    invoice: &Invoice,
    row: &Transaction,
    (snapshot, subscription): (&Snapshot, &Subscription),
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let own_step = step_due(invoice.created_at.plus_days(known.grace_days), now);
    if own_step == DunningStep::Failed && invoice.needs_confirmation {
        return confirm(invoice, row, wanted);
    }
    let oldest = snapshot.past_due_since(&subscription.id);
    let since = oldest.map_or(invoice.created_at, |oldest| oldest.min(invoice.created_at));
    let grace_until = since.plus_days(known.grace_days);
    let step = if subscription.status == SubscriptionStatus::Unpaid {
        DunningStep::Ended
    } else {
        step_due(grace_until, now)
    };
    let is_old = now >= grace_until.plus_days(MAIL_AGE_DAYS_MAX);
    if is_old || (step != DunningStep::Failed && invoice.created_at > since) {
        return;
    }
    let letter = Letter::PaymentFailed {
        step,
        tier: row.tier.clone(),
        failure: row.failure.clone(),
        amount: row.amount.amount,
        currency: row.amount.currency.code().to_owned(),
        grace_until: grace_until.micros(),
        url: invoice.hosted_url.clone(),
    };
    let key = format!("payment-{}:{}", step.word(), invoice.id);
    wanted.mails.push(Mail { key, letter });
}

fn confirm(invoice: &Invoice, row: &Transaction, wanted: &mut Desired) {
    let letter = Letter::ConfirmPayment {
        description: row.description.clone(),
        tier: row.tier.clone(),
        amount: row.amount.amount,
        currency: row.amount.currency.code().to_owned(),
        url: invoice.hosted_url.clone(),
    };
    let key = format!("confirm:{}", invoice.id);
    wanted.mails.push(Mail { key, letter });
}

/// Whether a renewal failed before it was paid: Stripe keeps the number of attempts.
fn had_failed(snapshot: &Snapshot, invoice: &Invoice) -> bool {
    let is_renewal = invoice.billing_reason() == Some(BillingReason::SubscriptionCycle);
    let failed = |charge: &Charge| {
        !charge.is_paid
            && charge.failure.is_some()
            && charge.payment_intent.is_some()
            && charge.payment_intent == invoice.payment_intent
    };
    is_renewal && (invoice.attempt_count > 1 || snapshot.charges.iter().any(failed))
}

/// The past-due subscription of an invoice. Dunning covers only failed payments of these: the
/// customer saw a first payment being declined at Checkout.
fn past_due<'a>(snapshot: &'a Snapshot, invoice: &Invoice) -> Option<&'a Subscription> {
    snapshot.subscriptions.iter().find(|subscription| {
        Some(subscription.id.as_str()) == invoice.subscription_id.as_deref()
            && matches!(
                subscription.status,
                SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid
            )
    })
}

/// The email about a dispute: that it was opened, and how it ended.
pub(super) fn dispute(
    charge: &Charge,
    dispute: &Dispute,
    outcome: Option<DisputeOutcome>,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let is_recent = now < dispute.created_at.plus_days(MAIL_AGE_DAYS_MAX);
    let Some(outcome) = outcome.filter(|one| *one != DisputeOutcome::Opened || is_recent) else {
        return;
    };
    wanted.mails.push(Mail {
        key: format!("dispute-{}:{}", outcome.word(), dispute.id),
        letter: Letter::Disputed {
            outcome,
            amount: charge.lost_amount(dispute),
            currency: charge.currency.code().to_owned(),
        },
    });
}

/// The email about a refund, once it succeeded. `brought` are the payment's grants: the pack and its
/// bonus, each of which the refund reduces.
pub(super) fn refund(
    (charge, refund): (&Charge, &Refund),
    row_key: &str,
    brought: &[Credits],
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let is_news = is_news(row_key, refund.created_at, known, now);
    if refund.status() != Some(RefundStatus::Succeeded) || !is_news || charge.amount <= 0 {
        return;
    }
    let part = refund.amount.clamp(0, charge.amount);
    let taken = brought
        .iter()
        .map(|credits| share_of(credits.micros(), part, charge.amount));
    wanted.mails.push(Mail {
        key: format!("refunded:{}", refund.id),
        letter: Letter::Refunded {
            amount: refund.amount,
            currency: charge.currency.code().to_owned(),
            credits: -taken.sum::<i64>(),
        },
    });
}
