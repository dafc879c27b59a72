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
    /// The amount, as decimal text.
    amount: String,
    /// The currency, in lower case.
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
