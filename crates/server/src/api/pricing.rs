//! The seed's `GET /api/pricing`: plans, limits and packs from the catalog.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::catalog::Catalog;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::http::json::number;

/// What is sold. Cacheable; 304 for a known `ETag`.
#[utoipa::path(
    get,
    path = "/api/pricing",
    tag = "billing",
    security(()),
    responses((status = 200), (status = 304))
)]
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let body = body(&app.catalog(), &app.settings.billing.contact_url);
    let digest = Sha256::digest(body.to_string().as_bytes());
    let etag = format!("\"{}\"", hex::encode(&digest[..16]));
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let cache = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "public, max-age=60".into()),
    ];
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    (cache, Json(body)).into_response()
}

fn body(catalog: &Catalog, contact_url: &str) -> Value {
    let money = |price: domain::money::MinorUnits| json!({ "amount": price.decimal_text(), "currency": price.currency.code() });
    let plans: Vec<Value> = catalog
        .tiers
        .iter()
        .map(|tier| {
            json!({
                "id": tier.name,
                "tier": tier.name,
                "name": tier.title,
                "price": tier.price.map(money),
                "interval": "month",
                "contactUrl": tier.price.is_none().then_some(contact_url),
                "limits": { "calls": tier.calls_limit },
                "allowance": number(&tier.allowance.to_string()),
                "features": tier.features,
            })
        })
        .collect();
    let packs: Vec<Value> = catalog
        .packs
        .iter()
        .map(|pack| json!({ "credits": pack.credits, "price": money(pack.price) }))
        .collect();
    let operations: Vec<Value> = catalog
        .operations
        .iter()
        .map(|operation| {
            json!({
                "operation": operation.name,
                "name": operation.title,
                "credits": number(&operation.cost.to_string()),
            })
        })
        .collect();
    json!({
        "currency": catalog.currency.code(),
        "version": catalog.version,
        "plans": plans,
        "packs": packs,
        "operations": operations,
    })
}
