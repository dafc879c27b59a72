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

/// What to set aside: `credits`, or `units` of an `operation`; one `call` without either.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewHold {
    /// The account, by our id or the host application's. A server key must name it.
    account: Option<String>,
    /// An operation of the catalog.
    operation: Option<String>,
    /// Units of it; 1 without.
    units: Option<i64>,
    /// Credits, with at most six decimals.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// Seconds until the hold expires: 1 to 86,400; default 120.
    ttl_seconds: Option<i64>,
    /// The caller's name for what it meters.
    endpoint: Option<String>,
}

/// Credits set aside.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// `hold_...`
    id: String,
    /// `pending`
    state: &'static str,
    /// What is set aside.
    credits: Exact,
    /// When it expires.
    expires_at: String,
    /// What may be spent besides.
    available: Exact,
}

/// Sets credits aside for a call.
#[utoipa::path(
    post,
    path = "/api/v1/holds",
    operation_id = "createHold",
    tag = "metering",
    params(("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")),
    request_body = NewHold,
    responses(
        (status = 201, body = Hold), (status = 400), (status = 401),
        (status = 402, description = "Not enough credits, debt, or the plan's limit"),
        (status = 404), (status = 409, description = "The key was used for another request"),
        (status = 429, description = "Too many open holds"), (status = 503)
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

/// What the call cost in the end: `credits`, or `units` of the hold's operation; all of the hold
/// without either. Zero equals a release.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCapture {
    /// The account; only checked where it is named, since the hold says whose it is.
    account: Option<String>,
    /// Credits, with at most six decimals.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// Units of the hold's operation, at the price of the hold's time.
    units: Option<i64>,
}

/// What became of a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// The hold.
    id: String,
    /// `captured` or `released`.
    state: &'static str,
    /// Everything charged, the difference above the hold included.
    captured: Exact,
    /// Given back out of the hold.
    released: Exact,
    /// Requested but not collected.
    uncollected: Exact,
    /// What may be spent now.
    available: Exact,
}

/// Charges a hold. An `Idempotency-Key` is optional: without one a repeated capture is 409.
#[utoipa::path(
    post,
    path = "/api/v1/holds/{id}/capture",
    operation_id = "captureHold",
    tag = "metering",
    params(("id" = String, Path, description = "The hold"), AccountParam),
    request_body(content = Option<NewCapture>, description = "Empty for all of the hold"),
    responses(
        (status = 200, body = Settled), (status = 400), (status = 401), (status = 404),
        (status = 409, description = "Settled before; `state` says as what")
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

/// Gives a hold's credits back.
#[utoipa::path(
    post,
    path = "/api/v1/holds/{id}/release",
    operation_id = "releaseHold",
    tag = "metering",
    params(("id" = String, Path, description = "The hold"), AccountParam),
    responses(
        (status = 200, body = Settled), (status = 401), (status = 404),
        (status = 409, description = "Settled before; `state` says as what")
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

/// Whose hold to give back, where that is named at all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRelease {
    /// The account; only checked where it is named.
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

/// All about a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The hold.
    id: String,
    /// `pending`, `captured`, `released` or `expired`.
    state: &'static str,
    /// The operation that priced it.
    operation: Option<String>,
    /// Units of it.
    units: Option<i64>,
    /// The caller's name for what it meters.
    endpoint: Option<String>,
    /// The key that spent.
    key: Option<ReceiptKey>,
    /// Version of the catalog that priced it.
    rate_card_version: Option<i64>,
    /// Set aside.
    held: Exact,
    /// Charged, the difference above the hold included.
    charged: Exact,
    /// Given back out of the hold.
    returned: Exact,
    /// Requested but not collected.
    uncollected: Exact,
    /// Whether it was captured after its time had run out.
    is_late: bool,
    /// The grants it was pinned to and charged to.
    lots: Vec<ReceiptLot>,
    /// When it was authorized.
    authorized_at: String,
    /// When it expires.
    expires_at: String,
    /// When it was settled.
    resolved_at: Option<String>,
}

/// The key that made a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptKey {
    /// `key_...`
    pub id: String,
    /// What its owner calls it.
    pub name: String,
}

/// One grant's part in a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptLot {
    /// `grant_...`
    grant: String,
    /// What its credits are.
    kind: &'static str,
    /// Pinned by the hold.
    held: Exact,
    /// Charged in the end.
    charged: Exact,
}

/// The receipt of a hold: what was set aside and charged, out of which grants, at which price.
#[utoipa::path(
    get,
    path = "/api/v1/holds/{id}",
    operation_id = "getHold",
    tag = "metering",
    params(("id" = String, Path, description = "The hold"), AccountParam),
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
