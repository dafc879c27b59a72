//! Refunds by an operator: the preview and the refund itself.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use billing::actors::Operator;
use billing::app::App;
use billing::exact::Exact;
use billing::idempotency::Key;
use billing::operators::refunds::{self, NewRefund};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::metered::created;
use crate::http::error::HttpResult;
use crate::http::json::Body;

/// A refund to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedRefund {
    /// The payment: `txn_...`, or any of Stripe's ids of it.
    payment: String,
    /// Decimal text such as `5.00`; all that is left without.
    amount: Option<String>,
}

/// What a refund would come to. Nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundPreview {
    /// The id of the payment: `txn_...`.
    payment: String,
    /// The account that paid.
    account: String,
    /// The currency, in lower case.
    currency: String,
    /// The amount that was paid.
    paid: String,
    /// How much was already refunded.
    refunded: String,
    /// What would go back.
    amount: String,
    /// Credits that would be taken.
    credits_taken: Exact,
    /// Credits that may be spent afterwards.
    available_after: Exact,
    /// The debt of the account afterwards.
    debt_after: Exact,
    /// Something to know before the refund.
    note: Option<&'static str>,
}

/// What a refund of a payment would come to: money back, credits taken, debt.
#[utoipa::path(
    post,
    path = "/api/admin/refunds/preview",
    operation_id = "previewRefund",
    tag = "admin",
    request_body = WantedRefund,
    responses(
        (status = 200, body = RefundPreview), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "Nothing left to refund, or disputed")
    )
)]
pub async fn preview(
    State(app): State<App>,
    _operator: Operator,
    Body(body): Body<WantedRefund>,
) -> HttpResult<Json<RefundPreview>> {
    let look = refunds::preview(&app, &body.payment, body.amount.as_deref()).await?;
    Ok(Json(RefundPreview {
        payment: look.payment.public_id,
        account: look.account.public_id,
        currency: look.paid.currency.code().to_owned(),
        paid: look.paid.decimal_text(),
        refunded: look.refunded.decimal_text(),
        amount: look.money_back.decimal_text(),
        credits_taken: Exact(look.credits_taken),
        available_after: Exact(look.available_after),
        debt_after: Exact(look.debt_after),
        note: look.note,
    }))
}

/// A refund that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// Stripe's id of the refund: `re_...`.
    id: String,
    /// The refund's status: `succeeded` or `pending`.
    status: String,
    /// The id of the payment: `txn_...`.
    payment: String,
    /// The account that paid.
    account: String,
    /// The amount that goes back.
    amount: String,
    /// The currency, in lower case.
    currency: String,
}

/// Gives money of a payment back, once per key, and takes the credits it bought in proportion.
#[utoipa::path(
    post,
    path = "/api/admin/refunds",
    operation_id = "createRefund",
    tag = "admin",
    params(("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")),
    request_body = NewRefund,
    responses(
        (status = 201, body = Refund), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "Nothing left to refund, or disputed"),
        (status = 422, description = "Stripe refused it")
    )
)]
pub async fn create(
    State(app): State<App>,
    Operator(operator): Operator,
    key: Key,
    Body(mut body): Body<NewRefund>,
) -> HttpResult<Response> {
    body.actor = operator.public_id;
    let made = refunds::make(&app, &body, &key.0).await?;
    let body = Refund {
        id: made.refund,
        status: made.status,
        payment: made.payment.public_id,
        account: made.account.public_id,
        amount: made.money_back.decimal_text(),
        currency: made.money_back.currency.code().to_owned(),
    };
    Ok(created(made.replayed, &body))
}
