//! Query parameters, with errors as problem documents.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use billing::error::Error;
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, HttpResult};

/// The parsed query; invalid parameters are a 400.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> HttpResult<Self> {
        let read = Query::try_from_uri(&parts.uri);
        Ok(read
            .map(|Query(params)| Params(params))
            .map_err(|error| fault(&error.body_text()))?)
    }
}

/// Shortens serde's "Failed to deserialize query string: units: invalid digit found in string".
fn fault(said: &str) -> Error {
    let said = said.strip_prefix("Failed to deserialize query string: ");
    let said = said.unwrap_or("the query of the address cannot be read");
    match said.split_once(": ") {
        Some((field, why)) if field.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            let why = match why {
                "invalid digit found in string" | "cannot parse integer from empty string" => {
                    "a whole number is expected"
                }
                why => why,
            };
            let detail = format!("The parameter {field} cannot be read: {why}.");
            Error::bad_request("invalid_query", detail).with("field", serde_json::json!(field))
        }
        _ => Error::bad_request(
            "invalid_query",
            format!("The query cannot be read: {said}."),
        ),
    }
}
