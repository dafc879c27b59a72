//! Transactions: the records of money, one for each fact, named by its natural key.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, anywhere, record, sql};
use crate::error::{Error, Result};

macro_rules! columns {
    () => {
        "id, public_id, account_id, user_id, stripe_payment_intent_id,
         stripe_checkout_session_id, stripe_invoice_id, stripe_refund_id, natural_key, type,
         status, amount_minor, currency, refunded_minor, product_type, subscription_tier,
         credits_purchased_micros, description, metadata, failure, attempts, receipt_url,
         occurred_at, created_at, updated_at"
    };
}

record! {
    /// One transaction.
    pub struct Transaction {
        /// Its number inside.
        pub id: i64,
        /// Its name outside: `txn_...`.
        pub public_id: String,
        /// Whose it is.
        pub account_id: i64,
        /// Who caused it.
        pub user_id: Option<i64>,
        /// `pi_...`
        pub stripe_payment_intent_id: Option<String>,
        /// `cs_...`
        pub stripe_checkout_session_id: Option<String>,
        /// `in_...`
        pub stripe_invoice_id: Option<String>,
        /// `re_...`
        pub stripe_refund_id: Option<String>,
        /// The fact it records: `topup:cs_...`, `invoice:in_...`, `refund:re_...`.
        pub natural_key: String,
        /// One of the six types.
        pub kind: String,
        /// One of the five statuses.
        pub status: String,
        /// In minor units.
        pub amount_minor: i64,
        /// In lower case.
        pub currency: String,
        /// What of it was paid back, in minor units.
        pub refunded_minor: i64,
        /// `subscription` or `credit_topup`.
        pub product_type: String,
        /// The tier that was paid for.
        pub subscription_tier: Option<String>,
        /// The credits that were paid for.
        pub credits_purchased_micros: Option<i64>,
        /// For people.
        pub description: Option<String>,
        /// JSON without personal data.
        pub metadata: Option<String>,
        /// Why it failed.
        pub failure: Option<String>,
        /// How often it was tried.
        pub attempts: i64,
        /// Where its receipt is.
        pub receipt_url: Option<String>,
        /// When it happened, by Stripe.
        pub occurred_at: Timestamp,
        /// When it was recorded.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
    }
}

/// A fact to record.
#[derive(Clone, Debug, Default)]
pub struct NewTransaction<'a> {
    /// `txn_...`, for the case that it is new.
    pub public_id: &'a str,
    /// Whose it is.
    pub account_id: i64,
    /// Who caused it.
    pub user_id: Option<i64>,
    /// `pi_...`
    pub stripe_payment_intent_id: Option<&'a str>,
    /// `cs_...`
    pub stripe_checkout_session_id: Option<&'a str>,
    /// `in_...`
    pub stripe_invoice_id: Option<&'a str>,
    /// `re_...`
    pub stripe_refund_id: Option<&'a str>,
    /// The fact.
    pub natural_key: &'a str,
    /// One of the six types.
    pub kind: &'a str,
    /// One of the five statuses.
    pub status: &'a str,
    /// In minor units.
    pub amount_minor: i64,
    /// In lower case.
    pub currency: &'a str,
    /// What of it was paid back, in minor units.
    pub refunded_minor: i64,
    /// `subscription` or `credit_topup`.
    pub product_type: &'a str,
    /// The tier that was paid for.
    pub subscription_tier: Option<&'a str>,
    /// The credits that were paid for.
    pub credits_purchased_micros: Option<i64>,
    /// For people.
    pub description: Option<&'a str>,
    /// JSON without personal data.
    pub metadata: Option<&'a str>,
    /// Why it failed.
    pub failure: Option<&'a str>,
    /// How often it was tried.
    pub attempts: i64,
    /// Where its receipt is.
    pub receipt_url: Option<&'a str>,
    /// When it happened, by Stripe.
    pub occurred_at: Timestamp,
}

/// Records the fact, or brings its record up to date, and answers the record as it is then.
///
/// The status takes allowed steps only: `PENDING` to any other; `FAILED` to `COMPLETED` or
/// `REFUNDED`, and to `CANCELLED` when its invoice was voided; `COMPLETED` to `REFUNDED`, and back
/// when the refund failed in the end; a refund itself from `COMPLETED` to `FAILED` or `CANCELLED`.
/// Any other is ignored, since it comes from an older look at Stripe. What was paid is frozen from `COMPLETED` on. A natural key, payment intent,
/// session or refund of another record is a conflict, and so is a record of another account.
pub fn put(tx: &mut Tx<'_>, new: &NewTransaction<'_>, now: Timestamp) -> Result<Transaction> {
    let recorded = tx.query_opt(
        sql!(
            "insert into transactions
                    (public_id, account_id, user_id, stripe_payment_intent_id,
                     stripe_checkout_session_id, stripe_invoice_id, stripe_refund_id,
                     natural_key, type, status, amount_minor, currency, refunded_minor,
                     product_type, subscription_tier, credits_purchased_micros, description,
                     metadata, failure, attempts, receipt_url, occurred_at, created_at,
                     updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     $18, $19, $20, $21, $22, $23, $23)
                 on conflict (natural_key) do update
                set user_id = coalesce(transactions.user_id, excluded.user_id),
                    stripe_payment_intent_id = coalesce(excluded.stripe_payment_intent_id,
                                                        transactions.stripe_payment_intent_id),
                    stripe_checkout_session_id =
                        coalesce(excluded.stripe_checkout_session_id,
                                 transactions.stripe_checkout_session_id),
                    stripe_invoice_id = coalesce(excluded.stripe_invoice_id,
                                                 transactions.stripe_invoice_id),
                    stripe_refund_id = coalesce(excluded.stripe_refund_id,
                                                transactions.stripe_refund_id),
                    status = case
                        when transactions.status = 'PENDING'
                        then excluded.status
                        when transactions.status = 'FAILED'
                             and transactions.type <> 'REFUND'
                             and excluded.status in ('COMPLETED', 'REFUNDED', 'CANCELLED')
                        then excluded.status
                        when transactions.status = 'COMPLETED' and excluded.status = 'REFUNDED'
                        then excluded.status
                        when transactions.status = 'REFUNDED' and excluded.status = 'COMPLETED'
                        then excluded.status
                        when transactions.status = 'COMPLETED'
                             and transactions.type = 'REFUND'
                             and excluded.status in ('FAILED', 'CANCELLED')
                        then excluded.status
                        else transactions.status end,
                    amount_minor = case when transactions.status in ('PENDING', 'FAILED')
                                        then excluded.amount_minor
                                        else transactions.amount_minor end,
                    currency = case when transactions.status in ('PENDING', 'FAILED')
                                    then excluded.currency
                                    else transactions.currency end,
                    credits_purchased_micros =
                        case when transactions.status in ('PENDING', 'FAILED')
                             then excluded.credits_purchased_micros
                             else transactions.credits_purchased_micros end,
                    occurred_at = case when transactions.status in ('PENDING', 'FAILED')
                                       then excluded.occurred_at
                                       else transactions.occurred_at end,
                    refunded_minor = excluded.refunded_minor,
                    subscription_tier = coalesce(excluded.subscription_tier,
                                                 transactions.subscription_tier),
                    description = coalesce(excluded.description, transactions.description),
                    metadata = coalesce(excluded.metadata, transactions.metadata),
                    failure = excluded.failure,
                    attempts = case when excluded.attempts > transactions.attempts
                                    then excluded.attempts
                                    else transactions.attempts end,
                    receipt_url = coalesce(excluded.receipt_url, transactions.receipt_url),
                    updated_at = excluded.updated_at
              where transactions.account_id = excluded.account_id
                and transactions.type = excluded.type
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
        ],
    )?;
    recorded.ok_or_else(|| {
        Error::Conflict(format!(
            "{} records something else already",
            new.natural_key
        ))
    })
}

/// One of the account's transactions, by its name outside.
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

/// The record of this fact, if the account has it.
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

/// The account's one row of a type for an invoice, whatever its natural key.
pub fn of_invoice(
    tx: &mut Tx<'_>,
    account: i64,
    kind: &str,
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

/// The account's records that wait for something, the newest first: what is looked at again.
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

/// Any account's transaction that a Stripe object or our own id names: for administration, and for
/// the worker that has only the object's name.
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

/// Any account's payment of an invoice: for administration.
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

/// What a list of transactions is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// One account. Lists for anybody but an administrator set it.
    pub account_id: Option<i64>,
    /// One type, or `PAYMENT` for the three that bring money.
    pub kind: Option<&'a str>,
    /// One status, or `PAID` for the two of a payment that went through.
    pub status: Option<&'a str>,
    /// Happened at or after.
    pub from: Option<Timestamp>,
    /// Happened before.
    pub until: Option<Timestamp>,
    /// Held by an id, the description, or the account's name or address.
    pub search: Option<&'a str>,
}

/// Where a page of a list ended: the next begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When its last transaction happened.
    pub occurred_at: Timestamp,
    /// Its number.
    pub id: i64,
}

impl Cursor {
    /// Before everything.
    pub const START: Cursor = Cursor {
        occurred_at: Timestamp::from_micros(i64::MAX),
        id: i64::MAX,
    };
}

impl Transaction {
    /// Where a page that ends with this transaction ended.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            occurred_at: self.occurred_at,
            id: self.id,
        }
    }
}

macro_rules! filtered {
    () => {
        r" where ($1 is null or t.account_id = $1)
             and ($2 is null or t.type = $2
                  or ($2 = 'PAYMENT' and t.type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE',
                                                    'CREDIT_TOPUP')))
             and ($3 is null or t.status = $3
                  or ($3 = 'PAID' and t.status in ('COMPLETED', 'REFUNDED')))
             and ($4 is null or t.occurred_at >= $4)
             and ($5 is null or t.occurred_at < $5)
             and ($6 is null
                  or lower(t.public_id) like $6 escape '\'
                  or lower(t.natural_key) like $6 escape '\'
                  or lower(t.stripe_payment_intent_id) like $6 escape '\'
                  or lower(t.stripe_invoice_id) like $6 escape '\'
                  or lower(t.stripe_checkout_session_id) like $6 escape '\'
                  or lower(t.stripe_refund_id) like $6 escape '\'
                  or lower(t.description) like $6 escape '\'
                  or exists (select 1
                               from account a
                              where a.id = t.account_id
                                and (lower(a.name) like $6 escape '\'
                                     or lower(a.stripe_customer_id) like $6 escape '\'
                                     or lower(a.external_id) like $6 escape '\'
                                     or lower(a.email) like $6 escape '\'
                                     or lower(a.public_id) like $6 escape '\')))"
    };
}

/// Transactions, the latest first, from behind `after`.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter<'_>,
    after: Cursor,
    limit: i64,
) -> Result<Vec<Transaction>> {
    let pattern = filter.search.map(anywhere);
    tx.query(
        sql!(
            "select ",
            columns!(),
            " from transactions t ",
            filtered!(),
            "  and (t.occurred_at, t.id) < ($7, $8)
              order by t.occurred_at desc, t.id desc
              limit $9"
        ),
        args![
            filter.account_id,
            filter.kind,
            filter.status,
            filter.from,
            filter.until,
            &pattern,
            after.occurred_at,
            after.id,
            limit,
        ],
    )
}

/// The account's transactions, the latest first, from behind `after`.
pub fn of_account(
    tx: &mut Tx<'_>,
    account: i64,
    after: Cursor,
    limit: i64,
) -> Result<Vec<Transaction>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where account_id = $1
                and (occurred_at, id) < ($2, $3)
              order by occurred_at desc, id desc
              limit $4"
        ),
        args![account, after.occurred_at, after.id, limit],
    )
}

record! {
    /// What transactions of one kind add up to.
    pub struct Sum {
        /// In lower case.
        pub currency: String,
        /// One of the six types.
        pub kind: String,
        /// One of the five statuses.
        pub status: String,
        /// How many.
        pub count: i64,
        /// Their amounts, in minor units.
        pub amount_minor: i64,
        /// What of them was paid back, in minor units.
        pub refunded_minor: i64,
    }
}

/// What the transactions that a filter finds add up to, by currency, type and status.
pub fn sums(tx: &mut Tx<'_>, filter: &Filter<'_>) -> Result<Vec<Sum>> {
    let pattern = filter.search.map(anywhere);
    tx.query(
        sql!(
            "select t.currency, t.type, t.status, count(*),
                    cast(sum(t.amount_minor) as bigint),
                    cast(sum(t.refunded_minor) as bigint)
               from transactions t ",
            filtered!(),
            " group by t.currency, t.type, t.status
              order by t.currency, t.type, t.status"
        ),
        args![
            filter.account_id,
            filter.kind,
            filter.status,
            filter.from,
            filter.until,
            &pattern,
        ],
    )
}

record! {
    /// A payment of a subscription of which something can still be given back.
    pub struct Refundable {
        /// `pi_...`
        pub payment_intent_id: String,
        /// What was not given back yet, in minor units.
        pub left_minor: i64,
        /// In lower case.
        pub currency: String,
    }
}

/// Payments of the account's subscription since a moment, the newest first.
pub fn refundable(
    tx: &mut Tx<'_>,
    account: i64,
    subscription_id: &str,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Refundable>> {
    tx.query(
        "select t.stripe_payment_intent_id, t.amount_minor - t.refunded_minor, t.currency
           from transactions t
           join invoice i on i.invoice_id = t.stripe_invoice_id
          where t.account_id = $1
            and i.account_id = $1
            and i.subscription_id = $2
            and i.paid_at >= $3
            and t.product_type = 'subscription'
            and t.status = 'COMPLETED'
            and t.stripe_payment_intent_id is not null
            and t.amount_minor > t.refunded_minor
          order by i.paid_at desc, i.invoice_id desc
          limit $4",
        args![account, subscription_id, since, limit],
    )
}
