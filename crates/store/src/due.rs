//! What becomes due by the billing clock alone, without an event: for the sweep, and for a clock
//! that advances in steps.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Accounts with expiring credits, expiring holds or a period that ends at or before `now`.
pub fn wallets(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select account_id
           from wallet
          where plan_valid_until <= $1
             or next_due_at <= $1
          order by account_id
          limit $2",
        args![now, limit],
    )
}

/// Accounts with a live subscription for which a due time has passed since their last sync: its
/// period, trial or discount ended, its paused collection resumed, its cancellation took effect, its
/// trial ends in three days, or a failed payment is retried or has a next dunning step
/// (`grace_micros` after it failed, and two days before that). A subscription whose renewal or retry
/// hasn't become visible is synced again every hour.
pub fn subscriptions(
    tx: &mut Tx<'_>,
    now: Timestamp,
    grace_micros: i64,
    limit: i64,
) -> Result<Vec<i64>> {
    tx.query(
        "select distinct account_id
           from subscription
          where live = 1
            and ((period_end > synced_at and period_end <= $1)
                 or (period_end <= $1
                     and synced_at <= $1 - 3600000000
                     and status in ('active', 'trialing', 'past_due'))
                 or (trial_end - 259200000000 > synced_at and trial_end - 259200000000 <= $1)
                 or exists (select 1
                              from invoice i
                             where i.subscription_id = subscription.subscription_id
                               and i.account_id = subscription.account_id
                               and i.status in ('draft', 'open')
                               and i.next_payment_attempt <= $1
                               and (i.next_payment_attempt > synced_at
                                    or synced_at <= $1 - 3600000000))
                 or (cancel_at > synced_at and cancel_at <= $1)
                 or (trial_end > synced_at and trial_end <= $1)
                 or (discount_ends_at > synced_at and discount_ends_at <= $1)
                 or (resumes_at > synced_at and resumes_at <= $1)
                 or (past_due_since + $2 > synced_at and past_due_since + $2 <= $1)
                 or (past_due_since + $2 - 172800000000 > synced_at
                     and past_due_since + $2 - 172800000000 <= $1))
            and not exists (select 1
                              from account_sync a
                             where a.account_id = subscription.account_id
                               and (a.parked_at is not null or a.done_gen < a.dirty_gen))
          order by account_id
          limit $3",
        args![now, grace_micros, limit],
    )
}

/// Accounts with a running subscription whose preview of the next invoice is a day old, stale or
/// missing, the oldest previews first. One that can't be fetched is tried again every hour.
pub fn previews(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select s.account_id
           from (select subscription_id, fetched_at
                   from next_charge
                  where fetched_at <= $1 - 86400000000 or inputs = ''
                  union all
                 select o.subscription_id, 0
                   from subscription o
                  where o.live = 1
                    and not exists (select 1
                                      from next_charge n
                                     where n.subscription_id = o.subscription_id)) due
           join subscription s on s.subscription_id = due.subscription_id
          where s.live = 1
            and s.paused = 0
            and s.ended_at is null
            and s.status in ('active', 'trialing', 'past_due')
            and s.synced_at <= $1 - 3600000000
            and not exists (select 1
                              from account_sync a
                             where a.account_id = s.account_id
                               and (a.parked_at is not null or a.done_gen < a.dirty_gen))
          group by s.account_id
          order by min(due.fetched_at), s.account_id
          limit $2",
        args![now, limit],
    )
}

/// Accounts whose tier override has ended and was not removed yet.
pub fn overrides(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select id
           from account
          where tier_override_until <= $1
          order by id
          limit $2",
        args![now, limit],
    )
}

/// The next time after `now` at which [`wallets`], [`subscriptions`] or
/// [`overrides`] returns something. An old preview is no such time: no rule depends on it.
pub fn next(tx: &mut Tx<'_>, now: Timestamp, grace_micros: i64) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(due)
           from (select min(plan_valid_until) as due
                   from wallet
                  where plan_valid_until > $1
                 union all
                 select min(next_due_at)
                   from wallet
                  where next_due_at > $1
                 union all
                 select min(tier_override_until)
                   from account
                  where tier_override_until > $1
                 union all
                 select min(period_end)
                   from subscription
                  where live = 1 and period_end > $1
                 union all
                 select min(cancel_at)
                   from subscription
                  where live = 1 and cancel_at > $1
                 union all
                 select min(trial_end - 259200000000)
                   from subscription
                  where live = 1 and trial_end - 259200000000 > $1
                 union all
                 select min(discount_ends_at)
                   from subscription
                  where live = 1 and discount_ends_at > $1
                 union all
                 select min(resumes_at)
                   from subscription
                  where live = 1 and resumes_at > $1
                 union all
                 select min(next_payment_attempt)
                   from invoice
                  where status in ('draft', 'open') and next_payment_attempt > $1
                 union all
                 select min(past_due_since + $2 - 172800000000)
                   from subscription
                  where live = 1 and past_due_since + $2 - 172800000000 > $1
                 union all
                 select min(past_due_since + $2)
                   from subscription
                  where live = 1 and past_due_since + $2 > $1) moments",
        args![now, grace_micros],
    )
}
