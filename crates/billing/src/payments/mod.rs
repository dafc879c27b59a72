//! What we ask of Stripe on a customer's behalf: a customer, a Checkout session, the portal, an
//! automatic top-up.
//!
//! Every call that makes something has an intent row first, with frozen parameters; the row's id
//! is Stripe's idempotency key. So a double click, a crash or a lost answer makes one thing, and
//! what was sold is read from our row, never from what comes back.

pub mod addons;
pub mod checkout;
pub mod checkout_progress;
pub mod customer;
pub mod plan;
pub mod portal;
pub mod topup;

use crate::app::App;
use crate::error::{Error, Result};

/// Stripe may forget an idempotency key after 24 hours; before that a retry must use the same.
pub(crate) const KEY_HOURS: i64 = 23;

/// Subscriptions of a customer that are looked at for a card.
const SUBSCRIPTIONS_MAX: usize = 100;

/// The payment method that a customer's next invoice is charged to, for a payment without its
/// owner: the live subscription's own, else the customer's.
pub(crate) async fn saved_card(app: &App, customer: &str) -> Result<Option<String>> {
    let object = match app.stripe.retrieve_customer(customer).await {
        Ok(object) => object,
        Err(stripe::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let filter = stripe::Form::new().push("customer", customer);
    let subscriptions = app
        .stripe
        .list_subscriptions(&filter, SUBSCRIPTIONS_MAX)
        .await?;
    let own = subscriptions
        .data
        .iter()
        .filter(|subscription| subscription.ended_at.is_none())
        .find_map(|subscription| subscription.default_payment_method.id());
    let card = own.or_else(|| object.default_payment_method().id());
    Ok(card.map(str::to_owned).filter(|_| !object.deleted))
}

/// Stripe said that the customer it was given does not exist.
fn is_customer_gone(error: &stripe::Error) -> bool {
    let (stripe::Error::NotFound { param, .. } | stripe::Error::Refused { param, .. }) = error
    else {
        return false;
    };
    error.code() == Some("resource_missing") && param.as_deref() == Some("customer")
}

fn setup_missing() -> Error {
    Error::unavailable(
        "setup_missing",
        "This isn't for sale yet: run `setup` first.",
    )
}
