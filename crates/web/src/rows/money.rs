//! An amount of money in a JSON answer.

use domain::money::MinorUnits;
use serde::Serialize;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
pub struct Money {
    /// Decimal text.
    amount: String,
    /// In lower case.
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
