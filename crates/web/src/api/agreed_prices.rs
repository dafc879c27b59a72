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

/// A price agreed with an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreedPrice {
    /// The plan that is sold at this price.
    plan_id: String,
    /// Stripe's id of the price (`price_...`).
    price_id: String,
    /// The price of each interval, as a decimal string in the currency's main unit.
    amount: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
    /// The billing interval: `month` or `year`.
    interval: String,
    /// Whether new purchases of the plan by this account use the price.
    is_current: bool,
    /// The time at which the price was agreed (RFC 3339, UTC).
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

/// The prices agreed with an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreedPrices {
    /// The prices by plan, newest first.
    data: Vec<AgreedPrice>,
}

/// Lists the prices agreed with an account, including former ones.
#[utoipa::path(
    get,
    path = "/api/admin/accounts/{id}/prices",
    operation_id = "listAgreedPrices",
    tag = "admin",
    params((
        "id" = String, Path,
        description = "The account: its `acc_...` id, or the host application's id for it"
    )),
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

/// Sets the price of a plan for an account. Later checkouts and plan changes of the account use it;
/// existing subscriptions don't change.
#[utoipa::path(
    put,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    operation_id = "agreePrice",
    tag = "admin",
    params(
        (
            "id" = String, Path,
            description = "The account: its `acc_...` id, or the host application's id for it"
        ),
        ("plan" = String, Path, description = "The id of the plan")
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

/// Ends an account's agreed price for a plan. Existing subscriptions at that price continue.
#[utoipa::path(
    delete,
    path = "/api/admin/accounts/{id}/prices/{plan}",
    operation_id = "endAgreedPrice",
    tag = "admin",
    params(
        (
            "id" = String, Path,
            description = "The account: its `acc_...` id, or the host application's id for it"
        ),
        ("plan" = String, Path, description = "The id of the plan")
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
