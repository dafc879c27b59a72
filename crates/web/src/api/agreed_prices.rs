//! Prices that were agreed with one account: what operators set so that a plan without a list price
//! can be bought (U14).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use billing::accounts::names::named;
use billing::actors::Operator;
use billing::app::App;
use billing::error::Error;
use billing::operators::agreed_prices::{check_plan, usable};
use billing::operators::audit_log::{Action, Author};
use billing::operators::reason::read_reason;
use domain::money::{Currency, MinorUnits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::account_prices::AccountPrice;
use utoipa::ToSchema;

use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::request_id::RequestId;

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
    let reason = read_reason(&body.reason)?;
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
    let author = Author::new(&app, &operator.0.public_id).with_request(Some(&request));
    let (kept, subject) = (row.clone(), account.public_id);
    app.write(account.id, move |tx| {
        store::account_prices::set(tx, &kept)?;
        author
            .act(Action::PriceAgree, &subject)
            .with("plan", json!(kept.tier))
            .with("price", json!(kept.price_id))
            .reason(&reason)
            .append(tx)
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
    let author = Author::new(&app, &operator.0.public_id).with_request(Some(&request));
    let subject = account.public_id;
    let ended = app
        .write(account.id, move |tx| {
            let ended = store::account_prices::end(tx, account.id, &plan)?;
            if ended > 0 {
                let act = author.act(Action::PriceEnd, &subject);
                act.with("plan", json!(plan)).append(tx)?;
            }
            Ok(ended)
        })
        .await?;
    if ended == 0 {
        return Err(Error::not_found("This account has no price of its own there.").into());
    }
    Ok(StatusCode::NO_CONTENT)
}
