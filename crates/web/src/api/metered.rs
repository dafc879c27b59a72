//! What endpoints about credits share: the account that a call names, and the response headers.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use billing::actors::Reader;
use billing::error::{Error, Result};
use billing::exact::{parse_quantity, read_quantity};
use domain::ledger::{Entry, Outcome};
use domain::money::Credits;
use domain::units::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::http::error::{HttpError, HttpResult};
use crate::http::params::Params;
use crate::site::Site;

/// The header with the cost of the call, on every metered response.
pub const COST: HeaderName = HeaderName::from_static("x-credits-cost");

/// The header with the credits available, on every metered response.
pub const REMAINING: HeaderName = HeaderName::from_static("x-credits-remaining");

/// The header that is `true` when the response replays an earlier one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The query parameter that names the account of a call.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountParam {
    /// The account: its `acc_...` id, or the host application's id for it. Used with server keys;
    /// other callers default to their own account.
    pub account: Option<String>,
}

/// What a call used: a number of units of its operation, or those of each of its meters by name.
/// Both have at most six decimals. This is only the schema of what is read as text.
#[derive(Debug, ToSchema)]
#[schema(as = UnitsUsed)]
#[serde(untagged)]
pub enum UnitsUsed {
    /// For an operation with one rate.
    Units(f64),
    /// For an operation with several meters: `{"input_tokens": 210, "output_tokens": 800}`.
    Meters(BTreeMap<String, f64>),
}

/// What a call uses, in a query: `2.5`, or `input_tokens:210,output_tokens:800`. Only the schema.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub enum UnitsParam {
    /// For an operation with one rate.
    Units(f64),
    /// For an operation with several meters.
    Meters(String),
}

/// Parses what a body says that a call used.
pub fn read_units(raw: Option<&RawValue>) -> Result<Option<Quantity>> {
    raw.map(|raw| read_quantity("units", raw)).transpose()
}

/// Parses what a query says that a call used.
pub fn parse_units(text: Option<&str>) -> Result<Option<Quantity>> {
    text.map(|text| parse_quantity("units", text)).transpose()
}

/// The caller and the account in question: the caller's own, or the one named by `?account=`.
#[derive(Clone, Debug)]
pub struct OfAccount {
    /// The caller.
    pub caller: Reader,
    /// The row id of the account.
    pub account: i64,
}

impl FromRequestParts<Site> for OfAccount {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let caller = Reader::from_request_parts(parts, site).await?;
        let Params(query) = Params::<AccountParam>::from_request_parts(parts, site).await?;
        let account = caller.account(&site.app, query.account.as_deref()).await?;
        Ok(OfAccount { caller, account })
    }
}

/// The row id of the account whose lists are requested. Keys that only meter are refused.
#[derive(Clone, Copy, Debug)]
pub struct ListsOf(pub i64);

impl FromRequestParts<Site> for ListsOf {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let caller = Reader::from_request_parts(parts, site).await?;
        caller.may_list()?;
        let Params(query) = Params::<AccountParam>::from_request_parts(parts, site).await?;
        let account = caller.account(&site.app, query.account.as_deref());
        Ok(ListsOf(account.await?))
    }
}

/// The headers of a metered response.
pub fn headers(cost: Credits, remaining: Credits, is_replayed: bool) -> HeaderMap {
    let number = |credits: Credits| {
        HeaderValue::from_str(&credits.to_string()).expect("credits are written in ASCII")
    };
    let mut headers = HeaderMap::new();
    headers.insert(COST, number(cost));
    headers.insert(REMAINING, number(remaining));
    if is_replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    headers
}

/// The response to a metered call with this outcome.
pub fn answer(
    status: StatusCode,
    outcome: &Outcome,
    cost: Credits,
    body: &impl Serialize,
) -> Response {
    let headers = headers(cost, outcome.available, outcome.replayed);
    (status, headers, Json(body)).into_response()
}

/// The journal entry that a ledger command wrote. The replay of another command's key has none.
pub fn entry_of(outcome: &Outcome) -> Result<&Entry> {
    outcome.entry.as_ref().ok_or_else(|| {
        let detail = "This was done before under the same key.";
        Error::conflict("idempotency_key_reused", detail)
    })
}

/// A 201, with the header that tells whether the response is a replay.
pub fn created(is_replayed: bool, body: &impl Serialize) -> Response {
    let mut headers = HeaderMap::new();
    if is_replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    (StatusCode::CREATED, headers, Json(body)).into_response()
}
