//! Used trials: one per account and one per card.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, word_column};
use crate::error::Result;

words! {
    /// The outcome of a trial's card check.
    pub enum TrialState {
        /// The card had no trial before.
        Granted = "granted",
        /// The card already had a trial; the subscription is being ended.
        Refusing = "refusing",
        /// The card already had a trial; the subscription was ended.
        Refused = "refused",
    }
}
word_column!(TrialState);

record! {
    /// A trial and whether its card is eligible.
    pub struct Trial {
        /// Stripe's id of the subscription: `sub_...`.
        pub subscription_id: String,
        /// The account that the trial belongs to.
        pub account_id: i64,
        /// The outcome of the card check.
        pub state: TrialState,
        /// The time at which its card was checked.
        pub created_at: Timestamp,
    }
}

/// Finds the outcome of this trial's card check.
pub fn find(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<Option<Trial>> {
    tx.query_opt(
        "select subscription_id, account_id, state, created_at
           from trial
          where account_id = $1 and subscription_id = $2",
        args![account, subscription_id],
    )
}

/// Lists the account's checked trials, including refused ones.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Trial>> {
    tx.query(
        "select subscription_id, account_id, state, created_at
           from trial
          where account_id = $1
          order by created_at, subscription_id",
        args![account],
    )
}

/// Claims the card's trial for this subscription; if two claim it at once, only one succeeds.
/// Returns whether this subscription has it.
pub fn claim_card(
    tx: &mut Tx<'_>,
    account: i64,
    subscription_id: &str,
    card_hash: &str,
    now: Timestamp,
) -> Result<bool> {
    let holder: String = tx.query_one(
        "insert into trial_card (card_hash, account_id, subscription_id, created_at)
         values ($1, $2, $3, $4)
             on conflict (card_hash) do update
            set created_at = trial_card.created_at
         returning subscription_id",
        args![card_hash, account, subscription_id, now],
    )?;
    Ok(holder == subscription_id)
}

/// Records the outcome of a trial's card check.
pub fn put(tx: &mut Tx<'_>, row: &Trial) -> Result<u64> {
    tx.execute(
        "insert into trial (subscription_id, account_id, state, created_at)
         values ($1, $2, $3, $4)
             on conflict (subscription_id) do update
            set state = excluded.state",
        args![
            &row.subscription_id,
            row.account_id,
            row.state,
            row.created_at
        ],
    )
}
