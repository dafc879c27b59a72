//! The Stripe account that we charge through.

use super::or_default;
use serde::Deserialize;

/// The Stripe account that the secret key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The id, `acct_...`.
    pub id: String,
    /// The two-letter code of the country.
    pub country: Option<String>,
    /// The currency as a lowercase three-letter code.
    pub default_currency: Option<String>,
    /// Whether the account may accept payments.
    #[serde(default, deserialize_with = "or_default")]
    pub charges_enabled: bool,
}
