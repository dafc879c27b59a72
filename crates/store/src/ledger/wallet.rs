//! The wallet row: how it is read, locked, and converted into the ledger of its account.

use domain::ledger::{Ledger, Terms, Wallet, WalletStatus};
use domain::money::Credits;
use domain::time::Timestamp;

use super::loaded::{Level, Loaded, Watch};
use super::rows::digest;
use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Result, unreadable};

record! {
    /// The sums of an account's journal, and until when they are valid without a settlement.
    /// Credits are in micro-credits.
    pub struct WalletRow {
        /// Credits in all grants.
        pub posted: i64,
        /// Credits pinned by holds.
        pub held: i64,
        /// Clawed-back credits that could not be collected.
        pub debt: i64,
        /// The number of the last journal entry.
        pub seq: i64,
        /// The hash of the last journal entry.
        pub hash: Vec<u8>,
        /// The number of pending holds.
        pub open_holds: i64,
        /// The start of the period that the calls are counted for.
        pub period_start: Timestamp,
        /// Calls that were authorized in the period.
        pub period_calls: i64,
        /// The time before which nothing becomes due.
        pub next_due_at: Option<Timestamp>,
        /// Whether the account may spend.
        pub status: WalletStatus,
        /// The start of the plan's current period.
        pub plan_start: Timestamp,
        /// Calls that the plan allows in the period; `None` for no limit.
        pub plan_calls_limit: Option<i64>,
        /// The time until which the stored plan is valid.
        pub plan_valid_until: Timestamp,
        /// The number of spend limits that the account has.
        pub limits: i64,
        /// The credits below which the account's members are notified.
        pub low_below: Option<i64>,
        /// The number of the current [`Level`] of credits.
        pub low_level: i64,
        /// Whether a notification about low credits is due.
        pub low_due: bool,
        /// The credits below which a pack is bought automatically.
        pub topup_below: Option<i64>,
        /// Whether the credits are below that threshold and a purchase is due.
        pub topup_due: bool,
        /// The time at which the wallet last changed.
        pub updated_at: Timestamp,
    }
}

macro_rules! select {
    () => {
        "select posted, held, debt, seq, hash, open_holds, period_start, period_calls,
                next_due_at, status, plan_start, plan_calls_limit, plan_valid_until, limits,
                low_below, low_level, low_due, topup_below, topup_due, updated_at
           from wallet
          where account_id = $1"
    };
}

/// The wallet of an account; `None` before its first command.
pub fn wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<WalletRow>> {
    tx.query_opt(select!(), args![account])
}

/// On PostgreSQL, the row lock makes several processes safe; SQLite has one writer. A missing
/// wallet is created first, so that there is a row to lock.
pub(super) fn lock_wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<WalletRow>> {
    match tx {
        Tx::Sqlite(_) => wallet(tx, account),
        Tx::Postgres(_) => {
            let select = sql!(select!(), " for update");
            if let Some(stored) = tx.query_opt(select, args![account])? {
                return Ok(Some(stored));
            }
            tx.execute(
                "insert into wallet (account_id, posted, held, debt, seq, hash, open_holds,
                        period_start, period_calls, status, plan_start, plan_valid_until,
                        updated_at)
                 values ($1, 0, 0, 0, 0, $2, 0, 0, 0, 'active', 0, 0, 0)
                 on conflict (account_id) do nothing",
                args![account, &[0u8; 32]],
            )?;
            tx.query_opt(select, args![account])
        }
    }
}

pub(super) fn first_wallet(account: i64) -> Loaded {
    let terms = Terms {
        period_start: Timestamp::default(),
        calls_limit: None,
        status: WalletStatus::Active,
    };
    Loaded {
        ledger: Ledger::new(account, terms),
        plan_valid_until: Timestamp::default(),
        is_changed: true,
        is_new: true,
        watch: Watch::default(),
    }
}

pub(super) fn from_stored(account: i64, stored: WalletRow) -> Result<Loaded> {
    let terms = Terms {
        period_start: stored.plan_start,
        calls_limit: stored.plan_calls_limit,
        status: stored.status,
    };
    let mut ledger = Ledger::new(account, terms);
    ledger.wallet = Wallet {
        posted: Credits::from_micros(stored.posted),
        held: Credits::from_micros(stored.held),
        debt: Credits::from_micros(stored.debt),
        seq: stored.seq,
        hash: digest(stored.hash)?,
        open_holds: stored.open_holds,
        period_start: stored.period_start,
        period_calls: stored.period_calls,
    };
    ledger.next_due_at = stored.next_due_at;
    let plan_valid_until = stored.plan_valid_until;
    let watch = Watch {
        limits: stored.limits,
        low_below: stored.low_below.map(Credits::from_micros),
        low_level: Level::from_number(stored.low_level).ok_or_else(|| unreadable("wallet"))?,
        low_due: stored.low_due,
        topup_below: stored.topup_below.map(Credits::from_micros),
        topup_due: stored.topup_due,
    };
    Ok(Loaded {
        ledger,
        plan_valid_until,
        is_changed: false,
        is_new: false,
        watch,
    })
}
