//! The inbox: stores a verified event and marks its account for sync, in one commit.

use domain::plan::AccountStatus;
use domain::time::Timestamp;
use store::events::EventState;
use stripe::event::Event;

use crate::app::App;
use crate::error::{Error, Result};

/// Records the body of a verified delivery and wakes the workers. When this returns, the event is
/// on disk; no credits were granted and Stripe wasn't called.
pub async fn receive(app: &App, body: &[u8]) -> Result<()> {
    let event = stripe::event::parse(body)
        .map_err(|error| Error::bad_request("invalid_event", error.to_string()))?;
    record(app, &event, body).await?;
    app.sync_due.notify_one();
    Ok(())
}

/// The counter of events of the other mode than our key's.
pub const OTHER_MODE: &str = "other-mode";

/// Inserts the event and marks its account for sync in one commit. A known event changes nothing.
/// The workers aren't woken: the caller does that once for all events it records.
pub async fn record(app: &App, event: &Event<'_>, body: &[u8]) -> Result<()> {
    // Owned, since the writer may run the job again.
    let (event, body) = (event.clone().into_owned(), body.to_vec());
    let is_live = app.settings.stripe.is_live();
    // Queues use real time, regardless of the billing clock.
    let now = app.real_now();
    app.write(0, move |tx| insert(tx, &event, &body, is_live, now))
        .await
}

fn insert(
    tx: &mut store::Tx<'_>,
    event: &Event<'_>,
    body: &[u8],
    is_live: bool,
    now: Timestamp,
) -> store::Result<()> {
    let is_ours = is_ours(event, is_live);
    let account = if is_ours {
        account_of(tx, event)?
    } else {
        None
    };
    let state = match (is_ours, account) {
        (false, _) => EventState::Ignored,
        (true, Some(_)) => EventState::Received,
        (true, None) => EventState::Unmatched,
    };
    let new = store::events::NewEvent {
        event_id: &event.id,
        kind: &event.kind,
        created_at: Timestamp::from_seconds(event.created),
        livemode: event.livemode,
        api_version: event.api_version.as_deref(),
        object_type: event.object.object.as_deref(),
        object_id: event.object.id.as_deref(),
        customer_id: event.object.customer.as_deref(),
        account_id: account,
        state,
    };
    let Some(n) = store::events::insert(tx, &new, now)? else {
        return Ok(());
    };
    if event.livemode != is_live {
        store::alerts::add(tx, OTHER_MODE, 1, now)?;
    }
    // Don't store personal data again for an account that was erased.
    let is_forgotten = match account {
        Some(account) => store::accounts::find(tx, account)?
            .is_some_and(|row| row.status == AccountStatus::Closed),
        None => false,
    };
    if !is_forgotten {
        store::events::insert_payload(tx, n, body)?;
    }
    if let Some(account) = account {
        store::sync::mark_object(tx, account, (new.object_type, new.object_id), now)?;
    }
    Ok(())
}

/// Whether we subscribe to this event type and it is of our mode and our own Stripe account.
fn is_ours(event: &Event<'_>, is_live: bool) -> bool {
    let is_known = stripe::event::is_handled(&event.kind);
    is_known && event.livemode == is_live && event.account.is_none()
}

/// The account that an event concerns, if our rows know it.
pub async fn account_of_event(app: &App, event: &Event<'_>) -> Result<Option<i64>> {
    let event = event.clone().into_owned();
    app.read(move |tx| account_of(tx, &event)).await
}

/// The account that an event concerns, by its customer or by a row that refers to one of its
/// objects. Refunds and disputes have no customer.
fn account_of(tx: &mut store::Tx<'_>, event: &Event<'_>) -> store::Result<Option<i64>> {
    if let Some(customer) = &event.object.customer
        && let Some(account) = store::customers::account_of(tx, customer)?
    {
        return Ok(Some(account));
    }
    for id in event.object.leads() {
        if let Some(account) = account_of_object(tx, id)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// The account whose rows refer to this Stripe object.
pub fn account_of_object(tx: &mut store::Tx<'_>, id: &str) -> store::Result<Option<i64>> {
    if let Some(account) = store::subscriptions::account_of(tx, id)? {
        return Ok(Some(account));
    }
    if let Some(account) = store::invoices::account_of(tx, id)? {
        return Ok(Some(account));
    }
    if let Some(account) = store::credit_notes::account_of(tx, id)? {
        return Ok(Some(account));
    }
    if let Some(row) = store::transactions::about(tx, id)? {
        return Ok(Some(row.account_id));
    }
    Ok(store::intents::by_object(tx, id)?.map(|intent| intent.account_id))
}
