//! Holds: credits set aside before a call, then captured or released.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use billing::actors::KeyCaller;
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::{Exact, ExactUnits};
use billing::idempotency::Key;
use billing::metering::holds::{CaptureAmount, HoldName};
use billing::metering::{MeteredCall, holds};
use billing::summary::{View, view_of};
use domain::catalog::{Catalog, Operation};
use domain::ledger::{Body as EntryBody, Entry, EntryKind, GrantKind, HoldState, Outcome};
use domain::money::Credits;
use domain::time::Timestamp;
use domain::units::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Tx;
use utoipa::ToSchema;

use crate::api::metered::{AccountParam, UnitsUsed, answer, read_units};
use crate::http::error::HttpResult;
use crate::http::json::{Body, MaybeBody};
use crate::http::params::Params;
use crate::rows::parts::parts;

/// The credits to set aside: either `credits`, or estimated `units` of an `operation`. Without any
/// of them, the price of one unit of the operation `call` is set aside. With `max`, as much as there
/// is for an `operation`, up to `credits`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewHold {
    /// The account: its `acc_...` id, or the host application's id for it. Required with a server
    /// key; a meter key uses its own account.
    account: Option<String>,
    /// The name of an operation in the catalog. The default is `call`.
    operation: Option<String>,
    /// What the call used of the operation: a number of units, or for an operation with several
    /// meters, the units of each. The default is 1, for an operation with one rate.
    #[schema(value_type = Option<UnitsUsed>)]
    units: Option<Box<RawValue>>,
    /// The number of credits to set aside: a positive number with at most six decimals. It can't be
    /// combined with `units`, and with `operation` only beside `max`.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// Whether to set aside as much as there is: at most `credits`, and at least what one unit of
    /// the operation costs (of its dearest meter, if it has several).
    #[serde(default)]
    max: bool,
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
    let call = body.try_into()?;
    let outcome = holds::authorize(&app, &caller, key, &call, ttl_seconds).await?;
    let hold = Hold::of(&outcome)?;
    let cost = hold.credits.0;
    Ok(answer(StatusCode::CREATED, &outcome, cost, &hold))
}

impl TryFrom<NewHold> for MeteredCall {
    type Error = Error;

    fn try_from(body: NewHold) -> Result<MeteredCall> {
        Ok(MeteredCall {
            units: read_units(body.units.as_deref())?,
            account: body.account,
            operation: body.operation,
            credits: body.credits,
            endpoint: body.endpoint,
            max: body.max,
        })
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
/// the whole hold is captured. Zero releases the hold, unless the operation is free. `credits` are at
/// most a hundred times the hold, or 100 for a hold of less than 1; no capture is above 10^9 credits,
/// unless its hold is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCapture {
    /// The account of the hold. Optional; if it is sent, it must match the hold's account.
    account: Option<String>,
    /// The number of credits to charge, with at most six decimals.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// What the call used of the hold's operation, at the price when the hold was created: a number
    /// of units, or the units of each meter.
    #[schema(value_type = Option<UnitsUsed>)]
    units: Option<Box<RawValue>>,
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
        units: read_units(body.units.as_deref())?,
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
    /// The units authorized, or null if the request named `credits`.
    units: Option<ExactUnits>,
    /// The units charged, or null if nothing was charged or the capture named `credits`.
    charged_units: Option<ExactUnits>,
    /// What each meter of the operation cost a unit, and its units; empty for an operation with one
    /// rate.
    meters: Vec<ReceiptMeter>,
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

/// One meter of a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptMeter {
    /// The name of the meter.
    meter: String,
    /// The number of credits that one unit costs.
    rate: Exact,
    /// The number of units authorized: the estimate.
    authorized: ExactUnits,
    /// The number of units charged.
    charged: ExactUnits,
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
        let receipt = Receipt::of(&row, origin, end.as_ref(), lots);
        let rates = rates_of(tx, origin)?;
        Ok(Receipt {
            key: key.map(|(id, name)| ReceiptKey { id, name }),
            meters: receipt.meters(rates),
            ..receipt
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
            units: origin.context.units.clone().map(ExactUnits),
            charged_units: end
                .filter(|entry| entry.kind == EntryKind::Capture)
                .and_then(|entry| entry.context.units.clone())
                .map(ExactUnits),
            meters: Vec::new(),
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
    fn meters(&self, rates: Vec<(String, Credits)>) -> Vec<ReceiptMeter> {
        let of = |units: &Option<ExactUnits>, meter: &str| {
            let units = units.iter().flat_map(|units| units.0.meters());
            let units = units
                .filter(|(name, _)| *name == meter)
                .map(|(_, units)| units);
            ExactUnits(Quantity::Units(units.last().unwrap_or_default()))
        };
        let line = |(meter, rate): (String, Credits)| ReceiptMeter {
            rate: Exact(rate),
            authorized: of(&self.units, &meter),
            charged: of(&self.charged_units, &meter),
            meter,
        };
        rates.into_iter().map(line).collect()
    }
}

/// The rates of the operation's meters, by the catalog that priced the hold.
fn rates_of(tx: &mut Tx<'_>, origin: &Entry) -> store::Result<Vec<(String, Credits)>> {
    let context = &origin.context;
    let (Some(operation), Some(version)) = (&context.operation, context.rate_card) else {
        return Ok(Vec::new());
    };
    let row = store::catalog::find(tx, version)?;
    let catalog = row.and_then(|row| Catalog::parse(&row.body).ok());
    let operation = catalog
        .as_ref()
        .and_then(|catalog| catalog.operation(operation));
    let rates = operation.into_iter().flat_map(Operation::rates);
    Ok(rates
        .filter_map(|(meter, rate)| Some((meter?.to_owned(), rate)))
        .collect())
}
