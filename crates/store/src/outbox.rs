//! What leaves: mails and webhooks, once for each key.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, key, kind, account_id, recipient, payload, state, attempts, next_attempt_at,
         created_at, sent_at, last_error"
    };
}

record! {
    /// One message.
    pub struct Message {
        /// Its number.
        pub id: i64,
        /// The fact it tells of.
        pub key: String,
        /// `mail` or `webhook`.
        pub kind: String,
        /// Whom it is about.
        pub account_id: Option<i64>,
        /// An address of mail, or the endpoint.
        pub recipient: String,
        /// What it says, as JSON.
        pub payload: String,
        /// `queued`, `sent` or `failed`.
        pub state: String,
        /// How often it was taken to be sent.
        pub attempts: i64,
        /// When it is due.
        pub next_attempt_at: Timestamp,
        /// When it was queued.
        pub created_at: Timestamp,
        /// When it left.
        pub sent_at: Option<Timestamp>,
        /// Why it did not.
        pub last_error: Option<String>,
    }
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct NewMessage<'a> {
    /// The fact it tells of.
    pub key: &'a str,
    /// `mail` or `webhook`.
    pub kind: &'a str,
    /// Whom it is about.
    pub account_id: Option<i64>,
    /// An address of mail, or the endpoint.
    pub recipient: &'a str,
    /// What it says, as JSON.
    pub payload: &'a str,
}

/// Queues the message, unless one with its key was queued before. Answers whether it was the first.
pub fn enqueue(tx: &mut Tx<'_>, new: &NewMessage<'_>, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "insert into outbox
                (key, kind, account_id, recipient, payload, state, attempts, next_attempt_at,
                 created_at)
         values ($1, $2, $3, $4, $5, 'queued', 0, $6, $6)
             on conflict (key) do nothing",
        args![
            new.key,
            new.kind,
            new.account_id,
            new.recipient,
            new.payload,
            now
        ],
    )?;
    Ok(changed > 0)
}

/// Takes messages that are due. One that is not marked until `until` is due again then, so whoever
/// takes it may send it twice, never not at all.
pub fn take_due(
    tx: &mut Tx<'_>,
    kind: &str,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Message>> {
    tx.query(
        sql!(
            "update outbox
                set attempts = attempts + 1,
                    next_attempt_at = $3
              where id in (select id
                             from outbox
                            where state = 'queued'
                              and kind = $1
                              and next_attempt_at <= $2
                            order by next_attempt_at, id
                            limit $4)
                and state = 'queued'
                and next_attempt_at <= $2
             returning ",
            columns!()
        ),
        args![kind, now, until, limit],
    )
}

/// When the next message is due.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(next_attempt_at) from outbox where state = 'queued'",
        args![],
    )
}

/// Notes that the message left.
pub fn set_sent(tx: &mut Tx<'_>, id: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set state = 'sent', sent_at = $2, last_error = null
          where id = $1 and state = 'queued'",
        args![id, now],
    )
}

/// Notes that it did not leave, and when it is tried again; it is given up when there is no time.
pub fn set_failed(
    tx: &mut Tx<'_>,
    id: i64,
    error: &str,
    next_attempt_at: Option<Timestamp>,
) -> Result<u64> {
    tx.execute(
        "update outbox
            set last_error = $2,
                next_attempt_at = coalesce($3, next_attempt_at),
                state = case when $3 is null then 'failed' else 'queued' end
          where id = $1 and state = 'queued'",
        args![id, error, next_attempt_at],
    )
}

/// Sends a message again, whatever became of it.
pub fn requeue(tx: &mut Tx<'_>, id: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set state = 'queued', attempts = 0, next_attempt_at = $2, sent_at = null
          where id = $1",
        args![id, now],
    )
}

/// One message.
pub fn find(tx: &mut Tx<'_>, id: i64) -> Result<Option<Message>> {
    tx.query_opt(
        sql!("select ", columns!(), " from outbox where id = $1"),
        args![id],
    )
}

/// The message with this key.
pub fn by_key(tx: &mut Tx<'_>, key: &str) -> Result<Option<Message>> {
    tx.query_opt(
        sql!("select ", columns!(), " from outbox where key = $1"),
        args![key],
    )
}

/// Messages for administration, the latest first, from below number `before`.
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    account: Option<i64>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Message>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from outbox
              where ($1 is null or state = $1)
                and ($2 is null or account_id = $2)
                and ($3 is null or id < $3)
              order by id desc
              limit $4"
        ),
        args![state, account, before, limit],
    )
}

/// How many messages there are in each state.
pub fn count_by_state(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    tx.query(
        "select state, count(*) from outbox group by state order by state",
        args![],
    )
}

/// Empties what messages said that left before `before`; their keys stay, so that none leaves
/// again.
pub fn forget_sent(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set recipient = '', payload = ''
          where state = 'sent'
            and sent_at < $1
            and payload <> ''",
        args![before],
    )
}
