//! The billing portal: Stripe's own pages for cards, invoices and plan changes.

use super::{Metadata, or_default};
use serde::Deserialize;
use std::fmt;

/// A way into the billing portal for one customer. Whoever has the address is in, so it is
/// neither logged nor shown in `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PortalSession {
    /// `bps_...`
    pub id: String,
    /// Where to send the browser, at once.
    pub url: String,
    /// Whose portal it is.
    pub customer: Option<String>,
    /// Where the portal leads back to.
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

/// What the portal lets a customer do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PortalConfiguration {
    /// `bpc_...`
    pub id: String,
    /// Whether sessions may use it.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// Whether it is used when none is named.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// The features as Stripe tells them.
    #[serde(default)]
    pub features: serde_json::Value,
    /// Where the portal leads back to.
    pub default_return_url: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}
