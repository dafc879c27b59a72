//! What we ask of Stripe on a customer's behalf: a customer, a Checkout session, the portal.
//!
//! Every call that makes something has an intent row first, with frozen parameters; the row's id
//! is Stripe's idempotency key. So a double click, a crash or a lost answer makes one thing, and
//! what was sold is read from our row, never from what comes back.

pub mod checkout;
pub mod customer;
pub mod extras;
pub mod plan;
pub mod portal;
pub mod refund;
pub mod second;
pub mod trials;

use domain::time::Timestamp;
use store::intents::Intent;

use crate::app::App;
use crate::error::{Error, Result};

/// Stripe may forget an idempotency key after 24 hours; before that a retry must use the same.
const KEY_HOURS: i64 = 23;
/// Subscriptions of a customer that are looked at for a card.
const SUBSCRIPTIONS_MAX: usize = 100;

/// Whether an intent's key is too old to be sent again.
pub(crate) fn is_stale(intent: &Intent, now: Timestamp) -> bool {
    now >= intent.created_at.plus_seconds(KEY_HOURS * 3_600)
}

/// Settles an intent by how its call failed: a definite no ends it, an unknown outcome keeps it for
/// a retry with the same key, and an error that Stripe saved under the key uses the key up.
async fn note_failure(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let is_over = error.is_replayed() || !(error.is_temporary() || error.is_outcome_unknown());
    let (id, now, text) = (intent.id.clone(), app.now(), error.to_string());
    if is_over {
        app.write(intent.account_id, move |tx| {
            store::intents::set_failed(tx, &id, &text, now)
        })
        .await?;
    }
    Ok(())
}

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
    let param = match error {
        stripe::Error::NotFound { param, .. } | stripe::Error::Refused { param, .. } => param,
        _ => return false,
    };
    error.code() == Some("resource_missing") && param.as_deref() == Some("customer")
}

/// Two requests want the same; one of them has to come again.
fn claimed() -> Error {
    Error::unavailable("claimed", "Another request is doing this; try again.")
}

fn setup_missing() -> Error {
    Error::unavailable(
        "setup_missing",
        "This is not for sale yet: `setup` has not run.",
    )
}
