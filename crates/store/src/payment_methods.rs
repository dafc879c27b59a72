//! The card details shown for an account; the card itself is stored at Stripe.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// The displayed details of a card.
    pub struct PaymentMethod {
        /// The account that the card belongs to.
        pub account_id: i64,
        /// The brand, such as `visa`.
        pub brand: String,
        /// The last four digits.
        pub last4: String,
        /// The month in which the card expires, 1 to 12.
        pub exp_month: i64,
        /// The four-digit year in which the card expires.
        pub exp_year: i64,
        /// The time at which the card was last fetched from Stripe.
        pub synced_at: Timestamp,
    }
}

/// Finds the account's card.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Option<PaymentMethod>> {
    tx.query_opt(
        "select account_id, brand, last4, exp_month, exp_year, synced_at
           from payment_method
          where account_id = $1",
        args![account],
    )
}

/// Overwrites the account's card with what was fetched.
pub fn put(tx: &mut Tx<'_>, row: &PaymentMethod) -> Result<u64> {
    tx.execute(
        "insert into payment_method (account_id, brand, last4, exp_month, exp_year, synced_at)
         values ($1, $2, $3, $4, $5, $6)
             on conflict (account_id) do update
            set brand = excluded.brand,
                last4 = excluded.last4,
                exp_month = excluded.exp_month,
                exp_year = excluded.exp_year,
                synced_at = excluded.synced_at",
        args![
            row.account_id,
            &row.brand,
            &row.last4,
            row.exp_month,
            row.exp_year,
            row.synced_at
        ],
    )
}

/// Deletes the account's card.
pub fn remove(tx: &mut Tx<'_>, account: i64) -> Result<u64> {
    tx.execute(
        "delete from payment_method where account_id = $1",
        args![account],
    )
}
