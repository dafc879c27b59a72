//! Alerts for operators: one open row for each incident.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, total, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, rule, subject, severity, summary, state, opened_at, closed_at,
         acknowledged_at, acknowledged_by"
    };
}

words! {
    /// Whether an incident is ongoing.
    pub enum AlertState {
        /// The incident is ongoing.
        Open = "open",
        /// The incident has ended.
        Closed = "closed",
    }
}
word_column!(AlertState);

words! {
    /// The severity of an incident.
    pub enum Severity {
        /// It needs attention soon.
        Warning = "warning",
        /// It needs attention now.
        Critical = "critical",
    }
}
word_column!(Severity);

record! {
    /// An incident that an alert rule detected.
    pub struct Alert {
        /// The number of the incident within this service.
        pub id: i64,
        /// The public id of the incident: `alr_...`.
        pub public_id: String,
        /// The alert rule that detected it.
        pub rule: String,
        /// The subject of the incident; empty for the service itself.
        pub subject: String,
        /// The severity of the incident.
        pub severity: Severity,
        /// What is wrong, in one sentence.
        pub summary: String,
        /// Whether it is ongoing.
        pub state: AlertState,
        /// The time at which it was detected.
        pub opened_at: Timestamp,
        /// The time at which it ended.
        pub closed_at: Option<Timestamp>,
        /// The time at which an operator acknowledged it.
        pub acknowledged_at: Option<Timestamp>,
        /// The operator who acknowledged it.
        pub acknowledged_by: Option<String>,
    }
}

/// An incident to open.
#[derive(Clone, Debug)]
pub struct NewAlert<'a> {
    /// The public id of the incident: `alr_...`.
    pub public_id: &'a str,
    /// The alert rule that detected the incident.
    pub rule: &'a str,
    /// The subject of the incident; empty for the service itself.
    pub subject: &'a str,
    /// The severity of the incident.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: &'a str,
}

/// Opens an incident; `None` when it is already open.
pub fn open(tx: &mut Tx<'_>, new: &NewAlert<'_>, now: Timestamp) -> Result<Option<Alert>> {
    tx.query_opt(
        sql!(
            "insert into alert (public_id, rule, subject, severity, summary, state, opened_at)
             values ($1, $2, $3, $4, $5, 'open', $6)
                 on conflict (rule, subject) where state = 'open' do nothing
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.rule,
            new.subject,
            new.severity,
            new.summary,
            now
        ],
    )
}

/// Closes an open incident; `None` when there is none.
pub fn close(tx: &mut Tx<'_>, rule: &str, subject: &str, now: Timestamp) -> Result<Option<Alert>> {
    tx.query_opt(
        sql!(
            "update alert
                set state = 'closed', closed_at = $3
              where rule = $1 and subject = $2 and state = 'open'
             returning ",
            columns!()
        ),
        args![rule, subject, now],
    )
}

/// The open incidents, latest first; at most `limit`.
pub fn all_open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Alert>> {
    list(tx, Some(AlertState::Open.word()), None, limit)
}

/// Incidents for administration, latest first, with numbers below `before`.
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Alert>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from alert
              where ($1 is null or state = $1)
                and ($2 is null or id < $2)
              order by id desc
              limit $3"
        ),
        args![state, before, limit],
    )
}

/// Records who acknowledged the incident; the first acknowledgment is kept. `None` when there is no
/// such incident.
pub fn acknowledge(
    tx: &mut Tx<'_>,
    public_id: &str,
    actor: &str,
    now: Timestamp,
) -> Result<Option<Alert>> {
    tx.query_opt(
        sql!(
            "update alert
                set acknowledged_at = coalesce(acknowledged_at, $3),
                    acknowledged_by = coalesce(acknowledged_by, $2)
              where public_id = $1
             returning ",
            columns!()
        ),
        args![public_id, actor, now],
    )
}

/// The number of open incidents, by rule.
pub fn count_open(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    tx.query(
        "select rule, count(*) from alert where state = 'open' group by rule order by rule",
        args![],
    )
}

/// Adds `count` to the counter of the hour that contains `now`.
pub fn add(tx: &mut Tx<'_>, name: &str, count: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "insert into tally (name, hour, count)
         values ($1, $2, $3)
             on conflict (name, hour) do update
            set count = tally.count + excluded.count",
        args![name, now.seconds() / 3_600, count],
    )
}

/// The sum of the counter for this hour and the previous one.
pub fn recent(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<i64> {
    tx.query_one(
        sql!(
            "select ",
            total!("count"),
            " from tally where name = $1 and hour >= $2"
        ),
        args![name, now.seconds() / 3_600 - 1],
    )
}

/// Increments the count of consecutive failures to process Stripe's events.
pub fn failed_again(tx: &mut Tx<'_>) -> Result<u64> {
    tx.execute(
        "insert into tally (name, hour, count)
         values ('failed-in-a-row', 0, 1)
             on conflict (name, hour) do update
            set count = tally.count + 1",
        args![],
    )
}

/// Resets the count of consecutive failures. This costs one read, and a write only if there were
/// failures.
pub fn succeeded(tx: &mut Tx<'_>) -> Result<u64> {
    tx.execute(
        "update tally
            set count = 0
          where name = 'failed-in-a-row' and hour = 0 and count > 0",
        args![],
    )
}

/// The number of consecutive failures.
pub fn failed_in_a_row(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one(
        "select cast(coalesce(max(count), 0) as bigint)
           from tally
          where name = 'failed-in-a-row' and hour = 0",
        args![],
    )
}

/// Deletes hourly counters from before `before`; counters that aren't hourly are kept.
pub fn forget_tallies(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "delete from tally where hour < $1 and hour > 0",
        args![before.seconds() / 3_600],
    )
}

/// The number of holds that should have been settled or expired before `before`.
pub fn stuck_holds(tx: &mut Tx<'_>, before: Timestamp) -> Result<i64> {
    tx.query_one(
        "select count(*) from hold where state = 'pending' and expires_at < $1",
        args![before],
    )
}

/// Credits that captures since `since` could not collect, in micro-credits.
pub fn uncollected_since(tx: &mut Tx<'_>, since: Timestamp) -> Result<i64> {
    tx.query_one(
        sql!(
            "select ",
            total!("uncollected"),
            " from hold where resolved_at >= $1 and uncollected > 0"
        ),
        args![since],
    )
}

/// Payments from `from` until before `until`, less their refunds: the number of payments, and the
/// sum in minor units.
pub fn revenue(tx: &mut Tx<'_>, from: Timestamp, until: Timestamp) -> Result<(i64, i64)> {
    tx.query_one(
        sql!(
            "select count(*), ",
            total!("amount_minor - refunded_minor"),
            " from transactions
              where occurred_at >= $1
                and occurred_at < $2
                and status in ('COMPLETED', 'REFUNDED')
                and amount_minor > 0
                and type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE', 'CREDIT_TOPUP')"
        ),
        args![from, until],
    )
}

/// The number of outbox messages that were due before `before` and have not been sent.
pub fn overdue_messages(tx: &mut Tx<'_>, before: Timestamp) -> Result<i64> {
    tx.query_one(
        "select count(*) from outbox where state = 'queued' and created_at < $1",
        args![before],
    )
}

/// Ids and addresses of the administrators who are notified of incidents; at most `limit`.
pub fn listeners(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(String, String)>> {
    tx.query(
        "select public_id, email
           from user_account
          where role = 'admin' and disabled_at is null
          order by id
          limit $1",
        args![limit],
    )
}

/// The number of events that need manual review.
pub fn parked_events(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one(
        "select count(*) from stripe_event where state = 'parked'",
        args![],
    )
}

/// The time at which the oldest unsent message was queued.
pub fn oldest_message(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(created_at) from outbox where state = 'queued'",
        args![],
    )
}

/// Public ids of closed accounts that were charged after they were closed and not refunded, or that
/// have a plan that can still charge.
pub fn closed_and_charged(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<String>> {
    tx.query(
        "select a.public_id
           from account a
          where a.closed_at is not null
            and (exists (select 1
                           from credit_grant g
                          where g.account_id = a.id
                            and g.kind = 'purchase'
                            and g.effective_at > a.closed_at
                            and g.voided = 0
                            and g.amount > g.used + g.expired + g.clawed)
                 or exists (select 1
                              from transactions t
                             where t.account_id = a.id
                               and t.type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE')
                               and t.status = 'COMPLETED'
                               and t.amount_minor > 0
                               and t.occurred_at > a.closed_at)
                 or exists (select 1
                              from subscription s
                             where s.account_id = a.id
                               and s.ended_at is null
                               and s.status not in ('canceled', 'incomplete_expired')))
          order by a.id
          limit $1",
        args![limit],
    )
}
