//! Checkout sessions for a plan or a credit pack.

mod session;

use domain::catalog::{Catalog, Tier};
use domain::money::{Credits, Currency, MinorUnits};
use domain::projection::{SessionMode, TransactionStatus};
use domain::time::Timestamp;
use serde_json::json;
use store::intents::{Intent, IntentKind, IntentState, NewIntent};
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::{claimed, is_stale};
use crate::links::UPGRADE;
use crate::payments::checkout::session::{create, end, is_open, session_params};
use crate::payments::{customer, is_customer_gone, setup_missing};
use crate::{rate_limit, trials};

/// What somebody wants to buy, already known to be for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purchase {
    /// A tier, by name.
    Plan(String),
    /// A pack, by its credits.
    Pack(i64),
}

/// How long a request that makes a page can take; after that its row belongs to nobody.
const IN_FLIGHT_SECONDS: i64 = 30;

/// The parameter that gives a trial.
const TRIAL_DAYS: &str = "subscription_data[trial_period_days]";

/// What is frozen in the intent.
#[derive(Clone, Debug)]
struct Order {
    kind: IntentKind,
    mode: SessionMode,
    price_id: String,
    price: MinorUnits,
    credits: Option<Credits>,
    bonus: i64,
    expires_after_days: Option<i64>,
    tier: Option<String>,
    trial_days: Option<i64>,
    success_query: &'static str,
}

impl Order {
    /// Whether the intent is for the same thing, on the same terms.
    fn is(&self, intent: &Intent) -> bool {
        let params = Form::decode(&intent.params);
        let trial_days = params.get(TRIAL_DAYS).and_then(|days| days.parse().ok());
        intent.price_id.as_deref() == Some(&self.price_id) && trial_days == self.trial_days
    }

    /// The same for the same customer: a call to Stripe that two clicks may share.
    fn is_call(&self, intent: &Intent, customer: &str) -> bool {
        self.is(intent) && Form::decode(&intent.params).get("customer") == Some(customer)
    }
}

/// The address of a Checkout page for this purchase. An open one for the same thing is used again.
/// `attempt` names the form that was sent: sent again after it was paid, it leads to what it
/// brought and sells nothing more (N11).
pub async fn start(
    app: &App,
    caller: &SignedIn,
    purchase: &Purchase,
    attempt: Option<&str>,
) -> Result<String> {
    if !app.settings.billing.enabled {
        return Err(Error::not_found("Billing is switched off."));
    }
    caller.may_pay()?;
    let limit = app.settings.limits.checkout_per_minute;
    let attempt = attempt.filter(|attempt| is_attempt(attempt));
    let order = order(app, caller, purchase).await?;
    if let Some(url) = answered(app, caller, attempt, &order).await? {
        return Ok(url);
    }
    rate_limit::take(
        app,
        &format!("checkout:{}", caller.user.id),
        limit,
        caller.account.id,
    )
    .await?;
    // A customer that was deleted at Stripe is replaced once.
    for _ in 0..2 {
        let customer = customer::get_or_create(app, caller).await?;
        let intent = match reserve(app, caller, &order, &customer).await? {
            Reserved::Open { id, url } => {
                note_attempt(app, caller, attempt, &id).await?;
                return Ok(url);
            }
            Reserved::New(intent) => *intent,
        };
        note_attempt(app, caller, attempt, &intent.id).await?;
        match create(app, &intent).await {
            Err(error) if is_customer_gone(&error) => {
                customer::retire(app, caller.account.id, &customer).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(url) => return Ok(url),
        }
    }
    Err(Error::unavailable(
        "customer_gone",
        "Stripe does not know this customer; try again.",
    ))
}

/// Whether it looks like a name of ours for a form.
fn is_attempt(attempt: &str) -> bool {
    let rest = attempt.strip_prefix("att_").unwrap_or_default();
    (1..=60).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn note_attempt(
    app: &App,
    caller: &SignedIn,
    attempt: Option<&str>,
    intent: &str,
) -> Result<()> {
    let Some(attempt) = attempt.map(str::to_owned) else {
        return Ok(());
    };
    let (account, intent, now) = (caller.account.id, intent.to_owned(), app.now());
    app.write(account, move |tx| {
        store::intents::note_attempt(tx, account, &attempt, &intent, now)
    })
    .await?;
    Ok(())
}

/// The page of what this attempt brought, if it was paid before.
async fn answered(
    app: &App,
    caller: &SignedIn,
    attempt: Option<&str>,
    order: &Order,
) -> Result<Option<String>> {
    let Some(attempt) = attempt.map(str::to_owned) else {
        return Ok(None);
    };
    let account = caller.account.id;
    let found = app
        .read(move |tx| {
            let Some(id) = store::intents::of_attempt(tx, account, &attempt)? else {
                return Ok(None);
            };
            let intent = store::intents::find(tx, account, &id)?;
            let session = intent.as_ref().and_then(|one| one.stripe_object_id.clone());
            let row = match session {
                Some(session) => store::transactions::about(tx, &session)?,
                None => None,
            };
            Ok(intent.zip(row))
        })
        .await?;
    let paid = found.filter(|(intent, row)| {
        let is_through =
            row.status == TransactionStatus::Pending && intent.state == IntentState::Closed;
        let is_paid = row.status.is_paid();
        order.is(intent) && row.account_id == account && (is_paid || is_through)
    });
    Ok(paid.and_then(|(intent, _)| {
        let pages = format!("{}/dashboard/billing", app.settings.service.base_url);
        let (query, name) = (order.success_query, &caller.account.public_id);
        let session = intent.stripe_object_id?;
        Some(format!(
            "{pages}/success?{query}account={name}&session_id={session}"
        ))
    }))
}

/// Reads what a client names as bought. Prices, credits, customers and addresses that it sends are
/// never looked at (F1, F2).
pub fn read_plan(catalog: &Catalog, app: &App, plan: &str) -> Result<Purchase> {
    let tier = catalog.tier(plan).map(|tier| tier.name.clone());
    let tier = tier.or_else(|| app.prices().tier_of_price.get(plan).cloned());
    let tier = tier.ok_or_else(|| Error::field("planId", "There is no such plan."))?;
    if catalog.free().name == tier {
        return Err(Error::field("planId", "The free plan needs no payment."));
    }
    Ok(Purchase::Plan(tier))
}

/// As [`read_plan`], for a pack.
pub fn read_pack(catalog: &Catalog, credits: i64) -> Result<Purchase> {
    let pack = catalog.pack(credits).ok_or_else(|| {
        let known: Vec<String> = catalog
            .packs
            .iter()
            .map(|p| p.credits.to_string())
            .collect();
        Error::field(
            "amount",
            format!("Choose one of the packs: {} credits.", known.join(", ")),
        )
    })?;
    Ok(Purchase::Pack(pack.credits))
}

async fn order(app: &App, caller: &SignedIn, purchase: &Purchase) -> Result<Order> {
    let catalog = app.catalog();
    let prices = app.prices();
    match purchase {
        Purchase::Pack(credits) => {
            let pack = catalog
                .pack(*credits)
                .expect("a purchase is of what is for sale");
            let price_id = prices
                .price_of_pack
                .get(credits)
                .ok_or_else(setup_missing)?;
            Ok(Order {
                kind: IntentKind::CheckoutTopup,
                mode: SessionMode::Payment,
                price_id: price_id.clone(),
                price: pack.price,
                credits: Some(Credits::new(pack.credits)),
                bonus: Credits::new(pack.bonus).micros(),
                expires_after_days: pack.expires_after_days,
                tier: None,
                trial_days: None,
                success_query: "type=credits&",
            })
        }
        Purchase::Plan(name) => {
            refuse_second_plan(app, caller.account.id).await?;
            let tier = catalog
                .tier(name)
                .expect("a purchase is of what is for sale");
            let sold = plan_price(app, caller.account.id, tier).await?;
            Ok(Order {
                kind: IntentKind::CheckoutSubscription,
                mode: SessionMode::Subscription,
                price_id: sold.id,
                price: sold.price,
                credits: None,
                bonus: 0,
                expires_after_days: None,
                tier: Some(tier.name.clone()),
                trial_days: trials::offered(app, caller.account.id, tier).await?,
                success_query: "",
            })
        }
    }
}

/// What a plan is sold at.
#[derive(Clone, Debug)]
pub struct PlanPrice {
    /// The price at Stripe.
    pub id: String,
    /// What a period costs.
    pub price: MinorUnits,
    /// The billing interval: `month` or `year`.
    pub interval: String,
}

/// What a plan costs this account: the price that was agreed with it, else the list price. A plan
/// without either is sold by people (U14).
pub async fn plan_price(app: &App, account: i64, tier: &Tier) -> Result<PlanPrice> {
    if let Some(own) = agreed(app, account, &tier.name).await? {
        return Ok(own);
    }
    let contact = || {
        let detail = "This plan's price is agreed in person; please contact us.";
        Error::conflict("contact_sales", detail)
            .with("contactUrl", json!(app.settings.billing.contact_url))
    };
    let price = tier.price.ok_or_else(contact)?;
    let id = app.prices().price_of_tier.get(&tier.name).cloned();
    Ok(PlanPrice {
        id: id.ok_or_else(setup_missing)?,
        price,
        interval: "month".to_owned(),
    })
}

/// The price that was agreed with the account for a tier.
async fn agreed(app: &App, account: i64, tier: &str) -> Result<Option<PlanPrice>> {
    let rows = app
        .read(move |tx| store::account_prices::of_account(tx, account))
        .await?;
    let mut current = rows.into_iter().filter(|row| row.is_current);
    let Some(row) = current.find(|row| row.tier == tier) else {
        return Ok(None);
    };
    let currency = Currency::parse(&row.currency)
        .ok_or_else(|| Error::bug("an agreed price without a currency"))?;
    Ok(Some(PlanPrice {
        id: row.price_id,
        price: MinorUnits::new(row.amount_minor, currency),
        interval: row.billing_interval,
    }))
}

/// A plan that can still charge is changed, not bought beside (F27).
async fn refuse_second_plan(app: &App, account: i64) -> Result<()> {
    let live = app
        .read(move |tx| store::subscriptions::live(tx, account))
        .await?;
    if live.is_empty() {
        return Ok(());
    }
    let url = app.page_of(&app.public_id(account).await?, UPGRADE);
    Err(Error::conflict(
        "already_subscribed",
        "This account already has a plan. Change it instead.",
    )
    .with("changePlanUrl", json!(url)))
}

enum Reserved {
    /// A page for the same purchase is open already; of which intent.
    Open { id: String, url: String },
    /// The row whose id is the idempotency key of the call to make.
    New(Box<Intent>),
}

/// Finds or makes the intent. One that is under way or open for another purchase is ended first.
async fn reserve(app: &App, caller: &SignedIn, order: &Order, customer: &str) -> Result<Reserved> {
    let (account, kind, now) = (caller.account.id, order.kind, app.now());
    let (under_way, usable) = app
        .read(move |tx| {
            let under_way = store::intents::under_way(tx, account, kind)?;
            Ok((under_way, store::intents::usable(tx, account, kind, now)?))
        })
        .await?;
    if let Some(intent) = usable {
        match (order.is(&intent), &intent.url) {
            (true, Some(url)) if is_open(app, &intent).await? => {
                let (id, url) = (intent.id.clone(), url.clone());
                return Ok(Reserved::Open { id, url });
            }
            _ => end(app, &intent).await?,
        }
    }
    if let Some(intent) = under_way {
        if order.is_call(&intent, customer) && !is_stale(&intent, now) {
            return Ok(Reserved::New(Box::new(intent)));
        }
        // Another click is making a page for something else at this moment. Taking its row from it
        // would leave two pages open, and lead one of the clicks to the other's.
        if is_in_flight(&intent, now) {
            return Err(claimed());
        }
        let id = intent.id.clone();
        app.write(account, move |tx| store::intents::close(tx, &id, now))
            .await?;
    }
    insert(app, caller, order, customer).await
}

fn is_in_flight(intent: &Intent, now: Timestamp) -> bool {
    now < intent.created_at.plus_seconds(IN_FLIGHT_SECONDS)
}

async fn insert(app: &App, caller: &SignedIn, order: &Order, customer: &str) -> Result<Reserved> {
    let (id, now) = (app.new_id("int"), app.now());
    let params = session_params(app, caller, order, customer, &id).encode();
    let (account, user, order) = (caller.account.id, caller.user.id, order.clone());
    let customer = customer.to_owned();
    let reserved = app
        .write(account, move |tx| {
            store::intents::close_expired(tx, account, order.kind, now)?;
            // A second click may have come since this one looked.
            if let Some(found) = of_another(tx, account, &order, &customer, now)? {
                return Ok(Some(found));
            }
            let new = NewIntent {
                user_id: Some(user),
                credits_micros: order.credits.map(Credits::micros),
                amount_minor: Some(order.price.amount),
                currency: Some(order.price.currency.code()),
                tier: order.tier.as_deref(),
                price_id: Some(&order.price_id),
                ..NewIntent::new(&id, account, order.kind, &params)
            };
            match store::intents::insert(tx, &new, now)? {
                Some(intent) => {
                    store::intents::freeze_pack(tx, &id, order.bonus, order.expires_after_days)?;
                    Ok(Some(Reserved::New(Box::new(intent))))
                }
                // Another process was faster by a hair.
                None => of_another(tx, account, &order, &customer, now),
            }
        })
        .await?;
    reserved.ok_or_else(claimed)
}

/// What another click has of the same order: its open page, or the call that it is making and that
/// both may share.
fn of_another(
    tx: &mut store::Tx<'_>,
    account: i64,
    order: &Order,
    customer: &str,
    now: Timestamp,
) -> store::Result<Option<Reserved>> {
    let opened = store::intents::usable(tx, account, order.kind, now)?;
    let opened = opened.filter(|intent| order.is(intent));
    if let Some((id, url)) = opened.and_then(|intent| Some((intent.id, intent.url?))) {
        return Ok(Some(Reserved::Open { id, url }));
    }
    let under_way = store::intents::under_way(tx, account, order.kind)?;
    let shared = under_way.filter(|intent| order.is_call(intent, customer));
    Ok(shared.map(|intent| Reserved::New(Box::new(intent))))
}
