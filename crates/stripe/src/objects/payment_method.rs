//! A payment method: in most cases a card.

use super::{Customer, Expandable, Metadata, or_default};
use serde::Deserialize;

/// A card or another way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    /// `pm_...`
    pub id: String,
    /// `card`, `sepa_debit`, `link`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whom it is attached to.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The card, if it is one.
    pub card: Option<Card>,
    /// Unix seconds.
    pub created: Option<i64>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// What may be known and shown of a card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// `visa`, `mastercard`, ...
    pub brand: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
    /// 1 to 12.
    pub exp_month: Option<i64>,
    /// Four digits.
    pub exp_year: Option<i64>,
    /// The same for the same card number within our Stripe account, whoever the customer is.
    pub fingerprint: Option<String>,
    /// `credit`, `debit`, `prepaid` or `unknown`.
    pub funding: Option<String>,
    /// Two letters.
    pub country: Option<String>,
}
