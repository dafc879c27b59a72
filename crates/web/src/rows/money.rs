//! An amount of money in a JSON answer.

use domain::money::{Currency, MinorUnits};
use serde::Serialize;
use utoipa::ToSchema;

/// An amount as a row holds it: minor units and the code of their currency.
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
