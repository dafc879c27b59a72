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

/// A refund to preview.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedRefund {
    /// The payment to refund: its `txn_...` id, or one of Stripe's ids of it.
    payment: String,
    /// The amount to refund, as a decimal string in the currency's main unit such as `5.00`. The
    /// default is everything that was not refunded yet.
    amount: Option<String>,
}

/// The effects that a refund would have. Nothing has been changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundPreview {
    /// The id of the payment (`txn_...`).
    payment: String,
    /// The id of the account that paid (`acc_...`).
    account: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
    /// The amount that was paid, as a decimal string in the currency's main unit.
    paid: String,
    /// The amount refunded so far, in the same form as `paid`.
    refunded: String,
    /// The amount that would be refunded, in the same form as `paid`.
    amount: String,
    /// The number of credits that would be taken back.
    credits_taken: Exact,
    /// The credits available to spend after the refund.
    available_after: Exact,
    /// The account's debt after the refund, in credits.
    debt_after: Exact,
    /// What the operator should know before refunding, or null if there is nothing.
    note: Option<&'static str>,
}

/// Previews a refund: the amount, the credits taken back and the resulting debt. Changes nothing.
#[utoipa::path(
    post,
    path = "/api/admin/refunds/preview",
    operation_id = "previewRefund",
    tag = "admin",
    request_body = WantedRefund,
    responses(
        (status = 200, body = RefundPreview), (status = 400), (status = 401), (status = 403),
        (status = 404),
        (status = 409, description = "Nothing is left to refund, or the payment is disputed")
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

/// A refund that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// Stripe's id of the refund (`re_...`).
    id: String,
    /// Stripe's status of the refund, such as `succeeded` or `pending`.
    status: String,
    /// The id of the payment (`txn_...`).
    payment: String,
    /// The id of the account that paid (`acc_...`).
    account: String,
    /// The amount refunded, as a decimal string in the currency's main unit.
    amount: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
}

/// Refunds a payment and takes back a proportional part of the credits it bought. Repeating the
/// request with the same key refunds only once.
#[utoipa::path(
    post,
    path = "/api/admin/refunds",
    operation_id = "createRefund",
    tag = "admin",
    params((
        "Idempotency-Key" = String, Header,
        description = "A key that is unique to this request and the same when it is retried"
    )),
    request_body = NewRefund,
    responses(
        (status = 201, body = Refund), (status = 400), (status = 401), (status = 403),
        (status = 404),
        (status = 409, description = "Nothing is left to refund, or the payment is disputed"),
        (status = 422, description = "Stripe refused the refund")
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
