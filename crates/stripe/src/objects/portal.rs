//! The billing portal: Stripe's pages for cards, invoices and plan changes.

use super::{Metadata, or_default};
use serde::Deserialize;
use std::fmt;

/// A session of the billing portal for one customer. Anyone with the URL has access, so it is
/// neither logged nor shown in `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PortalSession {
    /// The id, `bps_...`.
    pub id: String,
    /// The URL to redirect the browser to immediately.
    pub url: String,
    /// The customer of the session.
    pub customer: Option<String>,
    /// The URL that the portal links back to.
    pub return_url: Option<String>,
}

impl fmt::Debug for PortalSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PortalSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A configuration: the features that the portal offers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PortalConfiguration {
    /// The id, `bpc_...`.
    pub id: String,
    /// Whether sessions may use the configuration.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// Whether it applies to sessions that don't name a configuration.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// The features as Stripe sends them.
    #[serde(default)]
    pub features: serde_json::Value,
    /// The URL that the portal links back to by default.
    pub default_return_url: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}
