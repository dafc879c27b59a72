//! The seed's `GET /api/dashboard/billing`: plan, credits and invoices of an account.

use axum::Json;
use axum::extract::State;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::Result;
use billing::exact::Exact;
use billing::payments::addons;
use billing::payments::next_charge::{self, Next};
use billing::payments::owed::{self, OwedRefund};
use billing::summary::{View, view_with};
use domain::plan::{Plan, PlanStatus};
use domain::projection::InvoiceStatus;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use store::Tx;
use store::subscriptions::Subscription;

use crate::http::error::HttpResult;
use crate::rows::money::{Money, of_row};

/// Maximum number of invoices in the response.
const INVOICES_MAX: i64 = 12;

/// Returns an account's plan, credits and recent invoices. Reading them also grants any allowance
/// that is due.
#[utoipa::path(
    get,
    path = "/api/dashboard/billing",
    operation_id = "getBilling",
    tag = "billing",
    params((
        "account" = Option<String>, Query,
        description = "The account. The default is the caller's first account"
    )),
    responses((status = 200), (status = 401), (status = 404))
)]
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Json<Billing>> {
    let account = caller.account.id;
    let read = move |tx: &mut Tx<'_>, view: &View| {
        let held = held(tx, account, &view.plan, view.at)?;
        let invoices = store::invoices::of_account(tx, account, INVOICES_MAX)?;
        let notes = store::credit_notes::of_account(tx, account, INVOICES_MAX)?;
        let owed = owed::refunds(tx, account)?;
        Ok((held, invoices, notes, owed))
    };
    let (view, (held, invoices, notes, owed)) = view_with(&app, account, read).await?;
    Ok(Json(Billing {
        subscription: subscription(&app, &view.plan, held),
        credits: HeldCredits::of(&view),
        invoices: invoices
            .iter()
            .filter(|row| row.status() != Some(InvoiceStatus::Draft))
            .map(|row| invoice(row, &notes))
            .collect(),
        owed_refunds: owed.iter().map(owed_refund).collect(),
    }))
}

/// The response. It isn't a `Value`, which would round large credits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Billing {
    subscription: Value,
    credits: HeldCredits,
    invoices: Vec<Value>,
    owed_refunds: Vec<Value>,
}

/// The subscription that provides the plan, and what is charged next.
fn held(
    tx: &mut Tx<'_>,
    account: i64,
    plan: &Plan,
    now: Timestamp,
) -> store::Result<(Option<Subscription>, Next)> {
    let held = match &plan.subscription_id {
        Some(id) => store::subscriptions::find(tx, account, id)?,
        None => None,
    };
    let live = held.as_ref().filter(|held| held.live);
    let next = next_charge::of(tx, plan, live, now)?;
    Ok((held, next))
}

/// The plan of an account as JSON.
pub(crate) async fn plan_of(app: &App, account: i64) -> Result<Value> {
    let read = move |tx: &mut Tx<'_>, view: &View| held(tx, account, &view.plan, view.at);
    let (view, held) = view_with(app, account, read).await?;
    Ok(subscription(app, &view.plan, held))
}

/// The plan as JSON, with its pending change.
fn subscription(app: &App, plan: &Plan, (held, next): (Option<Subscription>, Next)) -> Value {
    let addons = held.as_ref().filter(|held| held.live);
    let addons = addons.map_or_else(Vec::new, |held| addons::of(app, held));
    let paid = held.as_ref().filter(|held| held.live).map(paid);
    let pending = held.and_then(|held| serde_json::from_str(&held.pending_change?).ok());
    let mut json = plan_json(plan, pending);
    json["addOns"] = addons.iter().map(addon).collect();
    let paid = paid.unwrap_or_default();
    json["interval"] = json!(paid.interval);
    json["quantity"] = json!(paid.quantity);
    json["price"] = json!(paid.price);
    json["collectionPause"] = json!(paid.pause);
    json["nextCharge"] = next_json(&next);
    json
}

/// What the live subscription costs.
#[derive(Default)]
struct Paid {
    interval: Option<String>,
    quantity: Option<i64>,
    price: Option<Money>,
    pause: Option<Value>,
}

fn paid(held: &Subscription) -> Paid {
    let price = held.amount_minor.zip(held.currency.as_deref());
    Paid {
        interval: held.billing_interval.clone(),
        quantity: Some(held.quantity),
        price: price.map(|(minor, currency)| of_row(minor, currency).into()),
        pause: held.paused.then(|| {
            let resumes = held.resumes_at.map(Timestamp::rfc3339);
            json!({ "behavior": held.pause_behavior, "resumesAt": resumes })
        }),
    }
}

/// The next charge as JSON; null if none is coming.
fn next_json(next: &Next) -> Value {
    let Next::Charge(charge) = next else {
        return Value::Null;
    };
    let lines = charge.lines.iter();
    let lines: Vec<Value> = lines
        .map(|(name, amount)| json!({ "description": name, "amount": amount.decimal_text() }))
        .collect();
    json!({
        "at": charge.at.rfc3339(),
        "amount": Money::from(charge.amount),
        "lines": lines,
        "asOf": charge.as_of.rfc3339(),
    })
}

fn plan_json(plan: &Plan, pending: Option<Value>) -> Value {
    let has = plan.subscription_id.is_some() && plan.status != PlanStatus::Canceled;
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
        "collectionPaused": plan.is_paused,
        "pendingChange": pending,
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldCredits {
    balance: Exact,
    held: Exact,
    available: Exact,
    debt: Exact,
    usage_this_month: Exact,
    calls_this_period: i64,
    limit: Option<i64>,
    grants: Vec<HeldGrant>,
    last_updated: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldGrant {
    kind: &'static str,
    remaining: Exact,
    expires_at: Option<String>,
}

impl HeldCredits {
    fn of(view: &View) -> HeldCredits {
        let grants = view.lots_in_order().into_iter().map(|lot| HeldGrant {
            kind: lot.kind.word(),
            remaining: Exact(lot.remaining()),
            expires_at: lot.expires_at.map(Timestamp::rfc3339),
        });
        HeldCredits {
            balance: Exact(view.posted - view.debt),
            held: Exact(view.held),
            available: Exact(view.available),
            debt: Exact(view.debt),
            usage_this_month: Exact(view.used_this_month),
            calls_this_period: view.calls_this_period,
            limit: view.plan.calls_limit,
            grants: grants.collect(),
            last_updated: view.updated_at.rfc3339(),
        }
    }
}

fn addon(held: &addons::Held) -> Value {
    json!({
        "name": held.name,
        "title": held.title,
        "quantity": held.quantity,
        "amount": held.amount.map(|amount| amount.decimal_text()),
        "currency": held.amount.map(|amount| amount.currency.code().to_owned()),
    })
}

/// A refund that was promised and has not been made.
fn owed_refund(refund: &OwedRefund) -> Value {
    json!({
        "amount": refund.amount.decimal_text(),
        "currency": refund.amount.currency.code(),
        "paymentIntent": refund.payment_intent,
        "state": if refund.is_delayed { "delayed" } else { "on_its_way" },
        "since": refund.since.rfc3339(),
    })
}

fn credit_note(row: &store::credit_notes::CreditNote) -> Value {
    let text = |minor| of_row(minor, &row.currency).decimal_text();
    json!({
        "id": row.credit_note_id,
        "number": row.number,
        "date": row.created_at.date_text(),
        "amount": text(row.amount_minor),
        "refunded": text(row.refunded_minor),
        "toBalance": text(row.balance_minor()),
        "status": row.status,
        "pdfUrl": row.pdf_url,
    })
}

fn invoice(row: &store::invoices::Invoice, notes: &[store::credit_notes::CreditNote]) -> Value {
    let own = notes
        .iter()
        .filter(|note| note.invoice_id == row.invoice_id);
    let notes: Vec<Value> = own.map(credit_note).collect();
    let amount = of_row(row.amount_due.max(row.amount_paid), &row.currency);
    json!({
        "id": row.invoice_id,
        "number": row.number,
        "date": row.created_at.date_text(),
        "amount": amount.decimal_text(),
        "discount": of_row(row.discount_minor, &row.currency).decimal_text(),
        "currency": amount.currency.code(),
        "status": row.status,
        "url": row.hosted_url,
        "pdfUrl": row.pdf_url,
        "creditNotes": notes,
    })
}
