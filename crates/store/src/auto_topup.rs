//! Automatic top-ups: an account's setting, and the state of its purchases.
//!
//! `off -> on -> off`, and `on -> waiting -> on` when the bank requires the cardholder's
//! confirmation.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, total, word_column};
use crate::error::Result;

words! {
    /// Whether packs are bought automatically.
    pub enum AutoTopupState {
        /// No packs are bought.
        Off = "off",
        /// A pack is bought when the credits run low.
        On = "on",
        /// The last purchase requires the cardholder's confirmation.
        Waiting = "waiting",
    }
}
word_column!(AutoTopupState);

record! {
    /// An account's setting for automatic top-ups.
    pub struct AutoTopup {
        /// The number of the account.
        pub account_id: i64,
        /// Whether packs are bought automatically.
        pub state: AutoTopupState,
        /// The pack to buy, by its credits.
        pub pack: i64,
        /// The most to spend in a UTC month, in minor units.
        pub month_max_minor: i64,
        /// The user who turned it on.
        pub user_id: Option<i64>,
        /// The number of consecutive declined payments.
        pub declines: i64,
        /// The time before which no purchase is attempted.
        pub next_attempt_at: Timestamp,
        /// Why it is off or waiting, unless a user turned it off.
        pub off_reason: Option<String>,
        /// The time at which the setting last changed.
        pub updated_at: Timestamp,
    }
}

/// The account's setting; `None` if it never had one.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Option<AutoTopup>> {
    tx.query_opt(
        "select account_id, state, pack, month_max_minor, user_id, declines, next_attempt_at,
                off_reason, updated_at
           from auto_topup
          where account_id = $1",
        args![account],
    )
}

/// Overwrites the account's setting.
pub fn put(tx: &mut Tx<'_>, row: &AutoTopup) -> Result<u64> {
    tx.execute(
        "insert into auto_topup (account_id, state, pack, month_max_minor, user_id, declines,
                                 next_attempt_at, off_reason, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             on conflict (account_id) do update
            set state = excluded.state,
                pack = excluded.pack,
                month_max_minor = excluded.month_max_minor,
                user_id = excluded.user_id,
                declines = excluded.declines,
                next_attempt_at = excluded.next_attempt_at,
                off_reason = excluded.off_reason,
                updated_at = excluded.updated_at",
        args![
            row.account_id,
            row.state,
            row.pack,
            row.month_max_minor,
            row.user_id,
            row.declines,
            row.next_attempt_at,
            &row.off_reason,
            row.updated_at,
        ],
    )
}

/// Accounts whose credits are below their threshold and whose next attempt is due at `now`.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select a.account_id
           from wallet w
           join auto_topup a on a.account_id = w.account_id
          where w.topup_due > 0
            and a.state = 'on'
            and a.next_attempt_at <= $1
          order by a.next_attempt_at, a.account_id
          limit $2",
        args![now, limit],
    )
}

/// Whether packs may be bought for an account at all: it is active and not being closed, owes nothing,
/// and no payment of it is disputed.
pub fn may_buy(tx: &mut Tx<'_>, account: i64) -> Result<bool> {
    let found: Option<i64> = tx.query_opt(
        "select a.id
           from account a
           left join wallet w on w.account_id = a.id
          where a.id = $1
            and a.status = 'active'
            and coalesce(w.debt, 0) = 0
            and not exists (select 1
                              from credit_grant g
                             where g.account_id = a.id and g.frozen = 1)
            and not exists (select 1
                              from dispute d
                             where d.account_id = a.id
                               and d.status in ('needs_response', 'under_review'))
            and not exists (select 1
                              from stripe_intent i
                             where i.account_id = a.id
                               and i.kind = 'closing'
                               and i.state in ('open', 'calling')
                               and i.is_owed > 0)",
        args![account],
    )?;
    Ok(found.is_some())
}

/// Whether calls brought the account's credits below its threshold.
pub fn is_low(tx: &mut Tx<'_>, account: i64) -> Result<bool> {
    let found: Option<bool> = tx.query_opt(
        "select topup_due > 0 from wallet where account_id = $1",
        args![account],
    )?;
    Ok(found.unwrap_or(false))
}

/// Whether an account waiting for its cardholder has enough credits again.
pub fn is_any_to_wake(tx: &mut Tx<'_>) -> Result<bool> {
    let found: Option<i64> = tx.query_opt(
        "select a.account_id
           from auto_topup a
           join wallet w on w.account_id = a.account_id
          where a.state = 'waiting'
            and w.topup_due = 0
          limit 1",
        args![],
    )?;
    Ok(found.is_some())
}

/// Turns automatic top-ups on again for accounts that were waiting for their cardholder and have
/// enough credits.
pub fn wake(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update auto_topup
            set state = 'on', off_reason = null, declines = 0, updated_at = $1
          where state = 'waiting'
            and account_id in (select account_id from wallet where topup_due = 0)",
        args![now],
    )
}

/// Minor units of automatic purchases since `since` that were paid or may still be.
pub fn spent_since(tx: &mut Tx<'_>, account: i64, since: Timestamp) -> Result<i64> {
    tx.query_one(
        sql!(
            "select ",
            total!("amount_minor"),
            " from stripe_intent
              where account_id = $1
                and kind = 'auto_topup'
                and state <> 'failed'
                and (created_at >= $2 or state in ('open', 'calling'))"
        ),
        args![account, since],
    )
}

/// Claims the next attempt for the caller and blocks further ones until `until`. `false` when
/// another process has claimed it, or the setting is no longer on.
pub fn claim(tx: &mut Tx<'_>, account: i64, now: Timestamp, until: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update auto_topup
            set next_attempt_at = $3, updated_at = $2
          where account_id = $1
            and state = 'on'
            and next_attempt_at <= $2",
        args![account, now, until],
    )?;
    Ok(changed > 0)
}

/// Delays the next attempt until `at`. `false` when the setting is no longer on.
pub fn put_off(tx: &mut Tx<'_>, account: i64, at: Timestamp, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update auto_topup
            set next_attempt_at = $2, updated_at = $3
          where account_id = $1 and state = 'on'",
        args![account, at, now],
    )?;
    Ok(changed > 0)
}

/// Sets the number of consecutive declined payments; zero after a successful one.
pub fn set_declines(tx: &mut Tx<'_>, account: i64, declines: i64) -> Result<u64> {
    tx.execute(
        "update auto_topup set declines = $2 where account_id = $1",
        args![account, declines],
    )
}

/// Turns it off, or sets it to waiting, for a reason. `false` when it was already off, or waiting, so
/// that the customer is notified only once.
pub fn stop(
    tx: &mut Tx<'_>,
    account: i64,
    state: AutoTopupState,
    reason: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update auto_topup
            set state = $2, off_reason = $3, updated_at = $4
          where account_id = $1 and state <> 'off' and state <> $2",
        args![account, state, reason, now],
    )?;
    Ok(changed > 0)
}
