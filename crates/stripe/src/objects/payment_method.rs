//! A payment method, in most cases a card.

use super::{Customer, Expandable, Metadata, or_default};
use serde::Deserialize;

/// A card or another payment method.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    /// The id, `pm_...`.
    pub id: String,
    /// The type, such as `card`, `sepa_debit` or `link`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The customer that it is attached to.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The card, if the payment method is a card.
    pub card: Option<Card>,
    /// The time of creation, in seconds since 1970.
    pub created: Option<i64>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// The details of a card that may be stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// The brand, such as `visa` or `mastercard`.
    pub brand: Option<String>,
    /// The last four digits of the number.
    pub last4: Option<String>,
    /// The expiration month, from 1 to 12.
    pub exp_month: Option<i64>,
    /// The expiration year with four digits.
    pub exp_year: Option<i64>,
    /// The fingerprint. It is the same for the same card number in our Stripe account, whoever the
    /// customer is.
    pub fingerprint: Option<String>,
    /// The funding type: `credit`, `debit`, `prepaid` or `unknown`.
    pub funding: Option<String>,
    /// The two-letter code of the country.
    pub country: Option<String>,
}
