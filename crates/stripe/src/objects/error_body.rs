//! What Stripe answers when it does not do what it was asked.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The body of an answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiErrorBody {
    /// The error inside.
    pub error: ApiError,
}

/// An error as Stripe tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiError {
    /// `api_error`, `card_error`, `idempotency_error` or `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `resource_missing`, `card_declined`, ...
    pub code: Option<String>,
    /// The bank's reason.
    pub decline_code: Option<String>,
    /// The parameter it is about, such as `items[0][price]`.
    pub param: Option<String>,
    /// A sentence.
    pub message: Option<String>,
    /// The charge that failed.
    pub charge: Option<String>,
    /// The id of the payment that failed. Stripe sends the payment whole; whatever it looks like,
    /// a declined card must stay one.
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
