//! Form fields of a page.

use axum::extract::{Form, FromRequest, Request};
use billing::error::{Error, Result};
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, HttpResult};

/// The fields of a form; a fault in them is 400.
#[derive(Clone, Copy, Debug)]
pub struct Fields<T>(pub T);

/// The refusal of an act that its form shows again, by `is_shown`; none when the act was done. Other
/// errors are passed on.
pub fn refusal<T>(acted: Result<T>, is_shown: impl Fn(&Error) -> bool) -> Result<Option<Error>> {
    match acted {
        Ok(_) => Ok(None),
        Err(error) if is_shown(&error) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// Whether whoever filled in a form can correct this.
pub fn is_correctable(error: &Error) -> bool {
    error.0.kind.is_client_error()
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> HttpResult<Self> {
        let read = Form::<T>::from_request(request, state).await;
        Ok(read
            .map(|Form(fields)| Fields(fields))
            .map_err(|error| Error::bad_request("invalid_form", error.body_text()))?)
    }
}
