//! A product, which has one or more prices.

use super::{Metadata, or_default};
use serde::Deserialize;

/// A product. For a deleted one, Stripe sends a stub with `deleted` set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// The id, `prod_...` or one that we chose.
    pub id: String,
    /// Whether the product was deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Whether it is available for new purchases.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// The name that Checkout and invoices show.
    pub name: Option<String>,
    /// The description that Checkout shows below the name.
    pub description: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}
