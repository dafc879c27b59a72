//! What `audit` reads: rows as stored, to be compared with what the journal says.

use domain::ledger::Lot;
use domain::projection::TransactionStatus;
use domain::time::Timestamp;

use super::rows::lot_columns;
pub use super::rows::{hold, pending_holds};
use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

record! {
    /// A journal row with all its columns; amounts in micro-credits.
    pub struct JournalLine {
        /// The position in the journal of all accounts.
        pub n: i64,
        /// The position in the account's journal.
        pub seq: i64,
        /// The word for what the entry records, unchecked: an audit reports an unknown one.
        pub kind: String,
        /// The time of the entry.
        pub at: Timestamp,
        /// By how much the balance rose; negative when it fell.
        pub posted_delta: i64,
        /// By how much the held credits rose; negative when they fell.
        pub held_delta: i64,
        /// By how much the debt rose; negative when it fell.
        pub debt_delta: i64,
        /// The caller's idempotency key; `None` for the system's own entries.
        pub idempotency_key: Option<String>,
        /// The id of the hold that the entry is about.
        pub hold_id: Option<String>,
        /// The operation that was metered.
        pub operation: Option<String>,
        /// Units of the operation.
        pub units: Option<i64>,
        /// The number of the API key that made the call.
        pub api_key_id: Option<i64>,
        /// Credits that were charged for the call.
        pub charged: i64,
        /// The bytes that were hashed: the whole entry.
        pub canonical: Vec<u8>,
        /// The entry's link in the hash chain.
        pub hash: Vec<u8>,
        /// Units that aren't one whole number, as text.
        pub exact_units: Option<String>,
    }
}

/// An account's journal after `seq`, oldest first, undecoded.
pub fn journal_lines(
    tx: &mut Tx<'_>,
    account: i64,
    seq: i64,
    limit: i64,
) -> Result<Vec<JournalLine>> {
    tx.query(
        "select n, seq, kind, at, posted_delta, held_delta, debt_delta, idempotency_key, hold_id,
                operation, units, api_key_id, charged, canonical, hash, exact_units
           from journal
          where account_id = $1
            and seq > $2
          order by seq
          limit $3",
        args![account, seq, limit],
    )
}

/// Lists all grants of an account, including spent ones.
pub fn lots(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Lot>> {
    tx.query(
        sql!(
            "select ",
            lot_columns!(),
            " from credit_grant where account_id = $1 order by lot"
        ),
        args![account],
    )
}

/// The number of holds that an account has or had.
pub fn holds_count(tx: &mut Tx<'_>, account: i64) -> Result<i64> {
    tx.query_one(
        "select count(*) from hold where account_id = $1",
        args![account],
    )
}

record! {
    /// A day's usage by operation and key; credits in micro-credits.
    pub struct UsageDay {
        /// The UTC day, counted from the epoch.
        pub day: i64,
        /// The operation that was metered.
        pub operation: String,
        /// The number of the API key; zero for none.
        pub api_key_id: i64,
        /// The number of calls that were charged.
        pub calls: i64,
        /// Credits that were charged.
        pub credits: i64,
    }
}

/// Lists all usage rows of an account.
pub fn usage(tx: &mut Tx<'_>, account: i64) -> Result<Vec<UsageDay>> {
    tx.query(
        "select day, operation, api_key_id, calls, credits
           from usage_day
          where account_id = $1
          order by day, operation, api_key_id",
        args![account],
    )
}

record! {
    /// A day's units of one meter, by operation and key.
    pub struct MeterDay {
        /// The UTC day, counted from the epoch.
        pub day: i64,
        /// The operation that was metered.
        pub operation: String,
        /// The number of the API key; zero for none.
        pub api_key_id: i64,
        /// The name of the meter.
        pub meter: String,
        /// Units that were charged, in millionths.
        pub units: i64,
    }
}

/// Lists all meter rows of an account.
pub fn meters(tx: &mut Tx<'_>, account: i64) -> Result<Vec<MeterDay>> {
    tx.query(
        "select day, operation, api_key_id, meter, units
           from usage_meter_day
          where account_id = $1
          order by day, operation, api_key_id, meter",
        args![account],
    )
}

record! {
    /// The part of a top-up's transaction that its grant must match.
    pub struct Topup {
        /// The public id of the transaction: `txn_...`.
        pub public_id: String,
        /// Stripe's id of the payment intent: `pi_...`.
        pub payment_intent: Option<String>,
        /// The status of the transaction.
        pub status: TransactionStatus,
        /// The credits that were bought, in micro-credits; `None` for a subscription.
        pub credits_micros: Option<i64>,
        /// The time at which the transaction happened, on Stripe's clock.
        pub occurred_at: Timestamp,
        /// Whether it is a top-up; otherwise a payment of another kind.
        pub is_topup: bool,
        /// The key of the fact that the transaction records: `topup:cs_...`.
        pub natural_key: String,
    }
}

/// Lists an account's transactions, oldest first.
pub fn payments(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Topup>> {
    tx.query(
        "select public_id, stripe_payment_intent_id, status, credits_purchased_micros,
                occurred_at, case when type = 'CREDIT_TOPUP' then 1 else 0 end, natural_key
           from transactions
          where account_id = $1
            and type <> 'SUBSCRIPTION_DOWNGRADE'
          order by id
          limit $2",
        args![account, limit],
    )
}
