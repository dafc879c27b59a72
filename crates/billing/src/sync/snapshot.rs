//! Fetches everything about an account that a projection reads.

use std::collections::HashSet;
use store::customers::CustomerState;

use domain::projection::Snapshot;
use stripe::objects;

use crate::app::App;
use crate::error::Result;
use crate::sync::history::{Progress, Raw};
use crate::sync::meaning::Meaning;
use crate::sync::{
    Held, by_id, charge, checkout_session, credit_note, history, invoice, subscription,
    subscription_schedule,
};

/// A snapshot, with the other data that was fetched.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The input of the projection.
    pub snapshot: Snapshot,
    /// The current customer's card: brand, last four digits, month and year of expiry.
    pub card: Option<(String, String, i64, i64)>,
    /// Customers that were deleted at Stripe.
    pub deleted: Vec<String>,
    /// The last event received before the fetch, which this snapshot covers.
    pub last_event: i64,
    /// How much of the history has been read after this fetch.
    pub progress: Progress,
}

/// Fetches the account's data, from all its current and former customers.
pub async fn fetch(app: &App, account: i64, held: &Held) -> Result<Fetched> {
    let mut fetched = Fetched {
        last_event: held.last_event,
        progress: Progress {
            until: Some(app.now()),
            backfill: None,
        },
        ..Fetched::default()
    };
    let mut raw = Raw::default();
    let mut current = None;
    for customer in &held.customers {
        let id = &customer.customer_id;
        let object = match app.stripe.retrieve_customer(id).await {
            Ok(object) => object,
            // Created under other API keys, or its data was removed: there is nothing to fetch.
            Err(stripe::Error::NotFound { .. }) => {
                fetched.deleted.push(id.clone());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let left = history::read(app, &object, &held.progress, &mut raw).await?;
        fetched.progress.backfill = history::join(fetched.progress.backfill, left);
        if object.deleted {
            fetched.deleted.push(id.clone());
        } else if customer.state == CustomerState::Current {
            current = Some(object);
        }
    }
    by_id::complete(app, held, &mut raw).await?;
    if let Some(customer) = current {
        fetched.card = card(app, &customer, &raw.subscriptions).await?;
    }
    let held = with_intents(app, account, held, &raw).await?;
    fetched.snapshot = translate(app, &held, &raw).await?;
    tracing::debug!(
        account,
        subscriptions = fetched.snapshot.subscriptions.len(),
        invoices = fetched.snapshot.invoices.len(),
        is_partial = raw.is_partial,
        "Fetched an account"
    );
    Ok(fetched)
}

/// Adds the intents that fetched objects refer to and that weren't loaded: created since the rows
/// were read, or too old to be among them.
async fn with_intents(app: &App, account: i64, held: &Held, raw: &Raw) -> Result<Held> {
    let sessions = raw.sessions.iter().map(|one| &one.metadata);
    let charges = raw.charges.iter().map(|one| &one.metadata);
    let named = sessions
        .chain(charges)
        .filter_map(|metadata| metadata.get(checkout_session::INTENT_KEY));
    let missing: HashSet<String> = named
        .filter(|id| !held.intents.contains_key(*id))
        .cloned()
        .collect();
    let mut held = held.clone();
    if missing.is_empty() {
        return Ok(held);
    }
    let found = app
        .read(move |tx| {
            let mut found = Vec::new();
            for id in &missing {
                found.extend(store::intents::find(tx, account, id)?);
            }
            Ok(found)
        })
        .await?;
    let found = found.into_iter();
    held.intents
        .extend(found.map(|intent| (intent.id.clone(), intent)));
    Ok(held)
}

async fn translate(app: &App, held: &Held, raw: &Raw) -> Result<Snapshot> {
    let meaning = Meaning::of(app, held);
    let subscriptions = raw.subscriptions.iter();
    let invoices = raw.invoices.iter();
    let schedules = raw.schedules.iter();
    let mut snapshot = Snapshot {
        subscriptions: subscriptions
            .map(|one| subscription::read(one, &meaning))
            .collect(),
        invoices: invoices
            .filter_map(|one| invoice::read(one, &meaning))
            .collect(),
        schedules: schedules
            .map(|one| subscription_schedule::read(one, &meaning))
            .collect(),
        credit_notes: raw
            .credit_notes
            .iter()
            .filter_map(credit_note::read)
            .collect(),
        ..Snapshot::default()
    };
    for one in &mut snapshot.invoices {
        invoice::look_at_payment(app, one).await?;
    }
    for one in &raw.sessions {
        let session = checkout_session::read(app, one, held).await?;
        snapshot.sessions.push(session);
    }
    let automatic = checkout_session::automatic(&raw.charges, held);
    snapshot.sessions.extend(automatic);
    let disputed = by_id::charges_of_disputes(app, held).await?;
    for one in &raw.charges {
        let is_disputed = one.disputed || disputed.contains(&one.id);
        snapshot
            .charges
            .push(charge::read(app, one, is_disputed).await?);
    }
    Ok(snapshot)
}

/// The card that the next invoice is charged to: the subscription's own, or else the customer's
/// default.
async fn card(
    app: &App,
    customer: &objects::Customer,
    subscriptions: &[objects::Subscription],
) -> Result<Option<(String, String, i64, i64)>> {
    let own = subscriptions
        .iter()
        .filter(|subscription| subscription.ended_at.is_none())
        .find_map(|subscription| subscription.default_payment_method.id());
    let Some(id) = own.or_else(|| customer.default_payment_method().id()) else {
        return Ok(None);
    };
    let method = match app.stripe.retrieve_payment_method(id).await {
        Ok(method) => method,
        Err(stripe::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let card = method
        .card
        .and_then(|card| Some((card.brand?, card.last4?, card.exp_month?, card.exp_year?)));
    Ok(card)
}
