//! Lists of transactions, their pages and sums.

use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;

use super::{Transaction, columns};
use crate::args;
use crate::db::{Tx, like_pattern, record, sql, total};
use crate::error::Result;

/// The conditions that narrow a list of transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only transactions of this account. Must be set in lists for anyone but an operator.
    pub account_id: Option<i64>,
    /// Only this type, or `PAYMENT` for the three types of payments.
    pub kind: Option<&'a str>,
    /// Only this status, or `PAID` for the two statuses of a succeeded payment, or `DISPUTED` for
    /// payments about which a dispute is open.
    pub status: Option<&'a str>,
    /// Only transactions that happened at or after this time.
    pub from: Option<Timestamp>,
    /// Only transactions that happened before this time.
    pub until: Option<Timestamp>,
    /// Only transactions with this text in an id, the description, or the account's name or email
    /// address.
    pub search: Option<&'a str>,
}

/// The end of a page of a list: the next page starts after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the page's last transaction.
    pub occurred_at: Timestamp,
    /// The number of the page's last transaction.
    pub id: i64,
}

impl Cursor {
    /// The position of the first page.
    pub const START: Cursor = Cursor {
        occurred_at: Timestamp::from_micros(i64::MAX),
        id: i64::MAX,
    };
}

macro_rules! filtered {
    () => {
        r" where ($1 is null or t.account_id = $1)
             and ($2 is null or t.type = $2
                  or ($2 = 'PAYMENT' and t.type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE',
                                                    'CREDIT_TOPUP')))
             and ($3 is null or t.status = $3
                  or ($3 = 'PAID' and t.status in ('COMPLETED', 'REFUNDED'))
                  or ($3 = 'DISPUTED' and t.disputed = 1))
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

/// Transactions, latest first, after position `after`.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter<'_>,
    after: Cursor,
    limit: i64,
) -> Result<Vec<Transaction>> {
    let pattern = filter.search.map(like_pattern);
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

/// The account's transactions, latest first, after position `after`.
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
    /// The sums of transactions with the same currency, type and status.
    pub struct Sum {
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// What the transactions record.
        pub kind: TransactionType,
        /// The status of the transactions.
        pub status: TransactionStatus,
        /// The number of transactions.
        pub count: i64,
        /// The sum of their amounts, in minor units.
        pub amount_minor: i64,
        /// The sum of refunds, in minor units.
        pub refunded_minor: i64,
    }
}

/// Sums the transactions that match a filter, by currency, type and status.
pub fn sums(tx: &mut Tx<'_>, filter: &Filter<'_>) -> Result<Vec<Sum>> {
    let pattern = filter.search.map(like_pattern);
    tx.query(
        sql!(
            "select t.currency, t.type, t.status, count(*), ",
            total!("t.amount_minor"),
            ", ",
            total!("t.refunded_minor"),
            " from transactions t ",
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
