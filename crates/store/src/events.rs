//! The inbox: Stripe's events as received. An event only marks its account for sync; its content is
//! never applied.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "n, event_id, type, created_at, received_at, livemode, api_version, object_type,
         object_id, customer_id, account_id, state, attempts, next_attempt_at, last_error,
         outcome, processed_at"
    };
}

words! {
    /// The processing state of a Stripe event.
    #[derive(Default)]
    pub enum EventState {
        /// Its account is marked for sync and has not been synced since.
        #[default]
        Received = "received",
        /// Its account was synced after the event arrived.
        Done = "done",
        /// It requires no action.
        Ignored = "ignored",
        /// It failed too often and needs manual review.
        Parked = "parked",
        /// Its account is not known yet.
        Unmatched = "unmatched",
    }
}
word_column!(EventState);

record! {
    /// An event that Stripe sent.
    pub struct Event {
        /// The event's position in the order of arrival.
        pub n: i64,
        /// Stripe's id of the event: `evt_...`.
        pub event_id: String,
        /// The type of the event, such as `invoice.paid`.
        pub kind: String,
        /// The time at which the event happened, on Stripe's clock.
        pub created_at: Timestamp,
        /// The time at which it arrived.
        pub received_at: Timestamp,
        /// Whether the event is about real money, not about test mode.
        pub livemode: bool,
        /// The API version of its payload.
        pub api_version: Option<String>,
        /// The type of the object it is about, such as `invoice`.
        pub object_type: Option<String>,
        /// Stripe's id of the object it is about: `in_...`.
        pub object_id: Option<String>,
        /// Stripe's id of the customer that the event names, if it names one.
        pub customer_id: Option<String>,
        /// The account that the event belongs to, if known.
        pub account_id: Option<i64>,
        /// The processing state of the event.
        pub state: EventState,
        /// The number of failed attempts.
        pub attempts: i64,
        /// The time of the next attempt.
        pub next_attempt_at: Option<Timestamp>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
        /// The result of processing the event, for operators.
        pub outcome: Option<String>,
        /// The time at which it was settled.
        pub processed_at: Option<Timestamp>,
    }
}

/// An event whose signature was verified.
#[derive(Clone, Debug, Default)]
pub struct NewEvent<'a> {
    /// Stripe's id of the event: `evt_...`.
    pub event_id: &'a str,
    /// The type of the event, such as `invoice.paid`.
    pub kind: &'a str,
    /// The time at which the event happened, on Stripe's clock.
    pub created_at: Timestamp,
    /// Whether the event is about real money, not about test mode.
    pub livemode: bool,
    /// The API version of its payload.
    pub api_version: Option<&'a str>,
    /// The type of the object it is about.
    pub object_type: Option<&'a str>,
    /// Stripe's id of the object it is about.
    pub object_id: Option<&'a str>,
    /// Stripe's id of the customer that the event names, if it names one.
    pub customer_id: Option<&'a str>,
    /// The account that the event belongs to, if known.
    pub account_id: Option<i64>,
    /// The initial state: `received`, `ignored` for an unknown type, `unmatched` without an
    /// account.
    pub state: EventState,
}

/// Adds the event to the inbox and returns its position; `None` if it is already there.
pub fn insert(tx: &mut Tx<'_>, new: &NewEvent<'_>, now: Timestamp) -> Result<Option<i64>> {
    tx.query_opt(
        "insert into stripe_event
                (event_id, type, created_at, received_at, livemode, api_version, object_type,
                 object_id, customer_id, account_id, state, attempts, next_attempt_at,
                 processed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0,
                 case when $11 = 'unmatched' then $4 end,
                 case when $11 = 'ignored' then $4 end)
             on conflict (event_id) do nothing
         returning n",
        args![
            new.event_id,
            new.kind,
            new.created_at,
            now,
            new.livemode,
            new.api_version,
            new.object_type,
            new.object_id,
            new.customer_id,
            new.account_id,
            new.state,
        ],
    )
}

/// Stores the event's body, as signed by Stripe or encrypted with our key.
pub fn insert_payload(tx: &mut Tx<'_>, n: i64, body: &[u8]) -> Result<u64> {
    let sealed = tx.seal_bytes(body).into_owned();
    tx.execute(
        "insert into stripe_event_payload (n, body) values ($1, $2)",
        args![n, &sealed],
    )
}

/// Finds the event with this id.
pub fn find(tx: &mut Tx<'_>, event_id: &str) -> Result<Option<Event>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from stripe_event where event_id = $1"
        ),
        args![event_id],
    )
}

/// The event's body, until it is deleted.
pub fn payload(tx: &mut Tx<'_>, n: i64) -> Result<Option<Vec<u8>>> {
    tx.query_opt(
        "select body from stripe_event_payload where n = $1",
        args![n],
    )
}

/// The conditions that narrow a list of events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only events in the state with this word, as entered by the user.
    pub state: Option<&'a str>,
    /// Only events of this type.
    pub kind: Option<&'a str>,
    /// Only events of this account.
    pub account_id: Option<i64>,
    /// Only events about this object at Stripe, or the event with this id.
    pub about: Option<&'a str>,
    /// Only events received at or after this time.
    pub from: Option<Timestamp>,
}

/// Events for administration, latest first, with positions below `before`.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Event>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_event
              where ($1 is null or state = $1)
                and ($2 is null or type = $2)
                and ($3 is null or account_id = $3)
                and ($4 is null or object_id = $4 or event_id = $4 or customer_id = $4)
                and ($5 is null or received_at >= $5)
                and ($6 is null or n < $6)
              order by n desc
              limit $7"
        ),
        args![
            filter.state,
            filter.kind,
            filter.account_id,
            filter.about,
            filter.from,
            before,
            limit
        ],
    )
}

/// Events without an account whose next attempt is due, oldest first.
pub fn unmatched_due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<Event>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_event
              where state = 'unmatched'
                and next_attempt_at <= $1
              order by next_attempt_at, n
              limit $2"
        ),
        args![now, limit],
    )
}

/// Assigns an unmatched event to its account and resets it to `received`. The caller marks the
/// account for sync.
pub fn assign(tx: &mut Tx<'_>, n: i64, account: i64) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set account_id = $2, state = 'received', next_attempt_at = null
          where n = $1 and state in ('unmatched', 'parked')",
        args![n, account],
    )
}

/// Settles one event as `done`, `ignored` or `parked`, with the result.
pub fn settle(
    tx: &mut Tx<'_>,
    n: i64,
    state: EventState,
    outcome: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set state = $2, outcome = $3, next_attempt_at = null, processed_at = $4
          where n = $1",
        args![n, state, outcome, now],
    )
}

/// Settles the account's events up to position `last`, which its sync has taken into account:
/// `done`, or `parked` where manual review is needed.
pub fn settle_account(
    tx: &mut Tx<'_>,
    account: i64,
    last: i64,
    state: EventState,
    outcome: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set state = $3, outcome = $4, processed_at = $5
          where account_id = $1
            and n <= $2
            and state = 'received'",
        args![account, last, state, outcome, now],
    )
}

/// The account's latest position in the inbox: what a sync that starts now takes into account.
pub fn last_of_account(tx: &mut Tx<'_>, account: i64) -> Result<i64> {
    tx.query_one(
        "select coalesce(max(n), 0) from stripe_event where account_id = $1",
        args![account],
    )
}

/// Records a failed attempt and the time of the next one; without a next attempt, parks the event.
pub fn set_failed(
    tx: &mut Tx<'_>,
    n: i64,
    error: &str,
    next_attempt_at: Option<Timestamp>,
) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set attempts = attempts + 1,
                last_error = $2,
                next_attempt_at = $3,
                state = case when $3 is null then 'parked' else state end
          where n = $1
            and state in ('received', 'unmatched')",
        args![n, error, next_attempt_at],
    )
}

/// Records that a waiting event has no effect here.
pub fn ignore(tx: &mut Tx<'_>, n: i64, why: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set state = 'ignored', outcome = $2, processed_at = $3, next_attempt_at = null
          where n = $1
            and state = 'unmatched'",
        args![n, why, now],
    )
}

/// Requeues a settled or parked event: `received` with an account, else `unmatched`. The caller
/// marks the account for sync.
pub fn requeue(tx: &mut Tx<'_>, n: i64, now: Timestamp) -> Result<Option<Event>> {
    tx.query_opt(
        sql!(
            "update stripe_event
                set state = case when account_id is null then 'unmatched' else 'received' end,
                    attempts = 0,
                    next_attempt_at = case when account_id is null then $2 end,
                    last_error = null,
                    outcome = null,
                    processed_at = null
              where n = $1
             returning ",
            columns!()
        ),
        args![n, now],
    )
}

/// Requeues the account's parked events: what they were waiting for is now known.
pub fn requeue_of_account(tx: &mut Tx<'_>, account: i64) -> Result<u64> {
    tx.execute(
        "update stripe_event
            set state = 'received', outcome = null, processed_at = null
          where account_id = $1 and state = 'parked'",
        args![account],
    )
}

/// The number of events in each state.
pub fn count_by_state(tx: &mut Tx<'_>) -> Result<Vec<(EventState, i64)>> {
    tx.query(
        "select state, count(*) from stripe_event group by state order by state",
        args![],
    )
}

/// The time at which the oldest unsettled event arrived: the age of the inbox.
pub fn oldest_open(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(received_at) from stripe_event where state in ('received', 'unmatched')",
        args![],
    )
}

/// The latest event by Stripe's clock: where polling of Stripe's event list continues.
pub fn latest(tx: &mut Tx<'_>) -> Result<Option<Event>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from stripe_event
              where n = (select max(n) from stripe_event)"
        ),
        args![],
    )
}

/// Deletes the bodies of events that were settled before `before`.
pub fn drop_payloads(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "delete from stripe_event_payload
          where n in (select p.n
                        from stripe_event_payload p
                        join stripe_event e on e.n = p.n
                       where e.processed_at < $1
                         and e.state in ('done', 'ignored')
                       order by p.n
                       limit $2)",
        args![before, limit],
    )
}
