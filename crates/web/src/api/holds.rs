//! Holds: credits set aside before a call, then captured or released.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use billing::actors::KeyCaller;
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::Exact;
use billing::idempotency::Key;
use billing::metering::holds::{CaptureAmount, HoldName};
use billing::metering::{MeteredCall, holds};
use billing::summary::{View, view_of};
use domain::ledger::{Body as EntryBody, Entry, EntryKind, GrantKind, HoldState, Outcome};
use domain::money::Credits;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Tx;
use utoipa::ToSchema;

use crate::api::metered::{AccountParam, answer};
use crate::http::error::HttpResult;
use crate::http::json::{Body, MaybeBody};
use crate::http::params::Params;
use crate::rows::parts::parts;

/// The credits to set aside: either `credits`, or `units` of an `operation`. Without any of them,
/// the price of one unit of the operation `call` is set aside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewHold {
    /// The account: its `acc_...` id, or the host application's id for it. Required with a server
    /// key; a meter key uses its own account.
    account: Option<String>,
    /// The name of an operation in the catalog. The default is `call`.
    operation: Option<String>,
    /// The number of units of the operation. The default is 1.
    units: Option<i64>,
    /// The number of credits to set aside: a positive number with at most six decimals. It can't be
    /// combined with `operation` or `units`.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// The number of seconds until the hold expires, from 1 to 86,400. The default is 120.
    ttl_seconds: Option<i64>,
    /// Your name for what is metered, up to 200 characters.
    endpoint: Option<String>,
}

/// Credits that are set aside.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The id of the hold (`hold_...`).
    id: String,
    /// The state of the hold: `pending`.
    state: &'static str,
    /// The number of credits set aside.
    credits: Exact,
    /// The time at which the hold expires (RFC 3339, UTC).
    expires_at: String,
    /// The credits available to spend besides the hold.
    available: Exact,
}

/// Creates a hold, which sets credits aside for a call.
#[utoipa::path(
    post,
    path = "/api/v1/holds",
    operation_id = "createHold",
    tag = "metering",
    params((
        "Idempotency-Key" = String, Header,
        description = "A key that is unique to this request and the same when it is retried"
    )),
    request_body = NewHold,
    responses(
        (status = 201, body = Hold), (status = 400), (status = 401),
        (
            status = 402,
            description = "Not enough credits, outstanding debt, or a plan or spending limit"
        ),
        (status = 404),
        (status = 409, description = "The idempotency key was used for a different request"),
        (status = 429, description = "The maximum number of open holds is reached"), (status = 503)
    )
)]
pub async fn create(
    State(app): State<App>,
    caller: KeyCaller,
    key: Key,
    Body(body): Body<NewHold>,
) -> HttpResult<Response> {
    let ttl_seconds = body.ttl_seconds;
    let outcome = holds::authorize(&app, &caller, key, &body.into(), ttl_seconds).await?;
    let hold = Hold::of(&outcome)?;
    let cost = hold.credits.0;
    Ok(answer(StatusCode::CREATED, &outcome, cost, &hold))
}

impl From<NewHold> for MeteredCall {
    fn from(body: NewHold) -> MeteredCall {
        MeteredCall {
            account: body.account,
            operation: body.operation,
            units: body.units,
            credits: body.credits,
            endpoint: body.endpoint,
        }
    }
}

impl Hold {
    /// The response from a journal entry: the same the first time and on every replay.
    fn of(outcome: &Outcome) -> Result<Hold> {
        match outcome.entry.as_ref().map(|entry| &entry.body) {
            Some(EntryBody::Hold {
                hold,
                amount,
                expires_at,
                ..
            }) => Ok(Hold {
                id: hold.clone(),
                state: HoldState::Pending.word(),
                credits: Exact(*amount),
                expires_at: expires_at.rfc3339(),
                available: Exact(outcome.available),
            }),
            _ => Err(Error::bug("an authorization was answered by another entry")),
        }
    }
}

/// The final cost of a call: either `credits`, or `units` of the hold's operation. Without either,
/// the whole hold is captured. Zero releases the hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCapture {
    /// The account of the hold. Optional; if it is sent, it must match the hold's account.
    account: Option<String>,
    /// The number of credits to charge, with at most six decimals.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// The number of units of the hold's operation, at the price when the hold was created.
    units: Option<i64>,
}

/// The result of a capture or a release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// The id of the hold (`hold_...`).
    id: String,
    /// The state of the hold: `captured` or `released`.
    state: &'static str,
    /// The number of credits charged, including any beyond the hold.
    captured: Exact,
    /// The number of held credits given back.
    released: Exact,
    /// The number of credits that were requested but couldn't be charged.
    uncollected: Exact,
    /// The credits available to spend now.
    available: Exact,
}

/// Captures a hold, which charges its credits. The `Idempotency-Key` header is optional; without
/// it, a repeated capture returns 409.
#[utoipa::path(
    post,
    path = "/api/v1/holds/{id}/capture",
    operation_id = "captureHold",
    tag = "metering",
    params(("id" = String, Path, description = "The id of the hold"), AccountParam),
    request_body(content = Option<NewCapture>, description = "Empty to capture the whole hold"),
    responses(
        (status = 200, body = Settled), (status = 400), (status = 401), (status = 404),
        (status = 409, description = "The hold is already settled; `state` is its outcome")
    )
)]
pub async fn capture(
    State(app): State<App>,
    caller: KeyCaller,
    key: Option<Key>,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
    MaybeBody(body): MaybeBody<NewCapture>,
) -> HttpResult<Response> {
    let body = body.unwrap_or_default();
    let hold = HoldName {
        id: &id,
        account: body.account.as_deref().or(query.account.as_deref()),
    };
    let amount = CaptureAmount {
        credits: body.credits.as_deref(),
        units: body.units,
    };
    let outcome = holds::capture(&app, &caller, key, hold, amount).await?;
    settled(&outcome)
}

/// Releases a hold, which gives its credits back.
#[utoipa::path(
    post,
    path = "/api/v1/holds/{id}/release",
    operation_id = "releaseHold",
    tag = "metering",
    params(("id" = String, Path, description = "The id of the hold"), AccountParam),
    responses(
        (status = 200, body = Settled), (status = 401), (status = 404),
        (status = 409, description = "The hold is already settled; `state` is its outcome")
    )
)]
pub async fn release(
    State(app): State<App>,
    caller: KeyCaller,
    key: Option<Key>,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
    MaybeBody(body): MaybeBody<NewRelease>,
) -> HttpResult<Response> {
    let body = body.unwrap_or_default();
    let hold = HoldName {
        id: &id,
        account: body.account.as_deref().or(query.account.as_deref()),
    };
    let outcome = holds::release(&app, &caller, key, hold).await?;
    settled(&outcome)
}

/// The account of the hold to release. The body is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRelease {
    /// The account of the hold. Optional; if it is sent, it must match the hold's account.
    account: Option<String>,
}

fn settled(outcome: &Outcome) -> HttpResult<Response> {
    let entry = outcome.entry.as_ref();
    let Some(EntryBody::Settlement {
        hold,
        captured,
        released,
        uncollected,
        ..
    }) = entry.map(|entry| &entry.body)
    else {
        return Err(Error::bug("a settlement was answered by another entry").into());
    };
    let is_capture = entry.is_some_and(|entry| entry.kind == EntryKind::Capture);
    let body = Settled {
        id: hold.clone(),
        state: if is_capture { "captured" } else { "released" },
        captured: Exact(*captured),
        released: Exact(*released),
        uncollected: Exact(*uncollected),
        available: Exact(outcome.available),
    };
    Ok(answer(StatusCode::OK, outcome, *captured, &body))
}

/// The details of a hold and its charge.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The id of the hold (`hold_...`).
    id: String,
    /// The state of the hold: `pending`, `captured`, `released` or `expired`.
    state: &'static str,
    /// The operation that determined the price, or null if the request named `credits`.
    operation: Option<String>,
    /// The number of units authorized, or null if the request named `credits`.
    units: Option<i64>,
    /// The caller's name for what was metered, or null if none was given.
    endpoint: Option<String>,
    /// The API key that created the hold, or null if there was none.
    key: Option<ReceiptKey>,
    /// The version of the catalog that determined the price, or null if it is not known.
    rate_card_version: Option<i64>,
    /// The number of credits set aside.
    held: Exact,
    /// The number of credits charged, including any beyond the hold.
    charged: Exact,
    /// The number of held credits given back.
    returned: Exact,
    /// The number of credits that were requested but couldn't be charged.
    uncollected: Exact,
    /// Whether the hold was captured after it had expired.
    is_late: bool,
    /// The grants that the credits were held from and charged to.
    lots: Vec<ReceiptLot>,
    /// The time at which the hold was created (RFC 3339, UTC).
    authorized_at: String,
    /// The time at which the hold expires (RFC 3339, UTC).
    expires_at: String,
    /// The time at which the hold was captured, released or expired (RFC 3339, UTC), or null while
    /// it is pending.
    resolved_at: Option<String>,
}

/// The API key that made a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptKey {
    /// The id of the key (`key_...`).
    pub id: String,
    /// The name of the key.
    pub name: String,
}

/// One grant's share of a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptLot {
    /// The id of the grant (`grant_...`).
    grant: String,
    /// The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or
    /// `reinstatement`.
    kind: &'static str,
    /// The number of credits held from the grant.
    held: Exact,
    /// The number of credits charged to the grant.
    charged: Exact,
}

/// Returns the receipt of a hold: the credits set aside and charged, the grants they came from, and
/// the price.
#[utoipa::path(
    get,
    path = "/api/v1/holds/{id}",
    operation_id = "getHold",
    tag = "metering",
    params(("id" = String, Path, description = "The id of the hold"), AccountParam),
    responses((status = 200, body = Receipt), (status = 401), (status = 404))
)]
pub async fn receipt(
    State(app): State<App>,
    caller: KeyCaller,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Json<Receipt>> {
    let owner = holds::owner(&app, &caller, query.account.as_deref()).await?;
    let named = id.clone();
    let find = move |tx: &mut Tx<'_>| {
        let found = holds::find(tx, &named, owner)?;
        Ok(found.map(|(account, origin)| (account, (account, origin))))
    };
    let read = move |tx: &mut Tx<'_>, _: &View, (account, origin): (i64, Entry)| {
        Receipt::read(tx, account, &id, &origin)
    };
    // Due expiries are applied first, so an expired hold is reported as such.
    let found = view_of(&app, find, read).await?;
    let (_, receipt) = found.ok_or_else(holds::no_such_hold)?;
    Ok(Json(receipt))
}

impl Receipt {
    fn read(tx: &mut Tx<'_>, account: i64, id: &str, origin: &Entry) -> store::Result<Receipt> {
        let row = store::ledger::hold(tx, account, id)?.ok_or(store::Error::NotFound)?;
        let end = store::ledger::hold_settlement(tx, account, id)?;
        let mut lots = Vec::new();
        for part in parts(Some(origin), end.as_ref()) {
            lots.push(ReceiptLot {
                grant: domain::ledger::grant::id_of(part.lot),
                kind: store::ledger::grant_kind(tx, account, part.lot)?.map_or("", GrantKind::word),
                held: Exact(part.held),
                charged: Exact(part.charged),
            });
        }
        let key = match origin.context.api_key {
            Some(key) => store::api_keys::names(tx, key)?,
            None => None,
        };
        Ok(Receipt {
            key: key.map(|(id, name)| ReceiptKey { id, name }),
            ..Receipt::of(&row, origin, end.as_ref(), lots)
        })
    }

    fn of(
        row: &domain::ledger::Hold,
        origin: &Entry,
        end: Option<&Entry>,
        lots: Vec<ReceiptLot>,
    ) -> Receipt {
        let (returned, is_late) = match end.map(|entry| &entry.body) {
            // The whole hold was released when it expired; a late capture took other credits.
            Some(EntryBody::Settlement { late: true, .. }) => (row.amount, true),
            Some(EntryBody::Settlement { released, .. }) => (*released, false),
            _ => (Credits::ZERO, false),
        };
        Receipt {
            id: row.id.clone(),
            state: row.state.word(),
            operation: origin.context.operation.clone(),
            units: origin.context.units,
            endpoint: origin.context.endpoint.clone(),
            key: None,
            rate_card_version: origin.context.rate_card,
            held: Exact(row.amount),
            charged: Exact(row.captured),
            returned: Exact(returned),
            uncollected: Exact(row.uncollected),
            is_late,
            lots,
            authorized_at: row.authorized_at.rfc3339(),
            expires_at: row.expires_at.rfc3339(),
            resolved_at: row.resolved_at.map(Timestamp::rfc3339),
        }
    }
}
