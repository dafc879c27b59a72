//! JSON bodies: bounded and strictly parsed, with errors that name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use billing::error::{Error, Result};
use serde::de::DeserializeOwned;

use crate::http::body_timeout::is_too_slow;
use crate::http::error::{HttpError, HttpResult};

/// A JSON body. Another content type is a 415; invalid JSON is a 400 that says where the error is.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> HttpResult<Self> {
        check_content_type(&request)?;
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(body_error)?;
        Ok(Body(parse(&bytes)?))
    }
}

/// An optional JSON body: `None` if it is empty, whatever the content type.
#[derive(Debug)]
pub struct MaybeBody<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for MaybeBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> HttpResult<Self> {
        let content_type = check_content_type(&request);
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(body_error)?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(MaybeBody(None));
        }
        content_type?;
        Ok(MaybeBody(Some(parse(&bytes)?)))
    }
}

fn check_content_type(request: &Request) -> HttpResult<()> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next());
    let essence = essence.unwrap_or("").trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(HttpError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_json",
        "Not JSON",
        "Send the body as application/json.",
    ))
}

/// The response to a body that could not be read.
pub fn body_error(rejection: axum::extract::rejection::BytesRejection) -> HttpError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return HttpError::too_large();
    }
    if is_too_slow(&rejection) {
        return HttpError::too_slow();
    }
    Error::bad_request("unreadable_body", "The body could not be read.").into()
}

/// Parses JSON; an error names the invalid field and what was expected.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| fault(bytes, &error))
}

fn fault(bytes: &[u8], error: &serde_json::Error) -> Error {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let named = |detail: String, field: Option<&str>| {
        let problem = Error::bad_request("invalid_json", detail);
        match field {
            Some(field) => problem.with("field", serde_json::json!(field)),
            None => problem,
        }
    };
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        let detail = format!("The body is not JSON: {said}, at line {line} column {column}.");
        return named(detail, None);
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return named("The body must be a JSON object.".to_owned(), None);
    }
    let quoted = said.split('`').nth(1);
    if said.starts_with("unknown field") {
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        let (field, known) = (quoted.unwrap_or_default(), known.join(", "));
        let detail = format!("There is no field {field} here. The fields are: {known}.");
        return named(detail, Some(field));
    }
    if said.starts_with("missing field") {
        let field = quoted.unwrap_or_default();
        return named(format!("The field {field} is missing."), Some(field));
    }
    let field = field_before(bytes, error.line(), error.column());
    let expected = said.split("expected ").nth(1).unwrap_or_default();
    let expected = match expected {
        "i64" | "u64" | "i32" | "u32" | "u16" | "usize" => "a whole number",
        "a string" => "text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ => "",
    };
    let detail = match (&field, expected) {
        (Some(field), "") => format!("The field {field} is not valid: {said}."),
        (Some(field), expected) => format!("The field {field} must be {expected}."),
        (None, _) => format!("The body is not valid: {said}."),
    };
    named(detail, field.as_deref())
}

/// The name of the field whose value ends at this position.
fn field_before(bytes: &[u8], line: usize, column: usize) -> Option<String> {
    let start = bytes.split_inclusive(|byte| *byte == b'\n');
    let start: usize = start.take(line.checked_sub(1)?).map(<[u8]>::len).sum();
    let text = std::str::from_utf8(bytes.get(..(start + column).min(bytes.len()))?).ok()?;
    // The value may contain anything; the field's name is quoted before the colon.
    let (name, _) = text
        .rsplit_once("\":")
        .or_else(|| text.rsplit_once("\" :"))?;
    let (_, name) = name.rsplit_once('"')?;
    Some(name.to_owned())
}
