//! Alerts for operators: one open row for each incident.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, rule, subject, severity, summary, state, opened_at, closed_at,
         acknowledged_at, acknowledged_by"
    };
}

words! {
    /// Whether an incident is still going on.
    pub enum AlertState {
        /// The incident is still going on.
        Open = "open",
        /// The incident has ended.
        Closed = "closed",
    }
}
word_column!(AlertState);

words! {
    /// How severe an incident is.
    pub enum Severity {
        /// It needs attention soon.
        Warning = "warning",
        /// It needs attention now.
        Critical = "critical",
    }
}
word_column!(Severity);

record! {
    /// An incident that an alert rule found.
    pub struct Alert {
        /// The number of the incident within this service.
        pub id: i64,
        /// The public id of the incident: `alr_...`.
        pub public_id: String,
        /// The alert rule that found it.
        pub rule: String,
        /// What it is about; empty for the service itself.
        pub subject: String,
        /// How severe the incident is.
        pub severity: Severity,
        /// What is wrong, in one sentence.
        pub summary: String,
        /// Whether it is still going on.
        pub state: AlertState,
        /// The time at which it was found.
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
    /// The alert rule that found the incident.
    pub rule: &'a str,
    /// What it is about; empty for the service itself.
    pub subject: &'a str,
    /// How severe the incident is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: &'a str,
}

/// Opens an incident, unless it is open already: `None` then.
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

/// The open incidents, the latest first; at most `limit`.
pub fn all_open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Alert>> {
    list(tx, Some(AlertState::Open.word()), None, limit)
}

/// Incidents for administration, the latest first, from below number `before`.
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

/// Notes who knows of it; the first stays. `None` when there is no such incident.
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

/// How many incidents are open, by rule.
pub fn count_open(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    tx.query(
        "select rule, count(*) from alert where state = 'open' group by rule order by rule",
        args![],
    )
}

/// Adds to a tally of the hour that `now` is in.
pub fn add(tx: &mut Tx<'_>, name: &str, count: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "insert into tally (name, hour, count)
         values ($1, $2, $3)
             on conflict (name, hour) do update
            set count = tally.count + excluded.count",
        args![name, now.seconds() / 3_600, count],
    )
}

/// The tally of this hour and the one before.
pub fn recent(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<i64> {
    tx.query_one(
        "select cast(coalesce(sum(count), 0) as bigint)
           from tally
          where name = $1 and hour >= $2",
        args![name, now.seconds() / 3_600 - 1],
    )
}

/// Counts one more failure to do what Stripe's events ask for since the last success.
pub fn failed_again(tx: &mut Tx<'_>) -> Result<u64> {
    tx.execute(
        "insert into tally (name, hour, count)
         values ('failed-in-a-row', 0, 1)
             on conflict (name, hour) do update
            set count = tally.count + 1",
        args![],
    )
}

/// Notes a success. It costs a read, and a write only where there had been failures.
pub fn succeeded(tx: &mut Tx<'_>) -> Result<u64> {
    tx.execute(
        "update tally
            set count = 0
          where name = 'failed-in-a-row' and hour = 0 and count > 0",
        args![],
    )
}

/// How many failures there were in a row.
pub fn failed_in_a_row(tx: &mut Tx<'_>) -> Result<i64> {
    tx.query_one(
        "select cast(coalesce(max(count), 0) as bigint)
           from tally
          where name = 'failed-in-a-row' and hour = 0",
        args![],
    )
}

/// Drops tallies of hours before `before`; those that count on without hours stay.
pub fn forget_tallies(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "delete from tally where hour < $1 and hour > 0",
        args![before.seconds() / 3_600],
    )
}

/// Holds that should have been settled or expired before `before`.
pub fn stuck_holds(tx: &mut Tx<'_>, before: Timestamp) -> Result<i64> {
    tx.query_one(
        "select count(*) from hold where state = 'pending' and expires_at < $1",
        args![before],
    )
}

/// Credits that captures since `since` could not collect, in micro-credits.
pub fn uncollected_since(tx: &mut Tx<'_>, since: Timestamp) -> Result<i64> {
    tx.query_one(
        "select cast(coalesce(sum(uncollected), 0) as bigint)
           from hold
          where resolved_at >= $1 and uncollected > 0",
        args![since],
    )
}

/// What payments brought from `from` until before `until`, less what was refunded of them: how
/// many, and the sum in minor units.
pub fn revenue(tx: &mut Tx<'_>, from: Timestamp, until: Timestamp) -> Result<(i64, i64)> {
    tx.query_one(
        "select count(*), cast(coalesce(sum(amount_minor - refunded_minor), 0) as bigint)
           from transactions
          where occurred_at >= $1
            and occurred_at < $2
            and status in ('COMPLETED', 'REFUNDED')
            and amount_minor > 0
            and type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE', 'CREDIT_TOPUP')",
        args![from, until],
    )
}

/// How many messages of the outbox were due before `before` and were not sent.
pub fn overdue_messages(tx: &mut Tx<'_>, before: Timestamp) -> Result<i64> {
    tx.query_one(
        "select count(*) from outbox where state = 'queued' and created_at < $1",
        args![before],
    )
}

/// Addresses of the administrators who hear of incidents; at most `limit`.
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

/// How many events need manual review.
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
