//! One error for the whole program: what went wrong, as the caller is told.
//!
//! An error is logged once, here, where it is answered; a refusal is not logged at all.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ledger::{Limit, LimitScope, LimitWindow, Refusal};
use domain::money::Credits;
use domain::time::Timestamp;
use serde::ser::SerializeMap;
use serde_json::{Map, Value, json};

use crate::app::App;

/// The page that sells credits.
pub const TOP_UP: &str = "/dashboard/billing/credits";
/// The page that changes the plan.
pub const UPGRADE: &str = "/dashboard/billing/upgrade";
/// The code of [`Error::billing_is_off`].
pub const BILLING_OFF: &str = "billing_disabled";

/// A result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem as RFC 9457 writes it. `code` is stable; callers may depend on it.
#[derive(Clone, Debug)]
pub struct Error(pub Box<Problem>);

/// See [`Error`].
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// What kind of problem it is, in few words.
    pub title: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// Further fields.
    pub extra: Map<String, Value>,
    /// Further fields that are credits, which keep every digit.
    pub credits: Vec<(&'static str, Credits)>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// What the log gets and the caller does not.
    pub cause: Option<String>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)?;
        match &self.0.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// A problem of this status, code and title.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Error {
        Error(Box::new(Problem {
            status,
            code,
            title,
            detail: detail.into(),
            extra: Map::new(),
            credits: Vec::new(),
            retry_after: None,
            cause: None,
        }))
    }

    /// 400: the input is wrong.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, code, "Bad request", detail)
    }

    /// 400: a field of the input is wrong.
    pub fn field(field: &str, detail: impl Into<String>) -> Error {
        Error::bad_request("invalid_field", detail).with("field", json!(field))
    }

    /// 401: who is calling is not known.
    pub fn not_signed_in() -> Error {
        let detail = "Sign in, or send an API key as a bearer token.";
        Error::new(
            StatusCode::UNAUTHORIZED,
            "not_signed_in",
            "Not signed in",
            detail,
        )
    }

    /// The same with other words.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = detail.into();
        self
    }

    /// 403: who is calling may not do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, code, "Not allowed", detail)
    }

    /// 404: absent, or somebody else's.
    pub fn not_found(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// 404: billing is switched off, for all or for this account.
    pub fn billing_is_off() -> Error {
        let detail = "It is switched off for your account. API calls and credits work as usual.";
        let title = "Billing is not available yet";
        Error::new(StatusCode::NOT_FOUND, BILLING_OFF, title, detail)
    }

    /// 409: it does not fit the state of things.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(StatusCode::CONFLICT, code, "Conflict", detail)
    }

    /// 429: too often.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Error {
        let title = "Too many requests";
        Error::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", title, detail)
            .retry_after(retry_after)
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            code,
            "Not available now",
            detail,
        )
        .retry_after(1)
    }

    /// 500: we are wrong.
    pub fn bug(cause: impl std::fmt::Display) -> Error {
        let detail = "Something went wrong on our side. The request id leads us to it.";
        Error::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            detail,
        )
        .cause(cause)
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: Value) -> Error {
        self.0.extra.insert(name.to_owned(), value);
        self
    }

    /// Adds a field of credits.
    pub fn with_credits(mut self, name: &'static str, credits: Credits) -> Error {
        self.0.credits.push((name, credits));
        self
    }

    /// Says when to try again, in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Error {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Keeps a cause for the log.
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Error {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// A rule of the ledger said no. `account` is its name outside: the way out leads to it, also
    /// for somebody who belongs to several.
    pub fn refused(refusal: &Refusal, app: &App, account: &str) -> Error {
        let links = |error: Error| {
            error
                .with("topUpUrl", json!(app.page_of(account, TOP_UP)))
                .with("upgradeUrl", json!(app.page_of(account, UPGRADE)))
        };
        let payment = |code: &'static str, title: &'static str, detail: String| {
            links(Error::new(
                StatusCode::PAYMENT_REQUIRED,
                code,
                title,
                detail,
            ))
        };
        match refusal {
            Refusal::InsufficientCredits { needed, available } => {
                let detail =
                    format!("This call costs {needed} credits; {available} are available.");
                payment("insufficient_credits", "Not enough credits", detail)
                    .with("limit", json!("credits"))
                    .with_credits("needed", *needed)
                    .with_credits("available", *available)
            }
            Refusal::Debt { debt, needed } => {
                let detail = format!("{debt} credits of a reversed payment must be settled first.");
                payment("debt", "Debt must be settled", detail)
                    .with("limit", json!("debt"))
                    .with_credits("debt", *debt)
                    .with_credits("needed", *needed)
                    .with_credits("available", Credits::ZERO)
            }
            Refusal::PlanLimit {
                limit,
                needed,
                available,
            } => {
                let detail = format!("The plan allows {limit} calls a period; they are used up.");
                payment("plan_limit", "Plan limit reached", detail)
                    .with("limit", json!("plan_limit"))
                    .with("callsLimit", json!(limit))
                    .with_credits("needed", *needed)
                    .with_credits("available", *available)
            }
            Refusal::SpendLimit {
                limit,
                needed,
                available,
            } => {
                let detail = format!(
                    "A limit of {} credits {} leaves {}; this call costs {needed}.",
                    limit.cap,
                    limit_words(limit),
                    limit.left(limit.window_start),
                );
                payment("spend_limit", "Spend limit reached", detail)
                    .with("limit", json!(limit.name()))
                    .with("resetsAt", json!(limit.resets_at().map(Timestamp::rfc3339)))
                    .with_credits("cap", limit.cap)
                    .with_credits("used", limit.used)
                    .with_credits("held", limit.held)
                    .with_credits("needed", *needed)
                    .with_credits("available", *available)
            }
            Refusal::TooManyHolds { max } => Error::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_holds",
                "Too many open holds",
                format!("At most {max} holds may be open; capture or release some."),
            )
            .retry_after(1),
            Refusal::HoldNotFound => Error::not_found("There is no such hold."),
            Refusal::HoldSettled { state } => Error::conflict(
                "hold_settled",
                format!("The hold is {} already.", state.word()),
            )
            .with("state", json!(state.word())),
            Refusal::KeyReused => Error::conflict(
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request; use a new one.",
            ),
            Refusal::GrantNotFound => Error::not_found("There is no such grant."),
            Refusal::DebtExceeded { debt } => {
                Error::conflict("debt_exceeded", format!("The debt is {debt} credits."))
            }
            Refusal::NotActive { status } => Error::forbidden(
                "account_not_active",
                format!("This account is {}; ask the operator.", status.word()),
            ),
            Refusal::TooLarge => Error::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_large",
                "Too large",
                "That is more credits than an account can hold.",
            ),
        }
    }

    /// The JSON body, with the seed's `error` for callers that read it.
    pub fn body(&self, request_id: &str) -> ProblemBody {
        let problem = &self.0;
        let mut body = Map::new();
        let slug = problem.code.replace('_', "-");
        body.insert(
            "type".into(),
            json!(format!("https://docs.localboxs.dev/problems/{slug}")),
        );
        body.insert("title".into(), json!(problem.title));
        body.insert("status".into(), json!(problem.status.as_u16()));
        body.insert("code".into(), json!(problem.code));
        body.insert("detail".into(), json!(problem.detail));
        body.insert("error".into(), json!(problem.detail));
        body.insert("requestId".into(), json!(request_id));
        body.extend(problem.extra.clone());
        ProblemBody {
            fields: body,
            credits: problem.credits.clone(),
        }
    }
}

/// Whose and how long, in words: "a day for this key".
fn limit_words(limit: &Limit) -> &'static str {
    match (limit.scope, limit.window) {
        (LimitScope::Account, LimitWindow::Day) => "a day for this account",
        (LimitScope::Account, LimitWindow::Month) => "a month for this account",
        (LimitScope::Account, LimitWindow::Lifetime) => "in all for this account",
        (LimitScope::Key, LimitWindow::Day) => "a day for this key",
        (LimitScope::Key, LimitWindow::Month) => "a month for this key",
        (LimitScope::Key, LimitWindow::Lifetime) => "in all for this key",
        (LimitScope::Member, LimitWindow::Day) => "a day for this member",
        (LimitScope::Member, LimitWindow::Month) => "a month for this member",
        (LimitScope::Member, LimitWindow::Lifetime) => "in all for this member",
    }
}

/// A problem as JSON. Credits are written from their text: a `Value` would round large ones.
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
            map.serialize_entry(name, &super::json::Exact(*credits))?;
        }
        map.end()
    }
}

impl std::fmt::Display for ProblemBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match &error {
            store::Error::Busy => Error::unavailable(
                "busy",
                "Too much waits for the database; try again shortly.",
            ),
            store::Error::OutcomeUnknown(_) => Error::unavailable(
                "outcome_unknown",
                "It is not known whether this was written; repeat it with the same key.",
            )
            .cause(&error),
            _ if error.is_temporary() => Error::unavailable(
                "database_unavailable",
                "The database cannot be written now.",
            )
            .cause(&error),
            _ => Error::bug(&error),
        }
    }
}

impl From<stripe::Error> for Error {
    fn from(error: stripe::Error) -> Error {
        if error.is_temporary() {
            let wait = error
                .retry_after()
                .map_or(5, |wait| wait.as_secs().clamp(1, 60));
            return Error::unavailable(
                "stripe_unavailable",
                "Stripe does not answer now; try again.",
            )
            .retry_after(wait)
            .cause(&error);
        }
        let detail = "Stripe refused this request; nothing was charged.";
        Error::new(
            StatusCode::BAD_GATEWAY,
            "stripe_refused",
            "Stripe refused",
            detail,
        )
        .cause(&error)
    }
}

impl From<domain::catalog::PriceError> for Error {
    fn from(error: domain::catalog::PriceError) -> Error {
        use domain::catalog::PriceError;
        match error {
            PriceError::UnknownOperation(_) => {
                let detail = format!("{error}; GET /api/pricing lists the operations");
                Error::field("operation", detail)
            }
            PriceError::Units | PriceError::TooLarge => Error::field("units", error.to_string()),
        }
    }
}

impl IntoResponse for Error {
    /// JSON without a request id: the outermost layer adds it, or makes a page of it.
    fn into_response(self) -> Response {
        if let Some(cause) = &self.0.cause {
            if self.0.status.is_server_error() {
                tracing::error!(code = self.0.code, cause, "A request failed");
            } else {
                tracing::warn!(code = self.0.code, cause, "A request failed");
            }
        }
        let mut response = (self.0.status, self.body("").to_string()).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
