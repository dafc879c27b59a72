//! Spend limits of an account: rows that the ledger counts in, set by the account's members.

use domain::ledger::{Limit, LimitScope, LimitWindow, Spender};
use domain::money::Credits;
use domain::time::Timestamp;

use super::Rules;
use super::wallet::lock_wallet;
use crate::args;
use crate::db::{Record, Row, Tx, sql, total};
use crate::error::Result;

/// Limits one account may have: each is checked with every call.
pub const LIMITS_MAX: usize = 200;

macro_rules! columns {
    () => {
        "id, public_id, scope, subject, time_window, cap, window_start, used, held, created_by,
         created_at"
    };
}

/// A limit with the fields shown to its owners.
#[derive(Clone, Debug)]
pub struct LimitRow {
    /// The public id of the limit: `limit_...`.
    pub public_id: String,
    /// The limit itself; `used` counts for the window that started at `window_start`.
    pub limit: Limit,
    /// The user or operator who first set it.
    pub created_by: String,
    /// The time at which it was first set.
    pub created_at: Timestamp,
}

impl Record for LimitRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let micros = |index| row.get::<i64>(index).map(Credits::from_micros);
        Ok(LimitRow {
            public_id: row.get(1)?,
            limit: Limit {
                id: row.get(0)?,
                scope: row.get(2)?,
                subject: row.get(3)?,
                window: row.get(4)?,
                cap: micros(5)?,
                window_start: row.get(6)?,
                used: micros(7)?,
                held: micros(8)?,
            },
            created_by: row.get(9)?,
            created_at: row.get(10)?,
        })
    }
}

/// A limit to set.
#[derive(Clone, Debug)]
pub struct NewLimit<'a> {
    /// The public id for a limit that does not exist yet: `limit_...`.
    pub public_id: &'a str,
    /// Whose spending is limited.
    pub scope: LimitScope,
    /// The number of the API key or member; 0 for the account.
    pub subject: i64,
    /// How long the limit counts before it resets.
    pub window: LimitWindow,
    /// The most that may be charged and set aside in a window.
    pub cap: Credits,
    /// The user or operator who sets it.
    pub created_by: &'a str,
}

/// The account's limits, in the order in which they are checked. They are as stored, so `used` may
/// be for a window that has ended ([`Limit::roll`]).
pub fn rows(tx: &mut Tx<'_>, account: i64) -> Result<Vec<LimitRow>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            " from spend_limit where account_id = $1 order by id"
        ),
        args![account],
    )
}

/// Sets a limit, or changes the cap of the existing one with this scope, subject and window.
/// Credits already spent in the window count. `None` when the account has [`LIMITS_MAX`] limits.
pub fn set(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: i64,
    new: &NewLimit<'_>,
    now: Timestamp,
) -> Result<Option<LimitRow>> {
    // Locks the wallet and settles what is due, so that no command counts at the same time.
    super::settle(tx, rules, account, now)?;
    lock_wallet(tx, account)?;
    let known = rows(tx, account)?;
    let same = known.iter().find(|row| {
        let limit = &row.limit;
        (limit.scope, limit.subject, limit.window) == (new.scope, new.subject, new.window)
    });
    let row = match same {
        Some(row) => change_cap(tx, row.limit.id, new.cap, now)?,
        None if known.len() >= LIMITS_MAX => return Ok(None),
        None => insert(tx, account, new, now)?,
    };
    count(tx, account)?;
    Ok(Some(row))
}

fn change_cap(tx: &mut Tx<'_>, id: i64, cap: Credits, now: Timestamp) -> Result<LimitRow> {
    tx.query_one(
        sql!(
            "update spend_limit set cap = $2, updated_at = $3 where id = $1 returning ",
            columns!()
        ),
        args![id, cap.micros(), now],
    )
}

fn insert(tx: &mut Tx<'_>, account: i64, new: &NewLimit<'_>, now: Timestamp) -> Result<LimitRow> {
    let start = new.window.start(now);
    let used = spent(tx, account, new, start)?;
    let held = held(tx, account, new)?;
    tx.query_one(
        sql!(
            "insert into spend_limit (public_id, account_id, scope, subject, time_window, cap,
                                      window_start, used, held, created_by, created_at,
                                      updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            account,
            new.scope,
            new.subject,
            new.window,
            new.cap.micros(),
            start,
            used,
            held,
            new.created_by,
            now,
        ],
    )
}

/// Micro-credits charged since day `start`. A member's are those of the keys that they created.
fn spent(tx: &mut Tx<'_>, account: i64, new: &NewLimit<'_>, start: Timestamp) -> Result<i64> {
    let (all, key, member) = filter(new);
    tx.query_one(
        sql!(
            "select ",
            total!("u.credits"),
            " from usage_day u
               left join api_key k on k.id = u.api_key_id
              where u.account_id = $1
                and u.day >= $2
                and ($3 = 1 or u.api_key_id = $4 or k.user_id = $5)"
        ),
        args![account, start.day(), all, key, member],
    )
}

/// Micro-credits that pending holds set aside.
fn held(tx: &mut Tx<'_>, account: i64, new: &NewLimit<'_>) -> Result<i64> {
    let (all, key, member) = filter(new);
    tx.query_one(
        sql!(
            "select ",
            total!("amount"),
            " from hold
              where account_id = $1
                and state = 'pending'
                and ($2 = 1 or api_key_id = $3 or user_id = $4)"
        ),
        args![account, all, key, member],
    )
}

/// Whether everything counts, or one key or member; -1 is none.
fn filter(new: &NewLimit<'_>) -> (i64, i64, i64) {
    match new.scope {
        LimitScope::Account => (1, -1, -1),
        LimitScope::Key => (0, new.subject, -1),
        LimitScope::Member => (0, -1, new.subject),
    }
}

/// Removes a limit; returns whether it existed.
pub fn remove(tx: &mut Tx<'_>, account: i64, public_id: &str) -> Result<bool> {
    lock_wallet(tx, account)?;
    let removed = tx.execute(
        "delete from spend_limit where account_id = $1 and public_id = $2",
        args![account, public_id],
    )?;
    count(tx, account)?;
    Ok(removed > 0)
}

fn count(tx: &mut Tx<'_>, account: i64) -> Result<()> {
    tx.execute(
        "update wallet
            set limits = (select count(*) from spend_limit where account_id = $1)
          where account_id = $1",
        args![account],
    )?;
    Ok(())
}

/// Saves the ledger's counts.
pub(super) fn save(tx: &mut Tx<'_>, limit: &Limit, now: Timestamp) -> Result<()> {
    tx.execute(
        "update spend_limit
            set window_start = $2, used = $3, held = $4, updated_at = $5
          where id = $1",
        args![
            limit.id,
            limit.window_start,
            limit.used.micros(),
            limit.held.micros(),
            now,
        ],
    )?;
    Ok(())
}

/// Finds the spender of this key, to preview a call.
pub fn spender(tx: &mut Tx<'_>, key: i64) -> Result<Spender> {
    let member: Option<Option<i64>> =
        tx.query_opt("select user_id from api_key where id = $1", args![key])?;
    Ok(Spender {
        key: Some(key),
        member: member.flatten(),
    })
}
