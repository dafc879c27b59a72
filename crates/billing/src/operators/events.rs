//! Replaying Stripe events.

use domain::time::Timestamp;
use serde_json::json;
use store::events::Event as Row;
use store::events::EventState;

use crate::accounts::names::names;
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::accounts::EVENTS_MAX;
use crate::operators::audit_log::{Action, Author};

/// The error for an unknown event id.
pub fn no_event() -> Error {
    Error::not_found("There is no such event.")
}

/// Replays an event. One commit queues it again, marks its account for sync with the event's
/// object, and records the action in the audit log.
pub async fn replay(
    app: &App,
    event: &str,
    actor: &str,
    request_id: Option<&str>,
) -> Result<(Row, Option<String>)> {
    let author = Author::new(app, actor).with_request(request_id);
    let id = event.to_owned();
    // Queues use real time, regardless of the billing clock.
    let real_now = app.real_now();
    let replayed = app
        .write(0, move |tx| {
            let Some(known) = store::events::find(tx, &id)? else {
                return Ok(None);
            };
            let Some(row) = requeue(tx, &known, real_now)? else {
                return Ok(None);
            };
            let act = author.act(Action::EventReplay, &id);
            act.with("was", json!(known.state)).append(tx)?;
            let names = names(tx, row.account_id.into_iter())?;
            Ok(Some((row, names.into_values().next())))
        })
        .await?;
    app.sync_due.notify_one();
    replayed.ok_or_else(no_event)
}

/// Queues an event again and marks its account for sync.
pub fn requeue(
    tx: &mut store::Tx<'_>,
    known: &Row,
    real_now: Timestamp,
) -> store::Result<Option<Row>> {
    let Some(row) = store::events::requeue(tx, known.n, real_now)? else {
        return Ok(None);
    };
    if let Some(account) = row.account_id {
        let object = (row.object_type.as_deref(), row.object_id.as_deref());
        store::sync::mark_object(tx, account, object, real_now)?;
    }
    Ok(Some(row))
}

/// Replays up to [`EVENTS_MAX`] events that need manual review, latest first, and marks the parked
/// accounts for sync. Returns the events' ids.
pub async fn replay_failed(app: &App, actor: &str) -> Result<Vec<String>> {
    let (author, real_now) = (Author::new(app, actor), app.real_now());
    let replayed = app
        .write(0, move |tx| {
            let mut replayed = Vec::new();
            for event in failed(tx)? {
                requeue(tx, &event, real_now)?;
                author
                    .act(Action::EventReplay, &event.event_id)
                    .with("was", json!(event.state))
                    .with("all", json!(true))
                    .append(tx)?;
                replayed.push(event.event_id);
            }
            for parked in store::sync::parked(tx, EVENTS_MAX)? {
                store::sync::mark_for_sync(tx, parked.account_id, real_now)?;
            }
            Ok(replayed)
        })
        .await?;
    app.sync_due.notify_one();
    Ok(replayed)
}

/// Events that need manual review, the latest first.
pub fn failed(tx: &mut store::Tx<'_>) -> store::Result<Vec<Row>> {
    let filter = store::events::Filter {
        state: Some(EventState::Parked.word()),
        ..Default::default()
    };
    store::events::list(tx, &filter, None, EVENTS_MAX)
}
