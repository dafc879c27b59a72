//! What answers about credits share: the account that a call names, and the headers of its answer.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use billing::actors::Reader;
use billing::error::{Error, Result};
use domain::ledger::{Entry, Outcome};
use domain::money::Credits;
use serde::{Deserialize, Serialize};

use crate::http::error::{HttpError, HttpResult};
use crate::http::params::Params;
use crate::site::Site;

/// What the call cost, on every metered answer.
pub const COST: HeaderName = HeaderName::from_static("x-credits-cost");

/// What is left to spend, on every metered answer.
pub const REMAINING: HeaderName = HeaderName::from_static("x-credits-remaining");

/// Set to `true` when the answer repeats an earlier one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Which account a call is about, in the query.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountParam {
    /// The account, by our id or the host application's: for server keys.
    pub account: Option<String>,
}

/// Who asks, and about which account: the caller's own, or the one that `?account=` names.
#[derive(Clone, Debug)]
pub struct OfAccount {
    /// The caller.
    pub caller: Reader,
    /// The number of the account.
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

/// The number of the account whose lists are asked for. A key that only meters sees none of them.
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

/// The headers of a metered answer.
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

/// The answer to a metered call that came out this way.
pub fn answer(
    status: StatusCode,
    outcome: &Outcome,
    cost: Credits,
    body: &impl Serialize,
) -> Response {
    let headers = headers(cost, outcome.available, outcome.replayed);
    (status, headers, Json(body)).into_response()
}

/// The entry that a ledger command wrote. A replay under another command's key has none.
pub fn entry_of(outcome: &Outcome) -> Result<&Entry> {
    outcome.entry.as_ref().ok_or_else(|| {
        let detail = "This was done before under the same key.";
        Error::conflict("idempotency_key_reused", detail)
    })
}

/// 201, with the header that says whether the answer repeats an earlier one.
pub fn created(is_replayed: bool, body: &impl Serialize) -> Response {
    let mut headers = HeaderMap::new();
    if is_replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    (StatusCode::CREATED, headers, Json(body)).into_response()
}
