//! A product: what prices are for.

use super::{Metadata, or_default};
use serde::Deserialize;

/// A product. A deleted one is a stub with `deleted` set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// `prod_...`, or an id of our own.
    pub id: String,
    /// Whether the product was deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Whether it can be sold.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// As shown at Checkout and on invoices.
    pub name: Option<String>,
    /// The sentence below the name.
    pub description: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}
