//! The fields of a page's form.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, Request};
use axum::http::StatusCode;
use billing::error::{Error, Result};
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, HttpResult};
use crate::http::json::body_error;

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
        read.map(|Form(fields)| Fields(fields)).map_err(form_error)
    }
}

/// The response to a form that could not be read.
fn form_error(rejection: FormRejection) -> HttpError {
    match rejection {
        FormRejection::BytesRejection(rejection) => body_error(rejection),
        FormRejection::InvalidFormContentType(_) => HttpError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_type",
            "Wrong type",
            "Send the form as application/x-www-form-urlencoded.",
        ),
        other => {
            let said = other.body_text();
            let why = said.split_once(": ").map_or(&*said, |(_, why)| why);
            let detail = format!("The form cannot be read: {why}.");
            Error::bad_request("invalid_form", detail).into()
        }
    }
}
