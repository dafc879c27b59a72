//! The inbox: a verified event is stored and its account marked for sync, in one commit.

use domain::time::Timestamp;
use stripe::event::Event;

use crate::app::App;
use crate::error::Result;

/// What of an event is kept, owned so that the writer may run it again.
#[derive(Clone, Debug)]
struct Recorded {
    id: String,
    kind: String,
    created_at: Timestamp,
    livemode: bool,
    api_version: Option<String>,
    object_type: Option<String>,
    object_id: Option<String>,
    customer: Option<String>,
    leads: Vec<String>,
    is_ours: bool,
    body: Vec<u8>,
}

/// Inserts the event and raises its account's bell in one commit. An event that is there already
/// changes nothing.
pub async fn record(app: &App, event: &Event<'_>, body: &[u8]) -> Result<()> {
    let recorded = Recorded::new(app, event, body);
    // Queues wait in real time, however the billing clock is moved.
    let now = app.real_now();
    app.write(0, move |tx| insert(tx, &recorded, now)).await
}

impl Recorded {
    fn new(app: &App, event: &Event<'_>, body: &[u8]) -> Recorded {
        let object = &event.object;
        let text = |value: Option<&str>| value.map(str::to_owned);
        let leads = [
            object.subscription.as_deref(),
            object.invoice.as_deref(),
            object.payment_intent.as_deref(),
            object.charge.as_deref(),
            object.id.as_deref(),
        ];
        let is_known = stripe::event::is_handled(&event.kind);
        let is_mode = event.livemode == app.settings.stripe.is_live();
        Recorded {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            created_at: Timestamp::from_seconds(event.created),
            livemode: event.livemode,
            api_version: text(event.api_version.as_deref()),
            object_type: text(object.object.as_deref()),
            object_id: text(object.id.as_deref()),
            customer: text(object.customer.as_deref()),
            leads: leads.into_iter().flatten().map(str::to_owned).collect(),
            is_ours: is_known && is_mode && event.account.is_none(),
            body: body.to_vec(),
        }
    }
}

fn insert(tx: &mut store::Tx<'_>, event: &Recorded, now: Timestamp) -> store::Result<()> {
    let account = if event.is_ours {
        account_of(tx, event)?
    } else {
        None
    };
    let state = match (event.is_ours, account) {
        (false, _) => "ignored",
        (true, Some(_)) => "received",
        (true, None) => "unmatched",
    };
    let new = store::events::NewEvent {
        event_id: &event.id,
        kind: &event.kind,
        created_at: event.created_at,
        livemode: event.livemode,
        api_version: event.api_version.as_deref(),
        object_type: event.object_type.as_deref(),
        object_id: event.object_id.as_deref(),
        customer_id: event.customer.as_deref(),
        account_id: account,
        state,
    };
    let Some(n) = store::events::insert(tx, &new, now)? else {
        return Ok(());
    };
    // What Stripe says of somebody who asked to be forgotten is not taken in again.
    let is_forgotten = match account {
        Some(account) => {
            store::accounts::find(tx, account)?.is_some_and(|row| row.status == "closed")
        }
        None => false,
    };
    if !is_forgotten {
        store::events::insert_payload(tx, n, &event.body)?;
    }
    if let Some(account) = account {
        let generation = store::sync::mark_for_sync(tx, account, now)?;
        if let (Some(kind), Some(id)) = (&event.object_type, &event.object_id) {
            store::sync::name_object(tx, account, kind, id, generation)?;
        }
    }
    Ok(())
}

/// The account that an event is about, where our rows know it.
pub async fn account_of_event(app: &App, event: &Event<'_>) -> Result<Option<i64>> {
    let recorded = Recorded::new(app, event, &[]);
    app.read(move |tx| account_of(tx, &recorded)).await
}

/// The account an event is about, by the customer it names or by a row of ours that knows one of
/// its objects. Refunds and disputes name no customer.
fn account_of(tx: &mut store::Tx<'_>, event: &Recorded) -> store::Result<Option<i64>> {
    if let Some(customer) = &event.customer
        && let Some(account) = store::customers::account_of(tx, customer)?
    {
        return Ok(Some(account));
    }
    for id in &event.leads {
        if let Some(account) = account_of_object(tx, id)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// The account whose rows name this object of Stripe's.
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
