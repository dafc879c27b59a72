//! A Checkout session of Stripe's, in our words, with the intent of ours that it came from.

use domain::money::{Credits, Currency, MinorUnits};
use domain::projection::{Intent, Session};
use stripe::objects;

use super::{Held, at};
use crate::app::App;
use crate::http::error::Result;

/// The metadata key that leads from a session to its intent.
pub const INTENT_KEY: &str = "intent";

/// Reads a session. One that was completed and is not paid is looked at more closely: its payment
/// may have failed since.
pub async fn read(app: &App, object: &objects::CheckoutSession, held: &Held) -> Result<Session> {
    let payment_intent = object.payment_intent.id().map(str::to_owned);
    let status = object
        .status
        .as_ref()
        .map_or("open", |status| status.as_str())
        .to_owned();
    let payment_status = object.payment_status.as_str().to_owned();
    let payment_failed = match &payment_intent {
        Some(id) if status == "complete" && payment_status == "unpaid" => {
            let intent = app.stripe.retrieve_payment_intent(id).await?;
            matches!(
                intent.status.as_str(),
                "requires_payment_method" | "canceled"
            )
        }
        _ => false,
    };
    Ok(Session {
        id: object.id.clone(),
        intent: intent_of(object, held),
        mode: object.mode.as_str().to_owned(),
        status,
        payment_status,
        amount_total: object.amount_total,
        amount_tax: 0,
        currency: object.currency.as_deref().and_then(Currency::parse),
        payment_intent,
        payment_failed,
        subscription_id: object.subscription.id().map(str::to_owned),
        invoice_id: object.invoice.id().map(str::to_owned),
        is_automatic: false,
        created_at: at(object.created),
    })
}

/// The intent whose id the session carries and which is this account's: what was sold stands
/// there, never in what the session says.
fn intent_of(object: &objects::CheckoutSession, held: &Held) -> Option<Intent> {
    intent_named(object.metadata.get(INTENT_KEY)?, held)
}

/// The account's intent of this id, as the projection reads it.
pub fn intent_named(id: &str, held: &Held) -> Option<Intent> {
    let row = held.intents.get(id)?;
    let currency = row.currency.as_deref().and_then(Currency::parse)?;
    Some(Intent {
        id: row.id.clone(),
        user: row.user_id,
        credits: Credits::from_micros(row.credits_micros.unwrap_or(0)),
        bonus: Credits::from_micros(row.bonus_micros.unwrap_or(0)),
        expires_after_days: row.expires_after_days,
        price: MinorUnits::new(row.amount_minor?, currency),
        tier: row.tier.clone(),
    })
}
