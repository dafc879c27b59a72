//! Fetches everything about an account that a projection reads.

use std::collections::{HashMap, HashSet};

use domain::projection::Snapshot;
use store::customers::CustomerState;
use store::intents::Intent;
use stripe::objects;

use crate::app::App;
use crate::error::{Error, Result};
use crate::sync::discounts::Discounts;
use crate::sync::history::{Progress, Raw};
use crate::sync::meaning::Meaning;
use crate::sync::next_charge::{self, NextCharges};
use crate::sync::ours::Aside;
use crate::sync::{
    Held, by_id, charge, checkout_session, credit_note, history, invoice, mark, ours, owners,
    recovery, subscription, subscription_schedule,
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
    /// What belongs to another product.
    pub aside: Aside,
    /// Orders that were lost and were recovered.
    pub recovered: Vec<Intent>,
    /// The previews of next invoices.
    pub next: NextCharges,
    /// Customers of ours that don't carry our mark.
    pub unmarked: Vec<objects::Customer>,
}

/// The code of the error for a customer of ours that Stripe doesn't have.
pub const CUSTOMER_MISSING: &str = "customer_missing";

/// Fetches the account's data, from all its current and former customers.
pub async fn fetch(app: &App, held: &Held) -> Result<Fetched> {
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
    let mut customers = HashMap::new();
    for customer in &held.customers {
        let object = customer_of(app, &customer.customer_id).await?;
        let left = history::read(app, &object, &held.progress, &mut raw).await?;
        fetched.progress.backfill = history::join(fetched.progress.backfill, left);
        if object.deleted {
            fetched.deleted.push(object.id.clone());
            continue;
        }
        fetched.unmarked.extend(unmarked(app, held, &object));
        customers.insert(object.id.clone(), object.clone());
        if customer.state == CustomerState::Current {
            current = Some(object);
        }
    }
    let disputed = by_id::charges_of_disputes(app, held).await?;
    by_id::complete(app, held, &mut raw, &disputed).await?;
    let held = &with_intents(app, held, &raw).await?;
    owners::read(app, held, &mut raw).await?;
    ours::read_unknown_subscriptions(app, held, &mut raw).await?;
    let mut held = with_intents(app, held, &raw).await?;
    learn_prices(app, &raw).await?;
    sort_out(app, &mut held, &mut raw, &mut fetched).await?;
    if let Some(customer) = current {
        fetched.card = card(app, &customer, &raw.subscriptions).await?;
    }
    let mut discounts = Discounts::default();
    customers
        .values()
        .for_each(|one| discounts.add_customer(one));
    discounts.read(app, &raw.subscriptions).await;
    fetched.next = next_charge::read(app, &held, &raw, &customers).await;
    let figures = (&discounts, &fetched.next);
    fetched.snapshot = translate(app, &held, &raw, &disputed, figures).await?;
    tracing::debug!(
        account = held.account,
        subscriptions = fetched.snapshot.subscriptions.len(),
        invoices = fetched.snapshot.invoices.len(),
        is_partial = raw.is_partial,
        "Fetched an account"
    );
    Ok(fetched)
}

/// Reads a customer of ours. Stripe answers for a deleted one, too; if it has none of this id, the
/// key is of another account, or test data were deleted: nothing is concluded from that.
async fn customer_of(app: &App, id: &str) -> Result<objects::Customer> {
    match app.stripe.retrieve_customer(id).await {
        Ok(object) => Ok(object),
        Err(stripe::Error::NotFound { .. }) => Err(missing(id)),
        Err(error) => Err(error.into()),
    }
}

/// The error for a customer of ours that Stripe doesn't have.
pub fn missing(customer: &str) -> Error {
    let detail = format!(
        "Stripe has no customer {customer}. Check that the key belongs to the right Stripe \
         account. If its data was deleted at Stripe, run `sync ACCOUNT --retire {customer}`."
    );
    Error::unavailable(CUSTOMER_MISSING, detail)
}

/// The customer, if it doesn't carry our mark yet.
fn unmarked(app: &App, held: &Held, object: &objects::Customer) -> Option<objects::Customer> {
    let is_marked = mark::account_in(app, &object.metadata) == Some(&held.public_id);
    (!is_marked).then(|| object.clone())
}

/// Sets aside what belongs to another product, recovers lost orders, and names the payments that
/// are still unexplained.
async fn sort_out(app: &App, held: &mut Held, raw: &mut Raw, fetched: &mut Fetched) -> Result<()> {
    let meaning = Meaning::of(app, held);
    let mut aside = Aside::default();
    let now = app.now();
    ours::set_subscriptions_aside(app, held, &meaning, raw, &mut aside);
    let known = held.known_foreign_payments().into_iter();
    let known = known.map(|id| (id, None)).collect();
    ours::set_payments_aside(held, known, raw, &mut aside, now);
    let mut found = recovery::find(app, held, &meaning, raw).await?;
    ours::set_payments_aside(held, found.foreign, raw, &mut aside, now);
    own_ids(app, &mut found.recovered).await?;
    for order in &found.recovered {
        held.intents.insert(order.id.clone(), order.clone());
    }
    fetched.recovered = found.recovered;
    let payments = raw.charges.iter().filter_map(|one| one.payment_intent.id());
    let ours_again = payments.filter(|id| held.foreign.contains_key(*id));
    aside.ours_again.extend(ours_again.map(str::to_owned));
    fetched.aside = aside;
    Ok(())
}

/// Gives a lost order an id of its own if its id is that of another order: its metadata were copied.
async fn own_ids(app: &App, orders: &mut [Intent]) -> Result<()> {
    for order in orders {
        let id = order.id.clone();
        let owner = app
            .read(move |tx| store::intents::account_of(tx, &id))
            .await?;
        if owner.is_some() {
            let object = order.stripe_object_id.as_deref().unwrap_or_default();
            order.id = format!("rec_{object}");
        }
    }
    Ok(())
}

/// Reloads the price map if the database has learned the price of one of these subscriptions:
/// another process may have stored it.
async fn learn_prices(app: &App, raw: &Raw) -> Result<()> {
    let prices = app.prices();
    let items = raw.subscriptions.iter().flat_map(|one| &one.items.data);
    let ids = items.filter_map(|item| Some(item.price.as_ref()?.id.clone()));
    let unknown: HashSet<String> = ids.filter(|id| !prices.knows(id)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let is_stored = app
        .read(move |tx| {
            for id in &unknown {
                if store::catalog::price(tx, id)?.is_some() {
                    return Ok(true);
                }
            }
            let addons = store::catalog::addons(tx)?;
            Ok(addons.iter().any(|(id, _)| unknown.contains(id)))
        })
        .await?;
    if is_stored {
        app.load_prices().await.map_err(Error::bug)?;
    }
    Ok(())
}

/// Adds the intents that fetched objects refer to and that weren't loaded: created since the rows
/// were read, too old to be among them, or named only by their object.
async fn with_intents(app: &App, held: &Held, raw: &Raw) -> Result<Held> {
    let sessions = raw.sessions.iter();
    let sessions = sessions.map(|one| (&one.metadata, Some(one.id.as_str())));
    let invoices = raw.invoices.iter();
    let mut owned: HashSet<&str> = invoices
        .filter_map(|one| one.payment_intent().id())
        .collect();
    owned.extend(
        raw.sessions
            .iter()
            .filter_map(|one| one.payment_intent.id()),
    );
    let charges = raw.charges.iter();
    let charges = charges.map(|one| {
        let payment = one.payment_intent.id();
        (&one.metadata, payment.filter(|id| !owned.contains(id)))
    });
    let subscriptions = raw.subscriptions.iter().map(|one| (&one.metadata, None));
    let mut ids = HashSet::new();
    let mut objects = HashSet::new();
    for (metadata, object) in sessions.chain(charges).chain(subscriptions) {
        let named = metadata.get(checkout_session::INTENT_KEY);
        if named.is_some_and(|id| held.intents.contains_key(id)) {
            continue;
        }
        ids.extend(named.cloned());
        if let Some(object) = object
            && held.intent_of(metadata, object).is_none()
        {
            objects.insert(object.to_owned());
        }
    }
    let mut held = held.clone();
    if ids.is_empty() && objects.is_empty() {
        return Ok(held);
    }
    let account = held.account;
    let found = app
        .read(move |tx| {
            let mut found = Vec::new();
            for id in &ids {
                found.extend(store::intents::find(tx, account, id)?);
            }
            for object in &objects {
                let intent = store::intents::by_object(tx, object)?;
                found.extend(intent.filter(|intent| intent.account_id == account));
            }
            Ok(found)
        })
        .await?;
    let found = found.into_iter();
    held.intents
        .extend(found.map(|intent| (intent.id.clone(), intent)));
    Ok(held)
}

async fn translate(
    app: &App,
    held: &Held,
    raw: &Raw,
    disputed: &HashSet<String>,
    (discounts, next): (&Discounts, &NextCharges),
) -> Result<Snapshot> {
    let now = app.now();
    let meaning = Meaning::of(app, held);
    let subscriptions = raw.subscriptions.iter();
    let invoices = raw.invoices.iter();
    let schedules = raw.schedules.iter();
    let mut snapshot = Snapshot {
        subscriptions: subscriptions
            .map(|one| {
                let stored = || held.monthly.get(&one.id).copied();
                let monthly = discounts.monthly(one, now).or_else(stored);
                subscription::read(one, &meaning, monthly, next.of(&one.id))
            })
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
        unexplained: owners::unexplained(held, raw),
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
