//! Prices that were agreed with one account: what operators set so that a plan without a list price
//! can be bought (U14).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use domain::money::{Currency, MinorUnits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::account_prices::AccountPrice;
use stripe::objects::Price;
use utoipa::ToSchema;

use super::accounts::named;
use crate::actors::Operator;
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::middleware::RequestId;

/// Characters of a reason.
const REASON_MAX: usize = 500;

/// A price to sell a plan at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAgreedPrice {
    /// The price at Stripe: active, recurring, in the deployment's currency.
    price_id: String,
    /// Why: for the audit log.
    reason: String,
}

/// A price that was agreed with an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreedPrice {
    /// The plan.
    plan_id: String,
    /// The price at Stripe.
    price_id: String,
    /// What a period costs.
    amount: String,
    /// In lower case.
    currency: String,
    /// `month` or `year`.
    interval: String,
    /// Whether it is what the account is sold now.
    is_current: bool,
    /// Since when.
    created_at: String,
}

impl From<AccountPrice> for AgreedPrice {
    fn from(row: AccountPrice) -> AgreedPrice {
        let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
        AgreedPrice {
            plan_id: row.tier,
            price_id: row.price_id,
            amount: MinorUnits::new(row.amount_minor, currency).decimal_text(),
            currency: row.currency,
            interval: row.billing_interval,
            is_current: row.is_current,
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// Prices of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreedPrices {
    /// By plan, the latest first.
    data: Vec<AgreedPrice>,
}

/// The prices that were agreed with an account, earlier ones included.
#[utoipa::path(
    get,
    path = "/api/admin/accounts/{id}/prices",
    tag = "admin",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, body = AgreedPrices), (status = 401), (status = 403), (status = 404))
)]
pub async fn list(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> HttpResult<Json<AgreedPrices>> {
    let account = named(&app, &id).await?.id;
    let rows = app
        .read(move |tx| store::account_prices::of_account(tx, account))
        .await?;
    let data = rows.into_iter().map(AgreedPrice::from).collect();
    Ok(Json(AgreedPrices { data }))
}

/// Agrees a plan's price with an account. Checkout and plan changes of that account use it from now
/// on; what runs already goes on as it is.
#[utoipa::path(
    put,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    tag = "admin",
    params(
        ("id" = String, Path, description = "The account"),
        ("plan" = String, Path, description = "The plan")
    ),
    request_body = NewAgreedPrice,
    responses(
        (status = 200, body = AgreedPrice), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 422)
    )
)]
pub async fn put(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request)): Extension<RequestId>,
    Path((id, plan)): Path<(String, String)>,
    Body(body): Body<NewAgreedPrice>,
) -> HttpResult<Json<AgreedPrice>> {
    operator.may_act()?;
    let account = named(&app, &id).await?;
    check_plan(&app, &plan)?;
    check_reason(&body.reason)?;
    let price = usable(&app, &body.price_id).await?;
    let (currency, amount, interval) = price;
    let row = AccountPrice {
        account_id: account.id,
        price_id: body.price_id,
        tier: plan,
        currency,
        amount_minor: amount,
        billing_interval: interval,
        is_current: true,
        created_at: app.now(),
    };
    let detail = json!({ "plan": row.tier, "price": row.price_id, "reason": body.reason });
    let (actor, detail) = (operator.0.public_id, detail.to_string());
    let (kept, subject, now) = (row.clone(), account.public_id, app.now());
    app.write(account.id, move |tx| {
        store::account_prices::set(tx, &kept)?;
        let action = "price.agree";
        store::audit_log::append(tx, &actor, action, &subject, &detail, Some(&request), now)?;
        Ok(())
    })
    .await?;
    Ok(Json(row.into()))
}

/// Ends the account's own price of a plan; what runs at it goes on.
#[utoipa::path(
    delete,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    tag = "admin",
    params(
        ("id" = String, Path, description = "The account"),
        ("plan" = String, Path, description = "The plan")
    ),
    responses((status = 204), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request)): Extension<RequestId>,
    Path((id, plan)): Path<(String, String)>,
) -> HttpResult<StatusCode> {
    operator.may_act()?;
    let account = named(&app, &id).await?;
    let (actor, subject, now) = (operator.0.public_id, account.public_id, app.now());
    let ended = app
        .write(account.id, move |tx| {
            let ended = store::account_prices::end(tx, account.id, &plan)?;
            if ended > 0 {
                let (action, detail) = ("price.end", json!({ "plan": plan }).to_string());
                let request = Some(request.as_str());
                store::audit_log::append(tx, &actor, action, &subject, &detail, request, now)?;
            }
            Ok(ended)
        })
        .await?;
    if ended == 0 {
        return Err(Error::not_found("This account has no price of its own there.").into());
    }
    Ok(StatusCode::NO_CONTENT)
}

fn check_plan(app: &App, plan: &str) -> Result<()> {
    let catalog = app.catalog();
    let tier = catalog.tier(plan);
    let tier = tier.ok_or_else(|| Error::not_found("There is no such plan."))?;
    if tier.is_free() {
        return Err(Error::field("plan", "The free plan has no price."));
    }
    Ok(())
}

/// Checks that an operator said why.
pub(super) fn check_reason(reason: &str) -> Result<()> {
    let length = reason.trim().chars().count();
    if (1..=REASON_MAX).contains(&length) {
        return Ok(());
    }
    let detail = format!("Say why, in 1 to {REASON_MAX} characters.");
    Err(Error::field("reason", detail))
}

/// Currency, amount and interval of a price that can be sold here.
async fn usable(app: &App, id: &str) -> Result<(String, i64, String)> {
    let price = match app.stripe.retrieve_price(id).await {
        Ok(price) => price,
        Err(stripe::Error::NotFound { .. } | stripe::Error::Unsendable(_)) => {
            return Err(unusable("Stripe has no such price."));
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = app.catalog().currency;
    let interval = price.recurring.as_ref().filter(|recurring| {
        let interval = recurring.interval.as_str();
        recurring.interval_count == 1 && matches!(interval, "month" | "year")
    });
    let interval = interval.ok_or_else(|| unusable("The price must be one a month or a year."))?;
    match &price {
        Price { active: false, .. } => Err(unusable("The price is not active at Stripe.")),
        Price { currency, .. } if currency.as_deref() != Some(wanted.code()) => {
            Err(unusable(&format!("Everything here is sold in {wanted}.")))
        }
        Price {
            unit_amount: Some(amount),
            ..
        } if *amount > 0 => Ok((
            wanted.code().to_owned(),
            *amount,
            interval.interval.as_str().to_owned(),
        )),
        _ => Err(unusable("The price must be a whole amount above zero.")),
    }
}

fn unusable(detail: &str) -> Error {
    Error::new(Kind::Unprocessable, "unusable_price", detail).with("field", json!("priceId"))
}
