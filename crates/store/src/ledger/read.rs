//! Reads for pages, answers and `audit`. Every read takes its account.

use domain::ledger::{Entry, EntryKind, GrantKind, Hold, Lot, LotId};
use domain::time::Timestamp;

use super::rows::{hold_columns, lot_columns};
use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

/// Lists an account's grants, newest first, from before number `before`.
pub fn grants(tx: &mut Tx<'_>, account: i64, before: LotId, limit: i64) -> Result<Vec<Lot>> {
    tx.query(
        sql!(
            "select ",
            lot_columns!(),
            "  from credit_grant
              where account_id = $1
                and lot < $2
              order by lot desc
              limit $3"
        ),
        args![account, before, limit],
    )
}

/// Whose hold this is, and the entry that authorized it: its operation, its units and the version
/// of the catalog that priced it. Holds are named by us, never twice.
pub fn hold_origin(tx: &mut Tx<'_>, hold_id: &str) -> Result<Option<(i64, Entry)>> {
    let entry: Option<Entry> = tx.query_opt(
        "select j.canonical, j.hash
           from hold h
           join journal j on j.account_id = h.account_id and j.at = h.authorized_at
          where h.hold_id = $1
            and j.hold_id = $1
            and j.kind = 'hold'",
        args![hold_id],
    )?;
    Ok(entry.map(|entry| (entry.account, entry)))
}

/// The entry that settled a hold last, if one did.
pub fn hold_settlement(tx: &mut Tx<'_>, account: i64, hold_id: &str) -> Result<Option<Entry>> {
    tx.query_opt(
        "select j.canonical, j.hash
           from hold h
           join journal j on j.account_id = h.account_id and j.at = h.resolved_at
          where h.hold_id = $2
            and h.account_id = $1
            and j.hold_id = $2
            and j.kind in ('capture', 'release', 'hold_expired')
          order by j.seq desc
          limit 1",
        args![account, hold_id],
    )
}

/// Finds the kind of an account's grant by its number, for the receipt of a hold.
pub fn grant_kind(tx: &mut Tx<'_>, account: i64, lot: i64) -> Result<Option<GrantKind>> {
    tx.query_opt(
        "select kind from credit_grant where account_id = $1 and lot = $2",
        args![account, lot],
    )
}

/// Finds the source key of an account's grant, which names it to the ledger.
pub fn grant_source(tx: &mut Tx<'_>, account: i64, lot: i64) -> Result<Option<String>> {
    tx.query_opt(
        "select source_key from credit_grant where account_id = $1 and lot = $2",
        args![account, lot],
    )
}

record! {
    /// A line of the journal as lists show it; amounts in micro-credits.
    pub struct JournalRow {
        /// The position in the journal of all accounts.
        pub n: i64,
        /// The position in the account's journal.
        pub seq: i64,
        /// What the entry records.
        pub kind: EntryKind,
        /// The time of the entry.
        pub at: Timestamp,
        /// By how much the balance rose; negative when it fell.
        pub posted_delta: i64,
        /// By how much the held credits rose; negative when they fell.
        pub held_delta: i64,
        /// By how much the debt rose; negative when it fell.
        pub debt_delta: i64,
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
    }
}

/// The most entries that are read for one page of an account's calls.
const LOOK_BACK: i64 = 50_000;

/// Metered calls of an account as they ended, newest first, from before `seq`: of one key where
/// `key` names one. Looks back over a bounded part of the journal, so that a rare key is no search
/// through all of it.
pub fn ended_calls(
    tx: &mut Tx<'_>,
    account: i64,
    before: i64,
    key: Option<i64>,
    limit: i64,
) -> Result<Vec<JournalRow>> {
    let head: i64 = tx.query_one(
        "select coalesce(max(seq), 0) from journal where account_id = $1",
        args![account],
    )?;
    let before = before.min(head.saturating_add(1));
    tx.query(
        "select n, seq, kind, at, posted_delta, held_delta, debt_delta, hold_id, operation, units,
                api_key_id, charged
           from journal
          where account_id = $1
            and seq < $2
            and seq >= $3
            and kind in ('debit', 'capture', 'release', 'hold_expired')
            and ($4 = 0 or api_key_id = $4)
          order by seq desc
          limit $5",
        args![
            account,
            before,
            before.saturating_sub(LOOK_BACK),
            key.unwrap_or(0),
            limit,
        ],
    )
}

/// Counts the journal rows of all accounts.
pub fn calls_count(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one("select count(*) from journal", args![])
}

/// Position of the last journal row: how many were ever written, a few gaps aside. Unlike a count
/// it reads one row.
pub fn journal_head(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one("select coalesce(max(n), 0) from journal", args![])
}

/// An account's entries after `seq`, oldest first: for replay. The chain is not checked here.
pub fn journal_after(tx: &mut Tx<'_>, account: i64, seq: i64, limit: i64) -> Result<Vec<Entry>> {
    tx.query(
        "select canonical, hash
           from journal
          where account_id = $1
            and seq > $2
          order by seq
          limit $3",
        args![account, seq, limit],
    )
}

/// The last entry of an account at or before `at`: how many entries lead to the state then.
pub fn journal_until(tx: &mut Tx<'_>, account: i64, at: Timestamp) -> Result<i64> {
    tx.query_one(
        "select coalesce(max(seq), 0)
           from journal
          where account_id = $1
            and at <= $2",
        args![account, at],
    )
}

/// Accounts that have a wallet, after account `after`, in order.
pub fn accounts_with_wallet(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select account_id
           from wallet
          where account_id > $1
          order by account_id
          limit $2",
        args![after, limit],
    )
}

/// An account's holds, the newest first, from before `before`.
pub fn holds(tx: &mut Tx<'_>, account: i64, before: Timestamp, limit: i64) -> Result<Vec<Hold>> {
    tx.query(
        sql!(
            "select ",
            hold_columns!(),
            "  from hold
              where account_id = $1
                and authorized_at < $2
              order by authorized_at desc
              limit $3"
        ),
        args![account, before, limit],
    )
}

/// Finds an entry of an account's journal.
pub fn entry(tx: &mut Tx<'_>, account: i64, seq: i64) -> Result<Option<Entry>> {
    tx.query_opt(
        "select canonical, hash from journal where account_id = $1 and seq = $2",
        args![account, seq],
    )
}
