//! Form fields of a page.

use axum::extract::{Form, FromRequest, Request};
use billing::error::Error;
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, HttpResult};

/// The fields of a form; a fault in them is 400.
#[derive(Clone, Copy, Debug)]
pub struct Fields<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> HttpResult<Self> {
        let read = Form::<T>::from_request(request, state).await;
        Ok(read
            .map(|Form(fields)| Fields(fields))
            .map_err(|error| Error::bad_request("invalid_form", error.body_text()))?)
    }
}
