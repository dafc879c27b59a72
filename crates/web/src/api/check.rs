//! The gateway check: a subrequest that nginx (`auth_request`), Traefik, Caddy or Envoy makes
//! before it forwards a call.
//!
//! The check **is** the spend: it authorizes and debits in one step, under the gateway's key
//! (`Idempotency-Key`, else `X-Request-Id`, which gateways generate for every call). Without either it
//! is refused: a check that admits calls and charges nothing is a gateway that gives calls away. The
//! gateway must set the key itself and never forward one from outside: a caller who repeats it would
//! pay once for many calls.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use billing::actors::KeyCaller;
use billing::app::App;
use billing::error::{Error, Kind, Result};
use billing::idempotency::Key;
use billing::metering::MeteredCall;
use billing::metering::check;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::metered::{COST, REMAINING, UnitsParam, headers, parse_units};
use crate::http::error::HttpError;
use crate::http::params::Params;

/// The query parameters that describe the call.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CheckParams {
    /// The account: its `acc_...` id, or the host application's id for it. Required with a server
    /// key; a meter key uses its own account.
    account: Option<String>,
    /// The name of an operation in the catalog. The default is `call`.
    operation: Option<String>,
    /// What the call uses of the operation: a number of units (`2.5`), or for an operation with
    /// several meters, the units of each (`input_tokens:210,output_tokens:800`). The default is 1.
    #[param(inline, value_type = Option<UnitsParam>)]
    units: Option<String>,
    /// Set to `403` to get that status for every refusal, since nginx passes on only 401 and 403.
    deny: Option<u16>,
}

/// Charges a call that a gateway is about to forward, or refuses it. On success, returns 204 with
/// the headers `X-Credits-Cost` and `X-Credits-Remaining`; a refusal gives its reason in the header
/// `X-Credits-Refused`. The key is the `Idempotency-Key` header or, without it, `X-Request-Id`; the
/// gateway must set one of them, and a check with neither is refused with 400. To ask without
/// spending, use `/api/v1/access`.
#[utoipa::path(
    get,
    path = "/api/v1/check",
    operation_id = "checkCall",
    tag = "metering",
    params(
        CheckParams,
        (
            "Idempotency-Key" = Option<String>, Header,
            description = "The gateway's unique key for the call"
        ),
        (
            "X-Request-Id" = Option<String>, Header,
            description = "The key, if `Idempotency-Key` is absent"
        )
    ),
    responses(
        (status = 204, description = "Charged"), (status = 400), (status = 401),
        (
            status = 402,
            description = "Not enough credits, outstanding debt, or a plan or spending limit"
        ),
        (status = 403, description = "Not allowed, or any refusal with `deny=403`"), (status = 404),
        (status = 409)
    )
)]
pub async fn check(
    State(app): State<App>,
    caller: KeyCaller,
    key: Option<Key>,
    request_headers: HeaderMap,
    Params(query): Params<CheckParams>,
) -> Response {
    let deny = query.deny == Some(403);
    match judge(&app, &caller, key, &request_headers, query).await {
        Ok(headers) => (StatusCode::NO_CONTENT, headers).into_response(),
        Err(error) => refused(error.into(), deny),
    }
}

async fn judge(
    app: &App,
    caller: &KeyCaller,
    key: Option<Key>,
    request_headers: &HeaderMap,
    query: CheckParams,
) -> Result<HeaderMap> {
    let key = match (key, request_headers.get("x-request-id")) {
        (Some(key), _) => key,
        (None, Some(id)) => Key::read(id.to_str().unwrap_or(""))?,
        (None, None) => {
            let detail = "This check spends credits. The gateway must send an X-Request-Id of its \
                          own for every call, or an Idempotency-Key.";
            return Err(Error::bad_request("idempotency_key_required", detail));
        }
    };
    let call = MeteredCall {
        account: query.account,
        operation: query.operation,
        units: parse_units(query.units.as_deref())?,
        ..MeteredCall::default()
    };
    let admitted = check::check(app, caller, key, &call).await?;
    Ok(headers(
        admitted.cost,
        admitted.available,
        admitted.replayed,
    ))
}

/// The refusal, with headers that a gateway can forward even though it drops the body.
fn refused(mut error: HttpError, deny: bool) -> Response {
    let code = error.error.0.code;
    let is_refusal = matches!(
        error.error.0.kind,
        Kind::PaymentRequired | Kind::Conflict | Kind::TooManyRequests
    );
    if deny && is_refusal {
        error.status = StatusCode::FORBIDDEN;
    }
    let named = [(COST, "needed"), (REMAINING, "available")];
    let told = error.error.0.credits.clone();
    let mut response = error.into_response();
    let headers = response.headers_mut();
    if is_refusal {
        headers.insert("x-credits-refused", HeaderValue::from_static(code));
    }
    for (name, field) in named {
        let credits = told.iter().find(|(known, _)| *known == field);
        let text = credits.map(|(_, credits)| credits.to_string());
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
