//! Which accounts may differ from Stripe, and which worker is syncing them.
//!
//! Marking an account for sync increments `dirty_gen`; a worker leases the account with a token,
//! syncs it, and marks the generation it started with as done. A worker whose lease was taken over
//! can't finish, because its token is outdated.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Error, Result};

record! {
    /// The right to sync one account, until it expires or is taken over.
    pub struct Lease {
        /// The number of the account.
        pub account_id: i64,
        /// The account's generation when the lease started.
        pub dirty_gen: i64,
        /// Increases with every lease; only the latest is valid.
        pub token: i64,
        /// Failed attempts before this one.
        pub attempts: i64,
        /// The time at which the account was last in sync.
        pub last_synced_at: Option<Timestamp>,
    }
}

record! {
    /// The sync state of an account.
    pub struct AccountSync {
        /// The number of the account.
        pub account_id: i64,
        /// The number of times the account was marked for sync.
        pub dirty_gen: i64,
        /// The generation up to which it has been synced.
        pub done_gen: i64,
        /// The time until which a worker holds the lease.
        pub lease_until: Option<Timestamp>,
        /// The number of failed attempts.
        pub attempts: i64,
        /// The time of the next attempt.
        pub next_attempt_at: Timestamp,
        /// The time since which it is parked: it isn't synced until an operator acts or it is
        /// marked for sync again.
        pub parked_at: Option<Timestamp>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
        /// The time at which it was last in sync.
        pub last_synced_at: Option<Timestamp>,
        /// The time up to which its history at Stripe was read; `None` before the first sync.
        pub read_until: Option<Timestamp>,
        /// The start of the part of the history that still has to be read; `None` for the
        /// beginning.
        pub backfill_from: Option<Timestamp>,
        /// The end of that part; `None` when everything is read.
        pub backfill_until: Option<Timestamp>,
        /// The findings of its last sync that need manual review: sentences, as a JSON array.
        pub findings: Option<String>,
        /// The unknown price because of which it is parked.
        pub waits_for_price: Option<String>,
    }
}

macro_rules! columns {
    () => {
        "account_id, dirty_gen, done_gen, lease_until, attempts, next_attempt_at, parked_at,
         last_error, last_synced_at, read_until, backfill_from, backfill_until, findings,
         waits_for_price"
    };
}

/// How a mark changes an account that has a row: a back-off in progress continues, and a parked
/// account gets one more attempt.
macro_rules! marked {
    () => {
        " on conflict (account_id) do update
            set dirty_gen = account_sync.dirty_gen + 1,
                next_attempt_at = case when account_sync.attempts = 0
                                         or account_sync.parked_at is not null
                                       then excluded.next_attempt_at
                                       else account_sync.next_attempt_at end,
                parked_at = null"
    };
}

/// Marks the account for sync; returns the generation that has to be synced. A back-off in progress
/// continues; a parked account gets one more attempt.
pub fn mark_for_sync(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<i64> {
    tx.query_one(
        sql!(
            "insert into account_sync
                (account_id, dirty_gen, done_gen, lease_token, attempts, next_attempt_at)
         values ($1, 1, 0, 0, 0, $2)",
            marked!(),
            " returning dirty_gen"
        ),
        args![account, now],
    )
}

/// Marks the account for a sync that reads its whole history again. A sync that is running began with
/// what was read before, so it is refused its result.
pub fn mark_whole(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<()> {
    mark_for_sync(tx, account, now)?;
    forget_read(tx, account)?;
    tx.execute(
        "update account_sync set lease_until = null where account_id = $1",
        args![account],
    )?;
    Ok(())
}

/// Does that for every account with a customer at Stripe; returns their number.
pub fn mark_all_whole(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute(
        sql!(
            "insert into account_sync
                (account_id, dirty_gen, done_gen, lease_token, attempts, next_attempt_at)
         select distinct account_id, 1, 0, 0, 0, cast($1 as bigint)
           from stripe_customer
          where true",
            marked!(),
            ", read_until = null, backfill_from = null, backfill_until = null, lease_until = null"
        ),
        args![now],
    )
}

/// Marks the account for sync and has the sync fetch this object, given by type and id.
pub fn mark_object(
    tx: &mut Tx<'_>,
    account: i64,
    object: (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<()> {
    let generation = mark_for_sync(tx, account, now)?;
    if let (Some(object_type), Some(object_id)) = object {
        name_object(tx, account, object_type, object_id, generation)?;
    }
    Ok(())
}

/// Leases the account that has waited longest, until `until`. `None` when nothing is due.
pub fn lease_next(tx: &mut Tx<'_>, now: Timestamp, until: Timestamp) -> Result<Option<Lease>> {
    // The outer condition is checked again on the current row: if two workers selected the same
    // account, the second gets nothing and asks again.
    tx.query_opt(
        "update account_sync
            set lease_token = lease_token + 1,
                lease_until = $2
          where account_id = (select account_id
                                from account_sync
                               where done_gen < dirty_gen
                                 and parked_at is null
                                 and next_attempt_at <= $1
                                 and (lease_until is null or lease_until <= $1)
                               order by next_attempt_at, account_id
                               limit 1)
            and done_gen < dirty_gen
            and (lease_until is null or lease_until <= $1)
         returning account_id, dirty_gen, lease_token, attempts, last_synced_at",
        args![now, until],
    )
}

/// Leases this account, due or not, unless a worker already has it, for a caller that waits for the
/// result.
pub fn lease_account(
    tx: &mut Tx<'_>,
    account: i64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lease>> {
    tx.query_opt(
        "insert into account_sync
                (account_id, dirty_gen, done_gen, lease_token, lease_until, attempts,
                 next_attempt_at)
         values ($1, 0, 0, 1, $3, 0, $2)
             on conflict (account_id) do update
            set lease_token = account_sync.lease_token + 1,
                lease_until = excluded.lease_until
          where account_sync.lease_until is null
             or account_sync.lease_until <= $2
         returning account_id, dirty_gen, lease_token, attempts, last_synced_at",
        args![account, now, until],
    )
}

/// Ends the lease after success, in the tx that writes the results. [`Error::LeaseLost`] when
/// another worker has taken it over; propagate it, so that the results are rolled back.
pub fn finish(tx: &mut Tx<'_>, lease: &Lease, now: Timestamp) -> Result<()> {
    let changed = tx.execute(
        "update account_sync
            set done_gen = $3,
                lease_until = null,
                attempts = 0,
                next_attempt_at = $4,
                parked_at = null,
                last_error = null,
                last_synced_at = $4
          where account_id = $1
            and lease_token = $2
            and lease_until is not null",
        args![lease.account_id, lease.token, lease.dirty_gen, now],
    )?;
    if changed == 0 {
        Err(Error::LeaseLost)
    } else {
        Ok(())
    }
}

/// Ends the lease after a failure, with a retry at `next_attempt_at`; without one the account is
/// parked. [`Error::LeaseLost`] when another worker has the lease.
pub fn fail(
    tx: &mut Tx<'_>,
    lease: &Lease,
    error: &str,
    next_attempt_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    let changed = tx.execute(
        "update account_sync
            set lease_until = null,
                attempts = attempts + 1,
                next_attempt_at = coalesce($4, next_attempt_at),
                last_error = $3,
                parked_at = case when $4 is null then $5 end
          where account_id = $1
            and lease_token = $2
            and lease_until is not null",
        args![lease.account_id, lease.token, error, next_attempt_at, now],
    )?;
    if changed == 0 {
        Err(Error::LeaseLost)
    } else {
        Ok(())
    }
}

/// Returns the lease without a result and without counting a failure: another worker, in any
/// process, may take it immediately.
pub fn release(tx: &mut Tx<'_>, lease: &Lease) -> Result<u64> {
    tx.execute(
        "update account_sync
            set lease_until = null
          where account_id = $1
            and lease_token = $2",
        args![lease.account_id, lease.token],
    )
}

/// What a sync has read and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The time up to which the history has been read.
    pub until: Option<Timestamp>,
    /// The part of it that was skipped: start (`None`: the beginning) and end.
    pub backfill: Option<(Option<Timestamp>, Timestamp)>,
    /// Findings for manual review: sentences, as a JSON array.
    pub findings: Option<String>,
}

/// Records what the account's sync has read and found, in the tx that writes it.
pub fn note_read(tx: &mut Tx<'_>, account: i64, read: &Read) -> Result<u64> {
    tx.execute(
        "update account_sync
            set read_until = $2,
                backfill_from = $3,
                backfill_until = $4,
                findings = $5,
                waits_for_price = null
          where account_id = $1",
        args![
            account,
            read.until,
            read.backfill.and_then(|part| part.0),
            read.backfill.map(|part| part.1),
            &read.findings,
        ],
    )
}

/// Has the account's next sync read its whole history at Stripe again, unless one is running: that one
/// writes until when it has read.
pub fn forget_read(tx: &mut Tx<'_>, account: i64) -> Result<u64> {
    tx.execute(
        "update account_sync
            set read_until = null, backfill_from = null, backfill_until = null
          where account_id = $1",
        args![account],
    )
}

/// Parks an account that is in sync except for an unknown price. If it was marked for sync in the
/// meantime, it is synced once more first, so that nothing is missed.
pub fn wait_for_price(
    tx: &mut Tx<'_>,
    account: i64,
    price: &str,
    why: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account_sync
            set waits_for_price = $2,
                last_error = $3,
                parked_at = case when done_gen < dirty_gen then null else $4 end
          where account_id = $1",
        args![account, price, why, now],
    )
}

/// Accounts that are parked because of an unknown price, with that price.
pub fn waiting_for_prices(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(i64, String)>> {
    tx.query(
        "select account_id, waits_for_price
           from account_sync
          where waits_for_price is not null
          order by account_id
          limit $1",
        args![limit],
    )
}

/// Accounts whose last sync had findings, with the findings.
pub fn with_findings(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(i64, String)>> {
    tx.query(
        "select account_id, findings
           from account_sync
          where findings is not null
          order by account_id
          limit $1",
        args![limit],
    )
}

/// The number of accounts whose last sync failed with an error that begins with `start`. In a
/// pattern, `_` stands for any character, which finds no other error code.
pub fn failing_with(tx: &mut Tx<'_>, start: &str) -> Result<i64> {
    tx.query_one(
        "select count(*) from account_sync where last_error like $1",
        args![&format!("{start}%")],
    )
}

/// Extends a lease that is still held. `false` when another worker has taken it over.
pub fn renew(tx: &mut Tx<'_>, lease: &Lease, until: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update account_sync
            set lease_until = $3
          where account_id = $1
            and lease_token = $2
            and lease_until is not null",
        args![lease.account_id, lease.token, until],
    )?;
    Ok(changed > 0)
}

/// Unparks an account and resets its failed attempts.
pub fn unpark(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update account_sync
            set parked_at = null, attempts = 0, next_attempt_at = $2
          where account_id = $1 and parked_at is not null",
        args![account, now],
    )
}

/// The sync state of the account; `None` before it was first marked for sync.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Option<AccountSync>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from account_sync where account_id = $1"
        ),
        args![account],
    )
}

/// Accounts that are due now, longest waiting first.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<AccountSync>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from account_sync
              where done_gen < dirty_gen
                and parked_at is null
                and next_attempt_at <= $1
                and (lease_until is null or lease_until <= $1)
              order by next_attempt_at, account_id
              limit $2"
        ),
        args![now, limit],
    )
}

/// The time at which the next account becomes due, including leases that expire.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(case when lease_until is not null and lease_until > next_attempt_at
                         then lease_until
                         else next_attempt_at end)
           from account_sync
          where done_gen < dirty_gen
            and parked_at is null",
        args![],
    )
}

/// Parked accounts, latest first.
pub fn parked(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<AccountSync>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from account_sync
              where parked_at is not null
              order by parked_at desc, account_id
              limit $1"
        ),
        args![limit],
    )
}

/// The number of accounts that are due, and of those that are parked.
pub fn backlog(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    tx.query_one(
        "select count(*) filter (where done_gen < dirty_gen and parked_at is null),
                count(*) filter (where parked_at is not null)
           from account_sync",
        args![],
    )
}

record! {
    /// An object at Stripe that an event named: the sync fetches it by id, however old it is.
    pub struct NamedObject {
        /// The type of the object, such as `charge` or `dispute`.
        pub object_type: String,
        /// Stripe's id of the object, such as `ch_...`.
        pub object_id: String,
        /// The generation that requested the object.
        pub wanted_gen: i64,
    }
}

/// Records that the account's sync of generation `wanted_gen` has to fetch this object.
pub fn name_object(
    tx: &mut Tx<'_>,
    account: i64,
    object_type: &str,
    object_id: &str,
    wanted_gen: i64,
) -> Result<u64> {
    tx.execute(
        "insert into sync_object (account_id, object_type, object_id, wanted_gen)
         values ($1, $2, $3, $4)
             on conflict (account_id, object_type, object_id) do update
            set wanted_gen = excluded.wanted_gen
          where sync_object.wanted_gen < excluded.wanted_gen",
        args![account, object_type, object_id, wanted_gen],
    )
}

/// The objects that the account's sync has to fetch by id.
pub fn named_objects(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<NamedObject>> {
    tx.query(
        "select object_type, object_id, wanted_gen
           from sync_object
          where account_id = $1
          order by wanted_gen, object_type, object_id
          limit $2",
        args![account, limit],
    )
}

/// Deletes the request for a fetched object, unless it was requested again in the meantime.
pub fn forget_object(tx: &mut Tx<'_>, account: i64, fetched: &NamedObject) -> Result<u64> {
    tx.execute(
        "delete from sync_object
          where account_id = $1
            and object_type = $2
            and object_id = $3
            and wanted_gen <= $4",
        args![
            account,
            &fetched.object_type,
            &fetched.object_id,
            fetched.wanted_gen
        ],
    )
}
