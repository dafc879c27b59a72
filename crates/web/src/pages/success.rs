//! `/dashboard/billing/success`: the outcome of a payment, as Stripe reports it.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use billing::actors::{SignedIn, Visitor};
use billing::app::App;
use billing::error::{Error, Result};
use billing::payments::checkout_progress::{Progress, progress};
use billing::payments::next_charge::{self, Next};
use billing::summary::{View, view_of};
use billing::sync;
use domain::projection::TransactionStatus;
use serde::Deserialize;
use store::Tx;
use store::accounts::Account;
use store::intents::Intent;
use store::transactions::Transaction;
use store::users::Place;
use views::components::{Action, Fact, Prose};
use views::layout::{Nav, Shell};
use views::success::{BILLING, Refresh, SuccessPage};
use views::{format, offer};

use crate::frame::{account_shell, page};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::cancel;
use crate::rows::money::of_row;

/// How long the page waits for the sync it started; the sync itself continues.
const SYNC_WAIT: Duration = Duration::from_secs(8);

/// How many times a pending page reloads, and the seconds between reloads.
const TRIES_MAX: u32 = 20;

const TRY_EVERY_SECONDS: u32 = 3;

/// The query with which Checkout redirects the browser back.
#[derive(Debug, Deserialize)]
pub struct Query {
    session_id: Option<String>,
    account: Option<String>,
    #[serde(rename = "try")]
    tries: Option<String>,
}

/// `GET /dashboard/billing/success`: finds one of the caller's own Checkouts, syncs with Stripe,
/// and shows the outcome (F18). The URL alone grants nothing.
pub async fn show(
    State(app): State<App>,
    user: Visitor,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    if !app.settings.billing.enabled {
        return Err(Error::billing_is_off().into());
    }
    let mut found = find(&app, &user, &query).await?;
    if let Some(account) = found.as_ref().and_then(Found::unsettled) {
        sync_for_a_while(&app, account).await;
        found = find(&app, &user, &query).await?;
    }
    let Some(found) = found else {
        let shell = crate::frame::public_shell(&app, Some(&user), Nav::Billing);
        return page(StatusCode::NOT_FOUND, &SuccessPage::not_found(shell));
    };
    let shown = match &found.intent {
        Some(intent) => outcome(&app, &found, intent, &query).await?,
        None => in_general(&app, &found),
    };
    page(StatusCode::OK, &shown)
}

/// What the page shows.
struct Found {
    caller: SignedIn,
    /// The intent of the session, if the URL names one.
    intent: Option<Intent>,
    /// The recorded transaction of its payment.
    row: Option<Transaction>,
    has_customer: bool,
    view: View,
    /// What is charged next.
    next: Next,
}

impl Found {
    /// The account, if Stripe may know more than we do. A settled Checkout isn't synced again.
    fn unsettled(&self) -> Option<i64> {
        let is_settled = |row: &Transaction| row.status.is_paid();
        let is_open = match &self.intent {
            Some(_) => !self.row.as_ref().is_some_and(is_settled),
            None => self.has_customer,
        };
        is_open.then_some(self.caller.account.id)
    }
}

/// Reads it. `None` if the session or the account isn't this user's (case K14).
async fn find(app: &App, user: &Visitor, query: &Query) -> Result<Option<Found>> {
    let (id, session, named) = (user.id, query.session_id.clone(), query.account.clone());
    let find = move |tx: &mut Tx<'_>| {
        let intent = match &session {
            Some(session) => match store::intents::by_object(tx, session)? {
                Some(intent) => Some(intent),
                None => return Ok(None),
            },
            None => None,
        };
        let account = match (&intent, &named) {
            (Some(intent), _) => store::accounts::find(tx, intent.account_id)?,
            (None, Some(name)) => store::accounts::named(tx, name)?,
            (None, None) => first_account(tx, id)?,
        };
        let places = store::users::places(tx, id)?;
        let own = account.filter(|own| places.iter().any(|place| place.account_id == own.id));
        Ok(own.map(|account| (account.id, (account, places, intent))))
    };
    let now = app.now();
    let read = move |tx: &mut Tx<'_>, view: &View, found: (Account, Vec<Place>, Option<Intent>)| {
        let account = found.0.id;
        let session = found
            .2
            .as_ref()
            .map(|intent| intent.stripe_object_id.as_deref());
        let row = match session {
            Some(session) => store::transactions::about(tx, session.unwrap_or_default())?,
            None => None,
        };
        let row = row.filter(|row| row.account_id == account);
        let has_customer = store::customers::current(tx, account)?.is_some();
        let live = store::subscriptions::live(tx, account)?;
        let next = next_charge::of(tx, &view.plan, live.first(), now)?;
        Ok((found, row, has_customer, next))
    };
    let found = view_of(app, find, read).await?;
    Ok(found.and_then(|(view, (found, row, has_customer, next))| {
        let (account, places, intent) = found;
        Some(Found {
            caller: SignedIn::new(user.clone(), account, places)?,
            intent,
            row,
            has_customer,
            view,
            next,
        })
    }))
}

fn first_account(tx: &mut Tx<'_>, user: i64) -> store::Result<Option<Account>> {
    match store::users::memberships(tx, user)?.first() {
        Some(first) => store::accounts::find(tx, first.account_id),
        None => Ok(None),
    }
}

/// Starts a sync and waits for it for a while. The sync outlives the wait: canceling it halfway
/// would leave its lease held.
async fn sync_for_a_while(app: &App, account: i64) {
    let syncing = app.clone();
    let task = tokio::spawn(async move { sync::account(&syncing, account).await });
    match tokio::time::timeout(SYNC_WAIT, task).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(account, %error, "A success page could not sync"),
        Ok(Err(error)) => tracing::error!(account, %error, "The sync of a success page broke off"),
        Err(_) => tracing::warn!(account, "A success page did not wait for its sync"),
    }
}

/// The outcome of this Checkout.
async fn outcome(app: &App, found: &Found, intent: &Intent, query: &Query) -> Result<SuccessPage> {
    let row = found.row.as_ref();
    let lost = || Error::bug(format!("intent {} sold nothing", intent.id));
    let (brings, back) = cancel::bought(app, intent).ok_or_else(lost)?;
    let paid = cancel::price(intent).unwrap_or_default();
    let shell = account_shell(app, &found.caller, Nav::Billing);
    let facts = row.map(reference).into_iter().collect();
    let status = row.map_or(TransactionStatus::Pending, |row| row.status);
    let retry = Action::link("Try again", back);
    Ok(match status {
        TransactionStatus::Completed => {
            // A promotion code may have reduced the price.
            let paid = row.map_or(paid, |row| {
                offer::money(of_row(row.amount_minor, &row.currency))
            });
            arrived(app, shell, intent, found, &brings, &paid, facts)
        }
        TransactionStatus::Refunded => SuccessPage::refunded(shell, &brings, &paid, facts),
        TransactionStatus::Failed => {
            let reason = row.and_then(|row| row.failure.clone());
            let reason = reason.unwrap_or_else(|| "Your bank declined the payment.".to_owned());
            SuccessPage::failed(shell, &format!("{brings}, {paid}"), &reason, retry)
        }
        TransactionStatus::Cancelled => SuccessPage::not_paid(shell, &brings, retry),
        TransactionStatus::Pending => {
            let session = intent.stripe_object_id.as_deref().unwrap_or_default();
            match progress(app, session).await {
                Some(Progress::Open(url)) => {
                    let go_on = match url {
                        Some(url) => Action::external("Continue to Stripe", url),
                        None => retry,
                    };
                    SuccessPage::not_paid(shell, &brings, go_on)
                }
                Some(Progress::AtTheBank) => SuccessPage::delayed(shell, &brings, &paid, facts),
                Some(Progress::Paid) | None => {
                    let (check, refresh) = again(query);
                    SuccessPage::pending(shell, &brings, &paid, facts, &check, refresh)
                }
            }
        }
    })
}

fn reference(row: &Transaction) -> Fact {
    Fact::new("Reference", Prose::default().code(&row.public_id))
}

fn arrived(
    app: &App,
    shell: Shell,
    intent: &Intent,
    found: &Found,
    brings: &str,
    paid: &str,
    mut facts: Vec<Fact>,
) -> SuccessPage {
    let view = &found.view;
    if intent.tier.is_none() {
        let balance = format::credits(view.available.micros());
        return SuccessPage::credits_added(shell, brings, paid, &balance, facts);
    }
    if let Some(limit) = view.plan.calls_limit {
        let text = format!("{} a month", format::count(limit.unsigned_abs()));
        facts.insert(0, Fact::new("Calls", text));
    }
    let prices = app.prices();
    let terms = intent
        .price_id
        .as_ref()
        .and_then(|id| prices.terms_of_price.get(id));
    let price = terms.map_or_else(|| paid.to_owned(), offer::per);
    if let Next::Charge(charge) = &found.next {
        let amount = offer::money(charge.amount);
        let on = Prose::new(format!("{amount} on ")).time(format::day(charge.at.micros()));
        facts.insert(0, Fact::new("Next charge", on));
    }
    SuccessPage::plan_active(shell, brings, &price, facts)
}

/// The page's own URL with the number of reloads, and whether it reloads again.
fn again(query: &Query) -> (String, Option<Refresh>) {
    let tries = query.tries.as_deref().and_then(|tries| tries.parse().ok());
    let tries: u32 = tries.unwrap_or(0);
    let mut own = form_urlencoded::Serializer::new(String::new());
    if let Some(session) = &query.session_id {
        own.append_pair("session_id", session);
    }
    if let Some(account) = &query.account {
        own.append_pair("account", account);
    }
    let own = own.finish();
    let base = format!("{BILLING}/success?{own}");
    let refresh = (tries < TRIES_MAX).then(|| Refresh {
        seconds: TRY_EVERY_SECONDS,
        href: format!("{base}&try={}", tries + 1),
    });
    (base, refresh)
}

/// Without a session: the state of the account after a sync.
fn in_general(app: &App, found: &Found) -> SuccessPage {
    let view = &found.view;
    let facts = vec![
        Fact::new("Plan", offer::title(&app.catalog(), &view.plan.tier)),
        Fact::total("Credits", format::credits(view.available.micros())),
    ];
    let shell = account_shell(app, &found.caller, Nav::Billing);
    SuccessPage::back(shell, facts)
}
