//! Errors in Stripe's format, with Stripe's wording.

use serde_json::{Map, Value, json};

/// The result of an API operation: an object or an error.
pub type Answer<T = Value> = Result<T, Box<ApiError>>;

/// Refuses a request because of one parameter.
pub fn refuse_param<T>(code: &str, param: &str, message: impl Into<String>) -> Answer<T> {
    Err(ApiError::bad(code, param, message))
}

/// An error as Stripe sends it.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: u16,
    /// The type: `invalid_request_error`, `card_error`, `idempotency_error` or `api_error`.
    pub kind: &'static str,
    /// The error code, if there is one.
    pub code: Option<String>,
    /// The invalid or missing parameter.
    pub param: Option<String>,
    pub message: String,
    /// The decline code of the bank, for card errors.
    pub decline_code: Option<String>,
    /// Additional fields, such as `charge` or `payment_intent`.
    pub extra: Map<String, Value>,
    /// Whether the changes made before the error are kept. A declined payment keeps its failed
    /// charge.
    pub keep: bool,
}

impl ApiError {
    /// An invalid request without a code.
    pub fn invalid(message: impl Into<String>) -> Box<ApiError> {
        Box::new(ApiError {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
            decline_code: None,
            extra: Map::new(),
            keep: false,
        })
    }

    /// An invalid request because of one parameter.
    pub fn bad(code: &str, param: &str, message: impl Into<String>) -> Box<ApiError> {
        let mut error = ApiError::invalid(message);
        error.code = (!code.is_empty()).then(|| code.to_owned());
        error.with_param(param)
    }

    /// The object in the path or in a parameter doesn't exist.
    pub fn missing(what: &str, id: &str, param: &str) -> Box<ApiError> {
        ApiError::bad("resource_missing", param, format!("No such {what}: '{id}'"))
    }

    /// A required parameter is missing.
    pub fn required(param: &str) -> Box<ApiError> {
        ApiError::bad(
            "parameter_missing",
            param,
            format!("Missing required param: {param}."),
        )
    }

    /// The request has no valid key.
    pub fn unauthorized(message: impl Into<String>) -> Box<ApiError> {
        ApiError::invalid(message).with_status(401)
    }

    /// Stripe's servers failed.
    pub fn server(status: u16) -> Box<ApiError> {
        let message = "An unknown error occurred. If you have any questions, we can help at https://support.stripe.com/.";
        Box::new(ApiError {
            kind: "api_error",
            ..*ApiError::invalid(message).with_status(status)
        })
    }

    /// The card was declined.
    pub fn card(code: &str, decline_code: &str, message: &str) -> Box<ApiError> {
        Box::new(ApiError {
            status: 402,
            kind: "card_error",
            code: Some(code.to_owned()),
            decline_code: (!decline_code.is_empty()).then(|| decline_code.to_owned()),
            keep: true,
            ..*ApiError::invalid(message)
        })
    }
    #[must_use]
    pub fn with_param(mut self: Box<Self>, param: &str) -> Box<ApiError> {
        self.param = (!param.is_empty()).then(|| param.to_owned());
        self
    }

    /// Names the parameter as one inside another: `items[0]` in `details` is `details[items][0]`.
    #[must_use]
    pub fn inside(mut self: Box<Self>, outer: &str) -> Box<ApiError> {
        if let Some(param) = &mut self.param {
            let (first, rest) = param.split_at(param.find('[').unwrap_or(param.len()));
            *param = format!("{outer}[{first}]{rest}");
        }
        self
    }

    /// Names a parameter inside `outer` as one of its own: `items[0][price]` becomes `price`.
    #[must_use]
    pub fn outside(mut self: Box<Self>, outer: &str) -> Box<ApiError> {
        let inner = self
            .param
            .as_deref()
            .and_then(|param| param.strip_prefix(outer));
        if let Some((name, rest)) = inner.and_then(|path| path.strip_prefix('[')?.split_once(']')) {
            self.param = Some(format!("{name}{rest}"));
        }
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self: Box<Self>, status: u16) -> Box<ApiError> {
        self.status = status;
        self
    }

    /// Adds a field to the error object.
    #[must_use]
    pub fn with(mut self: Box<Self>, name: &str, value: Value) -> Box<ApiError> {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// The inner error object, as in `last_payment_error`, without status and log URL.
    pub fn object(&self) -> Value {
        let mut error = self.extra.clone();
        error.insert("type".into(), self.kind.into());
        error.insert("message".into(), self.message.clone().into());
        if let Some(code) = &self.code {
            error.insert("code".into(), code.clone().into());
            let page = code.replace('_', "-");
            // As recorded: this code alone still has the older address.
            let host = match code.as_str() {
                "parameter_invalid_integer" => "stripe.com/docs",
                _ => "docs.stripe.com",
            };
            error.insert(
                "doc_url".into(),
                format!("https://{host}/error-codes/{page}").into(),
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
