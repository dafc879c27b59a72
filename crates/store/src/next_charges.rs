//! Stripe's previews of the next invoice of each plan, as of the last time they were fetched.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// What the next invoice of a subscription will be.
    pub struct NextCharge {
        /// Stripe's id of the subscription.
        pub subscription_id: String,
        /// The account that the subscription belongs to.
        pub account_id: i64,
        /// The digest of what the preview depends on; empty if that has changed since.
        pub inputs: String,
        /// When the invoice is made; `None` when none is coming.
        pub due_at: Option<Timestamp>,
        /// The currency, as an ISO code in lower case.
        pub currency: Option<String>,
        /// What will be charged, in minor units.
        pub amount_minor: Option<i64>,
        /// The lines that add up to the amount, as JSON.
        pub lines: Option<String>,
        /// When it was fetched.
        pub fetched_at: Timestamp,
    }
}

impl NextCharge {
    /// Whether the subscription has changed since the preview was fetched.
    pub const fn is_stale(&self) -> bool {
        self.inputs.is_empty()
    }
}

/// Overwrites the preview of a subscription.
pub fn put(tx: &mut Tx<'_>, row: &NextCharge) -> Result<u64> {
    tx.execute(
        "insert into next_charge
                (subscription_id, account_id, inputs, due_at, currency, amount_minor, lines,
                 fetched_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (subscription_id) do update
            set inputs = excluded.inputs,
                due_at = excluded.due_at,
                currency = excluded.currency,
                amount_minor = excluded.amount_minor,
                lines = excluded.lines,
                fetched_at = excluded.fetched_at
          where next_charge.account_id = excluded.account_id",
        args![
            &row.subscription_id,
            row.account_id,
            &row.inputs,
            row.due_at,
            &row.currency,
            row.amount_minor,
            &row.lines,
            row.fetched_at,
        ],
    )
}

/// Removes the preview of a subscription that is charged no more.
pub fn remove(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<u64> {
    tx.execute(
        "delete from next_charge where account_id = $1 and subscription_id = $2",
        args![account, subscription_id],
    )
}

/// Marks the preview of a subscription that has changed and whose new preview isn't known.
pub fn mark_stale(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<u64> {
    tx.execute(
        "update next_charge set inputs = '' where account_id = $1 and subscription_id = $2",
        args![account, subscription_id],
    )
}

/// The previews of an account's subscriptions.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<NextCharge>> {
    tx.query(
        "select subscription_id, account_id, inputs, due_at, currency, amount_minor, lines,
                fetched_at
           from next_charge
          where account_id = $1
          order by subscription_id",
        args![account],
    )
}

/// Finds the preview of one of the account's subscriptions.
pub fn find(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<Option<NextCharge>> {
    tx.query_opt(
        "select subscription_id, account_id, inputs, due_at, currency, amount_minor, lines,
                fetched_at
           from next_charge
          where account_id = $1 and subscription_id = $2",
        args![account, subscription_id],
    )
}
