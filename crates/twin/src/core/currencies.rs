//! The rule that everything a customer is billed for at a time has one currency.

use serde_json::Value;

use super::Core;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::inside;
use super::status;
use super::value::{get, has, opt, text};

/// Refuses the price of an item in the parameters that has another currency than what it is billed
/// with. `param` names the item.
pub(super) fn check_currency(
    price: &Value,
    currency: &str,
    item: &Value,
    param: &str,
) -> Answer<()> {
    let own = text(price, "currency");
    if own == currency {
        return Ok(());
    }
    let message = format!(
        "The price specified only supports `{own}`. This doesn't match the expected currency: `{currency}`."
    );
    let named = if has(item, "price_data") {
        inside(&inside(param, "price_data"), "currency")
    } else if has(item, "pricing") {
        inside(&inside(param, "pricing"), "price")
    } else {
        inside(param, "price")
    };
    refuse_param("", &named, message)
}

impl Core {
    /// Refuses a currency other than that of what the customer is already billed for.
    pub(super) fn refuse_other_currency(&self, customer: &str, currency: &str) -> Answer<()> {
        let known = self.currency_in_use(customer);
        if known.as_deref().is_none_or(|one| one == currency) {
            return Ok(());
        }
        // The wording since 2023, as quoted in Automattic/woocommerce-payments#7732.
        let message = format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, or invoice item with currency {}.",
            known.unwrap_or_default()
        );
        Err(ApiError::invalid(message))
    }

    fn currency_in_use(&self, customer: &str) -> Option<String> {
        let of = |kind: &str, counts: fn(&Value) -> bool, path: &str| {
            self.store
                .by(kind, "customer", customer)
                .find(|row| counts(row))
                .and_then(|row| opt(row, path))
                .map(str::to_owned)
        };
        of("subscription", |row| !status::has_ended(row), "currency")
            .or_else(|| {
                of(
                    "subscription_schedule",
                    status::is_live_schedule,
                    "phases.0.currency",
                )
            })
            .or_else(|| {
                of(
                    "invoiceitem",
                    |row| get(row, "invoice").is_null(),
                    "currency",
                )
            })
    }
}
