//! Transactions: records of money, one for each fact, identified by a natural key.

mod list;
mod put;
pub mod unexplained;

pub use list::{Cursor, Filter, Sum, list, of_account, sums};
pub use put::{NewTransaction, note_tax, put};

use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, account_id, user_id, stripe_payment_intent_id,
         stripe_checkout_session_id, stripe_invoice_id, stripe_refund_id, natural_key, type,
         status, amount_minor, currency, refunded_minor, product_type, subscription_tier,
         credits_purchased_micros, description, metadata, failure, attempts, receipt_url,
         occurred_at, created_at, updated_at, disputed"
    };
}
use columns;

record! {
    /// A transaction: the record of a payment, a refund or a change of plan.
    pub struct Transaction {
        /// The number of the transaction within this service; never exposed.
        pub id: i64,
        /// The public id of the transaction: `txn_...`.
        pub public_id: String,
        /// The account that the transaction belongs to.
        pub account_id: i64,
        /// The user who caused the transaction, if any.
        pub user_id: Option<i64>,
        /// Stripe's id of the payment intent: `pi_...`.
        pub stripe_payment_intent_id: Option<String>,
        /// Stripe's id of the Checkout session: `cs_...`.
        pub stripe_checkout_session_id: Option<String>,
        /// Stripe's id of the invoice: `in_...`.
        pub stripe_invoice_id: Option<String>,
        /// Stripe's id of the refund: `re_...`.
        pub stripe_refund_id: Option<String>,
        /// The key of the recorded fact: `topup:cs_...`, `invoice:in_...`, `refund:re_...`.
        pub natural_key: String,
        /// What the transaction records.
        pub kind: TransactionType,
        /// The status of the transaction.
        pub status: TransactionStatus,
        /// The amount, in minor units.
        pub amount_minor: i64,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The refunded part, in minor units.
        pub refunded_minor: i64,
        /// What was sold: `subscription` or `credit_topup`.
        pub product_type: String,
        /// The tier that was paid for; `None` for a credit pack.
        pub subscription_tier: Option<String>,
        /// The purchased credits, in micro-credits; `None` for a subscription.
        pub credits_purchased_micros: Option<i64>,
        /// The description shown in the payment history.
        pub description: Option<String>,
        /// Further facts, as JSON without personal data.
        pub metadata: Option<String>,
        /// Why the transaction failed; `None` when it did not.
        pub failure: Option<String>,
        /// The number of payment attempts.
        pub attempts: i64,
        /// The address of the receipt at Stripe.
        pub receipt_url: Option<String>,
        /// The time at which the transaction happened, on Stripe's clock.
        pub occurred_at: Timestamp,
        /// The time at which the transaction was recorded.
        pub created_at: Timestamp,
        /// The time at which the transaction last changed.
        pub updated_at: Timestamp,
        /// Whether a dispute about the payment is open.
        pub disputed: bool,
    }
}

impl Transaction {
    /// The position after this transaction, for the next page.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            occurred_at: self.occurred_at,
            id: self.id,
        }
    }
}

/// Finds one of the account's transactions by its public id.
pub fn find(tx: &mut Tx<'_>, account: i64, public_id: &str) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from transactions where account_id = $1 and public_id = $2"
        ),
        args![account, public_id],
    )
}

/// The account's record of this fact, if any.
pub fn by_natural_key(
    tx: &mut Tx<'_>,
    account: i64,
    natural_key: &str,
) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from transactions where account_id = $1 and natural_key = $2"
        ),
        args![account, natural_key],
    )
}

/// The account's transaction of a type for an invoice, whatever its natural key.
pub fn of_invoice(
    tx: &mut Tx<'_>,
    account: i64,
    kind: TransactionType,
    invoice: &str,
) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where account_id = $1
                and type = $2
                and stripe_invoice_id = $3"
        ),
        args![account, kind, invoice],
    )
}

/// The account's pending transactions, newest first, to be synced again.
pub fn pending(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Transaction>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where account_id = $1 and status = 'PENDING'
              order by id desc
              limit $2"
        ),
        args![account, limit],
    )
}

/// The transaction, of any account, with this public id or Stripe object id: for administration,
/// and for the sync worker that has only the object's id.
pub fn about(tx: &mut Tx<'_>, id: &str) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where public_id = $1
                 or stripe_payment_intent_id = $1
                 or stripe_checkout_session_id = $1
                 or stripe_refund_id = $1
              order by id
              limit 1"
        ),
        args![id],
    )
}

/// The payment of an invoice, of any account: for administration.
pub fn paying(tx: &mut Tx<'_>, invoice: &str) -> Result<Option<Transaction>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE')
                and stripe_invoice_id = $1
              order by id
              limit 1"
        ),
        args![invoice],
    )
}

record! {
    /// A payment for a subscription that can still be refunded, at least in part.
    pub struct Refundable {
        /// Stripe's id of the payment intent: `pi_...`.
        pub payment_intent_id: String,
        /// The amount that was charged, in minor units.
        pub charged_minor: i64,
        /// The part that was not refunded yet, in minor units; zero if a dispute about it was lost.
        pub left_minor: i64,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
    }
}

/// Payments for the period of the account's subscription that was paid since a given time and ends
/// at `until` or later, newest first: not those of a period that was cut short by a change of the
/// interval, whose rest was credited. Stripe refunds no payment whose dispute is open or lost, and none
/// that was made outside of Stripe. Those of which nothing is left are listed, too: they brought a
/// part of the period's credits.
pub fn refundable(
    tx: &mut Tx<'_>,
    account: i64,
    subscription_id: &str,
    (since, until): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Refundable>> {
    tx.query(
        "select t.stripe_payment_intent_id, i.charged_minor,
                case when exists (select 1
                                    from dispute d
                                   where d.payment_intent_id = t.stripe_payment_intent_id
                                     and d.status in ('lost', 'prevented'))
                     then 0
                     else i.charged_minor - t.refunded_minor end,
                t.currency
           from transactions t
           join invoice i on i.invoice_id = t.stripe_invoice_id
          where t.account_id = $1
            and i.account_id = $1
            and i.subscription_id = $2
            and i.paid_at >= $3
            and (i.period_end is null or i.period_end >= $5)
            and t.product_type = 'subscription'
            and t.status in ('COMPLETED', 'REFUNDED')
            and t.stripe_payment_intent_id is not null
            and i.charged_minor > 0
            and t.disputed = 0
          order by i.paid_at desc, i.invoice_id desc
          limit $4",
        args![account, subscription_id, since, limit, until],
    )
}
