//! The `Idempotency-Key` header.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use billing::error::{Error, Result};
use billing::idempotency::Key;

use crate::http::error::{HttpError, HttpResult};
use crate::site::Site;

fn read(parts: &Parts) -> Result<Option<Key>> {
    let Some(value) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    Key::read(value.to_str().unwrap_or("")).map(Some)
}

/// The `Idempotency-Key` header, required when a handler takes it as an argument.
impl FromRequestParts<Site> for Key {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> HttpResult<Self> {
        let detail = "This call spends credits. Send an Idempotency-Key, the same on a retry.";
        Ok(read(parts)?.ok_or_else(|| Error::bad_request("idempotency_key_required", detail))?)
    }
}

/// The header is optional when a handler takes an `Option`.
impl OptionalFromRequestParts<Site> for Key {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> HttpResult<Option<Self>> {
        Ok(read(parts)?)
    }
}
