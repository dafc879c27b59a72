//! What we ask Stripe for on a customer's behalf: a customer, a Checkout session, a portal session,
//! an automatic top-up.
//!
//! Every call that creates something has an intent row first, with frozen parameters; the row's id
//! is Stripe's idempotency key. A double click, a crash or a lost response therefore creates one
//! object, and what was sold is read from our row, never from Stripe's response.

pub mod addons;
pub mod auto_topup;
pub mod checkout;
pub mod checkout_progress;
pub mod customer;
pub mod next_charge;
pub mod owed;
pub mod plan;
pub mod portal;
pub mod preview;

use crate::app::App;
use crate::error::{Error, Result};
use crate::sync::snapshot;

/// Maximum number of a customer's subscriptions that are searched for a card.
const SUBSCRIPTIONS_MAX: usize = 100;

/// The payment method that a customer's next invoice is charged to, for an off-session payment: that
/// of the live subscription of ours, or else the customer's default. Another product's subscription
/// has its own card, which isn't used.
pub(crate) async fn saved_card(app: &App, account: i64, customer: &str) -> Result<Option<String>> {
    let object = match app.stripe.retrieve_customer(customer).await {
        Ok(object) => object,
        Err(stripe::Error::NotFound { .. }) => return Err(snapshot::missing(customer)),
        Err(error) => return Err(error.into()),
    };
    let ours = app
        .read(move |tx| store::subscriptions::live(tx, account))
        .await?;
    let filter = stripe::Form::new().push("customer", customer);
    let subscriptions = app
        .stripe
        .list_subscriptions(&filter, SUBSCRIPTIONS_MAX)
        .await?;
    let is_ours = |id: &str| ours.iter().any(|row| row.subscription_id == id);
    let own = subscriptions
        .data
        .iter()
        .filter(|subscription| subscription.ended_at.is_none() && is_ours(&subscription.id))
        .find_map(|subscription| subscription.default_payment_method.id());
    let card = own.or_else(|| object.default_payment_method().id());
    Ok(card.map(str::to_owned).filter(|_| !object.deleted))
}

/// Whether Stripe reported that the given customer doesn't exist.
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
