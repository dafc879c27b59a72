//! Unfinished intents: when each is continued, and which need a person.

use domain::time::Timestamp;

use super::{Intent, IntentKind, LEASE_SECONDS, columns};
use crate::args;
use crate::db::{Tx, sql};
use crate::error::Result;

/// The time of the next attempt of an intent that only an operator continues.
pub const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// Unfinished intents of a kind, of any account, whose next attempt is due at `now`: the longest
/// due first.
pub fn due(tx: &mut Tx<'_>, kind: IntentKind, now: Timestamp, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where state in ('open', 'calling')
                and kind = $1
                and next_attempt_at <= $2
              order by next_attempt_at, id
              limit $3"
        ),
        args![kind, now, limit],
    )
}

/// Claims the next attempt of a due intent. `false` if another process has it, or it has ended.
pub fn claim(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'calling', updated_at = $2, next_attempt_at = $3
          where id = $1
            and state in ('open', 'calling')
            and next_attempt_at <= $2",
        args![id, now, now.plus_seconds(LEASE_SECONDS)],
    )?;
    Ok(changed > 0)
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What went wrong.
    pub error: &'a str,
    /// Whether operators are alerted.
    pub needs_attention: bool,
    /// Whether it uses up one of the retries.
    pub counts: bool,
    /// The time of the next attempt.
    pub next_attempt_at: Timestamp,
}

/// Records a failed attempt. `false` if the intent has ended.
pub fn put_off(tx: &mut Tx<'_>, id: &str, failure: &Failure<'_>, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set attempts = attempts + $6,
                error = $2,
                needs_attention = case when $3 > 0 then 1 else needs_attention end,
                next_attempt_at = $4,
                updated_at = $5
          where id = $1 and state in ('open', 'calling')",
        args![
            id,
            failure.error,
            failure.needs_attention,
            failure.next_attempt_at,
            now,
            i64::from(failure.counts),
        ],
    )?;
    Ok(changed > 0)
}

/// Records that a step that can't be taken back was taken: the rest is owed.
pub fn set_owed(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update stripe_intent
            set is_owed = 1, updated_at = $2
          where id = $1 and state in ('open', 'calling')",
        args![id, now],
    )
}

/// Makes the next attempt of one of the account's intents due, with all its retries before it, as
/// an operator asks. `false` if it has ended.
pub fn try_now(tx: &mut Tx<'_>, account: i64, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set attempts = 0, next_attempt_at = $3, updated_at = $3
          where account_id = $1
            and id = $2
            and state in ('open', 'calling')",
        args![account, id, now],
    )?;
    Ok(changed > 0)
}

/// Reopens an intent that failed, for another attempt with the same parameters. `false` if it
/// didn't fail, or another one of its kind is in progress.
pub fn reopen(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'open', error = null, next_attempt_at = $3, updated_at = $2
          where id = $1
            and state = 'failed'
            and not exists (select 1
                              from stripe_intent other
                             where other.account_id = stripe_intent.account_id
                               and other.kind = stripe_intent.kind
                               and other.state in ('open', 'calling')
                               and other.is_owed = 0)",
        args![id, now, now.plus_seconds(LEASE_SECONDS)],
    )?;
    Ok(changed > 0)
}

/// Unfinished intents of any account that need an operator's attention, the oldest first.
pub fn needing_attention(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where state in ('open', 'calling')
                and needs_attention > 0
              order by created_at, id
              limit $1"
        ),
        args![limit],
    )
}

/// The number of unfinished intents of any account that need an operator's attention.
pub fn count_needing_attention(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one(
        "select count(*)
           from stripe_intent
          where state in ('open', 'calling')
            and needs_attention > 0",
        args![],
    )
}

/// The account's unfinished intents of which an attempt failed or has to wait, or that need
/// attention: the oldest first.
pub fn troubled(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and state in ('open', 'calling')
                and (needs_attention > 0 or attempts > 0 or error is not null)
              order by created_at, id
              limit $2"
        ),
        args![account, limit],
    )
}

/// The account's unfinished intents of which the rest is owed or that need attention, the oldest
/// first.
pub fn owed(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and state in ('open', 'calling')
                and (is_owed > 0 or needs_attention > 0)
              order by created_at, id
              limit $2"
        ),
        args![account, limit],
    )
}

/// Whether the rest of an unfinished intent of this kind is owed to the account.
pub fn is_owed(tx: &mut Tx<'_>, account: i64, kind: IntentKind) -> Result<bool> {
    let found: Option<String> = tx.query_opt(
        "select id
           from stripe_intent
          where account_id = $1
            and kind = $2
            and state in ('open', 'calling')
            and is_owed > 0
          limit 1",
        args![account, kind],
    )?;
    Ok(found.is_some())
}

/// Closes intents of a kind that were last touched before `before` and never got an object: their
/// caller has gone. Returns how many.
pub fn abandon(
    tx: &mut Tx<'_>,
    kind: IntentKind,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<u64> {
    tx.execute(
        "update stripe_intent
            set state = 'closed', updated_at = $3
          where id in (select id
                         from stripe_intent
                        where state in ('open', 'calling')
                          and kind = $1
                          and next_attempt_at <= $2
                        order by next_attempt_at, id
                        limit $4)
            and state in ('open', 'calling')",
        args![kind, before, now, limit],
    )
}
