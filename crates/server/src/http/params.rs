//! The query of an address, with errors as every other problem.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::{Error, Result};

/// The query, read; a fault in it is 400.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(params)| Params(params))
            .map_err(|error| Error::bad_request("invalid_query", error.body_text()))
    }
}
