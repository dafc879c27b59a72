//! The seed's `POST /api/stripe/create-checkout-session`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::callers::SignedIn;
use crate::http::error::{Error, Result};
use crate::http::json::Body;
use crate::payments::checkout::{self, Purchase};

/// What the seed's client sends. Other fields (prices, customers, addresses) are never looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewCheckout {
    /// `subscription` or `topup`.
    #[serde(rename = "type")]
    kind: String,
    /// The tier, for a subscription.
    plan_id: Option<String>,
    /// The pack's credits, for a top-up: 500, 1000, 5000 or 10000.
    #[schema(value_type = Option<u64>)]
    amount: Option<Box<RawValue>>,
    /// Only the deployment's currency.
    currency: Option<String>,
}

/// Where to pay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// Stripe's page.
    checkout_url: String,
}

/// Starts a Checkout for a plan or a pack.
#[utoipa::path(
    post,
    path = "/api/stripe/create-checkout-session",
    tag = "billing",
    request_body = NewCheckout,
    responses((status = 200, body = Checkout), (status = 400), (status = 401), (status = 409), (status = 429))
)]
pub async fn create(
    State(app): State<App>,
    caller: SignedIn,
    Body(body): Body<NewCheckout>,
) -> Result<Json<Checkout>> {
    let purchase = read(&app, &body)?;
    let checkout_url = checkout::start(&app, &caller, &purchase, None).await?;
    Ok(Json(Checkout { checkout_url }))
}

fn read(app: &App, body: &NewCheckout) -> Result<Purchase> {
    let catalog = app.catalog();
    if let Some(currency) = &body.currency
        && !currency.eq_ignore_ascii_case(catalog.currency.code())
    {
        let detail = format!("Everything here is sold in {}.", catalog.currency);
        return Err(Error::field("currency", detail));
    }
    match body.kind.as_str() {
        "subscription" => {
            let plan = body.plan_id.as_deref();
            let plan = plan.ok_or_else(|| Error::field("planId", "Name the plan."))?;
            checkout::read_plan(&catalog, app, plan)
        }
        "topup" => {
            let amount = body.amount.as_deref();
            let amount = amount.ok_or_else(|| Error::field("amount", "Name the pack."))?;
            // A whole number as text: 500.0, 5e2 and "500" are not the name of a pack.
            let credits = amount.get().parse::<i64>();
            let credits = credits.map_err(|_| {
                Error::field("amount", "amount is a pack's credits, a whole number.")
            })?;
            checkout::read_pack(&catalog, credits)
        }
        _ => Err(Error::field("type", "type is subscription or topup.")),
    }
}
