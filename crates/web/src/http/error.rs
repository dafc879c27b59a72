//! Errors as HTTP responses: the status, the problem document (RFC 9457) and the headers.
//!
//! An error is logged once, here, where it is answered; a refusal isn't logged.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use billing::error::{BILLING_OFF, Error, Kind};
use domain::money::Credits;
use serde::ser::SerializeMap;
use serde_json::{Map, Value, json};

/// The media type of every error that isn't a page, whoever produced it.
pub const PROBLEM: &str = "application/problem+json";

/// The result of a handler or an extractor.
pub type HttpResult<T, E = HttpError> = std::result::Result<T, E>;

/// An application error with its HTTP status and title.
#[derive(Clone, Debug)]
pub struct HttpError {
    /// The HTTP status of the response.
    pub status: StatusCode,
    /// A short title for this kind of problem.
    pub title: &'static str,
    /// The application error.
    pub error: Error,
}

impl<E: Into<Error>> From<E> for HttpError {
    fn from(error: E) -> HttpError {
        let error = error.into();
        HttpError {
            status: status_of(error.0.kind),
            title: title_of(error.0.kind, error.0.code),
            error,
        }
    }
}

impl HttpError {
    /// A problem that only HTTP has, such as a method that a route doesn't allow.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> HttpError {
        let kind = if status.is_server_error() {
            Kind::Bug
        } else {
            Kind::BadRequest
        };
        HttpError {
            status,
            title,
            error: Error::new(kind, code, detail),
        }
    }

    /// The body exceeds the size limit.
    pub fn too_large() -> HttpError {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        HttpError::new(status, "too_large", "Too large", "The body is too large.")
    }

    /// The body exceeded the time limit.
    pub fn too_slow() -> HttpError {
        let detail = "The body did not arrive in time.";
        HttpError::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "Too slow",
            detail,
        )
    }

    /// The JSON body, including the seed's `error` field for clients that read it.
    pub fn body(&self, request_id: &str) -> ProblemBody {
        let fact = &self.error.0;
        let mut body = Map::new();
        let slug = fact.code.replace('_', "-");
        body.insert(
            "type".into(),
            json!(format!("https://docs.localboxs.dev/problems/{slug}")),
        );
        body.insert("title".into(), json!(self.title));
        body.insert("status".into(), json!(self.status.as_u16()));
        body.insert("code".into(), json!(fact.code));
        body.insert("detail".into(), json!(fact.detail));
        body.insert("error".into(), json!(fact.detail));
        body.insert("requestId".into(), json!(request_id));
        body.extend(fact.fields.clone());
        ProblemBody {
            fields: body,
            credits: fact.credits.clone(),
        }
    }
}

/// The HTTP status for an error of this kind.
pub fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::BadRequest => StatusCode::BAD_REQUEST,
        Kind::NotSignedIn => StatusCode::UNAUTHORIZED,
        Kind::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Kind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::StripeRefused => StatusCode::BAD_GATEWAY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The title of a problem, by its code or else by its kind.
fn title_of(kind: Kind, code: &str) -> &'static str {
    match (code, kind) {
        (BILLING_OFF, _) => "Billing is not available yet",
        ("insufficient_credits", _) => "Not enough credits",
        ("debt", _) => "Debt must be settled",
        ("plan_limit", _) => "Plan limit reached",
        ("spend_limit", _) => "Spend limit reached",
        ("too_many_holds", _) => "Too many open holds",
        ("too_large", Kind::Unprocessable) => "Too large",
        ("already_subscribed", _) => "Already subscribed",
        ("card_declined", _) => "Card declined",
        ("unusable_price", _) => "Price cannot be used",
        ("link_over", _) => "This link has expired",
        ("stripe_refused", Kind::Unprocessable) => "Stripe refused",
        (_, Kind::BadRequest) => "Bad request",
        (_, Kind::NotSignedIn) => "Not signed in",
        (_, Kind::PaymentRequired) => "Payment required",
        (_, Kind::Forbidden) => "Not allowed",
        (_, Kind::NotFound) => "Not found",
        (_, Kind::Conflict) => "Conflict",
        (_, Kind::Unprocessable) => "Cannot be processed",
        (_, Kind::TooManyRequests) => "Too many requests",
        (_, Kind::Bug) => "Internal error",
        (_, Kind::StripeRefused) => "Stripe refused",
        (_, Kind::Unavailable) => "Not available now",
    }
}

/// A problem as JSON. Credits are serialized from their text: a `Value` would round large ones.
#[derive(Clone, Debug)]
pub struct ProblemBody {
    fields: Map<String, Value>,
    credits: Vec<(&'static str, Credits)>,
}

impl serde::Serialize for ProblemBody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = self.fields.len() + self.credits.len();
        let mut map = serializer.serialize_map(Some(length))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        for (name, credits) in &self.credits {
            map.serialize_entry(name, &billing::exact::Exact(*credits))?;
        }
        map.end()
    }
}

impl std::fmt::Display for ProblemBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

impl IntoResponse for HttpError {
    /// JSON without a request id: the outermost layer adds it, or renders an error page instead.
    fn into_response(self) -> Response {
        let fact = &self.error.0;
        if let Some(cause) = &fact.cause {
            if self.status.is_server_error() {
                tracing::error!(code = fact.code, cause, "A request failed");
            } else {
                tracing::warn!(code = fact.code, cause, "A request failed");
            }
        }
        let mut response = (self.status, self.body("").to_string()).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static(PROBLEM);
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = fact.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
