//! The rule that everything a customer is billed for at a time has one currency.

use serde_json::Value;

use super::Core;
use super::errors::{Answer, ApiError};
use super::status;
use super::value::{get, opt};

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
