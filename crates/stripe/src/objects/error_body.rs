//! The body that Stripe sends when a request fails.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The body of an answer that reports an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiErrorBody {
    /// The error in the body.
    pub error: ApiError,
}

/// An error as Stripe reports it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiError {
    /// The type: `api_error`, `card_error`, `idempotency_error` or `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The code, such as `resource_missing` or `card_declined`.
    pub code: Option<String>,
    /// The reason that the bank gave.
    pub decline_code: Option<String>,
    /// The parameter at fault, such as `items[0][price]`.
    pub param: Option<String>,
    /// The human-readable message.
    pub message: Option<String>,
    /// The id of the charge that failed.
    pub charge: Option<String>,
    /// The id of the payment intent that failed. Stripe sends the whole object; a declined card
    /// must be reported as such even if that object can't be parsed.
    #[serde(default, deserialize_with = "id_of")]
    pub payment_intent: Option<String>,
}

fn id_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let id = if value.is_object() {
        &value["id"]
    } else {
        &value
    };
    Ok(id.as_str().map(str::to_owned))
}
