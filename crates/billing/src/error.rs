//! One error type for the whole application: what went wrong, as reported to the caller.
//!
//! Errors carry no HTTP status; the handler that answers a request chooses it.

use domain::ledger::{Limit, LimitScope, LimitWindow, Refusal, WalletStatus};
use domain::money::{CREDITS_MAX, Credits};
use domain::plan::AccountStatus;
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::links::AccountLinks;

/// The error code when billing is off.
pub const BILLING_OFF: &str = "billing_disabled";

/// The error code for an invalid input field.
pub const INVALID_FIELD: &str = "invalid_field";

/// The error code when the account doesn't have enough credits.
pub const INSUFFICIENT_CREDITS: &str = "insufficient_credits";

/// The error code when an account is suspended or closed.
pub const NOT_ACTIVE: &str = "account_not_active";

/// The error code while an account is being closed.
pub const CLOSING: &str = "closing";

/// The error code when an operator tries to forgive more debt than is owed.
pub const DEBT_EXCEEDED: &str = "debt_exceeded";

/// The error code when Stripe can't be reached.
pub const STRIPE_UNAVAILABLE: &str = "stripe_unavailable";

/// A result with the application's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure that callers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input is invalid.
    BadRequest,
    /// The caller is not authenticated.
    NotSignedIn,
    /// The call needs credits, a higher limit or a valid card.
    PaymentRequired,
    /// The caller isn't permitted to do this.
    Forbidden,
    /// The object doesn't exist, or belongs to someone else.
    NotFound,
    /// The request conflicts with the current state.
    Conflict,
    /// The input is well-formed but can't be processed.
    Unprocessable,
    /// The caller exceeded a rate limit.
    TooManyRequests,
    /// A bug in this service.
    Bug,
    /// Stripe refused our request.
    StripeRefused,
    /// The service is temporarily unable to do this.
    Unavailable,
}

impl Kind {
    /// Whether the caller caused the failure and can fix it.
    pub fn is_client_error(self) -> bool {
        !self.is_server_error()
    }

    /// Whether this service, or one that it depends on, caused the failure.
    pub fn is_server_error(self) -> bool {
        matches!(self, Kind::Bug | Kind::StripeRefused | Kind::Unavailable)
    }
}

/// An application error. Its fields are in [`Fact`].
#[derive(Clone, Debug)]
pub struct Error(pub Box<Fact>);

/// The fields of an [`Error`].
#[derive(Clone, Debug)]
pub struct Fact {
    /// The kind of failure.
    pub kind: Kind,
    /// The stable error code; callers may rely on it.
    pub code: &'static str,
    /// What happened and what to do about it.
    pub detail: String,
    /// Additional response fields, by name.
    pub fields: Map<String, Value>,
    /// Additional response fields in credits, which keep full precision.
    pub credits: Vec<(&'static str, Credits)>,
    /// Seconds to wait before retrying.
    pub retry_after: Option<u64>,
    /// The cause, which is logged but not sent to the caller.
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
    /// Creates an error with this kind and code.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Error {
        Error(Box::new(Fact {
            kind,
            code,
            detail: detail.into(),
            fields: Map::new(),
            credits: Vec::new(),
            retry_after: None,
            cause: None,
        }))
    }

    /// An error for invalid input.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(Kind::BadRequest, code, detail)
    }

    /// An error for an invalid input field.
    pub fn field(field: &str, detail: impl Into<String>) -> Error {
        Error::bad_request(INVALID_FIELD, detail).with("field", json!(field))
    }

    /// An error for a caller that is not authenticated.
    pub fn not_signed_in() -> Error {
        let detail = "Sign in, or send an API key as a bearer token.";
        Error::new(Kind::NotSignedIn, "not_signed_in", detail)
    }

    /// Replaces the detail.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = detail.into();
        self
    }

    /// An error for a caller that isn't permitted to do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(Kind::Forbidden, code, detail)
    }

    /// An error for an object that doesn't exist or belongs to someone else.
    pub fn not_found(detail: impl Into<String>) -> Error {
        Error::new(Kind::NotFound, "not_found", detail)
    }

    /// An error for when billing is off, globally or for this account.
    pub fn billing_is_off() -> Error {
        let detail =
            "Billing is switched off for your account. API calls and credits work as usual.";
        Error::new(Kind::NotFound, BILLING_OFF, detail)
    }

    /// An error for a request that conflicts with the current state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(Kind::Conflict, code, detail)
    }

    /// An error for an exceeded rate limit; `retry_after` is in seconds.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Error {
        Error::new(Kind::TooManyRequests, "rate_limited", detail).retry_after(retry_after)
    }

    /// An error for something that is temporarily unavailable.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Error {
        Error::new(Kind::Unavailable, code, detail).retry_after(1)
    }

    /// An error for a bug in this service; the cause is only logged.
    pub fn bug(cause: impl std::fmt::Display) -> Error {
        let detail = "Something went wrong on our side. Send us the request id.";
        Error::new(Kind::Bug, "internal", detail).cause(cause)
    }

    /// Adds a response field.
    pub fn with(mut self, name: &str, value: Value) -> Error {
        self.0.fields.insert(name.to_owned(), value);
        self
    }

    /// Adds a response field in credits.
    pub fn with_credits(mut self, name: &'static str, credits: Credits) -> Error {
        self.0.credits.push((name, credits));
        self
    }

    /// Sets the number of seconds to wait before retrying.
    pub fn retry_after(mut self, seconds: u64) -> Error {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Sets the cause, which is only logged.
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Error {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The error for credits that don't fit into an account.
    pub fn too_many_credits() -> Error {
        let most = domain::amounts::count(CREDITS_MAX.floor().unsigned_abs());
        let detail = format!("An account can hold at most {most} credits.");
        Error::new(Kind::Unprocessable, "too_large", detail)
    }

    /// An error for a ledger refusal. The links lead to this account's own pages, since the caller
    /// may belong to several accounts.
    pub fn refused(refusal: &Refusal, links: &AccountLinks) -> Error {
        let payment = |code, detail| payment_required(code, detail, links);
        match refusal {
            Refusal::InsufficientCredits { needed, available } => {
                let detail =
                    format!("This call costs {needed} credits; {available} are available.");
                payment(INSUFFICIENT_CREDITS, detail)
                    .with("limit", json!("credits"))
                    .with_credits("needed", *needed)
                    .with_credits("available", *available)
            }
            Refusal::Debt { debt, needed } => {
                let detail = format!("{debt} credits of a reversed payment must be settled first.");
                payment("debt", detail)
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
                let limit_text = domain::amounts::count(limit.unsigned_abs());
                let detail =
                    format!("You have used all {limit_text} calls in this billing period.");
                payment("plan_limit", detail)
                    .with("limit", json!("plan_limit"))
                    .with("callsLimit", json!(limit))
                    .with_credits("needed", *needed)
                    .with_credits("available", *available)
            }
            Refusal::SpendLimit {
                limit,
                needed,
                available,
            } => spend_limit(limit, *needed, links).with_credits("available", *available),
            Refusal::TooManyHolds { max } => Error::new(
                Kind::TooManyRequests,
                "too_many_holds",
                format!("At most {max} holds can be open. Capture or release some."),
            )
            .retry_after(1),
            Refusal::CaptureTooLarge { max } => Error::field(
                "credits",
                format!(
                    "A capture of this hold is at most {max} credits. Check the unit of the number."
                ),
            ),
            Refusal::HoldNotFound => Error::not_found("There is no such hold."),
            Refusal::HoldSettled { state } => Error::conflict(
                "hold_settled",
                format!("The hold is already {}.", state.word()),
            )
            .with("state", json!(state.word())),
            Refusal::KeyReused => Error::conflict(
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request. Use a new one.",
            ),
            Refusal::GrantNotFound => Error::not_found("There is no such grant."),
            Refusal::DebtExceeded { debt } => {
                Error::conflict(DEBT_EXCEEDED, format!("The debt is {debt} credits."))
            }
            Refusal::NotActive { status } => not_active(*status),
            Refusal::TooLarge => Error::too_many_credits(),
        }
    }
}

fn not_active(status: WalletStatus) -> Error {
    let status = match status {
        WalletStatus::Active => AccountStatus::Active,
        WalletStatus::Frozen => AccountStatus::Suspended,
        WalletStatus::Closed => AccountStatus::Closed,
    };
    Error::forbidden(NOT_ACTIVE, inactive(status).unwrap_or_default())
}

/// Why an account that isn't active refuses, and what to do about it.
pub fn inactive(status: AccountStatus) -> Option<&'static str> {
    match status {
        AccountStatus::Active => None,
        AccountStatus::Suspended => Some(
            "This account is suspended: it can't spend or buy. Contact support. You can still view \
             everything.",
        ),
        AccountStatus::Closed => Some(
            "This account is closed: it can't spend, earn or buy, and nothing is charged. To start \
             again, sign in: you get a new account.",
        ),
    }
}

/// A refusal that a purchase would resolve, with links to buy.
fn payment_required(code: &'static str, detail: String, links: &AccountLinks) -> Error {
    Error::new(Kind::PaymentRequired, code, detail)
        .with("topUpUrl", json!(links.top_up))
        .with("upgradeUrl", json!(links.upgrade))
}

/// The error for a call that would exceed a spend limit.
fn spend_limit(limit: &Limit, needed: Credits, links: &AccountLinks) -> Error {
    let detail = format!(
        "A limit of {} credits {} leaves {}; this call costs {needed}.",
        limit.cap,
        limit_words(limit),
        limit.left(limit.window_start),
    );
    payment_required("spend_limit", detail, links)
        .with("limit", json!(limit.name()))
        .with("resetsAt", json!(limit.resets_at().map(Timestamp::rfc3339)))
        .with_credits("cap", limit.cap)
        .with_credits("used", limit.used)
        .with_credits("held", limit.held)
        .with_credits("needed", needed)
}

/// The limit's window and scope in words: "a day for this key".
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

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match &error {
            store::Error::Busy => {
                Error::unavailable("busy", "The database is busy. Try again shortly.")
            }
            store::Error::OutcomeUnknown(_) => Error::unavailable(
                "outcome_unknown",
                "We don't know whether this was saved. Repeat it with the same key.",
            )
            .cause(&error),
            _ if error.is_temporary() => Error::unavailable(
                "database_unavailable",
                "The database can't be written right now.",
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
            return Error::unavailable(STRIPE_UNAVAILABLE, "Stripe isn't answering. Try again.")
                .retry_after(wait)
                .cause(&error);
        }
        let detail = "Stripe refused this request. Nothing was charged.";
        Error::new(Kind::StripeRefused, "stripe_refused", detail).cause(&error)
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
            _ => Error::field("units", error.to_string()),
        }
    }
}
