//! `/dashboard/billing`: the plan, credits, next charge, usage and payments.

mod banners;
pub mod history;
mod paid;
pub mod rows;
mod state;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::Error;
use billing::export::csv::Csv;
use billing::payments::plan;
use billing::payments::plan::Choice;
use billing::payments::plan::ending;
use billing::payments::plan::ending::Ending;
use billing::payments::plan::quote::Quote;
use billing::summary::{View, view_with};
use serde::Deserialize;
use store::Tx;
use store::subscriptions::Subscription;
use store::transactions::Cursor;
use views::components::Action;
use views::confirm::ConfirmPage;
use views::layout::Nav;
use views::{format, offer};

use crate::frame::{account_shell, html, page, redirect};
use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::lists::CSV_ROWS_MAX;
use crate::lists::Shown;
use crate::pages::{standing, upgrade};
use crate::rows::transaction::Transaction;

pub use crate::pages::standing::credit_banner;

const BILLING: &str = "/dashboard/billing";

/// The payment after which the next page of the history begins.
#[derive(Debug, Deserialize)]
pub struct Query {
    after: Option<String>,
}

/// `GET /dashboard/billing`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let (account, now, real_now) = (caller.account.id, app.now(), app.real_now());
    let read = move |tx: &mut Tx<'_>, view: &View| {
        rows::read(
            tx,
            (account, &view.plan),
            query.after.as_deref(),
            now,
            real_now,
        )
    };
    let (view, rows) = view_with(&app, account, read).await?;
    let rows = rows.ok_or_else(|| Error::not_found("There is no such payment to start from."))?;
    if rows.is_waiting {
        // Viewing a pending payment starts a sync with Stripe in the background.
        app.mark_for_sync(caller.account.id).await?;
    }
    html(&state::page(&app, &caller, &view, &rows))
}

/// `GET /dashboard/billing/history.csv`: all payments of the account.
pub async fn history(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    let account = caller.account.id;
    let rows = app
        .read(move |tx| {
            let limit = i64::try_from(CSV_ROWS_MAX).expect("small") + 1;
            store::transactions::of_account(tx, account, Cursor::START, limit)
        })
        .await?;
    let after = rows
        .get(CSV_ROWS_MAX - 1)
        .filter(|_| rows.len() > CSV_ROWS_MAX);
    let after = after.map(|row| row.public_id.clone());
    let mut csv = Csv::of(Transaction::COLUMNS);
    for row in rows.into_iter().take(CSV_ROWS_MAX) {
        csv.add(Transaction::COLUMNS, &Transaction::of(row, None));
    }
    Ok(crate::files::csv("payments", csv, after))
}

/// An action on the plan.
#[derive(Debug, Deserialize)]
pub struct Act {
    act: Option<String>,
    reason: Option<String>,
    #[serde(rename = "planId")]
    plan_id: Option<String>,
    interval: Option<String>,
    quote: Option<String>,
}

/// `GET /dashboard/billing/plan`: asks for confirmation before the plan ends, at the period's end
/// or now.
pub async fn ask(
    State(app): State<App>,
    caller: SignedIn,
    Params(asked): Params<Act>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let account = caller.account.id;
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let live = store::subscriptions::live(tx, account)?;
        Ok(live.into_iter().next())
    };
    let (view, live) = view_with(&app, account, read).await?;
    let plan = &view.plan;
    let is_asked = asked.act.as_deref() == Some("cancel") && plan.cancel_at.is_none();
    let live = match live {
        Some(live) if asked.act.as_deref() == Some("end") => {
            let ending = ending::quote(&app, &caller).await?;
            return page(StatusCode::OK, &end_now(&app, &caller, &live, &ending));
        }
        Some(live) if is_asked => live,
        _ => return Ok(redirect(&caller, BILLING).into_response()),
    };
    let catalog = app.catalog();
    let ends = live.period_end.unwrap_or(plan.period_end);
    let ends = format::day(ends.micros()).text;
    let tier = live.tier.as_deref().unwrap_or(&plan.tier);
    let title = offer::title(&catalog, tier);
    let shell = account_shell(&app, &caller, Nav::Billing);
    let points = standing::what_ends(catalog.tier(tier), catalog.free());
    let mut question = ConfirmPage::cancel_plan(shell, &title, &ends, points);
    if ending::is_offered(&app) {
        question.other = Some(Action::link("End it now instead", views::banners::END_NOW).quiet());
    }
    Ok(html(&question)?.into_response())
}

/// The confirmation before a plan ends immediately, with the amount refunded.
fn end_now(app: &App, caller: &SignedIn, live: &Subscription, ending: &Ending) -> ConfirmPage {
    let catalog = app.catalog();
    let tier = live.tier.as_deref().unwrap_or_default();
    let title = offer::title(&catalog, tier);
    let refund = (ending.refund.amount > 0).then(|| offer::money(ending.refund));
    let points = standing::what_ends(catalog.tier(tier), catalog.free());
    let shell = account_shell(app, caller, Nav::Billing);
    ConfirmPage::end_now(shell, &title, refund.as_deref(), &ending.name(), points)
}

/// Ends the plan, or asks again if the refund differs from the one confirmed.
async fn end(app: &App, caller: &SignedIn, form: &Act) -> HttpResult<Response> {
    let quoted = form.quote.as_deref().and_then(Quote::read);
    let quoted = quoted.ok_or_else(|| Error::field("quote", "Review the end first."))?;
    let Some(ending) = ending::end(app, caller, quoted, form.reason.as_deref()).await? else {
        return Ok(redirect(caller, BILLING).into_response());
    };
    let question = end_now(app, caller, &ending.held.clone(), &ending);
    page(StatusCode::CONFLICT, &question)
}

/// `POST /dashboard/billing/plan`: changes or ends the plan, or undoes a pending change or end.
pub async fn act(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<Act>,
) -> HttpResult<Response> {
    match form.act.as_deref() {
        Some("cancel") => plan::cancel(&app, &caller, form.reason.as_deref()).await?,
        Some("resume") => return upgrade::resume(&app, &caller).await,
        Some("undo") => plan::undo(&app, &caller).await?,
        Some("end") => return end(&app, &caller, &form).await,
        Some("change") => {
            let plan = form.plan_id.unwrap_or_default();
            let interval = crate::pages::offer::asked(form.interval.as_deref());
            let choice = Choice {
                plan: &plan,
                interval,
            };
            return upgrade::change(&app, &caller, choice, form.quote.as_deref()).await;
        }
        _ => {
            return Err(
                Error::field("act", "act must be change, cancel, end, resume or undo.").into(),
            );
        }
    }
    Ok(redirect(&caller, BILLING).into_response())
}
