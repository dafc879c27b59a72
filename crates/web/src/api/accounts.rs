//! Accounts as the host application and operators change them: their details, and manual
//! adjustments and grants of credits.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use billing::accounts::names::named;
use billing::accounts::put;
use billing::accounts::put::PutAccount;
use billing::actors::{Authority, KeyCaller};
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::{Exact, read_credits, read_positive_credits};
use billing::idempotency::Key;
use billing::operators::credits;
use billing::operators::credits::Justification;
use domain::ledger::{Body as EntryBody, Outcome};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::accounts::Account as Row;
use utoipa::ToSchema;

use crate::api::metered::{created, entry_of};
use crate::http::error::HttpResult;
use crate::http::json::Body;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The id of the account: `acc_...`.
    id: String,
    /// What the host application calls it.
    external_id: Option<String>,
    /// The kind of account: `personal` or `organisation`.
    kind: &'static str,
    /// The name that people see.
    name: String,
    /// Where its emails go.
    email: Option<String>,
    /// `active`, `suspended` or `closed`.
    status: &'static str,
    /// The tier of its subscription.
    tier: String,
    /// The tier that a person or the host set over it.
    tier_override: Option<String>,
    /// The status of its subscription.
    subscription_status: &'static str,
    /// The customer at Stripe.
    stripe_customer_id: Option<String>,
    /// When it was made.
    created_at: String,
}

impl From<Row> for Account {
    fn from(row: Row) -> Account {
        Account {
            id: row.public_id,
            external_id: row.external_id,
            kind: row.kind.word(),
            name: row.name,
            email: row.email,
            status: row.status.word(),
            tier: row.subscription_tier,
            tier_override: row.tier_override,
            subscription_status: row.subscription_status.word(),
            stripe_customer_id: row.stripe_customer_id,
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// Makes the account that the host application knows by this id, or brings it up to date. The id
/// may stand wherever an account is named.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}",
    operation_id = "putAccount",
    tag = "accounts",
    params(("id" = String, Path, description = "The host application's id of the account, or ours")),
    request_body = PutAccount,
    responses(
        (status = 200, body = Account), (status = 201, body = Account), (status = 400),
        (status = 401), (status = 403), (status = 404)
    )
)]
pub async fn put(
    State(app): State<App>,
    caller: KeyCaller,
    Path(id): Path<String>,
    Body(body): Body<PutAccount>,
) -> HttpResult<Response> {
    caller.is_server()?;
    let (is_new, row) = put::put(&app, &caller.public_id, id, body).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(Account::from(row))).into_response())
}

/// A correction of an account's credits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAdjustment {
    /// Up or down, not zero.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
    /// `goodwill`, `correction`, `promotion`, `migration` or `other`.
    reason: String,
    /// What a colleague should know; can be erased later.
    note: Option<String>,
}

/// A correction that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// The id of the adjustment: `adj_...`.
    id: String,
    /// By how much the credits rose.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The user or key that made it.
    actor: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

impl Adjustment {
    fn of(outcome: &Outcome) -> Result<Adjustment> {
        let entry = entry_of(outcome)?;
        Ok(Adjustment {
            id: format!("adj_{}_{}", entry.seq, hex::encode(&entry.hash[..8])),
            credits: Exact(entry.posted_delta),
            reason: entry.context.reason.clone(),
            actor: entry.context.actor.clone(),
            available: Exact(outcome.available),
        })
    }
}

/// Adjusts an account's credits. Downwards it takes what is available and no more.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits/adjustments",
    operation_id = "createAdjustment",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account, by our id or the host application's"),
        ("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")
    ),
    request_body = NewAdjustment,
    responses(
        (status = 201, body = Adjustment), (status = 400), (status = 401),
        (status = 402, description = "Fewer credits are available"), (status = 403),
        (status = 404), (status = 409)
    )
)]
pub async fn adjust(
    State(app): State<App>,
    caller: Authority,
    key: Key,
    Path(id): Path<String>,
    Body(body): Body<NewAdjustment>,
) -> HttpResult<Response> {
    let amount = read_credits("credits", &body.credits)?;
    let account = named(&app, &id).await?;
    let by_hand = Justification {
        credits_max: caller.credits_max(&app),
        ..Justification::of(&caller, body.reason, body.note)
    };
    let outcome = credits::adjust(&app, &account, key, amount, &by_hand).await?;
    let body = Adjustment::of(&outcome)?;
    Ok(created(outcome.replayed, &body))
}

/// Credits to give for a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPromo {
    /// The amount, which is positive.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
    /// When they end; in 90 days without.
    expires_at: Option<String>,
    /// What a colleague should know; can be erased later.
    note: Option<String>,
}

/// A grant that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeGrant {
    /// The id of the grant: `grant_...`.
    id: String,
    /// The kind of grant: `promo`.
    kind: &'static str,
    /// The credits that were granted.
    credits: Exact,
    /// When the credits expire.
    expires_at: Option<String>,
    /// What may be spent after it.
    available: Exact,
}

impl MadeGrant {
    fn of(outcome: &Outcome) -> Result<MadeGrant> {
        let entry = entry_of(outcome)?;
        let EntryBody::Grant {
            kind,
            amount,
            expires_at,
            ..
        } = &entry.body
        else {
            return Err(Error::bug("a grant was answered by another entry"));
        };
        Ok(MadeGrant {
            id: domain::ledger::grant::id_of(entry.seq),
            kind: kind.word(),
            credits: Exact(*amount),
            expires_at: expires_at.map(Timestamp::rfc3339),
            available: Exact(outcome.available),
        })
    }
}

/// Gives an account promotional credits.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/grants",
    operation_id = "createGrant",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account, by our id or the host application's"),
        ("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")
    ),
    request_body = NewPromo,
    responses(
        (status = 201, body = MadeGrant), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409)
    )
)]
pub async fn grant(
    State(app): State<App>,
    caller: Authority,
    key: Key,
    Path(id): Path<String>,
    Body(body): Body<NewPromo>,
) -> HttpResult<Response> {
    let amount = read_positive_credits("credits", &body.credits)?;
    let expires_at = read_end(body.expires_at.as_deref(), app.now())?;
    let account = named(&app, &id).await?;
    let by_hand = Justification {
        credits_max: caller.credits_max(&app),
        notifies: false,
        ..Justification::of(&caller, "promotion".to_owned(), body.note)
    };
    let outcome = credits::promote(&app, &account, key, amount, expires_at, &by_hand).await?;
    let body = MadeGrant::of(&outcome)?;
    Ok(created(outcome.replayed, &body))
}

fn read_end(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let end = domain::time::parse(text).filter(|end| *end > now);
    let detail = "expiresAt must be a date or time in the future.";
    end.map(Some)
        .ok_or_else(|| Error::field("expiresAt", detail))
}
