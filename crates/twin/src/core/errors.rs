//! Refusals in Stripe's words.

use serde_json::{Map, Value, json};

/// What an operation of the API gives: an object, or a refusal.
pub type Answer<T = Value> = Result<T, Box<ApiError>>;

/// A refusal as Stripe puts it on the wire.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `invalid_request_error`, `card_error`, `idempotency_error` or `api_error`.
    pub kind: &'static str,
    /// The stable word, if there is one.
    pub code: Option<String>,
    /// The parameter at fault.
    pub param: Option<String>,
    /// The sentence.
    pub message: String,
    /// For card errors: what the bank said.
    pub decline_code: Option<String>,
    /// Further members (`charge`, `payment_intent`, `payment_method`, ...).
    pub extra: Map<String, Value>,
    /// Whether what was written before the refusal stays: a declined payment leaves its charge.
    pub keep: bool,
}

impl ApiError {
    /// A bad request without a code.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
            decline_code: None,
            extra: Map::new(),
            keep: false,
        }
    }

    /// A bad request about one parameter.
    pub fn bad(code: &str, param: &str, message: impl Into<String>) -> ApiError {
        let mut error = ApiError::invalid(message);
        error.code = (!code.is_empty()).then(|| code.to_owned());
        error.with_param(param)
    }

    /// The object in the path or in a parameter is not there.
    pub fn missing(what: &str, id: &str, param: &str) -> ApiError {
        ApiError::bad("resource_missing", param, format!("No such {what}: '{id}'"))
    }

    /// A required parameter was left out.
    pub fn required(param: &str) -> ApiError {
        ApiError::bad(
            "parameter_missing",
            param,
            format!("Missing required param: {param}."),
        )
    }

    /// Without a usable key.
    pub fn unauthorized(message: impl Into<String>) -> ApiError {
        ApiError {
            status: 401,
            ..ApiError::invalid(message)
        }
    }

    /// A card said no.
    pub fn card(code: &str, decline_code: &str, message: &str) -> ApiError {
        ApiError {
            status: 402,
            kind: "card_error",
            code: Some(code.to_owned()),
            decline_code: (!decline_code.is_empty()).then(|| decline_code.to_owned()),
            keep: true,
            ..ApiError::invalid(message)
        }
    }

    /// Names the parameter.
    #[must_use]
    pub fn with_param(mut self, param: &str) -> ApiError {
        self.param = (!param.is_empty()).then(|| param.to_owned());
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> ApiError {
        self.status = status;
        self
    }

    /// Adds a member to the error object.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> ApiError {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// Boxed, as [`Answer`] wants it.
    #[must_use]
    pub fn boxed(self) -> Box<ApiError> {
        Box::new(self)
    }

    /// The inner error object, as in `last_payment_error` (no status, no log address).
    pub fn object(&self) -> Value {
        let mut error = self.extra.clone();
        error.insert("type".into(), self.kind.into());
        error.insert("message".into(), self.message.clone().into());
        if let Some(code) = &self.code {
            error.insert("code".into(), code.clone().into());
            let page = code.replace('_', "-");
            error.insert(
                "doc_url".into(),
                format!("https://docs.stripe.com/error-codes/{page}").into(),
            );
        }
        if let Some(param) = &self.param {
            error.insert("param".into(), param.clone().into());
        }
        if let Some(code) = &self.decline_code {
            error.insert("decline_code".into(), code.clone().into());
        }
        Value::Object(error)
    }

    /// The body of the answer.
    pub fn body(&self, account: &str, request_id: &str) -> Value {
        let mut error = self.object();
        let at = format!(
            "https://dashboard.stripe.com/{account}/test/workbench/logs?object={request_id}"
        );
        if self.status != 401 {
            error["request_log_url"] = at.into();
        }
        json!({ "error": error })
    }
}
