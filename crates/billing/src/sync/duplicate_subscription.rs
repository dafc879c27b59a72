//! A plan bought in addition to another, on a page that was still open: its subscription is
//! canceled and its payment refunded (F27).
//!
//! The sync writes the intent in the commit that finds the purchase; the calls are made afterwards,
//! outside any transaction, and retried by the sweep until their outcome is known.

use domain::projection::DuplicatePurchase;
use store::intents::{Intent, IntentKind, IntentState};
use stripe::Form;

use crate::app::App;
use crate::error::Result;
use crate::intents::{Deferred, is_stale, start_call};

/// Our own entry in the frozen parameters: the subscription to cancel. Not sent with the refund.
const SUBSCRIPTION: &str = "subscription";

const PAYMENT: &str = "payment_intent";

/// The frozen parameters for undoing a purchase.
pub fn params(purchase: &DuplicatePurchase) -> String {
    Form::new()
        .push(SUBSCRIPTION, &purchase.subscription)
        .push_opt(PAYMENT, purchase.payment_intent.as_ref())
        .encode()
}

/// Whether the intent's subscription was canceled.
pub fn is_undone(intent: &Intent) -> bool {
    intent.kind == Undo::KIND && matches!(intent.state, IntentState::Done | IntentState::Closed)
}

/// The deferred undo of a duplicate subscription.
pub(crate) struct Undo;

impl Deferred for Undo {
    const KIND: IntentKind = IntentKind::DuplicateSubscription;
    const ROUND_MAX: i64 = 20;

    async fn carry_out(app: &App, intent: &Intent) -> Result<()> {
        undo(app, intent).await
    }
}

async fn undo(app: &App, intent: &Intent) -> Result<()> {
    let now = app.now();
    if !start_call(app, intent).await? {
        return Ok(());
    }
    let params = Form::decode(&intent.params);
    let subscription = params.get(SUBSCRIPTION).unwrap_or_default().to_owned();
    let called = match cancel(app, &subscription).await {
        Ok(()) => refund(app, intent, params.get(PAYMENT)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = called {
        note_failure(app, intent, &error).await?;
        return Err(error.into());
    }
    let id = intent.id.clone();
    let object = intent.stripe_object_id.clone().unwrap_or(subscription);
    app.write_and_sync(intent.account_id, move |tx| {
        store::intents::set_done(tx, &id, &object, None, None, now).map(|_| ())
    })
    .await
}

/// Cancels a subscription immediately, without an invoice or a credit. One that has ended counts as
/// canceled.
pub(super) async fn cancel(app: &App, subscription: &str) -> stripe::Result<()> {
    let params = Form::new()
        .push("invoice_now", "false")
        .push("prorate", "false");
    match app.stripe.cancel_subscription(subscription, &params).await {
        Ok(_) | Err(stripe::Error::NotFound { .. }) => Ok(()),
        // Already canceled, by an earlier attempt or by someone else; or refused for good.
        Err(error @ stripe::Error::Refused { .. }) => {
            let held = app.stripe.retrieve_subscription(subscription).await?;
            let is_over = held.ended_at.is_some();
            if is_over { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

async fn refund(app: &App, intent: &Intent, payment: Option<&str>) -> stripe::Result<()> {
    let Some(payment) = payment else {
        return Ok(());
    };
    let params = Form::new()
        .push(PAYMENT, payment)
        .push("reason", "duplicate")
        .metadata(crate::sync::checkout_session::INTENT_KEY, &intent.id);
    match app.stripe.create_refund(&params, &intent.id).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("charge_already_refunded") => Ok(()),
        Err(error) => Err(error),
    }
}

/// A definite refusal is left for manual review. An error that Stripe stored under the key, or a
/// key that Stripe may have forgotten, leads to a retry with a new key: a payment can't be refunded
/// twice.
pub(super) async fn note_failure(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let is_open = error.is_temporary() || error.is_outcome_unknown();
    if is_open && !error.is_replayed() && !is_stale(intent, app.now()) {
        return Ok(());
    }
    let (id, new_id, now) = (intent.id.clone(), app.new_id("int"), app.now());
    let text = error.to_string();
    let has_new_key = is_open || error.is_replayed();
    app.write(intent.account_id, move |tx| {
        if has_new_key {
            store::intents::change_key(tx, &id, &new_id, now).map(|_| ())
        } else {
            store::intents::set_failed(tx, &id, &text, now).map(|_| ())
        }
    })
    .await
}
