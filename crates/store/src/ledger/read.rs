//! Reads for pages, answers and `audit`. Every read takes its account.

use domain::ledger::{Entry, EntryKind, GrantKind, HoldState, LotFacts, LotState, WalletStatus};
use domain::money::Credits;
use domain::time::Timestamp;

use super::rows::decode;
use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// The sums of an account's journal, and until when they hold without a settlement.
    pub struct WalletRow {
        /// Credits in all grants, in micro-credits.
        pub posted: i64,
        /// Credits pinned by holds, in micro-credits.
        pub held: i64,
        /// Debt, in micro-credits.
        pub debt: i64,
        /// The number of the last journal entry.
        pub seq: i64,
        /// The hash of the last journal entry.
        pub hash: Vec<u8>,
        /// How many holds are pending.
        pub open_holds: i64,
        /// The period the calls are counted in.
        pub period_start: Timestamp,
        /// Calls that were authorized in the period.
        pub period_calls: i64,
        /// The time before which nothing falls due.
        pub next_due_at: Option<Timestamp>,
        /// Whether the account may spend.
        pub status: WalletStatus,
        /// The start of the plan's current period.
        pub plan_start: Timestamp,
        /// Calls that the plan allows in the period; `None` for no limit.
        pub plan_calls_limit: Option<i64>,
        /// The time until which the stored answer of the plan holds.
        pub plan_valid_until: Timestamp,
        /// The time at which the wallet last changed.
        pub updated_at: Timestamp,
    }
}

/// The wallet of an account; `None` before its first command.
pub fn wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<WalletRow>> {
    tx.query_opt(
        "select posted, held, debt, seq, hash, open_holds, period_start, period_calls,
                next_due_at, status, plan_start, plan_calls_limit, plan_valid_until, updated_at
           from wallet
          where account_id = $1",
        args![account],
    )
}

record! {
    /// A grant as pages and returns show it; amounts in micro-credits.
    pub struct GrantRow {
        /// The number of the grant within its account.
        pub lot: i64,
        /// What the credits were granted for.
        pub kind: GrantKind,
        /// The key that makes the grant unique within its account.
        pub source_key: String,
        /// Credits that were granted.
        pub amount: i64,
        /// Credits that were spent.
        pub used: i64,
        /// Credits that expired unspent.
        pub expired: i64,
        /// Credits that were clawed back.
        pub clawed: i64,
        /// Credits that holds have pinned.
        pub held: i64,
        /// How much of the grant its payment's reversals have asked back.
        pub reversed: i64,
        /// The order in which grants are spent: smaller numbers first.
        pub priority: i64,
        /// The time from which the credits may be spent.
        pub effective_at: Timestamp,
        /// The time at which unspent credits expire; `None` for never.
        pub expires_at: Option<Timestamp>,
        /// Whether its payment is disputed.
        pub frozen: bool,
        /// Whether a person ended the grant.
        pub voided: bool,
        /// The number of the grant that this one belongs to.
        pub parent: Option<i64>,
        /// What was paid for it, in minor units.
        pub paid_minor: Option<i64>,
    }
}

impl GrantRow {
    /// Credits neither spent, expired nor taken back, in micro-credits.
    pub fn remaining(&self) -> i64 {
        self.amount - self.used - self.expired - self.clawed
    }

    /// Remaining credits that no hold has pinned, in micro-credits.
    pub fn unheld(&self) -> i64 {
        self.remaining() - self.held
    }

    /// The state of the grant at `now`, by the ledger's own rule.
    pub fn state(&self, now: Timestamp) -> LotState {
        let facts = LotFacts {
            voided: self.voided,
            frozen: self.frozen,
            effective_at: self.effective_at,
            expires_at: self.expires_at,
            remaining: Credits::from_micros(self.remaining()),
        };
        LotState::of(&facts, now)
    }
}

/// Lists an account's grants, newest first, from before number `before`.
pub fn grants(tx: &mut Tx<'_>, account: i64, before: i64, limit: i64) -> Result<Vec<GrantRow>> {
    tx.query(
        "select lot, kind, source_key, amount, used, expired, clawed, held, reversed, priority,
                effective_at, expires_at, frozen, voided, parent, paid_minor
           from credit_grant
          where account_id = $1
            and lot < $2
          order by lot desc
          limit $3",
        args![account, before, limit],
    )
}

record! {
    /// A hold as answers show it; amounts in micro-credits.
    pub struct HoldRow {
        /// The id of the hold.
        pub hold_id: String,
        /// Credits that the hold set aside.
        pub amount: i64,
        /// Credits that were charged.
        pub captured: i64,
        /// Credits that a capture could not collect.
        pub uncollected: i64,
        /// Whether the hold is pending or how it was settled.
        pub state: HoldState,
        /// The pinned grants with micro-credits of each: `3:40000000,5:1000`.
        pub pins: String,
        /// The time at which the hold was authorized.
        pub authorized_at: Timestamp,
        /// The time at which the hold expires.
        pub expires_at: Timestamp,
        /// The time at which it was settled.
        pub resolved_at: Option<Timestamp>,
    }
}

/// Finds a hold of this account.
pub fn hold(tx: &mut Tx<'_>, account: i64, hold_id: &str) -> Result<Option<HoldRow>> {
    tx.query_opt(
        "select hold_id, amount, captured, uncollected, state, pins, authorized_at, expires_at,
                resolved_at
           from hold
          where account_id = $1
            and hold_id = $2",
        args![account, hold_id],
    )
}

/// Whose hold this is, and the entry that authorized it: its operation, its units and the version
/// of the catalog that priced it. Holds are named by us, never twice.
pub fn hold_origin(tx: &mut Tx<'_>, hold_id: &str) -> Result<Option<(i64, Entry)>> {
    let row: Option<(i64, Vec<u8>, Vec<u8>)> = tx.query_opt(
        "select h.account_id, j.canonical, j.hash
           from hold h
           join journal j on j.account_id = h.account_id and j.at = h.authorized_at
          where h.hold_id = $1
            and j.hold_id = $1
            and j.kind = 'hold'",
        args![hold_id],
    )?;
    row.map(|(account, canonical, hash)| Ok((account, decode(&canonical, hash)?)))
        .transpose()
}

/// The entry that settled a hold last, if one did.
pub fn hold_settlement(tx: &mut Tx<'_>, account: i64, hold_id: &str) -> Result<Option<Entry>> {
    let row: Option<(Vec<u8>, Vec<u8>)> = tx.query_opt(
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
    )?;
    row.map(|(canonical, hash)| decode(&canonical, hash))
        .transpose()
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

/// The pins of an account's pending holds, for `audit`.
pub fn pending_pins(tx: &mut Tx<'_>, account: i64) -> Result<Vec<(String, i64, String)>> {
    tx.query(
        "select hold_id, amount, pins
           from hold
          where account_id = $1
            and state = 'pending'
          order by hold_id",
        args![account],
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

/// Charged calls of an account, newest first.
pub fn recent_calls(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<JournalRow>> {
    tx.query(
        "select n, seq, kind, at, posted_delta, held_delta, debt_delta, hold_id, operation, units,
                api_key_id, charged
           from journal
          where account_id = $1
            and kind in ('debit', 'capture')
          order by seq desc
          limit $2",
        args![account, limit],
    )
}

/// An account's journal, newest first, from before `seq`.
pub fn calls(tx: &mut Tx<'_>, account: i64, before: i64, limit: i64) -> Result<Vec<JournalRow>> {
    tx.query(
        "select n, seq, kind, at, posted_delta, held_delta, debt_delta, hold_id, operation, units,
                api_key_id, charged
           from journal
          where account_id = $1
            and seq < $2
          order by seq desc
          limit $3",
        args![account, before, limit],
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
    let rows: Vec<(Vec<u8>, Vec<u8>)> = tx.query(
        "select canonical, hash
           from journal
          where account_id = $1
            and seq > $2
          order by seq
          limit $3",
        args![account, seq, limit],
    )?;
    rows.into_iter()
        .map(|(canonical, hash)| decode(&canonical, hash))
        .collect()
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
pub fn holds(tx: &mut Tx<'_>, account: i64, before: Timestamp, limit: i64) -> Result<Vec<HoldRow>> {
    tx.query(
        "select hold_id, amount, captured, uncollected, state, pins, authorized_at, expires_at,
                resolved_at
           from hold
          where account_id = $1
            and authorized_at < $2
          order by authorized_at desc
          limit $3",
        args![account, before, limit],
    )
}

/// Finds an entry of an account's journal.
pub fn entry(tx: &mut Tx<'_>, account: i64, seq: i64) -> Result<Option<Entry>> {
    let row: Option<(Vec<u8>, Vec<u8>)> = tx.query_opt(
        "select canonical, hash from journal where account_id = $1 and seq = $2",
        args![account, seq],
    )?;
    row.map(|(canonical, hash)| decode(&canonical, hash))
        .transpose()
}
