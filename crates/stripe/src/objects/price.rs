//! A price: how much a product costs, and how often.

use super::string_enum::string_enum;
use super::{Expandable, Metadata, Product, or_default};
use serde::Deserialize;

/// A price. Its amount never changes at Stripe; a new amount requires a new price.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// The id, `price_...`.
    pub id: String,
    /// Whether the price was deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Whether it is available for new purchases.
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    /// The lookup key that we chose. It is unique among active prices.
    pub lookup_key: Option<String>,
    /// The product that is sold at this price.
    #[serde(default)]
    pub product: Expandable<Product>,
    /// The amount in minor units. It is absent for a tiered or fractional price.
    pub unit_amount: Option<i64>,
    /// The currency as a lowercase three-letter code.
    pub currency: Option<String>,
    /// The billing interval. It is absent for a one-time price.
    pub recurring: Option<Recurring>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// The billing interval of a price.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// The unit of the interval: day, week, month or year.
    pub interval: Interval,
    /// The number of units in the interval.
    #[serde(default = "one")]
    pub interval_count: u32,
    /// The usage type, `licensed` or `metered`.
    pub usage_type: Option<String>,
}

fn one() -> u32 {
    1
}

string_enum! {
    /// The unit of a billing interval.
    Interval {
        /// The unit is a day.
        Day = "day",
        /// The unit is a week.
        Week = "week",
        /// The unit is a month, on the day of the billing cycle anchor.
        Month = "month",
        /// The unit is a year.
        Year = "year",
    }
}
