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

/// Why a grant ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewVoid {
    /// `goodwill`, `correction`, `promotion`, `migration` or `other`.
    reason: String,
    /// What a colleague should know; can be erased later.
    note: Option<String>,
}

/// A grant that was ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voided {
    /// The id of the grant: `grant_...`.
    id: String,
    /// What was taken: all that no hold has pinned.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The user or key that did it.
    actor: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

/// Ends a grant. What holds have pinned of it may still be captured.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/grants/{grant}/void",
    operation_id = "voidGrant",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account, by our id or the host application's"),
        ("grant" = String, Path, description = "The grant"),
        ("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")
    ),
    request_body = NewVoid,
    responses(
        (status = 201, body = Voided), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "It was voided before")
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

/// A debt to let go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewForgiveness {
    /// How much of it, positive; all of it without.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// `goodwill`, `correction`, `promotion`, `migration` or `other`.
    reason: String,
    /// What a colleague should know; can be erased later.
    note: Option<String>,
}

/// A debt that was let go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forgiven {
    /// The debt that was forgiven.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The user or key that did it.
    actor: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

/// Lets debt go that a reversed payment left. Calls work again once none is left.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits/forgiveness",
    operation_id = "forgiveDebt",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account, by our id or the host application's"),
        ("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")
    ),
    request_body = NewForgiveness,
    responses(
        (status = 201, body = Forgiven), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "There is less debt than that")
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
