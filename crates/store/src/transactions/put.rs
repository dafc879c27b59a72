//! How a fact is recorded, and how its record is updated.

use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;

use super::{Transaction, columns};
use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Error, Result};

/// How often a record is read again after another process changed it in between.
const TRIES_MAX: u32 = 5;

/// A fact to record.
#[derive(Clone, Debug)]
pub struct NewTransaction<'a> {
    /// The public id of the transaction if it is new: `txn_...`.
    pub public_id: &'a str,
    /// The account that the transaction belongs to.
    pub account_id: i64,
    /// The user who caused the transaction, if any.
    pub user_id: Option<i64>,
    /// Stripe's id of the payment intent: `pi_...`.
    pub stripe_payment_intent_id: Option<&'a str>,
    /// Stripe's id of the Checkout session: `cs_...`.
    pub stripe_checkout_session_id: Option<&'a str>,
    /// Stripe's id of the invoice: `in_...`.
    pub stripe_invoice_id: Option<&'a str>,
    /// Stripe's id of the refund: `re_...`.
    pub stripe_refund_id: Option<&'a str>,
    /// The key of the recorded fact; at most one transaction per fact.
    pub natural_key: &'a str,
    /// What the transaction records.
    pub kind: TransactionType,
    /// The status that Stripe shows for it.
    pub status: TransactionStatus,
    /// The amount, in minor units.
    pub amount_minor: i64,
    /// The currency, as an ISO code in lower case.
    pub currency: &'a str,
    /// The refunded part, in minor units.
    pub refunded_minor: i64,
    /// What was sold: `subscription` or `credit_topup`.
    pub product_type: &'a str,
    /// The tier that was paid for; `None` for a credit pack.
    pub subscription_tier: Option<&'a str>,
    /// The purchased credits, in micro-credits; `None` for a subscription.
    pub credits_purchased_micros: Option<i64>,
    /// The description shown in the payment history.
    pub description: Option<&'a str>,
    /// Further facts, as JSON without personal data.
    pub metadata: Option<&'a str>,
    /// Why the transaction failed; `None` when it did not.
    pub failure: Option<&'a str>,
    /// The number of payment attempts.
    pub attempts: i64,
    /// The address of the receipt at Stripe.
    pub receipt_url: Option<&'a str>,
    /// The time at which the transaction happened, on Stripe's clock.
    pub occurred_at: Timestamp,
    /// Whether a dispute about the payment is open.
    pub disputed: bool,
}

record! {
    /// The columns that a record's next status depends on.
    pub struct Recorded {
        pub account_id: i64,
        pub kind: TransactionType,
        pub status: TransactionStatus,
    }
}

/// Records the fact, or updates its record, and returns the resulting record.
///
/// The status changes according to [`TransactionStatus::after`]: a change that isn't allowed comes
/// from an outdated read of Stripe and is ignored. The amount is frozen from `COMPLETED` on. A
/// natural key, payment intent, session or refund of another record is a conflict, and so is a
/// record of another account.
pub fn put(tx: &mut Tx<'_>, new: &NewTransaction<'_>, now: Timestamp) -> Result<Transaction> {
    for _ in 0..TRIES_MAX {
        let written = match recorded(tx, new.natural_key)? {
            None => insert(tx, new, now)?,
            Some(before) => {
                if before.account_id != new.account_id || before.kind != new.kind {
                    let said = format!("{} already records something else", new.natural_key);
                    return Err(Error::Conflict(said));
                }
                update(tx, &before, new, now)?
            }
        };
        if let Some(transaction) = written {
            return Ok(transaction);
        }
        // Another process recorded or changed it since it was read: its status is evaluated again.
    }
    let said = format!("{} keeps changing", new.natural_key);
    Err(Error::Contended(said))
}

fn recorded(tx: &mut Tx<'_>, natural_key: &str) -> Result<Option<Recorded>> {
    tx.query_opt(
        "select account_id, type, status from transactions where natural_key = $1",
        args![natural_key],
    )
}

/// Inserts a record; `None` when the fact already has one.
fn insert(
    tx: &mut Tx<'_>,
    new: &NewTransaction<'_>,
    now: Timestamp,
) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "insert into transactions
                    (public_id, account_id, user_id, stripe_payment_intent_id,
                     stripe_checkout_session_id, stripe_invoice_id, stripe_refund_id,
                     natural_key, type, status, amount_minor, currency, refunded_minor,
                     product_type, subscription_tier, credits_purchased_micros, description,
                     metadata, failure, attempts, receipt_url, occurred_at, created_at,
                     updated_at, disputed)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     $18, $19, $20, $21, $22, $23, $23, $24)
                 on conflict (natural_key) do nothing
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.account_id,
            new.user_id,
            new.stripe_payment_intent_id,
            new.stripe_checkout_session_id,
            new.stripe_invoice_id,
            new.stripe_refund_id,
            new.natural_key,
            new.kind,
            new.status,
            new.amount_minor,
            new.currency,
            new.refunded_minor,
            new.product_type,
            new.subscription_tier,
            new.credits_purchased_micros,
            new.description,
            new.metadata,
            new.failure,
            new.attempts,
            new.receipt_url,
            new.occurred_at,
            now,
            new.disputed,
        ],
    )
}

/// Updates the record with what is new about its fact: what is no longer fetched stays, except for
/// the payment of a canceled one, which may turn out to be a payment of its own. `None` when its status is no longer the one
/// that was read.
fn update(
    tx: &mut Tx<'_>,
    before: &Recorded,
    new: &NewTransaction<'_>,
    now: Timestamp,
) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "update transactions
                set user_id = coalesce(user_id, $3),
                    stripe_payment_intent_id = case when $8 = 'CANCELLED'
                                                    then $4
                                                    else coalesce($4, stripe_payment_intent_id)
                                               end,
                    stripe_checkout_session_id = coalesce($5, stripe_checkout_session_id),
                    stripe_invoice_id = coalesce($6, stripe_invoice_id),
                    stripe_refund_id = coalesce($7, stripe_refund_id),
                    status = $8,
                    amount_minor = case when $9 = 1 then $10 else amount_minor end,
                    currency = case when $9 = 1 then $11 else currency end,
                    credits_purchased_micros = case when $9 = 1
                                                    then $12
                                                    else credits_purchased_micros end,
                    occurred_at = case when $9 = 1 then $13 else occurred_at end,
                    refunded_minor = $14,
                    subscription_tier = coalesce($15, subscription_tier),
                    description = coalesce($16, description),
                    metadata = coalesce($17, metadata),
                    failure = $18,
                    attempts = case when $19 > attempts then $19 else attempts end,
                    receipt_url = coalesce($20, receipt_url),
                    updated_at = $21,
                    disputed = $22
              where natural_key = $1
                and status = $2
             returning ",
            columns!()
        ),
        args![
            new.natural_key,
            before.status,
            new.user_id,
            new.stripe_payment_intent_id,
            new.stripe_checkout_session_id,
            new.stripe_invoice_id,
            new.stripe_refund_id,
            before.status.after(new.status, before.kind),
            before.status.is_open(),
            new.amount_minor,
            new.currency,
            new.credits_purchased_micros,
            new.occurred_at,
            new.refunded_minor,
            new.subscription_tier,
            new.description,
            new.metadata,
            new.failure,
            new.attempts,
            new.receipt_url,
            now,
            new.disputed,
        ],
    )
}

/// Records how much of a payment is tax.
pub fn note_tax(tx: &mut Tx<'_>, account: i64, natural_key: &str, tax_minor: i64) -> Result<u64> {
    tx.execute(
        "update transactions
            set tax_minor = $3
          where account_id = $1
            and natural_key = $2
            and tax_minor <> $3",
        args![account, natural_key, tax_minor],
    )
}
