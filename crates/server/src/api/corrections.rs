//! What a person takes back or lets go: a grant that should not be, a debt that is not collected.

use axum::extract::{Path, State};
use axum::response::Response;
use domain::ledger::{Body as EntryBody, Command, Outcome};
use domain::money::Credits;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use store::accounts::Account as Row;
use utoipa::ToSchema;

use super::accounts::{ByHand, act, created, entry_of, named};
use crate::app::App;
use crate::http::callers::{Authority, Operator};
use crate::http::error::{Error, Result};
use crate::http::idempotency::Key;
use crate::http::json::{Body, Exact, read_positive_credits};
use crate::http::roles::Right;

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
    /// `grant_...`
    id: String,
    /// What was taken: all that no hold has pinned.
    credits: Exact,
    /// Why.
    reason: Option<String>,
    /// Who did it.
    actor: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

/// Ends a grant by hand. What holds have pinned of it may still be captured.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/grants/{grant}/void",
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
) -> Result<Response> {
    may_correct(&caller)?;
    let account = named(&app, &id).await?;
    let by_hand = ByHand {
        actor: caller.actor(),
        reason: body.reason,
        note: body.note,
        credits_max: None,
        tells: matches!(caller, Authority::Operator(_)),
    };
    let outcome = void_grant(&app, &account, key, &grant, &by_hand).await?;
    let entry = entry_of(&outcome)?;
    let body = Voided {
        id: grant,
        credits: Exact(-entry.posted_delta),
        reason: entry.context.reason.clone(),
        actor: entry.context.actor.clone(),
        available: Exact(outcome.available),
    };
    Ok(created(&outcome, &body))
}

/// The host application, and operators who decide over money.
fn may_correct(caller: &Authority) -> Result<()> {
    match caller {
        Authority::Host(_) => Ok(()),
        Authority::Operator(visitor) => Operator(visitor.clone()).with(Right::Money).map(|_| ()),
    }
}

/// Ends a grant, once per key, with the audit log's row in the same commit.
pub async fn void_grant(
    app: &App,
    account: &Row,
    key: Key,
    grant: &str,
    by_hand: &ByHand,
) -> Result<Outcome> {
    by_hand.check()?;
    let lot = grant
        .strip_prefix("grant_")
        .and_then(|lot| lot.parse().ok());
    let absent = || Error::not_found("This account has no such grant.");
    let (id, lot): (i64, i64) = (account.id, lot.ok_or_else(absent)?);
    let source = app
        .read(move |tx| store::ledger::grant_source(tx, id, lot))
        .await?;
    let source_key = source.ok_or_else(absent)?;
    let note = by_hand.note.as_deref().unwrap_or("");
    let key = key.of(&["void", grant, &by_hand.reason, note]);
    let command = Command::Void { source_key };
    let outcome = act(app, account, "credits.void", command, key, by_hand).await?;
    if outcome.entry.is_none() {
        let detail = "This grant was voided before.";
        return Err(Error::conflict("already_voided", detail));
    }
    Ok(outcome)
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
    /// How much.
    credits: Exact,
    /// Why.
    reason: Option<String>,
    /// Who did it.
    actor: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

/// Lets debt go that a reversed payment left. Calls work again once none is left.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits/forgiveness",
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
) -> Result<Response> {
    let credits = match &body.credits {
        Some(raw) => Some(read_positive_credits("credits", raw)?),
        None => None,
    };
    may_correct(&caller)?;
    let account = named(&app, &id).await?;
    let by_hand = ByHand {
        actor: caller.actor(),
        reason: body.reason,
        note: body.note,
        credits_max: None,
        tells: matches!(caller, Authority::Operator(_)),
    };
    let outcome = forgive_debt(&app, &account, key, credits, &by_hand).await?;
    let entry = entry_of(&outcome)?;
    debug_assert!(matches!(entry.body, EntryBody::Account { .. }));
    let body = Forgiven {
        credits: Exact(-entry.debt_delta),
        reason: entry.context.reason.clone(),
        actor: entry.context.actor.clone(),
        available: Exact(outcome.available),
    };
    Ok(created(&outcome, &body))
}

/// Lets debt go, all of it where no amount is named; once per key, with the audit log's row in the
/// same commit.
pub async fn forgive_debt(
    app: &App,
    account: &Row,
    key: Key,
    credits: Option<Credits>,
    by_hand: &ByHand,
) -> Result<Outcome> {
    by_hand.check()?;
    let said = credits.map_or_else(|| "all".to_owned(), |credits| credits.to_string());
    let amount = match credits {
        Some(credits) => credits,
        None => crate::account::view(app, account.id).await?.debt,
    };
    let note = by_hand.note.as_deref().unwrap_or("");
    let key = key.of(&["forgive", &said, &by_hand.reason, note]);
    let command = Command::Forgive { amount };
    act(app, account, "debt.forgive", command, key, by_hand)
        .await
        .map_err(|error| match error.0.code {
            "debt_exceeded" => error.with("field", json!("credits")),
            _ => error,
        })
}
