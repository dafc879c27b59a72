//! Purchases whose order was lost: our row, or Stripe's metadata that name it. What was bought
//! follows from the price that was paid; where that leaves a doubt, the payment is a finding (G2).

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::catalog::{Catalog, Pack};
use domain::money::{Credits, Currency};
use domain::time::Timestamp;
use store::intents::{Intent, IntentKind, IntentState};
use stripe::objects::{CheckoutLineItem, CheckoutMode};
use stripe::{Form, objects};

use crate::app::{App, PackPrice};
use crate::error::Result;
use crate::sync::checkout_session::INTENT_KEY;
use crate::sync::history::Raw;
use crate::sync::meaning::Meaning;
use crate::sync::ours::{is_marked, is_paid};
use crate::sync::{Held, at};

/// Maximum number of line items that are read.
const LINES_MAX: usize = 100;

/// Maximum number of catalog versions that are searched for a pack's bonus.
const VERSIONS_MAX: i64 = 200;

/// What a pack brought when it was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The credits that were bought.
    pub credits: Credits,
    /// The bonus in addition.
    pub bonus: Credits,
    /// Days after which both expire; `None` for never.
    pub expires_after_days: Option<i64>,
    /// The price, in minor units.
    pub amount_minor: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// Whether every version of the catalog says the same.
    pub is_certain: bool,
}

/// What the line items of a session say that it sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One of our packs, at this price.
    Pack(Box<(String, Sold)>),
    /// Nothing of ours; the price of the first line.
    Other(Option<String>),
    /// Something of ours that is not one pack.
    Unclear,
}

/// Reads what a session of a payment sold.
pub async fn content(app: &App, session: &objects::CheckoutSession) -> Result<Content> {
    let lines = app
        .stripe
        .list_checkout_line_items(&session.id, LINES_MAX)
        .await?
        .data;
    let prices = app.prices();
    let price_of = |line: &CheckoutLineItem| line.price.as_ref().map(|price| price.id.clone());
    if !lines
        .iter()
        .filter_map(price_of)
        .any(|id| prices.knows(&id))
    {
        return Ok(Content::Other(lines.first().and_then(price_of)));
    }
    let [line] = &*lines else {
        return Ok(Content::Unclear);
    };
    let quantity = line.quantity.unwrap_or(1);
    let Some((id, pack)) =
        price_of(line).and_then(|id| Some((id.clone(), *prices.pack_of_price.get(&id)?)))
    else {
        return Ok(Content::Unclear);
    };
    let sold = sold(app, pack, quantity, at(session.created)).await?;
    Ok(sold.map_or(Content::Unclear, |sold| Content::Pack(Box::new((id, sold)))))
}

/// What a number of packs at this price brought at a given time: the bonus and the expiry are those
/// of the catalog in force then. `None` if no such number of credits exists.
pub async fn sold(
    app: &App,
    pack: PackPrice,
    quantity: i64,
    bought_at: Timestamp,
) -> Result<Option<Sold>> {
    let versions = catalogs(app).await?;
    let fits = |one: &&Pack| one.credits == pack.credits && one.price == pack.price;
    let terms: Vec<(Timestamp, Pack)> = versions
        .iter()
        .filter_map(|(loaded_at, catalog)| {
            Some((*loaded_at, catalog.packs.iter().find(fits)?.clone()))
        })
        .collect();
    // The versions are listed latest first.
    let then = terms.iter().find(|(loaded_at, _)| *loaded_at <= bought_at);
    let Some((_, then)) = then.or(terms.last()) else {
        return Ok(None);
    };
    let is_certain = terms.iter().all(|(_, one)| {
        (one.bonus, one.expires_after_days) == (then.bonus, then.expires_after_days)
    });
    let times = |whole: i64| whole.checked_mul(quantity).and_then(credits_of);
    let sold = || {
        Some(Sold {
            credits: times(then.credits).filter(|credits| credits.is_positive())?,
            bonus: times(then.bonus)?,
            expires_after_days: then.expires_after_days,
            amount_minor: pack.price.amount.checked_mul(quantity)?,
            currency: pack.price.currency,
            is_certain,
        })
    };
    Ok(sold())
}

/// Whole credits, if the ledger can hold so many.
fn credits_of(whole: i64) -> Option<Credits> {
    whole.checked_mul(1_000_000).map(Credits::from_micros)
}

/// The packs that cost exactly this, with what they bring, from every catalog.
async fn packs_at(app: &App, amount_minor: i64, currency: Currency) -> Result<Vec<Pack>> {
    let mut found: Vec<Pack> = Vec::new();
    for (_, catalog) in catalogs(app).await? {
        for pack in catalog.packs {
            let price = pack.price;
            let fits = price.amount == amount_minor && price.currency == currency;
            if fits && !found.contains(&pack) {
                found.push(pack);
            }
        }
    }
    Ok(found)
}

/// The catalogs that were ever in force, latest first, with the times at which they were loaded.
async fn catalogs(app: &App) -> Result<Vec<(Timestamp, Catalog)>> {
    let rows = app
        .read(|tx| {
            let mut rows = Vec::new();
            for (version, _, _) in store::catalog::versions(tx, VERSIONS_MAX)? {
                rows.extend(store::catalog::find(tx, version)?);
            }
            Ok(rows)
        })
        .await?;
    let read = |row: store::catalog::CatalogVersion| {
        Some((row.loaded_at, Catalog::parse(&row.body).ok()?))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// What became of the payments that no row of ours explained.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Orders that were lost and follow from what was paid.
    pub recovered: Vec<Intent>,
    /// Payments of another product: payment intent and price.
    pub foreign: BTreeMap<String, Option<String>>,
}

/// Looks at every purchase without an order of ours.
pub async fn find(app: &App, held: &Held, meaning: &Meaning, raw: &Raw) -> Result<Found> {
    let mut found = Found::default();
    for session in &raw.sessions {
        if held.intent_of(&session.metadata, &session.id).is_none() {
            look_at_session(app, held, meaning, raw, session, &mut found).await?;
        }
    }
    let sessions = raw.sessions.iter();
    let sold: HashSet<&str> = sessions.filter_map(|one| one.payment_intent.id()).collect();
    let invoices: HashMap<&str, &objects::Invoice> = raw
        .invoices
        .iter()
        .filter_map(|one| Some((one.payment_intent().id()?, one)))
        .collect();
    for charge in raw.charges.iter().filter(|charge| is_paid(charge)) {
        let Some(payment) = charge.payment_intent.id() else {
            continue;
        };
        if sold.contains(payment) || held.order_of_payment(charge).is_some() {
            continue;
        }
        let lost = match invoices.get(payment) {
            Some(invoice) if !invoice.subscription().is_absent() => None,
            Some(invoice) => of_invoice(app, held, invoice, payment).await?,
            None => of_automatic(app, held, charge, payment).await?,
        };
        found.recovered.extend(lost);
    }
    Ok(found)
}

async fn look_at_session(
    app: &App,
    held: &Held,
    meaning: &Meaning,
    raw: &Raw,
    session: &objects::CheckoutSession,
    found: &mut Found,
) -> Result<()> {
    let is_marked = is_marked(app, &held.public_id, &session.metadata);
    if session.mode == CheckoutMode::Subscription {
        if is_marked {
            found.recovered.extend(of_plan(held, meaning, raw, session));
        }
        return Ok(());
    }
    let Some(payment) = session.payment_intent.id() else {
        return Ok(());
    };
    if session.mode != CheckoutMode::Payment || !session.is_paid() {
        return Ok(());
    }
    // An operator has decided that it is another product's.
    if held.foreign.get(payment).is_some_and(|row| row.is_decided) {
        return Ok(());
    }
    match content(app, session).await? {
        Content::Pack(pack) if pack.1.is_certain => {
            let (price, sold) = *pack;
            let id = order_id(&session.metadata, &session.id);
            let order = order(held, &id, IntentKind::CheckoutTopup, &sold, Some(price));
            found.recovered.push(Intent {
                stripe_object_id: Some(session.id.clone()),
                created_at: at(session.created),
                ..order
            });
        }
        Content::Other(price) if !is_marked => {
            found.foreign.insert(payment.to_owned(), price);
        }
        Content::Pack(_) | Content::Other(_) | Content::Unclear => {}
    }
    Ok(())
}

/// The id of a lost order: the one that Stripe's metadata name, else one that its object gives.
fn order_id(metadata: &objects::Metadata, object: &str) -> String {
    let named = metadata.get(INTENT_KEY).filter(|id| id.starts_with("int_"));
    named.map_or_else(|| format!("rec_{object}"), ToOwned::to_owned)
}

/// The lost order of a plan, from the subscription that its session created.
fn of_plan(
    held: &Held,
    meaning: &Meaning,
    raw: &Raw,
    session: &objects::CheckoutSession,
) -> Option<Intent> {
    let made = session.subscription.id()?;
    let subscription = raw.subscriptions.iter().find(|one| one.id == made)?;
    let items = &subscription.items.data;
    let ids = items
        .iter()
        .map(|item| Some(item.price.as_ref()?.id.as_str()));
    let price = items[meaning.plan(ids)?].price.as_ref()?;
    let tier = meaning.tier_of_price.get(&price.id)?;
    let currency = Currency::parse(session.currency.as_deref()?)?;
    Some(Intent {
        tier: Some(tier.clone()),
        price_id: Some(price.id.clone()),
        amount_minor: price.unit_amount.or(session.amount_total),
        currency: Some(currency.code().to_owned()),
        stripe_object_id: Some(session.id.clone()),
        created_at: at(session.created),
        ..empty(
            held,
            &order_id(&session.metadata, &session.id),
            IntentKind::CheckoutSubscription,
        )
    })
}

/// What an invoice sold that has one line, at a pack's price, with that price.
async fn invoiced(app: &App, invoice: &objects::Invoice) -> Result<Option<(String, Sold)>> {
    let [line] = &*invoice.lines.data else {
        return Ok(None);
    };
    let prices = app.prices();
    let id = line.price().id().unwrap_or_default().to_owned();
    let Some(pack) = prices.pack_of_price.get(&id) else {
        return Ok(None);
    };
    let quantity = line.quantity.unwrap_or(1);
    let sold = sold(app, *pack, quantity, at(invoice.created)).await?;
    Ok(sold.map(|sold| (id, sold)))
}

/// What a payment that needs a decision probably bought: the pack that its session or its invoice
/// names.
pub async fn proposal(app: &App, payment: &str) -> Result<Option<Sold>> {
    if !payment.starts_with("pi_") {
        return Ok(None);
    }
    let filter = Form::new().push("payment_intent", payment);
    let sessions = app.stripe.list_checkout_sessions(&filter, 1).await?.data;
    if let Some(session) = sessions.first() {
        return Ok(match content(app, session).await? {
            Content::Pack(pack) => Some(pack.1),
            Content::Other(_) | Content::Unclear => None,
        });
    }
    let paid = app.stripe.list_invoice_payments_of(payment, 1).await?.data;
    let Some(invoice) = paid.first().and_then(|one| one.invoice.id()) else {
        return Ok(None);
    };
    let invoice = app.stripe.retrieve_invoice(invoice).await?;
    Ok(invoiced(app, &invoice).await?.map(|(_, sold)| sold))
}

/// The order of a pack that was sold by an invoice written at Stripe.
async fn of_invoice(
    app: &App,
    held: &Held,
    invoice: &objects::Invoice,
    payment: &str,
) -> Result<Option<Intent>> {
    let sold = invoiced(app, invoice).await?;
    let sold = sold.filter(|(_, sold)| sold.is_certain);
    Ok(sold.map(|(id, sold)| Intent {
        stripe_object_id: Some(payment.to_owned()),
        created_at: at(invoice.created),
        ..order(
            held,
            &format!("rec_{payment}"),
            IntentKind::CheckoutTopup,
            &sold,
            Some(id),
        )
    }))
}

/// An automatic purchase of ours: its metadata say so, and exactly one pack ever had its amount.
async fn of_automatic(
    app: &App,
    held: &Held,
    charge: &objects::Charge,
    payment: &str,
) -> Result<Option<Intent>> {
    // An order that is there was not lost: its page was paid after the sessions were read.
    let named = charge.metadata.get(INTENT_KEY);
    let is_there = named.is_some_and(|id| held.intents.contains_key(id));
    if is_there || !is_marked(app, &held.public_id, &charge.metadata) {
        return Ok(None);
    }
    let Some(currency) = Currency::parse(&charge.currency) else {
        return Ok(None);
    };
    let [pack] = &*packs_at(app, charge.amount, currency).await? else {
        return Ok(None);
    };
    let pack_price = PackPrice {
        credits: pack.credits,
        price: pack.price,
    };
    let sold = sold(app, pack_price, 1, at(charge.created)).await?;
    let sold = sold.filter(|sold| sold.is_certain);
    Ok(sold.map(|sold| Intent {
        stripe_object_id: Some(payment.to_owned()),
        created_at: at(charge.created),
        ..order(
            held,
            &order_id(&charge.metadata, payment),
            IntentKind::AutoTopup,
            &sold,
            None,
        )
    }))
}

/// The order of a pack as it was recorded.
pub fn order(
    held: &Held,
    id: &str,
    kind: IntentKind,
    sold: &Sold,
    price_id: Option<String>,
) -> Intent {
    Intent {
        credits_micros: Some(sold.credits.micros()),
        bonus_micros: Some(sold.bonus.micros()),
        expires_after_days: sold.expires_after_days,
        amount_minor: Some(sold.amount_minor),
        currency: Some(sold.currency.code().to_owned()),
        price_id,
        ..empty(held, id, kind)
    }
}

fn empty(held: &Held, id: &str, kind: IntentKind) -> Intent {
    Intent {
        id: id.to_owned(),
        account_id: held.account,
        user_id: None,
        kind,
        state: IntentState::Closed,
        params: String::new(),
        credits_micros: None,
        amount_minor: None,
        currency: None,
        tier: None,
        price_id: None,
        stripe_object_id: None,
        url: None,
        error: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        expires_at: None,
        bonus_micros: None,
        expires_after_days: None,
        attempts: 0,
        next_attempt_at: store::intents::unfinished::NEVER,
        is_owed: false,
        needs_attention: false,
    }
}
