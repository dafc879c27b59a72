//! Changes of an account's plan: previewing, confirming, undoing.

use axum::Json;
use axum::extract::State;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use billing::payments::plan::ending::Ending;
use billing::payments::plan::quote::{QUOTE_SECONDS, Quote, Way};
use billing::payments::plan::{Changed, Choice, Waiting, ending, quote};
use billing::payments::{checkout, plan};
use domain::money::MinorUnits;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::billing::plan_of;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::rows::money::Money;

/// A change to an account's plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChange {
    /// What to do with the plan.
    action: PlanAction,
    /// The plan to change to. Required for `preview` and `confirm`; the free plan ends the current
    /// one.
    plan_id: Option<String>,
    /// How often the plan is paid, for `preview` and `confirm`: `month` or `year`. The default is
    /// that of the current plan, or what was agreed with the account. A longer interval starts now,
    /// a shorter one with the next period.
    interval: Option<String>,
    /// The `quote` of the preview to confirm. Required if the preview returned one.
    quote: Option<String>,
    /// When the plan ends, for `cancel` and for changes to the free plan. The default is
    /// `period_end`.
    when: Option<When>,
    /// Why the plan ends: `too_expensive`, `missing_features`, `unused`, `switched_service` or
    /// `other`.
    reason: Option<String>,
}

/// The action to take on a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlanAction {
    /// Returns what a change costs and when it takes effect. Changes nothing.
    Preview,
    /// Makes the previewed change.
    Confirm,
    /// Withdraws a change that is scheduled for the period's end or awaits payment.
    Undo,
    /// Ends the plan, at the end of the period or immediately.
    Cancel,
    /// Reverses a cancellation while the plan is still running, or resumes a plan that is paused
    /// because its trial ended without a payment method: a new period starts and is charged now.
    Resume,
}

/// When a plan ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At the end of the current billing period.
    PeriodEnd,
    /// Immediately. The rest of the period is refunded if the service is configured to do so.
    Now,
}

/// A line of the amount due.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    /// Stripe's description of the line.
    description: String,
    /// The amount as a decimal string in the currency's main unit.
    amount: String,
}

/// What a change of plan costs and when it takes effect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The kind of change: `upgrade`, `downgrade` or `cancel`.
    kind: &'static str,
    /// The current plan, or null if it is not known.
    from: Option<String>,
    /// The plan to change to.
    plan_id: String,
    /// The time at which the change takes effect (RFC 3339, UTC).
    effective_at: String,
    /// The amount due now.
    amount_due: Money,
    /// The amount refunded now.
    refund: Money,
    /// The list price of the plan for each billing period after the change.
    price: Option<Money>,
    /// What each billing period is charged after the change, with quantity, add-ons, tax and lasting
    /// discounts, from Stripe's preview; null for the free plan, or if it isn't certain.
    recurring: Option<Money>,
    /// How often that price is paid: `month` or `year`; null for the free plan.
    interval: Option<String>,
    /// The lines that add up to `amountDue`.
    lines: Vec<Line>,
    /// The quote to send when confirming, or null if no amount needs to be confirmed.
    quote: Option<String>,
    /// The time at which the quote expires (RFC 3339, UTC), or null if there is no quote.
    quote_expires_at: Option<String>,
}

/// The result of a plan change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChanged {
    /// The state of the change: `done`, `scheduled` or `awaiting_payment`.
    state: &'static str,
    /// The time at which a scheduled change to another plan takes effect (RFC 3339, UTC). Left out
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<String>,
    /// The URL at which to pay, or to confirm the payment with the bank. Left out unless the change
    /// awaits payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_url: Option<String>,
    /// The amount to pay. Left out unless the change awaits payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_due: Option<Money>,
    /// Why the card was declined. Left out if the bank only needs the cardholder to confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    declined: Option<String>,
    /// The current plan, as returned by `GET /api/dashboard/billing`.
    #[schema(value_type = Object)]
    subscription: Value,
}

/// Changes an account's plan. `preview` returns the amount due now, `confirm` pays it and makes the
/// change, `undo` withdraws a pending change, `cancel` ends the plan and `resume` reverses a
/// cancellation. An upgrade takes effect once it is paid.
#[utoipa::path(
    post,
    path = "/api/v1/plan-changes",
    operation_id = "createPlanChange",
    tag = "billing",
    params((
        "account" = Option<String>, Query,
        description = "The account. Required if the caller belongs to several accounts"
    )),
    request_body = PlanChange,
    responses(
        (status = 200, body = PlanChanged), (status = 400), (status = 401), (status = 402),
        (status = 403), (status = 404), (status = 409), (status = 429)
    )
)]
pub async fn create(
    State(app): State<App>,
    caller: SignedIn,
    Body(body): Body<PlanChange>,
) -> HttpResult<Json<Value>> {
    match body.action {
        PlanAction::Preview => {
            let preview = preview(&app, &caller, &body).await?;
            Ok(Json(json!(preview)))
        }
        PlanAction::Confirm => confirm(&app, &caller, &body).await,
        PlanAction::Undo => {
            plan::undo(&app, &caller).await?;
            answer(&app, &caller, "done").await
        }
        PlanAction::Cancel => cancel(&app, &caller, &body).await,
        PlanAction::Resume => {
            let waiting = plan::resume(&app, &caller).await?;
            waits_or_done(&app, &caller, waiting).await
        }
    }
}

async fn preview(app: &App, caller: &SignedIn, body: &PlanChange) -> Result<Preview> {
    let plan_id = body.plan_id.as_deref();
    let plan_id = plan_id.ok_or_else(|| Error::field("planId", "Name the plan."))?;
    if app.catalog().free().name != plan_id {
        let choice = choice(plan_id, body)?;
        return Ok(of_quote(&quote(app, caller, choice).await?));
    }
    if body.when == Some(When::Now) {
        return Ok(of_ending(app, &ending::quote(app, caller).await?));
    }
    let held = plan::live(app, caller.account.id).await?;
    let held = held.ok_or_else(|| Error::conflict("no_plan", "There is no plan to change."))?;
    let ends = held.cancel_at.or(held.period_end).unwrap_or(app.now());
    let nothing = MinorUnits::new(0, app.catalog().currency);
    Ok(to_free(app, held.tier, ends, nothing))
}

/// The preview of a plan's end, with the refund.
fn to_free(app: &App, from: Option<String>, at: Timestamp, refund: MinorUnits) -> Preview {
    let nothing = || MinorUnits::new(0, refund.currency).into();
    Preview {
        kind: "cancel",
        from,
        plan_id: app.catalog().free().name.clone(),
        effective_at: at.rfc3339(),
        amount_due: nothing(),
        refund: refund.into(),
        price: Some(nothing()),
        recurring: None,
        interval: None,
        lines: Vec::new(),
        quote: None,
        quote_expires_at: None,
    }
}

fn expiry(date: i64) -> String {
    Timestamp::from_seconds(date)
        .plus_seconds(QUOTE_SECONDS)
        .rfc3339()
}

fn of_quote(quote: &Quote) -> Preview {
    let is_up = quote.way == Way::Up;
    Preview {
        kind: if is_up { "upgrade" } else { "downgrade" },
        from: quote.held.tier.clone(),
        plan_id: quote.tier.name.clone(),
        effective_at: quote.starts_at().rfc3339(),
        amount_due: quote.due.into(),
        refund: MinorUnits::new(0, quote.due.currency).into(),
        price: Some(quote.price.into()),
        recurring: quote.recurring.map(Into::into),
        interval: Some(quote.interval.clone()),
        lines: quote
            .lines
            .iter()
            .map(|(description, amount)| Line {
                description: description.clone(),
                amount: amount.decimal_text(),
            })
            .collect(),
        quote: is_up.then(|| quote.name()),
        quote_expires_at: is_up.then(|| expiry(quote.date)),
    }
}

fn of_ending(app: &App, ending: &Ending) -> Preview {
    let (from, at) = (
        ending.held.tier.clone(),
        Timestamp::from_seconds(ending.date),
    );
    Preview {
        quote: Some(ending.name()),
        quote_expires_at: Some(expiry(ending.date)),
        ..to_free(app, from, at, ending.refund)
    }
}

/// The error for an amount that changed since the preview, with the new preview. Nothing was done.
fn differs(preview: &Preview) -> Error {
    let detail = "The amount has changed. Nothing was done; look at the new one and confirm it.";
    Error::conflict("quote_changed", detail).with("preview", json!(preview))
}

async fn confirm(app: &App, caller: &SignedIn, body: &PlanChange) -> HttpResult<Json<Value>> {
    let plan_id = body.plan_id.as_deref();
    let plan_id = plan_id.ok_or_else(|| Error::field("planId", "Name the plan."))?;
    if app.catalog().free().name == plan_id {
        return cancel(app, caller, body).await;
    }
    let quoted = read_quote(body.quote.as_deref())?;
    match plan::change(app, caller, choice(plan_id, body)?, quoted).await? {
        Changed::Done => answer(app, caller, "done").await,
        Changed::Scheduled(at) => {
            let changed = changed(app, caller, "scheduled").await?;
            Ok(Json(json!(PlanChanged {
                effective_at: Some(at.rfc3339()),
                ..changed
            })))
        }
        Changed::Waits(waiting) => waits_or_done(app, caller, Some(waiting)).await,
        Changed::Differs(quote) => Err(differs(&of_quote(&quote)).into()),
    }
}

/// The answer for a change that waits for its payment, or for one that is done.
async fn waits_or_done(
    app: &App,
    caller: &SignedIn,
    waiting: Option<Waiting>,
) -> HttpResult<Json<Value>> {
    let Some(waiting) = waiting else {
        return answer(app, caller, "done").await;
    };
    let changed = changed(app, caller, "awaiting_payment").await?;
    Ok(Json(json!(PlanChanged {
        pay_url: waiting.url,
        amount_due: Some(waiting.due.into()),
        declined: waiting.declined,
        ..changed
    })))
}

async fn cancel(app: &App, caller: &SignedIn, body: &PlanChange) -> HttpResult<Json<Value>> {
    let reason = body.reason.as_deref();
    if body.when != Some(When::Now) {
        plan::cancel(app, caller, reason).await?;
        return answer(app, caller, "scheduled").await;
    }
    let quoted = read_quote(body.quote.as_deref())?;
    let quoted = quoted.ok_or_else(|| Error::field("quote", "Preview the end first."))?;
    match ending::end(app, caller, quoted, reason).await? {
        None => answer(app, caller, "done").await,
        Some(ending) => Err(differs(&of_ending(app, &ending)).into()),
    }
}

fn choice<'a>(plan: &'a str, body: &PlanChange) -> Result<Choice<'a>> {
    let interval = checkout::read_interval(body.interval.as_deref())?;
    Ok(Choice { plan, interval })
}

fn read_quote(quote: Option<&str>) -> Result<Option<(i64, i64)>> {
    let Some(quote) = quote else {
        return Ok(None);
    };
    let read = Quote::read(quote);
    let wrong = || Error::field("quote", "This is not the quote of a preview.");
    read.map(Some).ok_or_else(wrong)
}

async fn changed(app: &App, caller: &SignedIn, state: &'static str) -> Result<PlanChanged> {
    Ok(PlanChanged {
        state,
        effective_at: None,
        pay_url: None,
        amount_due: None,
        declined: None,
        subscription: plan_of(app, caller.account.id).await?,
    })
}

async fn answer(app: &App, caller: &SignedIn, state: &'static str) -> HttpResult<Json<Value>> {
    Ok(Json(json!(changed(app, caller, state).await?)))
}
