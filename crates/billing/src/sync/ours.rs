//! Ours or another product's (G1): what a customer of ours has at Stripe may belong to another
//! product that uses the same Stripe account. It is set aside before anything is projected, so it
//! blocks nothing, grants nothing, is never changed and never counted.

use std::collections::{BTreeMap, HashSet};

use domain::money::Currency;
use domain::time::Timestamp;
use store::foreign::{Foreign, ForeignKind};
use stripe::objects;
use stripe::objects::Metadata;

use crate::app::App;
use crate::error::Result;
use crate::sync::checkout_session::INTENT_KEY;
use crate::sync::history::Raw;
use crate::sync::mark::account_in;
use crate::sync::meaning::Meaning;
use crate::sync::{Held, at, invoice};

/// What was set aside, and what turned out to be ours after all.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Rows of what belongs to another product.
    pub foreign: Vec<Foreign>,
    /// Refunds of such payments.
    pub refunds: Vec<String>,
    /// Objects that were another product's and now are ours.
    pub ours_again: Vec<String>,
}

/// Whether metadata were written by us for this account: they carry our mark or, from before there
/// were marks, our id of the account next to an intent's id. A host application chooses neither.
pub fn is_marked(app: &App, account: &str, metadata: &Metadata) -> bool {
    let is_marked = account_in(app, metadata) == Some(account);
    let named = metadata.get("accountId").map(String::as_str);
    is_marked || metadata.contains_key(INTENT_KEY) && named == Some(account)
}

/// Whether a subscription is ours: it has an item at a price that the catalog, its history or an
/// agreement knows; or it was made by a Checkout of ours, or had such a price before, and its price
/// was changed at Stripe.
fn is_ours(
    app: &App,
    held: &Held,
    meaning: &Meaning,
    subscription: &objects::Subscription,
) -> bool {
    let prices = subscription.items.data.iter();
    let mut prices = prices.filter_map(|item| item.price.as_ref());
    let is_intended = subscription
        .metadata
        .get(INTENT_KEY)
        .is_some_and(|id| held.intents.contains_key(id));
    prices.any(|price| meaning.knows(&price.id))
        || is_intended
        || is_marked(app, &held.public_id, &subscription.metadata)
        || held.tiers.contains_key(&subscription.id)
}

/// Takes another product's subscriptions and what belongs to them out of `raw`.
pub fn set_subscriptions_aside(
    app: &App,
    held: &Held,
    meaning: &Meaning,
    raw: &mut Raw,
    aside: &mut Aside,
) {
    let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(&mut raw.subscriptions)
        .into_iter()
        .partition(|one| is_ours(app, held, meaning, one));
    raw.subscriptions = ours;
    let kept: HashSet<&str> = raw
        .subscriptions
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    aside.ours_again.extend(
        held.foreign
            .keys()
            .filter(|id| kept.contains(id.as_str()))
            .cloned(),
    );
    let now = app.now();
    aside
        .foreign
        .extend(others.iter().map(|one| subscription_row(held, one, now)));
    let mut foreign: HashSet<String> = others.into_iter().map(|one| one.id).collect();
    let earlier = held.foreign.values();
    let earlier = earlier.filter(|row| row.kind == ForeignKind::Subscription);
    foreign.extend(
        earlier
            .map(|row| row.object_id.clone())
            .filter(|id| !kept.contains(id.as_str())),
    );
    set_objects_aside(held, &foreign, raw, aside, now);
}

/// Takes what belongs to these subscriptions out of `raw`: invoices, payments, sessions, schedules
/// and credit notes.
fn set_objects_aside(
    held: &Held,
    foreign: &HashSet<String>,
    raw: &mut Raw,
    aside: &mut Aside,
    now: Timestamp,
) {
    let is_foreign = |id: Option<&str>| id.is_some_and(|id| foreign.contains(id));
    let (others, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut raw.invoices)
        .into_iter()
        .partition(|one| is_foreign(one.subscription().id()));
    raw.invoices = ours;
    let invoices: HashSet<&str> = others.iter().map(|one| one.id.as_str()).collect();
    raw.credit_notes
        .retain(|one| !one.invoice.id().is_some_and(|id| invoices.contains(id)));
    raw.sessions
        .retain(|one| !is_foreign(one.subscription.id()));
    raw.schedules.retain(|one| {
        let led = one.subscription.id();
        !is_foreign(led.or(one.released_subscription.as_deref()))
    });
    let payments = others.iter().flat_map(invoice::payments_of);
    let parts = raw.invoice_of.iter();
    let parts = parts.filter(|(_, invoice)| invoices.contains(invoice.as_str()));
    let payments = payments.chain(parts.map(|(payment, _)| payment.as_str()));
    let payments = payments.map(|id| (id.to_owned(), None)).collect();
    set_payments_aside(held, payments, raw, aside, now);
}

/// Takes another product's payments, by payment intent and with the price that they paid, out of
/// `raw`.
pub fn set_payments_aside(
    held: &Held,
    payments: BTreeMap<String, Option<String>>,
    raw: &mut Raw,
    aside: &mut Aside,
    now: Timestamp,
) {
    let known = |charge: &objects::Charge| {
        charge
            .payment_intent
            .id()
            .is_some_and(|id| payments.contains_key(id))
    };
    let (others, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut raw.charges)
        .into_iter()
        .partition(known);
    raw.charges = ours;
    for charge in others {
        let refunds = charge.refunds.iter().flat_map(|list| &list.data);
        aside
            .refunds
            .extend(refunds.map(|refund| refund.id.clone()));
        if is_paid(&charge) {
            let payment = charge.payment_intent.id().unwrap_or_default();
            let price = payments.get(payment).cloned().flatten();
            aside.foreign.push(payment_row(held, &charge, price, now));
        }
    }
}

/// Whether a charge took money.
pub fn is_paid(charge: &objects::Charge) -> bool {
    charge.status == objects::ChargeStatus::Succeeded && charge.paid && charge.amount_captured > 0
}

fn subscription_row(held: &Held, one: &objects::Subscription, now: Timestamp) -> Foreign {
    let price = one.items.data.first().and_then(|item| item.price.as_ref());
    let quantity = one.items.data.first().and_then(|item| item.quantity);
    let unit = price.and_then(|price| price.unit_amount);
    let currency = price.and_then(|price| price.currency.as_deref());
    Foreign {
        object_id: one.id.clone(),
        account_id: held.account,
        kind: ForeignKind::Subscription,
        status: one.status.as_str().to_owned(),
        amount_minor: unit.and_then(|unit| unit.checked_mul(quantity.unwrap_or(1))),
        currency: currency_of(currency.or(one.currency.as_deref())),
        price_id: price.map(|price| price.id.clone()),
        is_decided: false,
        created_at: at(one.created),
        seen_at: now,
    }
}

/// The row of a charge that belongs to another product.
pub fn payment_row(
    held: &Held,
    charge: &objects::Charge,
    price: Option<String>,
    now: Timestamp,
) -> Foreign {
    let id = charge.payment_intent.id().unwrap_or(&charge.id);
    Foreign {
        object_id: id.to_owned(),
        account_id: held.account,
        kind: ForeignKind::Payment,
        status: if charge.refunded { "refunded" } else { "paid" }.to_owned(),
        amount_minor: Some(charge.amount),
        currency: currency_of(Some(&charge.currency)),
        price_id: price,
        is_decided: false,
        created_at: at(charge.created),
        seen_at: now,
    }
}

fn currency_of(code: Option<&str>) -> Option<String> {
    Some(Currency::parse(code?)?.code().to_owned())
}

/// Adds the subscriptions of invoices whose subscription is neither in our rows nor among what was
/// read, so that it can be told whose they are.
pub async fn read_unknown_subscriptions(app: &App, held: &Held, raw: &mut Raw) -> Result<()> {
    let invoices = raw.invoices.iter();
    let mut unknown: HashSet<String> = invoices
        .filter_map(|one| one.subscription().id())
        .filter(|id| !raw.has(id) && !held.tiers.contains_key(*id))
        .filter(|id| !held.foreign.contains_key(*id))
        .map(str::to_owned)
        .collect();
    let listed = raw.subscriptions.len();
    for id in unknown.drain() {
        match app.stripe.retrieve_subscription(&id).await {
            Ok(object) => raw.add_subscription(object),
            Err(stripe::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The list is newest first, and one that it lacked may have been created after it was read.
    raw.subscriptions.rotate_left(listed);
    Ok(())
}
