//! Stripe's customers and the accounts they belong to. An account has one current customer and may
//! have had others, whose late events are still matched to it.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, word_column};
use crate::error::Result;

words! {
    /// Whether a Stripe customer is the one its account currently pays with.
    pub enum CustomerState {
        /// The account currently pays with it.
        Current = "current",
        /// The account formerly paid with it; late events may still name it.
        Former = "former",
    }
}
word_column!(CustomerState);

record! {
    /// A customer at Stripe.
    pub struct Customer {
        /// Stripe's id of the customer: `cus_...`.
        pub customer_id: String,
        /// The account that the customer belongs to.
        pub account_id: i64,
        /// Whether the account currently pays with this customer.
        pub state: CustomerState,
        /// The time at which the customer was recorded.
        pub created_at: Timestamp,
    }
}

/// Records a customer as the account's current one. Returns `false` if it is already known; another
/// current customer of the account is a conflict.
pub fn insert(tx: &mut Tx<'_>, customer_id: &str, account: i64, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "insert into stripe_customer (customer_id, account_id, state, created_at)
         values ($1, $2, 'current', $3)
             on conflict (customer_id) do nothing",
        args![customer_id, account, now],
    )?;
    Ok(changed > 0)
}

/// Records a former customer of an account.
pub fn insert_former(
    tx: &mut Tx<'_>,
    customer_id: &str,
    account: i64,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "insert into stripe_customer (customer_id, account_id, state, created_at)
         values ($1, $2, 'former', $3)
             on conflict (customer_id) do nothing",
        args![customer_id, account, now],
    )
}

/// Makes the customer a former one: it was deleted at Stripe or replaced.
pub fn retire(tx: &mut Tx<'_>, account: i64, customer_id: &str) -> Result<u64> {
    tx.execute(
        "update stripe_customer
            set state = 'former'
          where account_id = $1 and customer_id = $2 and state = 'current'",
        args![account, customer_id],
    )
}

/// Forgets a customer that Stripe no longer has: nothing can be fetched about it.
pub fn remove(tx: &mut Tx<'_>, account: i64, customer_id: &str) -> Result<u64> {
    tx.execute(
        "delete from stripe_customer where account_id = $1 and customer_id = $2",
        args![account, customer_id],
    )
}

/// Finds the account of a customer, current or former.
pub fn account_of(tx: &mut Tx<'_>, customer_id: &str) -> Result<Option<i64>> {
    tx.query_opt(
        "select account_id from stripe_customer where customer_id = $1",
        args![customer_id],
    )
}

/// The customer that the account currently pays with.
pub fn current(tx: &mut Tx<'_>, account: i64) -> Result<Option<String>> {
    tx.query_opt(
        "select customer_id
           from stripe_customer
          where account_id = $1 and state = 'current'",
        args![account],
    )
}

/// The customer that was recorded last, of any account.
pub fn latest(tx: &mut Tx<'_>) -> Result<Option<String>> {
    tx.query_opt(
        "select customer_id
           from stripe_customer
          where state = 'current'
          order by created_at desc, customer_id
          limit 1",
        args![],
    )
}

/// All customers of the account, newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Customer>> {
    tx.query(
        "select customer_id, account_id, state, created_at
           from stripe_customer
          where account_id = $1
          order by created_at desc, customer_id",
        args![account],
    )
}
