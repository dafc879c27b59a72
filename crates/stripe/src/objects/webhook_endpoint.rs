//! A webhook endpoint: where Stripe sends events.

use super::{Metadata, or_default};
use secrecy::SecretString;
use serde::Deserialize;

/// Where Stripe sends which events, in which version.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookEndpoint {
    /// `we_...`
    pub id: String,
    /// Where to.
    pub url: String,
    /// `enabled` or `disabled`.
    pub status: Option<String>,
    /// Types, or `*`.
    #[serde(default, deserialize_with = "or_default")]
    pub enabled_events: Vec<String>,
    /// The shape the events come in.
    pub api_version: Option<String>,
    /// What the deliveries are signed with. Only the answer to the creation has it.
    pub secret: Option<SecretString>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
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
