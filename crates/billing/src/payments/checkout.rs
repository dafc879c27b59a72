//! Checkout sessions for a plan or a credit pack.

mod session;

use domain::catalog::{Catalog, Interval, Pack, Tier};
use domain::money::{CREDITS_MAX, Credits, Currency, MinorUnits};
use domain::projection::{SessionMode, TransactionStatus};
use domain::time::Timestamp;
use serde_json::json;
use store::intents::{Intent, IntentKind, IntentState, NewIntent};
use stripe::Form;

use crate::actors::{SignedIn, access};
use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::intents::pages::end_if_inactive;
use crate::intents::{claimed, is_stale};
use crate::links::UPGRADE;
use crate::payments::checkout::session::{create, end, is_open, session_params};
use crate::payments::{customer, is_customer_gone, setup_missing};
use crate::{rate_limit, trials};

/// What the caller wants to buy, already checked to be for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purchase {
    /// A tier, by name, and how often it is paid: what was agreed with the account, or else each
    /// month, if the caller doesn't say.
    Plan(String, Option<Interval>),
    /// A pack, by its credits.
    Pack(i64),
}

/// Maximum time, in seconds, that a request takes to create a page; after it, the intent can be
/// replaced.
const IN_FLIGHT_SECONDS: i64 = 30;

/// The Checkout parameter that sets the trial's length.
const TRIAL_DAYS: &str = "subscription_data[trial_period_days]";

/// The terms that are frozen in the intent.
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
    /// Whether the intent is for the same purchase on the same terms.
    fn is(&self, intent: &Intent) -> bool {
        let params = Form::decode(&intent.params);
        let trial_days = params.get(TRIAL_DAYS).and_then(|days| days.parse().ok());
        intent.price_id.as_deref() == Some(&self.price_id) && trial_days == self.trial_days
    }

    /// Whether the intent is also for the same customer, so that two clicks can share its call to
    /// Stripe.
    fn is_call(&self, intent: &Intent, customer: &str) -> bool {
        self.is(intent) && Form::decode(&intent.params).get("customer") == Some(customer)
    }
}

/// Returns the URL of a Checkout page for this purchase. An open page for the same purchase is
/// reused. `attempt` identifies the submitted form: if the form is submitted again after it was
/// paid, the URL is that of its result, and nothing more is sold (N11).
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
    let account = caller.account.id;
    app.read(move |tx| access::ask_buyer(tx, account)).await??;
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
    binding::check(app).await?;
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
                customer::retire_deleted(app, caller.account.id, &customer).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(url) => {
                end_if_inactive(app, caller.account.id).await?;
                return Ok(url);
            }
        }
    }
    Err(Error::unavailable(
        "customer_gone",
        "Stripe does not know this customer; try again.",
    ))
}

/// Whether it has the format of our attempt ids.
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

/// The URL of the result page, if this attempt has already been paid.
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

/// Reads which plan a client wants to buy. Prices, credits, customers and URLs that it sends are
/// ignored (F1, F2). A price id names the interval, too.
pub fn read_plan(
    catalog: &Catalog,
    app: &App,
    plan: &str,
    interval: Option<&str>,
) -> Result<Purchase> {
    let prices = app.prices();
    let tier = catalog.tier(plan).map(|tier| tier.name.clone());
    let tier = tier.or_else(|| prices.tier_of_price.get(plan).cloned());
    let tier = tier.ok_or_else(|| Error::field("planId", "There is no such plan."))?;
    if catalog.free().name == tier {
        return Err(Error::field("planId", "The free plan needs no payment."));
    }
    let of_price = prices.interval_of(plan);
    let interval = read_interval(interval)?;
    if interval.is_some() && of_price.is_some() && interval != of_price {
        let detail = "This price has another interval. Leave the interval out, or name the plan.";
        return Err(Error::field("interval", detail));
    }
    Ok(Purchase::Plan(tier, interval.or(of_price)))
}

/// Reads how often a plan is to be paid; `None` if the caller doesn't say.
pub fn read_interval(interval: Option<&str>) -> Result<Option<Interval>> {
    let Some(word) = interval else {
        return Ok(None);
    };
    let wrong = || Error::field("interval", "interval is month or year.");
    Interval::from_word(word).map(Some).ok_or_else(wrong)
}

/// Like [`read_plan`], for a pack.
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

/// Refuses a pack that the account can't hold beside its credits, before anything is paid.
async fn refuse_too_much(app: &App, account: i64, pack: &Pack) -> Result<()> {
    let wallet = app
        .read(move |tx| store::ledger::wallet(tx, account))
        .await?;
    let held = Credits::from_micros(wallet.map_or(0, |wallet| wallet.posted));
    let bought = Credits::new(pack.credits).saturating_add(Credits::new(pack.bonus));
    if held.saturating_add(bought) <= CREDITS_MAX {
        return Ok(());
    }
    Err(Error::too_many_credits())
}

async fn order(app: &App, caller: &SignedIn, purchase: &Purchase) -> Result<Order> {
    let catalog = app.catalog();
    let prices = app.prices();
    match purchase {
        Purchase::Pack(credits) => {
            let pack = catalog
                .pack(*credits)
                .expect("a purchase is of what is for sale");
            refuse_too_much(app, caller.account.id, pack).await?;
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
        Purchase::Plan(name, interval) => {
            refuse_second_plan(app, caller.account.id).await?;
            let tier = catalog
                .tier(name)
                .expect("a purchase is of what is for sale");
            let sold = plan_price(app, caller.account.id, tier, *interval, Interval::Month).await?;
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

/// The price of a plan.
#[derive(Clone, Debug)]
pub struct PlanPrice {
    /// The price's id at Stripe.
    pub id: String,
    /// The price per period.
    pub price: MinorUnits,
    /// The billing interval: `month` or `year`.
    pub interval: String,
}

/// The price of a plan for this account: the one agreed with it, or else the list price. A plan
/// with neither is sold by the sales team (U14). An agreed price has one interval; another one that
/// the caller asks for is refused. `usual` is the interval of a caller who asks for none.
pub async fn plan_price(
    app: &App,
    account: i64,
    tier: &Tier,
    asked: Option<Interval>,
    usual: Interval,
) -> Result<PlanPrice> {
    if let Some(own) = agreed(app, account, &tier.name).await? {
        if asked.is_some_and(|asked| asked.word() != own.interval) {
            let detail = format!("The price agreed for this plan is per {}.", own.interval);
            return Err(Error::conflict("agreed_interval", detail));
        }
        return Ok(own);
    }
    let contact = || {
        let detail = "This plan's price is agreed in person; please contact us.";
        Error::conflict("contact_sales", detail)
            .with("contactUrl", json!(app.settings.billing.contact_url))
    };
    let month = tier.price.ok_or_else(contact)?;
    let usual = tier.price_by(usual).map_or(Interval::Month, |_| usual);
    let interval = asked.unwrap_or(usual);
    let price = match interval {
        Interval::Month => month,
        Interval::Year => tier
            .price_yearly
            .ok_or_else(|| Error::field("interval", "This plan is only sold by the month."))?,
    };
    let id = app.prices().sold(&tier.name, interval).cloned();
    Ok(PlanPrice {
        id: id.ok_or_else(setup_missing)?,
        price,
        interval: interval.word().to_owned(),
    })
}

/// The price agreed with the account for a tier.
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

/// Refuses to sell a second plan: a plan that can still charge must be changed instead (F27).
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
    /// A page for the same purchase is already open, from the intent `id`.
    Open { id: String, url: String },
    /// The intent whose id is the idempotency key of the call to make.
    New(Box<Intent>),
}

/// Finds or creates the intent. One for another purchase that is open or in progress is ended
/// first.
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
        // Another request is creating a page for a different purchase right now. Taking over its
        // row would leave two pages open and send one of the buyers to the wrong page.
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
            // It may have been suspended or closed since the request began.
            if let Err(refusal) = access::ask_buyer(tx, account)? {
                return Ok(Err(refusal));
            }
            store::intents::close_expired(tx, account, order.kind, now)?;
            // A second click may have been handled since the rows were read.
            if let Some(found) = of_another(tx, account, &order, &customer, now)? {
                return Ok(Ok(Some(found)));
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
                    Ok(Ok(Some(Reserved::New(Box::new(intent)))))
                }
                // Another process inserted its row first.
                None => of_another(tx, account, &order, &customer, now).map(Ok),
            }
        })
        .await?;
    reserved?.ok_or_else(claimed)
}

/// What a concurrent request for the same order has: its open page, or the call in progress that
/// both can share.
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
