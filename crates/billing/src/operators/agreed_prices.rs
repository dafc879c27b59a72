//! Prices agreed with one account.

use serde_json::json;
use stripe::objects::Price;

use crate::app::App;
use crate::error::{Error, Kind, Result};

/// Refuses a plan that the catalog does not have or that is free.
pub fn check_plan(app: &App, plan: &str) -> Result<()> {
    let catalog = app.catalog();
    let tier = catalog.tier(plan);
    let tier = tier.ok_or_else(|| Error::not_found("There is no such plan."))?;
    if tier.is_free() {
        return Err(Error::field("plan", "The free plan has no price."));
    }
    Ok(())
}

/// Currency, amount and interval of a price that can be sold here.
pub async fn usable(app: &App, id: &str) -> Result<(String, i64, String)> {
    let price = match app.stripe.retrieve_price(id).await {
        Ok(price) => price,
        Err(stripe::Error::NotFound { .. } | stripe::Error::Unsendable(_)) => {
            return Err(unusable("Stripe has no such price."));
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = app.catalog().currency;
    let interval = price.recurring.as_ref().filter(|recurring| {
        let interval = recurring.interval.as_str();
        recurring.interval_count == 1 && matches!(interval, "month" | "year")
    });
    let interval = interval.ok_or_else(|| unusable("The price must be monthly or yearly."))?;
    match &price {
        Price { active: false, .. } => Err(unusable("The price is not active at Stripe.")),
        Price { currency, .. } if currency.as_deref() != Some(wanted.code()) => {
            Err(unusable(&format!("Prices must be in {wanted}.")))
        }
        Price {
            unit_amount: Some(amount),
            ..
        } if *amount > 0 => Ok((
            wanted.code().to_owned(),
            *amount,
            interval.interval.as_str().to_owned(),
        )),
        _ => Err(unusable("The price must be a whole amount above zero.")),
    }
}

fn unusable(detail: &str) -> Error {
    Error::new(Kind::Unprocessable, "unusable_price", detail).with("field", json!("priceId"))
}
