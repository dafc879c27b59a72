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

/// An account, which is billed and owns credits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The id of the account (`acc_...`).
    id: String,
    /// The host application's id for the account, or null if it has none.
    external_id: Option<String>,
    /// The kind of account: `personal` or `organisation`.
    kind: &'static str,
    /// The name of the account.
    name: String,
    /// The email address that the account's emails are sent to, or null if there is none.
    email: Option<String>,
    /// The status of the account: `active`, `suspended` or `closed`.
    status: &'static str,
    /// The tier of the account's subscription.
    tier: String,
    /// A tier set by an operator or the host application, which overrides `tier`; null if there is
    /// none.
    tier_override: Option<String>,
    /// The status of the subscription: `NONE`, `INCOMPLETE`, `TRIALING`, `ACTIVE`, `PAST_DUE`,
    /// `UNPAID`, `PAUSED` or `CANCELED`.
    subscription_status: &'static str,
    /// Stripe's id of the customer (`cus_...`), or null if there is none yet.
    stripe_customer_id: Option<String>,
    /// The time at which the account was created (RFC 3339, UTC).
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

/// An account that was created or updated.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PutAnswer {
    /// Whether the account existed without the host application's id, made by a sign-in with the
    /// same verified address, and now has it.
    adopted: bool,
    /// The account.
    #[serde(flatten)]
    account: Account,
}

/// Creates or updates the account with this id in the host application. The id can be used wherever
/// a request names an account. A personal account that a sign-in with the same verified email
/// address made before is adopted. A new email address moves with the id: the old one opens nothing.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}",
    operation_id = "putAccount",
    tag = "accounts",
    params((
        "id" = String, Path,
        description = "The host application's id for the account, or its `acc_...` id"
    )),
    request_body = PutAccount,
    responses(
        (status = 200, body = PutAnswer), (status = 201, body = PutAnswer), (status = 400),
        (status = 401), (status = 403), (status = 404),
        (status = 409, description = "Another account owns the email address")
    )
)]
pub async fn put(
    State(app): State<App>,
    caller: KeyCaller,
    Path(id): Path<String>,
    Body(body): Body<PutAccount>,
) -> HttpResult<Response> {
    caller.is_server()?;
    let saved = put::put(&app, &caller.public_id, id, body).await?;
    let status = if saved.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let answer = PutAnswer {
        adopted: saved.adopted,
        account: saved.row.into(),
    };
    Ok((status, Json(answer)).into_response())
}

/// An adjustment of an account's credits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAdjustment {
    /// The number of credits to add, or to take if negative, with at most six decimals. It must not
    /// be zero.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
    /// The reason for the adjustment: `goodwill`, `correction`, `promotion`, `migration` or
    /// `other`.
    reason: String,
    /// A note for other operators, up to 500 characters. It can be erased later.
    note: Option<String>,
}

/// An adjustment that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// The id of the adjustment (`adj_...`).
    id: String,
    /// The number of credits added, negative if credits were taken.
    credits: Exact,
    /// The reason that was given.
    reason: Option<String>,
    /// The id of the user or API key that made the adjustment.
    actor: Option<String>,
    /// The credits available to spend after the adjustment.
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

/// Adds credits to an account or takes them. It can't take more credits than are available.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/credits/adjustments",
    operation_id = "createAdjustment",
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
    request_body = NewAdjustment,
    responses(
        (status = 201, body = Adjustment), (status = 400), (status = 401),
        (status = 402, description = "Fewer credits are available than would be taken"),
        (status = 403),
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

/// Promotional credits to grant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPromo {
    /// The number of credits to grant: a positive number with at most six decimals.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
    /// The date or RFC 3339 time at which the credits expire, in the future. The default is 90 days
    /// from now, unless configured otherwise.
    expires_at: Option<String>,
    /// A note for other operators, up to 500 characters. It can be erased later.
    note: Option<String>,
}

/// A grant that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeGrant {
    /// The id of the grant (`grant_...`).
    id: String,
    /// The kind of grant: `promo`.
    kind: &'static str,
    /// The number of credits granted.
    credits: Exact,
    /// The time at which unspent credits expire (RFC 3339, UTC).
    expires_at: Option<String>,
    /// The credits available to spend after the grant.
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

/// Grants promotional credits to an account.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/grants",
    operation_id = "createGrant",
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
