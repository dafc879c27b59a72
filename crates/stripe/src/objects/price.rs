//! A price: what a product costs, and how often.

use super::words::words;
use super::{Expandable, Metadata, Product, or_default};
use serde::Deserialize;

/// A price. Stripe's prices never change their amount; a new amount is a new price.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// `price_...`
    pub id: String,
    /// Whether the price was deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Whether it can be sold.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// Our name for it, unique among active prices.
    pub lookup_key: Option<String>,
    /// What it is the price of.
    #[serde(default)]
    pub product: Expandable<Product>,
    /// Minor units; missing when the price is tiered or a fraction of one.
    pub unit_amount: Option<i64>,
    /// Three small letters.
    pub currency: Option<String>,
    /// How often; missing for a one-time price.
    pub recurring: Option<Recurring>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// How often a price is billed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// Day, week, month or year.
    pub interval: Interval,
    /// Every so many of them.
    #[serde(default = "one")]
    pub interval_count: u32,
    /// `licensed` or `metered`.
    pub usage_type: Option<String>,
}

fn one() -> u32 {
    1
}

words! {
    /// The unit of a billing period.
    Interval {
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month, on the anchor's day.
        Month = "month",
        /// A year.
        Year = "year",
    }
}
