//! Outgoing webhooks to the host application. They are written to the outbox in the commit that
//! causes them, once per endpoint, and signed according to Standard Webhooks when sent
//! (`jobs/notices.rs`). They carry ids and amounts, but no personal data.

pub mod address;
pub mod signature;

use domain::plan::PlanStatus;
use domain::projection::{TransactionStatus, TransactionType};
use store::alerts::AlertState;
use store::outbox::MessageKind;

use domain::ledger::{Body, Entry};
use domain::money::{Credits, Currency, MinorUnits};
use domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::ledger::watch::Crossing;
use store::{Tx, outbox, webhook_endpoints};

/// All event types.
pub const EVENTS: &[&str] = &[
    "plan.changed",
    "payment.succeeded",
    "payment.failed",
    "refund.created",
    "dispute.changed",
    "credits.granted",
    "credits.low",
    "credits.gone",
    "alert.opened",
    "alert.closed",
    "endpoint.test",
];

/// Bytes of the key's digest in a message id.
const ID_BYTES: usize = 16;

/// An event for the host application.
#[derive(Clone, Debug)]
pub struct Notice {
    /// A key that identifies the event uniquely: `payment:txn_1:COMPLETED`.
    pub key: String,
    /// The event type, one of [`EVENTS`].
    pub event: &'static str,
    /// The account that the event concerns, if any.
    pub account: Option<i64>,
    /// The event's data, as it is sent.
    pub data: Value,
}

/// Queues the event for every endpoint that subscribes to it. Queueing it again changes nothing.
/// Returns the number of endpoints it was queued for.
pub fn enqueue(tx: &mut Tx<'_>, notice: &Notice, real_now: Timestamp) -> store::Result<usize> {
    let endpoints = webhook_endpoints::enabled(tx)?;
    let mut count = 0;
    for endpoint in endpoints
        .iter()
        .filter(|endpoint| wants(&endpoint.events, notice.event))
    {
        if enqueue_to(tx, notice, &endpoint.public_id, real_now)? {
            count += 1;
        }
    }
    Ok(count)
}

/// Queues the event for one endpoint, even if it doesn't subscribe to it.
pub fn enqueue_to(
    tx: &mut Tx<'_>,
    notice: &Notice,
    endpoint: &str,
    real_now: Timestamp,
) -> store::Result<bool> {
    let payload = body(tx, notice, real_now)?;
    let key = format!("notice:{endpoint}:{}", notice.key);
    let new = outbox::NewMessage {
        key: &key,
        kind: MessageKind::Webhook,
        account_id: notice.account,
        recipient: endpoint,
        payload: &payload,
    };
    outbox::enqueue(tx, &new, real_now)
}

/// The body of the webhook: type, time and data, with the account's ids on both sides.
fn body(tx: &mut Tx<'_>, notice: &Notice, real_now: Timestamp) -> store::Result<String> {
    let mut data = notice.data.clone();
    if let (Some(account), Some(fields)) = (notice.account, data.as_object_mut()) {
        let account = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
        fields.insert("account".to_owned(), json!(account.public_id));
        fields.insert("externalId".to_owned(), json!(account.external_id));
    }
    let body = json!({ "type": notice.event, "timestamp": real_now.rfc3339(), "data": data });
    Ok(body.to_string())
}

/// The id of a message, which is the same for every attempt.
pub fn message_id(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    format!("msg_{}", hex::encode(&digest[..ID_BYTES]))
}

/// Whether an endpoint with these event names subscribes to `event`; an empty list means all
/// events.
pub fn wants(events: &str, event: &str) -> bool {
    events.is_empty() || events.split(' ').any(|wanted| wanted == event)
}

/// Queues `plan.changed`: the account's shown plan has changed.
pub fn plan_changed(
    tx: &mut Tx<'_>,
    account: i64,
    from: (&str, PlanStatus),
    to: (&str, PlanStatus),
    now: Timestamp,
    real_now: Timestamp,
) -> store::Result<usize> {
    let notice = Notice {
        key: format!("plan:{account}:{}:{}:{}", to.0, to.1, now.micros()),
        event: "plan.changed",
        account: Some(account),
        data: json!({
            "tier": to.0, "status": to.1, "formerTier": from.0, "formerStatus": from.1,
        }),
    };
    enqueue(tx, &notice, real_now)
}

/// Queues the event for a transaction whose status or refunded amount changed, if there is one.
pub fn transaction(
    tx: &mut Tx<'_>,
    row: &store::transactions::Transaction,
    real_now: Timestamp,
) -> store::Result<usize> {
    let event = match (row.kind, row.status) {
        (TransactionType::Refund, TransactionStatus::Completed) => "refund.created",
        (kind, TransactionStatus::Completed) if kind.is_payment() && row.refunded_minor == 0 => {
            "payment.succeeded"
        }
        (kind, TransactionStatus::Failed) if kind.is_payment() => "payment.failed",
        _ => return Ok(0),
    };
    let notice = Notice {
        // Each failed attempt of a payment is an event of its own; a success is one event.
        key: match event {
            "payment.failed" => format!("{event}:{}:{}", row.public_id, row.attempts),
            _ => format!("{event}:{}", row.public_id),
        },
        event,
        account: Some(row.account_id),
        data: json!({
            "transaction": row.public_id,
            "type": row.kind,
            "amount": amount(row.amount_minor, &row.currency),
            "currency": row.currency,
            "tier": row.subscription_tier,
            "invoice": row.stripe_invoice_id,
            "paymentIntent": row.stripe_payment_intent_id,
        }),
    };
    enqueue(tx, &notice, real_now)
}

/// Queues `credits.granted` for a journal entry that added credits.
pub fn granted(tx: &mut Tx<'_>, entry: &Entry, real_now: Timestamp) -> store::Result<usize> {
    let kind = match &entry.body {
        Body::Grant { kind, .. } => kind.word(),
        _ => entry.kind.word(),
    };
    let notice = Notice {
        key: format!("grant:{}:{}", entry.account, entry.seq),
        event: "credits.granted",
        account: Some(entry.account),
        data: json!({
            "credits": number(entry.posted_delta), "kind": kind, "entry": entry.seq,
        }),
    };
    enqueue(tx, &notice, real_now)
}

/// Queues `credits.low` if the balance fell below the account's threshold, or `credits.gone` if it
/// fell to zero. The journal entry's number identifies the crossing, as in the email about it.
pub fn credits_fell(
    tx: &mut Tx<'_>,
    crossing: &Crossing,
    available: Credits,
    real_now: Timestamp,
) -> store::Result<usize> {
    let event = if crossing.is_gone {
        "credits.gone"
    } else {
        "credits.low"
    };
    let threshold = crossing.low_below.map(Credits::from_micros);
    let notice = Notice {
        key: format!("{event}:{}:{}", crossing.account_id, crossing.seq),
        event,
        account: Some(crossing.account_id),
        data: json!({ "available": number(available), "threshold": threshold.map(number) }),
    };
    enqueue(tx, &notice, real_now)
}

/// Queues `dispute.changed`: a dispute opened or its status changed.
pub fn dispute(
    tx: &mut Tx<'_>,
    account: i64,
    charge: &str,
    status: &str,
    (minor, currency): (i64, &str),
    real_now: Timestamp,
) -> store::Result<usize> {
    let notice = Notice {
        key: format!("dispute:{charge}:{status}"),
        event: "dispute.changed",
        account: Some(account),
        data: json!({
            "charge": charge, "status": status, "amount": amount(minor, currency),
            "currency": currency,
        }),
    };
    enqueue(tx, &notice, real_now)
}

/// Credits as a JSON number with all their digits.
fn number(credits: Credits) -> Value {
    serde_json::from_str(&credits.to_string()).unwrap_or(Value::Null)
}

fn amount(minor: i64, currency: &str) -> String {
    let currency = Currency::parse(currency).unwrap_or(Currency::USD);
    MinorUnits::new(minor, currency).decimal_text()
}

/// Queues `alert.opened` or `alert.closed`: an incident began or ended.
pub fn alert(
    tx: &mut Tx<'_>,
    alert: &store::alerts::Alert,
    real_now: Timestamp,
) -> store::Result<usize> {
    let event = if alert.state == AlertState::Open {
        "alert.opened"
    } else {
        "alert.closed"
    };
    let notice = Notice {
        key: format!("{event}:{}", alert.public_id),
        event,
        account: None,
        data: json!({
            "alert": alert.public_id,
            "rule": alert.rule,
            "severity": alert.severity,
            "summary": alert.summary,
            "openedAt": alert.opened_at.rfc3339(),
            "closedAt": alert.closed_at.map(Timestamp::rfc3339),
        }),
    };
    enqueue(tx, &notice, real_now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_names_wants_everything_and_one_with_names_only_those() {
        assert!(wants("", "plan.changed"));
        assert!(wants("alert.opened plan.changed", "plan.changed"));
        assert!(!wants("alert.opened", "plan.changed"));
        assert!(!wants("plan.changed.more", "plan.changed"));
    }

    #[test]
    fn a_message_keeps_its_id_for_its_key() {
        assert_eq!(message_id("a"), message_id("a"));
        assert_ne!(message_id("a"), message_id("b"));
        assert!(message_id("a").starts_with("msg_"));
    }
}
