//! The key figures of the business, computed from rows. Their cost is bounded by indexes and the
//! number of subscriptions; the application caches results for a minute.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql, total};
use crate::error::Result;

record! {
    /// Payments of one currency in a period that have a final outcome.
    pub struct Payments {
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// Succeeded payments, including refunded ones.
        pub paid: i64,
        /// Failed payments that did not succeed later.
        pub failed: i64,
        /// The amount paid, less refunds and without the tax in the rest, in minor units.
        pub net_minor: i64,
        /// The number of accounts that paid something that did not go back.
        pub accounts: i64,
    }
}

// The tax in what was not refunded, rounded half up as in `domain::money::share_of`. What remains is
// split at a million, so that no product leaves 64 bits for amounts up to 10^12 minor units.
macro_rules! tax_share {
    () => {
        "tax_minor * ((amount_minor - refunded_minor) / 1000000) / amount_minor * 1000000
         + ((tax_minor * ((amount_minor - refunded_minor) / 1000000) % amount_minor * 1000000
             + tax_minor * ((amount_minor - refunded_minor) % 1000000)) * 2
            + amount_minor) / (amount_minor * 2)"
    };
}

/// Payments from `from` until before `until`, by currency.
pub fn payments(tx: &mut Tx<'_>, from: Timestamp, until: Timestamp) -> Result<Vec<Payments>> {
    tx.query(
        sql!(
            "select currency,
                count(*) filter (where status <> 'FAILED'),
                count(*) filter (where status = 'FAILED'),
                ",
            total!(concat!(
                "case when status = 'FAILED' then 0
                      else amount_minor - refunded_minor
                           - case when amount_minor > 0 and tax_minor > 0 then ",
                tax_share!(),
                " else 0 end end"
            )),
            ",
                count(distinct case when status <> 'FAILED' and amount_minor > refunded_minor
                                    then account_id end)
           from transactions
          where type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE', 'CREDIT_TOPUP')
            and status in ('COMPLETED', 'REFUNDED', 'FAILED')
            and occurred_at >= $1
            and occurred_at < $2
          group by currency
          order by currency"
        ),
        args![from, until],
    )
}

/// Events that arrived since `from`, by state.
pub fn events(tx: &mut Tx<'_>, from: Timestamp) -> Result<Vec<(String, i64)>> {
    tx.query(
        "select state, count(*)
           from stripe_event
          where received_at >= $1
          group by state
          order by state",
        args![from],
    )
}

/// The number of accounts with a wallet that are not closed, and their total credits less debt, in
/// micro-credits.
pub fn balances(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    tx.query_one(
        sql!(
            "select count(*), ",
            total!("posted - debt"),
            " from wallet where status <> 'closed'"
        ),
        args![],
    )
}

// A subscription that never started, or was only a trial, doesn't count. The times are Stripe's, so
// a late sync changes nothing.
macro_rules! subscribed_at {
    ($moment:literal) => {
        concat!(
            " s.status not in ('incomplete', 'incomplete_expired')
              and s.created_at < ",
            $moment,
            " and (s.trial_end is null or s.trial_end <= ",
            $moment,
            ") and (s.ended_at is null or s.ended_at >= ",
            $moment,
            ")"
        )
    };
}

/// The number of accounts that subscribed at `from`, and how many of them no longer did at `until`.
pub fn churn(tx: &mut Tx<'_>, from: Timestamp, until: Timestamp) -> Result<(i64, i64)> {
    tx.query_one(
        concat!(
            "select count(*),
                    coalesce(sum(case when after.account_id is null then 1 else 0 end), 0)
               from (select distinct s.account_id from subscription s where ",
            subscribed_at!("$1"),
            ") before
               left join (select distinct s.account_id from subscription s where ",
            subscribed_at!("$2"),
            ") after on after.account_id = before.account_id"
        ),
        args![from, until],
    )
}

/// Numbers of the accounts that subscribed at `from` and no longer did at `until`, newest first,
/// with numbers below `before`.
pub fn churned(
    tx: &mut Tx<'_>,
    from: Timestamp,
    until: Timestamp,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<i64>> {
    tx.query(
        concat!(
            "select distinct b.account_id
               from (select s.account_id from subscription s where ",
            subscribed_at!("$1"),
            ") b
              where not exists (select 1 from subscription s where s.account_id = b.account_id and ",
            subscribed_at!("$2"),
            ") and ($3 is null or b.account_id < $3)
              order by b.account_id desc
              limit $4"
        ),
        args![from, until, before, limit],
    )
}

record! {
    /// Subscriptions with the same price and interval.
    pub struct Recurring {
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The billing interval: `month`, `year`, `week` or `day`.
        pub interval: String,
        /// The number of subscriptions.
        pub count: i64,
        /// The sum of their prices per interval, in minor units: of those that were not synced
        /// since revenue a month is stored.
        pub amount_minor: i64,
        /// The sum of what the others bring each month, after the discounts that recur.
        pub monthly_minor: i64,
    }
}

// A subscription recurs while it is paid for: not in a trial, not while its collection is paused,
// and not after the money for its current period went back: all of it, if it was paid twice.
macro_rules! recurs_at {
    ($moment:literal) => {
        concat!(
            " status in ('active', 'past_due')
              and ended_at is null
              and paused = 0
              and (trial_end is null or trial_end <= ",
            $moment,
            ") and not exists (select 1
                                 from invoice i
                                where i.account_id = subscription.account_id
                                  and i.subscription_id = subscription.subscription_id
                                  and i.prorated = 0
                                  and i.period_start >= subscription.period_start
                                  and i.charged_minor > 0
                                  and i.reversed_minor >= i.charged_minor
                                  and not exists (select 1
                                                    from invoice k
                                                   where k.account_id = subscription.account_id
                                                     and k.subscription_id =
                                                         subscription.subscription_id
                                                     and k.period_start >=
                                                         subscription.period_start
                                                     and k.charged_minor > k.reversed_minor))"
        )
    };
}

/// What running subscriptions pay, excluding trials, paused ones, those whose first payment failed
/// and those whose money for the current period went back.
pub fn recurring(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Recurring>> {
    tx.query(
        concat!(
            "select currency, billing_interval, count(*), ",
            total!("case when monthly_minor is null then amount_minor * quantity else 0 end"),
            ", ",
            total!("coalesce(monthly_minor, 0)"),
            " from subscription
          where ",
            recurs_at!("$1"),
            " and currency is not null
            and billing_interval is not null
            and amount_minor is not null
          group by currency, billing_interval
          order by currency, billing_interval"
        ),
        args![now],
    )
}

/// Numbers of the accounts that pay for a subscription, newest first, with numbers below `before`.
pub fn subscribed(
    tx: &mut Tx<'_>,
    now: Timestamp,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<i64>> {
    tx.query(
        concat!(
            "select distinct account_id
           from subscription
          where ",
            recurs_at!("$1"),
            " and ($2 is null or account_id < $2)
          order by account_id desc
          limit $3"
        ),
        args![now, before, limit],
    )
}

/// Purchased credits according to the transactions and the ledger, in micro-credits: completed
/// top-ups among the transactions, and purchases in the journal.
pub fn bought(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    tx.query_one(
        sql!(
            "select (select ",
            total!("credits_purchased_micros"),
            "          from transactions
                      where type = 'CREDIT_TOPUP'
                        and status in ('COMPLETED', 'REFUNDED')),
                    (select ",
            total!("amount"),
            " from credit_grant where kind = 'purchase')"
        ),
        args![],
    )
}

record! {
    /// Milestones observed since the first customer.
    pub struct Seen {
        /// The time of the last completed payment.
        pub paid_at: Option<Timestamp>,
        /// The time at which a plan last changed or ended.
        pub changed_at: Option<Timestamp>,
        /// The number of calls that were charged.
        pub calls: i64,
    }
}

/// Milestones observed since the first customer.
pub fn seen(tx: &mut Tx<'_>) -> Result<Seen> {
    tx.query_one(
        sql!(
            "select (select max(occurred_at)
                   from transactions
                  where type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE', 'CREDIT_TOPUP')
                    and status in ('COMPLETED', 'REFUNDED')),
                (select max(occurred_at)
                   from transactions
                  where type in ('SUBSCRIPTION_UPGRADE', 'SUBSCRIPTION_DOWNGRADE',
                                 'SUBSCRIPTION_CANCEL')),
                (select ",
            total!("calls"),
            " from usage_day)"
        ),
        args![],
    )
}
