//! The wallet row: how it is read, locked, and turned into the ledger of its account.

use domain::ledger::{Ledger, Terms, Wallet, WalletStatus};
use domain::money::Credits;
use domain::time::Timestamp;

use super::loaded::{Level, Loaded, Watch};
use super::rows::digest;
use crate::args;
use crate::db::{Tx, record};
use crate::error::{Result, unreadable};

record! {
    /// The columns of a wallet.
    pub struct StoredWallet {
        pub posted: i64,
        pub held: i64,
        pub debt: i64,
        pub seq: i64,
        pub hash: Vec<u8>,
        pub open_holds: i64,
        pub period_start: Timestamp,
        pub period_calls: i64,
        pub next_due_at: Option<Timestamp>,
        pub status: WalletStatus,
        pub plan_start: Timestamp,
        pub plan_calls_limit: Option<i64>,
        pub plan_valid_until: Timestamp,
        pub limits: i64,
        pub low_below: Option<i64>,
        pub low_level: i64,
        pub low_due: bool,
        pub topup_below: Option<i64>,
        pub topup_due: bool,
    }
}

pub(super) fn stored_wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<StoredWallet>> {
    tx.query_opt(
        "select posted, held, debt, seq, hash, open_holds, period_start, period_calls,
                next_due_at, status, plan_start, plan_calls_limit, plan_valid_until, limits,
                low_below, low_level, low_due, topup_below, topup_due
           from wallet
          where account_id = $1",
        args![account],
    )
}

/// On PostgreSQL the row lock is what makes several processes right; SQLite has one writer. A
/// wallet that does not exist yet is made first, so that there is a row to lock.
pub(super) fn lock_wallet(tx: &mut Tx<'_>, account: i64) -> Result<Option<StoredWallet>> {
    match tx {
        Tx::Sqlite(_) => stored_wallet(tx, account),
        Tx::Postgres(_) => {
            let select = "select posted, held, debt, seq, hash, open_holds, period_start,
                    period_calls, next_due_at, status, plan_start, plan_calls_limit,
                    plan_valid_until, limits, low_below, low_level, low_due, topup_below, topup_due
               from wallet
              where account_id = $1
                for update";
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

pub(super) fn from_stored(account: i64, stored: StoredWallet) -> Result<Loaded> {
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
