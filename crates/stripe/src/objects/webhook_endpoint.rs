//! A webhook endpoint, to which Stripe sends events.

use super::{Metadata, or_default};
use secrecy::SecretString;
use serde::Deserialize;

/// A webhook endpoint: its URL, its events and their API version.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookEndpoint {
    /// The id, `we_...`.
    pub id: String,
    /// The URL to which events are posted.
    pub url: String,
    /// The status, `enabled` or `disabled`.
    pub status: Option<String>,
    /// The event types, or `*` for all.
    #[serde(default, deserialize_with = "or_default")]
    pub enabled_events: Vec<String>,
    /// The API version of the events.
    pub api_version: Option<String>,
    /// The secret that signs the deliveries. Stripe only sends it when the endpoint is created.
    pub secret: Option<SecretString>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

impl WebhookEndpoint {
    /// Whether Stripe sends no events to it.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.status.as_deref() == Some("disabled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_does_not_show_in_debug_output() {
        let endpoint: WebhookEndpoint =
            serde_json::from_str(r#"{"id":"we_1","url":"https://a.example","secret":"whsec_1"}"#)
                .unwrap();

        assert!(!format!("{endpoint:?}").contains("whsec_1"));
    }
}
