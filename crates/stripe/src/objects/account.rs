//! Our own Stripe account.

use super::or_default;
use serde::Deserialize;

/// The Stripe account that the secret key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// `acct_...`
    pub id: String,
    /// Two letters.
    pub country: Option<String>,
    /// Three small letters.
    pub default_currency: Option<String>,
    /// Whether the account may take payments.
    #[serde(default, deserialize_with = "or_default")]
    pub charges_enabled: bool,
}
