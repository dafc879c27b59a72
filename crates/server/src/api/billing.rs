//! The seed's `GET /api/dashboard/billing`: plan, credits and invoices of an account.

use axum::Json;
use axum::extract::State;
use domain::money::{Credits, Currency, MinorUnits};
use domain::plan::Plan;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::account::{View, view};
use crate::app::App;
use crate::http::callers::SignedIn;
use crate::http::error::Result;
use crate::http::json::number;

/// Invoices in the answer.
const INVOICES_MAX: i64 = 12;

/// Plan, credits and recent invoices. Reading mints the allowance that is due.
#[utoipa::path(
    get,
    path = "/api/dashboard/billing",
    tag = "billing",
    params(("account" = Option<String>, Query, description = "Which account; the first without")),
    responses((status = 200), (status = 401), (status = 404))
)]
pub async fn show(State(app): State<App>, caller: SignedIn) -> Result<Json<Value>> {
    let account = caller.account.id;
    let view = view(&app, account).await?;
    let chosen = view.plan.subscription_id.clone();
    let (invoices, held) = app
        .read(move |tx| {
            let invoices = store::invoices::of_account(tx, account, INVOICES_MAX)?;
            let held = match &chosen {
                Some(chosen) => store::subscriptions::find(tx, account, chosen)?,
                None => None,
            };
            Ok((invoices, held))
        })
        .await?;
    let pending = held.and_then(|held| serde_json::from_str(&held.pending_change?).ok());
    Ok(Json(json!({
        "subscription": subscription(&view.plan, pending),
        "credits": credits(&view),
        "invoices": invoices.iter().filter(|i| i.status != "draft").map(invoice).collect::<Vec<_>>(),
    })))
}

fn subscription(plan: &Plan, pending: Option<Value>) -> Value {
    let has = plan.subscription_id.is_some() && plan.status != "CANCELED";
    let ends = has.then(|| plan.cancel_at.unwrap_or(plan.period_end));
    json!({
        "tier": plan.tier,
        "status": plan.status,
        "expiresAt": ends.map(Timestamp::date_text),
        "stripeSubscriptionId": plan.subscription_id.as_ref().filter(|_| has),
        "accessTier": plan.access_tier,
        "currentPeriodEnd": has.then(|| plan.period_end.rfc3339()),
        "cancelAt": plan.cancel_at.map(Timestamp::rfc3339),
        "trialEnd": plan.trial_end.map(Timestamp::rfc3339),
        "graceUntil": plan.grace_until.map(Timestamp::rfc3339),
        "pendingChange": pending,
    })
}

fn exact(credits: Credits) -> Value {
    number(&credits.to_string())
}

fn credits(view: &View) -> Value {
    let live = view.lots.iter().filter(|lot| lot.remaining().is_positive());
    let grants: Vec<Value> = live
        .map(|lot| {
            json!({
                "kind": lot.kind.word(),
                "remaining": exact(lot.remaining()),
                "expiresAt": lot.expires_at.map(Timestamp::rfc3339),
            })
        })
        .collect();
    json!({
        "balance": exact(view.posted - view.debt),
        "held": exact(view.held),
        "available": exact(view.available),
        "debt": exact(view.debt),
        "usageThisMonth": exact(view.used_this_month),
        "callsThisPeriod": view.calls_this_period,
        "limit": view.plan.calls_limit,
        "grants": grants,
        "lastUpdated": view.updated_at.rfc3339(),
    })
}

fn invoice(row: &store::invoices::Invoice) -> Value {
    let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
    let amount = MinorUnits::new(row.amount_due.max(row.amount_paid), currency);
    json!({
        "id": row.invoice_id,
        "number": row.number,
        "date": row.created_at.date_text(),
        "amount": amount.decimal_text(),
        "currency": currency.code(),
        "status": row.status,
        "url": row.hosted_url,
        "pdfUrl": row.pdf_url,
    })
}
