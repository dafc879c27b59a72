//! Prices that were agreed with one account. The current price of a tier is what the account is
//! charged for a new subscription; earlier ones stay mapped to their tier.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "account_id, price_id, tier, currency, amount_minor, billing_interval, is_current,
         created_at"
    };
}

record! {
    /// A price that was agreed with one account.
    pub struct AccountPrice {
        /// The account that the price belongs to.
        pub account_id: i64,
        /// Stripe's id of the price: `price_...`.
        pub price_id: String,
        /// The tier that the price sells.
        pub tier: String,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The price of a period, in minor units.
        pub amount_minor: i64,
        /// The billing interval: `month` or `year`.
        pub billing_interval: String,
        /// Whether it is the account's current price of the tier.
        pub is_current: bool,
        /// The time at which the price was agreed.
        pub created_at: Timestamp,
    }
}

/// Makes the price the current one of its tier; the previous one stays mapped.
pub fn set(tx: &mut Tx<'_>, row: &AccountPrice) -> Result<()> {
    end(tx, row.account_id, &row.tier)?;
    tx.execute(
        sql!(
            "insert into account_price (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (account_id, price_id) do update
                set tier = excluded.tier,
                    currency = excluded.currency,
                    amount_minor = excluded.amount_minor,
                    billing_interval = excluded.billing_interval,
                    is_current = excluded.is_current"
        ),
        args![
            row.account_id,
            &row.price_id,
            &row.tier,
            &row.currency,
            row.amount_minor,
            &row.billing_interval,
            row.is_current,
            row.created_at,
        ],
    )?;
    Ok(())
}

/// Ends the account's own price of a tier; existing subscriptions keep it. Returns the number of
/// prices ended.
pub fn end(tx: &mut Tx<'_>, account: i64, tier: &str) -> Result<u64> {
    tx.execute(
        "update account_price
            set is_current = 0
          where account_id = $1 and tier = $2 and is_current = 1",
        args![account, tier],
    )
}

/// All prices that the account has or had, by tier and age.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<AccountPrice>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from account_price
              where account_id = $1
              order by tier, created_at desc, price_id"
        ),
        args![account],
    )
}
