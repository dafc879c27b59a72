//! Payments of our customers that nothing explains yet: no purchase, no invoice of a plan. Each has
//! a row, so that it is counted and can be refunded, and is a finding until it was refunded, or an
//! operator decided what it was for.

use super::{Transaction, columns};
use crate::args;
use crate::db::{Tx, sql};
use crate::error::Result;

/// How the natural keys of these rows begin; Stripe's id of the payment follows.
pub const PREFIX: &str = "payment:";

/// What `metadata` says once an operator decided that the payment needs no credits.
const ACCEPTED: &str = "{\"accepted\":true}";

/// The natural key of the row of this payment, given by the payment intent or the charge.
pub fn key(payment: &str) -> String {
    format!("{PREFIX}{payment}")
}

/// The account's payments that still need a decision, the newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Transaction>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from transactions
              where account_id = $1
                and type = 'CREDIT_TOPUP'
                and credits_purchased_micros is null
                and natural_key like 'payment:%'
                and status = 'COMPLETED'
                and metadata is null
              order by occurred_at desc, id desc
              limit $2"
        ),
        args![account, limit],
    )
}

/// The number of payments of all accounts that still need a decision.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one(
        "select count(*)
           from transactions
          where type = 'CREDIT_TOPUP'
            and status = 'COMPLETED'
            and credits_purchased_micros is null
            and natural_key like 'payment:%'
            and metadata is null",
        args![],
    )
}

/// Records that the payment needs no credits.
pub fn accept(tx: &mut Tx<'_>, account: i64, payment: &str) -> Result<bool> {
    let changed = tx.execute(
        "update transactions
            set metadata = $3
          where account_id = $1 and natural_key = $2 and metadata is null",
        args![account, &key(payment), ACCEPTED],
    )?;
    Ok(changed > 0)
}

/// Removes the row of a payment that turned out to be something else, which gets a row of its own
/// or none. Returns the public id, for the new row.
pub fn take_out(tx: &mut Tx<'_>, account: i64, payment: &str) -> Result<Option<String>> {
    tx.query_opt(
        "delete from transactions
          where account_id = $1 and natural_key = $2
         returning public_id",
        args![account, &key(payment)],
    )
}

/// Removes the record of a refund of another product's payment.
pub fn take_out_refund(tx: &mut Tx<'_>, account: i64, refund: &str) -> Result<u64> {
    tx.execute(
        "delete from transactions
          where account_id = $1 and natural_key = $2",
        args![account, &format!("refund:{refund}")],
    )
}
