//! Custom prices agreed with one account, which let it buy a plan that has no list price (U14).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use billing::app::App;
use billing::operators::agreed_prices;
use billing::operators::agreed_prices::NewAgreedPrice;
use serde::Serialize;
use store::account_prices::AccountPrice;
use utoipa::ToSchema;

use crate::http::callers::OnAccount;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::request_id::RequestId;
use crate::rows::money::of_row;

/// A price that was agreed with an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreedPrice {
    /// The plan that is sold at this price.
    plan_id: String,
    /// The price at Stripe.
    price_id: String,
    /// What a period costs.
    amount: String,
    /// The currency, in lower case.
    currency: String,
    /// How often it is paid: `month` or `year`.
    interval: String,
    /// Whether it is what the account is sold now.
    is_current: bool,
    /// When the price was agreed.
    created_at: String,
}

impl From<AccountPrice> for AgreedPrice {
    fn from(row: AccountPrice) -> AgreedPrice {
        AgreedPrice {
            plan_id: row.tier,
            price_id: row.price_id,
            amount: of_row(row.amount_minor, &row.currency).decimal_text(),
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
    operation_id = "listAgreedPrices",
    tag = "admin",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, body = AgreedPrices), (status = 401), (status = 403), (status = 404))
)]
pub async fn list(
    State(app): State<App>,
    OnAccount { account, .. }: OnAccount,
) -> HttpResult<Json<AgreedPrices>> {
    let rows = app
        .read(move |tx| store::account_prices::of_account(tx, account.id))
        .await?;
    let data = rows.into_iter().map(AgreedPrice::from).collect();
    Ok(Json(AgreedPrices { data }))
}

/// Agrees a plan's price with an account. Checkout and plan changes of that account use it from now on. Running subscriptions don't change.
#[utoipa::path(
    put,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    operation_id = "agreePrice",
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
    OnAccount { operator, account }: OnAccount,
    Extension(RequestId(request)): Extension<RequestId>,
    Path((_id, plan)): Path<(String, String)>,
    Body(body): Body<NewAgreedPrice>,
) -> HttpResult<Json<AgreedPrice>> {
    operator.may_act()?;
    let actor = &operator.0.public_id;
    let row = agreed_prices::agree(&app, &account, &plan, &body, actor, &request).await?;
    Ok(Json(row.into()))
}

/// Ends the account's custom price of a plan; subscriptions at that price continue.
#[utoipa::path(
    delete,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    operation_id = "endAgreedPrice",
    tag = "admin",
    params(
        ("id" = String, Path, description = "The account"),
        ("plan" = String, Path, description = "The plan")
    ),
    responses((status = 204), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    OnAccount { operator, account }: OnAccount,
    Extension(RequestId(request)): Extension<RequestId>,
    Path((_id, plan)): Path<(String, String)>,
) -> HttpResult<StatusCode> {
    operator.may_act()?;
    let actor = &operator.0.public_id;
    agreed_prices::end(&app, &account, &plan, actor, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
