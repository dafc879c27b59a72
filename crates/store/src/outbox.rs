//! The outbox: emails and webhooks to send, once per key.

use std::borrow::Cow;

use domain::time::Timestamp;
use domain::words;
use sha2::{Digest, Sha256};

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, key, kind, account_id, recipient, payload, state, attempts, next_attempt_at,
         created_at, sent_at, last_error, last_status"
    };
}

words! {
    /// How a message is delivered.
    pub enum MessageKind {
        /// To an email address.
        Mail = "mail",
        /// To a webhook endpoint.
        Webhook = "webhook",
    }
}
word_column!(MessageKind);

words! {
    /// The delivery state of a message.
    pub enum MessageState {
        /// It is waiting to be sent or retried.
        Queued = "queued",
        /// It was delivered to the mail server or the endpoint.
        Sent = "sent",
        /// It failed permanently.
        Failed = "failed",
    }
}
word_column!(MessageState);

record! {
    /// An outgoing message: an email or a webhook.
    pub struct Message {
        /// The number of the message within this service.
        pub id: i64,
        /// The fact that the message is about; at most one message per key.
        pub key: String,
        /// How the message is delivered.
        pub kind: MessageKind,
        /// The account that the message is about; `None` for the service itself.
        pub account_id: Option<i64>,
        /// The email address, or the number of the webhook endpoint.
        pub recipient: String,
        /// The content, as JSON.
        pub payload: String,
        /// The delivery state of the message.
        pub state: MessageState,
        /// The number of delivery attempts.
        pub attempts: i64,
        /// The time at which the next attempt is due.
        pub next_attempt_at: Timestamp,
        /// The time at which it was queued.
        pub created_at: Timestamp,
        /// The time at which it was sent.
        pub sent_at: Option<Timestamp>,
        /// Why the last attempt failed.
        pub last_error: Option<String>,
        /// The HTTP status of the endpoint's last response.
        pub last_status: Option<i64>,
    }
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct NewMessage<'a> {
    /// The fact that the message is about; at most one message per key.
    pub key: &'a str,
    /// How the message is delivered.
    pub kind: MessageKind,
    /// The account that the message is about; `None` for the service itself.
    pub account_id: Option<i64>,
    /// The email address, or the number of the webhook endpoint.
    pub recipient: &'a str,
    /// The content, as JSON.
    pub payload: &'a str,
}

/// A key as it is stored. Keys are kept permanently, so a key that contains an email address is
/// replaced by its digest.
fn stored_key(key: &str) -> Cow<'_, str> {
    if !key.contains('@') {
        return Cow::Borrowed(key);
    }
    let parts = key.split(':').map(|part| {
        if !part.contains('@') {
            return part.to_owned();
        }
        // The digest covers the whole key, so that two messages can't be linked to the same person.
        let digest = Sha256::digest(key.as_bytes());
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    });
    Cow::Owned(parts.collect::<Vec<String>>().join(":"))
}

/// Queues the message, unless one with its key was queued before. Returns whether it was queued.
pub fn enqueue(tx: &mut Tx<'_>, new: &NewMessage<'_>, now: Timestamp) -> Result<bool> {
    let (recipient, payload) = match new.kind {
        // It contains an endpoint's number and facts without personal data, and the delivery log is
        // searched by them.
        MessageKind::Webhook => (new.recipient.to_owned(), new.payload.to_owned()),
        MessageKind::Mail => (
            tx.seal(new.recipient).into_owned(),
            tx.seal(new.payload).into_owned(),
        ),
    };
    let changed = tx.execute(
        "insert into outbox
                (key, kind, account_id, recipient, payload, state, attempts, next_attempt_at,
                 created_at)
         values ($1, $2, $3, $4, $5, 'queued', 0, $6, $6)
             on conflict (key) do nothing",
        args![
            &*stored_key(new.key),
            new.kind,
            new.account_id,
            &recipient,
            &payload,
            now
        ],
    )?;
    Ok(changed > 0)
}

/// Whether a message with this key was queued before.
pub fn is_known(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    let known: Option<i64> = tx.query_opt(
        "select id from outbox where key = $1",
        args![&*stored_key(key)],
    )?;
    Ok(known.is_some())
}

/// Records that the account's payers were told of a fact, as an email that was sent and is erased.
pub fn note_told(tx: &mut Tx<'_>, key: &str, account: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "insert into outbox
                (key, kind, account_id, recipient, payload, state, attempts, next_attempt_at,
                 created_at, sent_at)
         values ($1, 'mail', $2, '', '', 'sent', 0, $3, $3, $3)
             on conflict (key) do nothing",
        args![&*stored_key(key), account, now],
    )
}

/// Takes messages that are due. One that isn't marked as sent or failed by `until` becomes due
/// again, so a message may be sent twice, but is never lost.
pub fn take_due(
    tx: &mut Tx<'_>,
    kind: MessageKind,
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

/// The time at which the next message of a kind is due.
pub fn next_due(tx: &mut Tx<'_>, kind: MessageKind) -> Result<Option<Timestamp>> {
    tx.query_one(
        "select min(next_attempt_at) from outbox where state = 'queued' and kind = $1",
        args![kind],
    )
}

/// Records the endpoint's HTTP status.
pub fn set_status(tx: &mut Tx<'_>, id: i64, status: Option<i64>) -> Result<u64> {
    tx.execute(
        "update outbox set last_status = $2 where id = $1",
        args![id, status],
    )
}

/// Webhook messages to an endpoint, latest first, with numbers below `before`.
pub fn to_endpoint(
    tx: &mut Tx<'_>,
    endpoint: &str,
    state: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Message>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from outbox
              where kind = 'webhook'
                and recipient = $1
                and ($2 is null or state = $2)
                and ($3 is null or id < $3)
              order by id desc
              limit $4"
        ),
        args![endpoint, state, before, limit],
    )
}

/// Records that the message was sent.
pub fn set_sent(tx: &mut Tx<'_>, id: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set state = 'sent', sent_at = $2, last_error = null
          where id = $1 and state = 'queued'",
        args![id, now],
    )
}

/// Records that sending failed, and the time of the next attempt; without one, the message has
/// failed permanently.
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

/// Sends the emails about accounts that wait for one address to another. An invitation's link works
/// for its own address only, so it stays.
pub fn redirect(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<()> {
    let to = tx.seal(to).into_owned();
    for form in &tx.distinct_forms(from) {
        tx.execute(
            "update outbox
                set recipient = $2
              where kind = 'mail'
                and state = 'queued'
                and account_id is not null
                and key not like 'invitation:%'
                and recipient <> ''
                and recipient = $1",
            args![form, &to],
        )?;
    }
    Ok(())
}

/// Sends a message again, whatever its state.
pub fn requeue(tx: &mut Tx<'_>, id: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set state = 'queued', attempts = 0, next_attempt_at = $2, sent_at = null
          where id = $1",
        args![id, now],
    )
}

/// Finds a message by its number.
pub fn find(tx: &mut Tx<'_>, id: i64) -> Result<Option<Message>> {
    tx.query_opt(
        sql!("select ", columns!(), " from outbox where id = $1"),
        args![id],
    )
}

/// Finds the message with this key.
pub fn by_key(tx: &mut Tx<'_>, key: &str) -> Result<Option<Message>> {
    tx.query_opt(
        sql!("select ", columns!(), " from outbox where key = $1"),
        args![&*stored_key(key)],
    )
}

/// Messages for administration, latest first, with numbers below `before`.
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

/// The number of messages in each state.
pub fn count_by_state(tx: &mut Tx<'_>) -> Result<Vec<(MessageState, i64)>> {
    tx.query(
        "select state, count(*) from outbox group by state order by state",
        args![],
    )
}

/// Erases the contents of emails sent before `before`; their keys are kept, so that none is sent
/// again.
pub fn forget_sent(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set recipient = '', payload = ''
          where state = 'sent'
            and kind = 'mail'
            and sent_at < $1
            and payload <> ''",
        args![before],
    )
}

/// Erases the contents of webhook messages queued before `before`, whatever their state; their
/// endpoint and outcome are kept.
pub fn forget_notices(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "update outbox
            set payload = '',
                state = case when state = 'queued' then 'failed' else state end
          where kind = 'webhook'
            and created_at < $1
            and payload <> ''",
        args![before],
    )
}
