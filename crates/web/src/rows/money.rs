//! An amount of money in a JSON response.

use domain::money::{Currency, MinorUnits};
use serde::Serialize;
use utoipa::ToSchema;

/// An amount from a database row: minor units and a currency code.
pub fn of_row(minor: i64, currency: &str) -> MinorUnits {
    MinorUnits::new(minor, Currency::parse(currency).unwrap_or(Currency::USD))
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
pub struct Money {
    /// The amount as a decimal string in the currency's main unit, such as `19.00`.
    amount: String,
    /// The three-letter ISO 4217 currency code, in lowercase.
    currency: String,
}

impl From<MinorUnits> for Money {
    fn from(money: MinorUnits) -> Money {
        Money {
            amount: money.decimal_text(),
            currency: money.currency.code().to_owned(),
        }
    }
}
