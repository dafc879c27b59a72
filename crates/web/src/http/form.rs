//! The fields of a page's form.

use axum::extract::{Form, FromRequest, Request};
use billing::error::{Error, Result};
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, HttpResult};

/// The fields of a form; invalid fields are a 400.
#[derive(Clone, Copy, Debug)]
pub struct Fields<T>(pub T);

/// The error that the form shows again, as decided by `is_shown`; `None` when the action succeeded.
/// Other errors are passed on.
pub fn refusal<T>(acted: Result<T>, is_shown: impl Fn(&Error) -> bool) -> Result<Option<Error>> {
    match acted {
        Ok(_) => Ok(None),
        Err(error) if is_shown(&error) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// Whether the person who filled in the form can correct this error.
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
