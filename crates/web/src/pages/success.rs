//! `/dashboard/billing/success`: what became of a payment, from Stripe's own answer.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use billing::actors::{SignedIn, Visitor};
use billing::app::App;
use billing::error::{Error, Result};
use billing::payments::checkout_progress::{Progress, progress};
use billing::summary::{View, view};
use billing::sync;
use domain::projection::TransactionStatus;
use serde::Deserialize;
use store::accounts::Account;
use store::intents::Intent;
use store::transactions::Transaction;
use views::components::{Action, Fact, Prose};
use views::layout::{Nav, Shell};
use views::success::{BILLING, Refresh, SuccessPage};
use views::{format, offer};

use crate::frame::{account_shell, page, while_billing_is_on};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::cancel;

/// How long the page waits for the sync it started; the sync itself continues.
const SYNC_WAIT: Duration = Duration::from_secs(8);

/// How often a pending page loads itself again, and after how many seconds.
const TRIES_MAX: u32 = 20;

const TRY_EVERY_SECONDS: u32 = 3;

/// What Stripe's page sends the browser back with.
#[derive(Debug, Deserialize)]
pub struct Asked {
    session_id: Option<String>,
    account: Option<String>,
    #[serde(rename = "try")]
    tries: Option<String>,
}

/// `GET /dashboard/billing/success`: looks up a Checkout of the caller's own, makes our rows agree
/// with Stripe, and shows what became of it (F18). The address alone gives nothing.
pub async fn show(
    State(app): State<App>,
    user: Visitor,
    Params(asked): Params<Asked>,
) -> HttpResult<Response> {
    while_billing_is_on(&app)?;
    let found = find(&app, &user, &asked).await?;
    let Some((caller, intent)) = found else {
        let shell = crate::frame::public_shell(&app, Some(&user), Nav::Billing);
        return page(StatusCode::NOT_FOUND, &SuccessPage::not_found(shell));
    };
    let shown = match intent {
        Some(intent) => outcome(&app, &caller, &intent, &asked).await?,
        None => in_general(&app, &caller).await?,
    };
    page(StatusCode::OK, &shown)
}

/// The account that the page is about and the intent of the session, when it names one. None when
/// the session or the account is not this user's (case K14).
async fn find(
    app: &App,
    user: &Visitor,
    asked: &Asked,
) -> Result<Option<(SignedIn, Option<Intent>)>> {
    let (id, session, named) = (user.id, asked.session_id.clone(), asked.account.clone());
    let found = app
        .read(move |tx| {
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
            let Some(account) = account else {
                return Ok(None);
            };
            let places = store::users::places(tx, id)?;
            Ok(Some((account, places, intent)))
        })
        .await?;
    Ok(found.and_then(|(account, places, intent)| {
        let caller = SignedIn::new(user.clone(), account, places)?;
        Some((caller, intent))
    }))
}

fn first_account(tx: &mut store::Tx<'_>, user: i64) -> store::Result<Option<Account>> {
    match store::users::memberships(tx, user)?.first() {
        Some(first) => store::accounts::find(tx, first.account_id),
        None => Ok(None),
    }
}

/// Starts a sync and waits for it a while. It is not cut off with the wait: a worker that stopped
/// half way would keep its lease from the others.
async fn sync_for_a_while(app: &App, account: i64) {
    let syncing = app.clone();
    let task = tokio::spawn(async move { sync::account(&syncing, account).await });
    match tokio::time::timeout(SYNC_WAIT, task).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(account, %error, "A success page could not sync"),
        Ok(Err(error)) => tracing::error!(account, %error, "A success page's sync broke off"),
        Err(_) => tracing::warn!(account, "A success page did not wait for its sync"),
    }
}

async fn recorded(app: &App, intent: &Intent) -> Result<Option<Transaction>> {
    let session = intent.stripe_object_id.clone().unwrap_or_default();
    let account = intent.account_id;
    let row = app
        .read(move |tx| store::transactions::about(tx, &session))
        .await?;
    Ok(row.filter(|row| row.account_id == account))
}

/// What became of this Checkout. One that is settled already is not asked about again.
async fn outcome(
    app: &App,
    caller: &SignedIn,
    intent: &Intent,
    asked: &Asked,
) -> Result<SuccessPage> {
    let is_settled = |row: &Transaction| row.status.is_paid();
    let mut row = recorded(app, intent).await?.filter(is_settled);
    if row.is_none() {
        sync_for_a_while(app, caller.account.id).await;
        row = recorded(app, intent).await?;
    }
    let lost = || Error::bug(format!("intent {} sold nothing", intent.id));
    let (brings, back) = cancel::bought(app, intent).ok_or_else(lost)?;
    let paid = cancel::price(intent).unwrap_or_default();
    let shell = account_shell(app, caller, Nav::Billing);
    let facts = row.as_ref().map(reference).into_iter().collect();
    let status = row
        .as_ref()
        .map_or(TransactionStatus::Pending, |row| row.status);
    let retry = Action::link("Try again", back);
    Ok(match status {
        TransactionStatus::Completed => {
            let view = view(app, caller.account.id).await?;
            arrived(app, shell, intent, &view, &brings, &paid, facts)
        }
        TransactionStatus::Refunded => SuccessPage::refunded(shell, &brings, &paid, facts),
        TransactionStatus::Failed => {
            let reason = row.and_then(|row| row.failure);
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
                    let (check, refresh) = again(asked);
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
    view: &View,
    brings: &str,
    paid: &str,
    mut facts: Vec<Fact>,
) -> SuccessPage {
    if intent.tier.is_none() {
        let balance = format::credits(view.available.micros());
        return SuccessPage::credits_added(shell, brings, paid, &balance, facts);
    }
    if let Some(limit) = view.plan.calls_limit {
        let text = format!("{} a month", format::count(limit.unsigned_abs()));
        facts.insert(0, Fact::new("Calls", text));
    }
    let catalog = app.catalog();
    let tier = intent.tier.as_deref().and_then(|tier| catalog.tier(tier));
    let monthly = tier.map_or_else(|| paid.to_owned(), offer::monthly);
    if view.plan.cancel_at.is_none() {
        let on = Prose::new(format!("{paid} on ")).time(format::day(view.plan.period_end.micros()));
        facts.insert(0, Fact::new("Next charge", on));
    }
    SuccessPage::plan_active(shell, brings, &monthly, facts)
}

/// The page's own address with the tries counted, and whether it loads itself again.
fn again(asked: &Asked) -> (String, Option<Refresh>) {
    let tries = asked.tries.as_deref().and_then(|tries| tries.parse().ok());
    let tries: u32 = tries.unwrap_or(0);
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(session) = &asked.session_id {
        query.append_pair("session_id", session);
    }
    if let Some(account) = &asked.account {
        query.append_pair("account", account);
    }
    let query = query.finish();
    let base = format!("{BILLING}/success?{query}");
    let refresh = (tries < TRIES_MAX).then(|| Refresh {
        seconds: TRY_EVERY_SECONDS,
        href: format!("{base}&try={}", tries + 1),
    });
    (base, refresh)
}

/// Without a session: how the account stands, after asking Stripe.
async fn in_general(app: &App, caller: &SignedIn) -> Result<SuccessPage> {
    let account = caller.account.id;
    let customer = app
        .read(move |tx| store::customers::current(tx, account))
        .await?;
    if customer.is_some() {
        sync_for_a_while(app, account).await;
    }
    let view = view(app, account).await?;
    let facts = vec![
        Fact::new("Plan", offer::title(&app.catalog(), &view.plan.tier)),
        Fact::total("Credits", format::credits(view.available.micros())),
    ];
    let shell = account_shell(app, caller, Nav::Billing);
    Ok(SuccessPage::back(shell, facts))
}
