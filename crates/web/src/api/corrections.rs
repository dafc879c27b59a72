//! Manual corrections: voiding a grant and forgiving debt.

use axum::extract::{Path, State};
use axum::response::Response;
use billing::accounts::names::named;
use billing::actors::roles::Right;
use billing::actors::{Authority, Operator};
use billing::app::App;
use billing::error::Result;
use billing::exact::{Exact, read_positive_credits};
use billing::idempotency::Key;
use billing::operators::credits;
use billing::operators::credits::Justification;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::metered::{created, entry_of};
use crate::http::error::HttpResult;
use crate::http::json::Body;

/// The reason for voiding a grant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewVoid {
    /// The reason: `goodwill`, `correction`, `promotion`, `migration` or `other`.
    reason: String,
    /// A note for other operators, up to 500 characters. It can be erased later.
    note: Option<String>,
}

/// A grant that was voided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voided {
    /// The id of the grant (`grant_...`).
    id: String,
    /// The number of credits taken: all that remained and weren't held.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The id of the user or API key that voided the grant.
    actor: Option<String>,
    /// The credits available to spend after voiding the grant.
    available: Exact,
}

/// Voids a grant. Credits that are held from it can still be captured.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/grants/{grant}/void",
    operation_id = "voidGrant",
    tag = "accounts",
    params(
        (
            "id" = String, Path,
            description = "The account: its `acc_...` id, or the host application's id for it"
        ),
        ("grant" = String, Path, description = "The id of the grant"),
        (
            "Idempotency-Key" = String, Header,
            description = "A key that is unique to this request and the same when it is retried"
        )
    ),
    request_body = NewVoid,
    responses(
        (status = 201, body = Voided), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "The grant is already voided")
    )
)]
pub async fn void(
    State(app): State<App>,
    caller: Authority,
    key: Key,
    Path((id, grant)): Path<(String, String)>,
    Body(body): Body<NewVoid>,
) -> HttpResult<Response> {
    let by_hand = correcting(&caller, body.reason, body.note)?;
    let account = named(&app, &id).await?;
    let outcome = credits::void(&app, &account, key, &grant, &by_hand).await?;
    let entry = entry_of(&outcome)?;
    let body = Voided {
        id: grant,
        credits: Exact(-entry.posted_delta),
        reason: entry.context.reason.clone(),
        actor: entry.context.actor.clone(),
        available: Exact(outcome.available),
    };
    Ok(created(outcome.replayed, &body))
}

/// Who may make corrections: the host application, and operators with the right to move money.
fn correcting(caller: &Authority, reason: String, note: Option<String>) -> Result<Justification> {
    if let Authority::Operator(visitor) = caller {
        Operator(visitor.clone()).with(Right::Money)?;
    }
    Ok(Justification::of(caller, reason, note))
}

/// Debt to forgive.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewForgiveness {
    /// The number of credits to forgive: a positive number with at most six decimals. The default
    /// is the whole debt.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// The reason: `goodwill`, `correction`, `promotion`, `migration` or `other`.
    reason: String,
    /// A note for other operators, up to 500 characters. It can be erased later.
    note: Option<String>,
}

/// Debt that was forgiven.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forgiven {
    /// The number of credits forgiven.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The id of the user or API key that forgave the debt.
    actor: Option<String>,
    /// The credits available to spend after forgiving the debt.
    available: Exact,
}

/// Forgives debt that a reversed payment left. Calls are admitted again once no debt is left.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits/forgiveness",
    operation_id = "forgiveDebt",
    tag = "accounts",
    params(
        (
            "id" = String, Path,
            description = "The account: its `acc_...` id, or the host application's id for it"
        ),
        (
            "Idempotency-Key" = String, Header,
            description = "A key that is unique to this request and the same when it is retried"
        )
    ),
    request_body = NewForgiveness,
    responses(
        (status = 201, body = Forgiven), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "The debt is smaller than `credits`")
    )
)]
pub async fn forgive(
    State(app): State<App>,
    caller: Authority,
    key: Key,
    Path(id): Path<String>,
    Body(body): Body<NewForgiveness>,
) -> HttpResult<Response> {
    let amount = match &body.credits {
        Some(raw) => Some(read_positive_credits("credits", raw)?),
        None => None,
    };
    let by_hand = correcting(&caller, body.reason, body.note)?;
    let account = named(&app, &id).await?;
    let outcome = credits::forgive(&app, &account, key, amount, &by_hand).await?;
    let entry = entry_of(&outcome)?;
    let body = Forgiven {
        credits: Exact(-entry.debt_delta),
        reason: entry.context.reason.clone(),
        actor: entry.context.actor.clone(),
        available: Exact(outcome.available),
    };
    Ok(created(outcome.replayed, &body))
}
