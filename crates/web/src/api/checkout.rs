//! The seed's `POST /api/stripe/create-checkout-session`.

use axum::extract::State;
use axum::{Extension, Json};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use billing::operators::on_behalf::start_checkout;
use billing::operators::reason::read_reason;
use billing::payments::checkout;
use billing::payments::checkout::Purchase;
use domain::words;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::callers::OnAccount;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::request_id::RequestId;

/// A purchase to start. Other fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewCheckout {
    /// What to buy: `subscription` for a plan, or `topup` for a credit pack.
    #[serde(rename = "type")]
    kind: String,
    /// The plan to buy. Required for a subscription.
    plan_id: Option<String>,
    /// How often the plan is paid: `month` or `year`. The default is `month`, or what was agreed with
    /// the account.
    interval: Option<String>,
    /// The pack to buy, by its number of credits such as 500. Required for a top-up.
    #[schema(value_type = Option<u64>)]
    amount: Option<Box<RawValue>>,
    /// The currency code. Optional; only the service's currency is accepted.
    currency: Option<String>,
}

/// A Checkout session at Stripe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// The URL of Stripe's payment page.
    checkout_url: String,
}

/// Creates a Stripe Checkout session for a plan or a credit pack.
#[utoipa::path(
    post,
    path = "/api/stripe/create-checkout-session",
    operation_id = "createCheckoutSession",
    tag = "billing",
    request_body = NewCheckout,
    responses((status = 200, body = Checkout), (status = 400), (status = 401), (status = 409), (status = 429))
)]
pub async fn create(
    State(app): State<App>,
    caller: SignedIn,
    Body(body): Body<NewCheckout>,
) -> HttpResult<Json<Checkout>> {
    let purchase = read(&app, &body)?;
    let checkout_url = checkout::start(&app, &caller, &purchase, None).await?;
    Ok(Json(Checkout { checkout_url }))
}

/// A purchase that an operator starts for an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCheckoutFor {
    /// What to buy: `subscription` for a plan, or `topup` for a credit pack.
    #[serde(rename = "type")]
    kind: String,
    /// The plan to buy. Required for a subscription.
    plan_id: Option<String>,
    /// How often the plan is paid: `month` or `year`. The default is `month`, or what was agreed with
    /// the account.
    interval: Option<String>,
    /// The pack to buy, by its number of credits such as 500. Required for a top-up.
    #[schema(value_type = Option<u64>)]
    amount: Option<Box<RawValue>>,
    /// The reason, for the audit log.
    reason: String,
}

/// Creates a Stripe Checkout session on behalf of an account's owner. The customer pays on Stripe's
/// page, and the purchase belongs to the account.
#[utoipa::path(
    post,
    path = "/api/admin/accounts/{id}/checkout-sessions",
    operation_id = "createCheckoutSessionForAccount",
    tag = "admin",
    params((
        "id" = String, Path,
        description = "The account: its `acc_...` id, or the host application's id for it"
    )),
    request_body = NewCheckoutFor,
    responses(
        (status = 200, body = Checkout), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409), (status = 429)
    )
)]
pub async fn create_for(
    State(app): State<App>,
    OnAccount { operator, account }: OnAccount,
    Extension(RequestId(request)): Extension<RequestId>,
    Body(body): Body<NewCheckoutFor>,
) -> HttpResult<Json<Checkout>> {
    operator.may_act()?;
    let reason = read_reason(&body.reason)?;
    let wanted = NewCheckout {
        kind: body.kind,
        plan_id: body.plan_id,
        interval: body.interval,
        amount: body.amount,
        currency: None,
    };
    let purchase = read(&app, &wanted)?;
    let actor = &operator.0.public_id;
    let checkout_url = start_checkout(&app, account, &purchase, &reason, actor, &request).await?;
    Ok(Json(Checkout { checkout_url }))
}

words! {
    /// What a checkout sells.
    pub enum Sold {
        /// A plan.
        Subscription = "subscription",
        /// A credit pack.
        Topup = "topup",
    }
}

fn read(app: &App, body: &NewCheckout) -> Result<Purchase> {
    let catalog = app.catalog();
    if let Some(currency) = &body.currency
        && !currency.eq_ignore_ascii_case(catalog.currency.code())
    {
        let detail = format!("Everything here is sold in {}.", catalog.currency);
        return Err(Error::field("currency", detail));
    }
    match Sold::from_word(&body.kind) {
        Some(Sold::Subscription) => {
            let plan = body.plan_id.as_deref();
            let plan = plan.ok_or_else(|| Error::field("planId", "Name the plan."))?;
            checkout::read_plan(&catalog, app, plan, body.interval.as_deref())
        }
        Some(Sold::Topup) => {
            let amount = body.amount.as_deref();
            let amount = amount.ok_or_else(|| Error::field("amount", "Name the pack."))?;
            // Must be an integer literal: 500.0, 5e2 and "500" don't name a pack.
            let credits = amount.get().parse::<i64>();
            let credits = credits.map_err(|_| {
                Error::field("amount", "amount is a pack's credits, a whole number.")
            })?;
            checkout::read_pack(&catalog, credits)
        }
        None => Err(Error::field("type", "type is subscription or topup.")),
    }
}
