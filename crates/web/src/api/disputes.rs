//! What happens to a plan after a dispute about its payment was lost.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use billing::actors::Operator;
use billing::app::App;
use billing::operators::disputes;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::disputes::Dispute as Row;
use utoipa::ToSchema;

use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::request_id::RequestId;
use crate::rows::money::of_row;

/// A dispute about a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    /// Stripe's id of the dispute: `du_...` or `dp_...`.
    id: String,
    /// Stripe's status, such as `needs_response`, `under_review`, `won` or `lost`.
    status: String,
    /// The disputed amount, as a decimal string in the currency's main unit.
    amount: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
    /// Stripe's id of the disputed payment (`pi_...`).
    stripe_payment_intent_id: String,
    /// Stripe's id of the subscription that was paid for, or null for a credit pack.
    stripe_subscription_id: Option<String>,
    /// Stripe's deadline for your response (RFC 3339, UTC), or null if there is none.
    due_by: Option<String>,
    /// What happens to the plan after the dispute was lost: `asked`, `kept` or `ended`; null if
    /// there is nothing to decide.
    decision: Option<String>,
    /// The time at which the dispute was created (RFC 3339, UTC).
    created_at: String,
}

impl From<Row> for Dispute {
    fn from(row: Row) -> Dispute {
        Dispute {
            amount: of_row(row.amount_minor, &row.currency).decimal_text(),
            id: row.dispute_id,
            status: row.status,
            currency: row.currency,
            stripe_payment_intent_id: row.payment_intent_id,
            stripe_subscription_id: row.subscription_id,
            due_by: row.due_by.map(Timestamp::rfc3339),
            decision: row.decision,
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// A decision about a plan whose payment was lost in a dispute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanDecision {
    /// `keep`: the plan continues. `end`: it is canceled now, without a refund.
    plan: String,
}

/// Decides whether a plan continues after the dispute about its payment was lost. Repeating the
/// decision changes nothing.
#[utoipa::path(
    post,
    path = "/api/admin/disputes/{id}/decision",
    operation_id = "decideDispute",
    tag = "admin",
    params(("id" = String, Path, description = "Stripe's id of the dispute")),
    request_body = PlanDecision,
    responses(
        (status = 200, body = Dispute), (status = 400), (status = 401), (status = 403),
        (status = 404),
        (status = 409, description = "It was decided already, or there is nothing to decide")
    )
)]
pub async fn decide(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
    Body(body): Body<PlanDecision>,
) -> HttpResult<Json<Dispute>> {
    operator.may_act()?;
    let actor = (operator.0.public_id.as_str(), request_id.as_str());
    let row = disputes::decide(&app, &id, &body.plan, actor).await?;
    Ok(Json(row.into()))
}
