//! The seed's `/api/stripe/customer-portal`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::Error;
use billing::payments::portal;
use serde_json::json;

use crate::http::accept::accepted;
use crate::http::error::HttpResult;
use crate::http::origin::{is_cross_site, is_prefetch};

/// Opens Stripe's customer portal. Returns its `url` as JSON, or redirects there with a 303 if the
/// `Accept` header includes `text/html`. Prefer this to the `GET` method.
#[utoipa::path(
    post,
    path = "/api/stripe/customer-portal",
    operation_id = "createPortalSession",
    tag = "billing",
    responses((status = 200), (status = 303), (status = 401), (status = 409), (status = 429))
)]
pub async fn open(
    State(app): State<App>,
    caller: SignedIn,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let url = portal::open(&app, &caller).await?;
    if accepted(&headers).contains("text/html") {
        return Ok(Redirect::to(&url).into_response());
    }
    Ok(Json(json!({ "url": url })).into_response())
}

/// Redirects to Stripe's customer portal. Only navigation from this service's own pages is
/// accepted; prefetches and requests from other sites are refused.
#[utoipa::path(
    get,
    path = "/api/stripe/customer-portal",
    operation_id = "openPortal",
    tag = "billing",
    responses((status = 200), (status = 303), (status = 401), (status = 403), (status = 409))
)]
pub async fn link(
    State(app): State<App>,
    caller: SignedIn,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let is_part = headers
        .get("sec-fetch-dest")
        .is_some_and(|dest| !matches!(dest.to_str(), Ok("document" | "empty")));
    if is_prefetch(&headers) || is_part || is_cross_site(&app, &headers) {
        let detail = "A portal session is made only when someone asks for it on our own page.";
        return Err(Error::forbidden("cross_site", detail).into());
    }
    open(State(app), caller, headers).await
}
