//! Stripe's webhook events: verify, record, mark for sync. Nothing is granted here and no call is
//! made; the event only tells which account may have changed.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use billing::app::App;
use billing::error::Error;
use billing::rate_limit;
use billing::sync::inbox::receive as receive_event;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::http::address::ClientAddress;
use crate::http::error::HttpResult;
use crate::http::json::body_error;

/// Seconds by which a signature's timestamp may differ from our clock, in either direction.
const TOLERANCE_SECONDS: i64 = 300;

/// Receives a webhook event from Stripe. Returns 200 only once the event is stored.
#[utoipa::path(
    post,
    path = "/api/stripe/webhook",
    operation_id = "receiveStripeEvent",
    tag = "billing",
    params((
        "Stripe-Signature" = String, Header,
        description = "Stripe's signature of the request body"
    )),
    request_body(
        content = String, content_type = "application/json",
        description = "The event, as Stripe sent it"
    ),
    responses((status = 200), (status = 400), (status = 413), (status = 503)),
    security(())
)]
pub async fn receive(
    State(app): State<App>,
    from: ClientAddress,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> HttpResult<Json<Value>> {
    let body = body.map_err(body_error)?;
    if let Err(error) = verify(&app, &headers, &body) {
        let from = from.network();
        tracing::warn!(reason = %error, "Signature verification of a webhook failed");
        app.bad_signatures.fetch_add(1, Ordering::Relaxed);
        let limit = app.settings.limits.bad_signatures_per_minute;
        rate_limit::take(&app, &format!("bad-signature:{from}"), limit, 0).await?;
        let detail = "The signature is not one of Stripe's for this endpoint.";
        return Err(Error::bad_request("invalid_signature", detail).into());
    }
    receive_event(&app, &body).await?;
    Ok(Json(json!({ "received": true })))
}

fn verify(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
) -> std::result::Result<(), stripe::SignatureError> {
    let all: Vec<&str> = headers
        .get_all("stripe-signature")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let secrets = app.webhook_secrets();
    let secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
    let now = app.real_now().seconds();
    // Several headers are joined, which yields duplicate fields and is refused.
    stripe::verify(body, &all.join(","), &secrets, now, TOLERANCE_SECONDS).map(|_| ())
}
