//! Converts Stripe's Checkout sessions to the domain's, with the intents they came from.

use domain::money::{Credits, Currency, MinorUnits};
use domain::projection::{Intent, PaymentStatus, Session, SessionStatus};
use store::intents::IntentKind;
use stripe::objects;
use stripe::objects::PaymentIntentStatus;

use crate::app::App;
use crate::error::Result;
use crate::sync::{Held, at};

pub use crate::intents::INTENT_KEY;

/// Converts a session. For a completed but unpaid session, also checks whether the payment has
/// failed since.
pub async fn read(app: &App, object: &objects::CheckoutSession, held: &Held) -> Result<Session> {
    let payment_intent = object.payment_intent.id().map(str::to_owned);
    let status = object
        .status
        .as_ref()
        .map_or("open", |status| status.as_str())
        .to_owned();
    let payment_status = object.payment_status.as_str().to_owned();
    let is_unpaid =
        status == SessionStatus::Complete.word() && payment_status == PaymentStatus::Unpaid.word();
    let payment_failed = match &payment_intent {
        Some(id) if is_unpaid => {
            let intent = app.stripe.retrieve_payment_intent(id).await?;
            matches!(
                intent.status,
                PaymentIntentStatus::RequiresPaymentMethod | PaymentIntentStatus::Canceled
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
        amount_tax: object
            .total_details
            .and_then(|details| details.amount_tax)
            .unwrap_or(0),
        currency: object.currency.as_deref().and_then(Currency::parse),
        payment_intent,
        payment_failed,
        subscription_id: object.subscription.id().map(str::to_owned),
        invoice_id: object.invoice.id().map(str::to_owned),
        is_automatic: false,
        created_at: at(object.created),
    })
}

/// The account's intent behind the session. What was sold is read from the intent, never from the
/// session.
fn intent_of(object: &objects::CheckoutSession, held: &Held) -> Option<Intent> {
    read_intent(held.intent_of(&object.metadata, &object.id)?)
}

/// Automatic payments as sessions: one for each payment intent, paid if one of its charges was.
pub fn automatic(charges: &[objects::Charge], held: &Held) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for charge in charges {
        let Some(session) = automatic_of(charge, held) else {
            continue;
        };
        match sessions.iter_mut().find(|known| known.id == session.id) {
            Some(known) if known.payment_status() == Some(PaymentStatus::Paid) => {}
            Some(known) => *known = session,
            None => sessions.push(session),
        }
    }
    sessions
}

fn automatic_of(charge: &objects::Charge, held: &Held) -> Option<Session> {
    let order = held.order_of_payment(charge)?;
    let payment_intent = charge.payment_intent.id()?.to_owned();
    let is_paid = charge.status == objects::ChargeStatus::Succeeded && charge.paid;
    Some(Session {
        id: payment_intent.clone(),
        intent: read_intent(order),
        mode: "payment".to_owned(),
        status: "complete".to_owned(),
        payment_status: if is_paid { "paid" } else { "unpaid" }.to_owned(),
        amount_total: Some(charge.amount),
        amount_tax: 0,
        currency: Currency::parse(&charge.currency),
        payment_intent: Some(payment_intent),
        payment_failed: charge.status == objects::ChargeStatus::Failed,
        subscription_id: None,
        invoice_id: None,
        is_automatic: order.kind == IntentKind::AutoTopup,
        created_at: at(charge.created),
    })
}

/// The intent as the projection reads it.
fn read_intent(row: &store::intents::Intent) -> Option<Intent> {
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
