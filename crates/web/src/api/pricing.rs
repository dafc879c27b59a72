//! The seed's `GET /api/pricing`: plans, limits and packs from the catalog.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use billing::app::App;
use billing::exact::Exact;
use domain::catalog::{Catalog, Rates};
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Returns the plans, credit packs and operations on sale. The response can be cached; a request
/// whose `If-None-Match` header has the current `ETag` gets a 304.
#[utoipa::path(
    get,
    path = "/api/pricing",
    operation_id = "getPricing",
    tag = "billing",
    security(()),
    responses((status = 200), (status = 304))
)]
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut body = body(&app.catalog(), &app.settings.billing.contact_url);
    let publishable = &app.settings.stripe.publishable_key;
    body.publishable_key = Some(publishable.clone()).filter(|key| !key.is_empty());
    let text = serde_json::to_vec(&body).unwrap_or_default();
    let digest = Sha256::digest(&text);
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

/// The response. It isn't a `Value`, which would round large credits.
#[derive(Debug, Serialize)]
struct Pricing {
    #[serde(rename = "publishableKey", skip_serializing_if = "Option::is_none")]
    publishable_key: Option<String>,
    currency: String,
    version: i64,
    plans: Vec<Plan>,
    packs: Vec<Value>,
    operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
struct Plan {
    #[serde(flatten)]
    words: Value,
    allowance: Exact,
}

#[derive(Debug, Serialize)]
struct Operation {
    operation: String,
    name: String,
    /// What a unit costs; null for an operation with several meters.
    credits: Option<Exact>,
    /// What a unit of each meter costs; null for an operation with one rate.
    rates: Option<BTreeMap<String, Exact>>,
}

fn body(catalog: &Catalog, contact_url: &str) -> Pricing {
    let money = |price: domain::money::MinorUnits| json!({ "amount": price.decimal_text(), "currency": price.currency.code() });
    let plans = catalog.tiers.iter().map(|tier| Plan {
        words: json!({
            "id": tier.name,
            "tier": tier.name,
            "name": tier.title,
            "price": tier.price.map(money),
            "interval": "month",
            "priceYearly": tier.price_yearly.map(money),
            "contactUrl": tier.price.is_none().then_some(contact_url),
            "limits": { "calls": tier.calls_limit },
            "trialDays": tier.trial_days,
            "features": tier.features,
        }),
        allowance: Exact(tier.allowance),
    });
    let packs = catalog.packs.iter().map(|pack| {
        json!({
            "credits": pack.credits,
            "bonus": pack.bonus,
            "price": money(pack.price),
            "expiresAfterDays": pack.expires_after_days,
        })
    });
    let operations = catalog.operations.iter().map(|operation| Operation {
        operation: operation.name.clone(),
        name: operation.title.clone(),
        credits: match operation.rates {
            Rates::Unit(cost) => Some(Exact(cost)),
            Rates::Meters(_) => None,
        },
        rates: match &operation.rates {
            Rates::Unit(_) => None,
            Rates::Meters(rates) => {
                let rates = rates.iter();
                Some(
                    rates
                        .map(|(name, rate)| (name.clone(), Exact(*rate)))
                        .collect(),
                )
            }
        },
    });
    Pricing {
        publishable_key: None,
        currency: catalog.currency.code().to_owned(),
        version: catalog.version,
        plans: plans.collect(),
        packs: packs.collect(),
        operations: operations.collect(),
    }
}
