//! Purchases that are undone: of a plan in addition to another (F27) or while the account was suspended,
//! on a page that was still open, and payments that arrived after their plan was undone or their account
//! closed (G10). The subscription is canceled and the payment refunded.
//!
//! The sync writes the intent in the commit that finds the purchase; the calls are made afterwards,
//! as a chain that is continued until both are done.

use domain::projection::{DuplicatePurchase, UndoReason};
use store::intent_steps::{NewStep, Step, StepKind};
use store::intents::{Intent, IntentKind, IntentState};
use stripe::Form;

use crate::app::App;
use crate::intents::chain::{Chain, Taken, Trouble};
use crate::intents::refund::{Less, refund};

/// Our own entry in the frozen parameters: the subscription to cancel. Not sent with the refund.
const SUBSCRIPTION: &str = "subscription";

const PAYMENT: &str = "payment_intent";

/// Our own entry in the frozen parameters: why the purchase is undone; a second plan if there is none.
const BECAUSE: &str = "because";

const SUSPENDED: &str = "suspended";

const LATE: &str = "late";

const CLOSED: &str = "closed";

/// The frozen parameters for undoing a purchase.
pub fn params(purchase: &DuplicatePurchase) -> String {
    let because = match purchase.reason {
        UndoReason::Second => None,
        UndoReason::Suspended => Some(SUSPENDED),
        UndoReason::Late => Some(LATE),
    };
    Form::new()
        .push(SUBSCRIPTION, &purchase.subscription)
        .push_opt(PAYMENT, purchase.payment_intent.as_ref())
        .push_opt(BECAUSE, because)
        .encode()
}

/// The frozen parameters for refunding a payment that arrived on a closed account.
pub(super) fn refund_params(payment: &str) -> String {
    Form::new()
        .push(PAYMENT, payment)
        .push(BECAUSE, CLOSED)
        .encode()
}

/// What an intent undoes that has not been undone yet, as a finding begins.
pub(super) fn unfinished_text(intent: &Intent) -> String {
    let params = Form::decode(&intent.params);
    let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
    let payment = params.get(PAYMENT).unwrap_or_default();
    match params.get(BECAUSE) {
        Some(CLOSED) => format!(
            "payment {payment} arrived after the account was closed and has not been refunded yet"
        ),
        Some(LATE) => format!(
            "payment {payment} arrived after its subscription {subscription} was undone and has not \
             been refunded yet"
        ),
        Some(SUSPENDED) => format!(
            "subscription {subscription} was bought while the account was suspended and has not been \
             undone yet"
        ),
        _ => format!("subscription {subscription} was bought twice and has not been undone yet"),
    }
}

/// The reason that Stripe keeps with the refund.
fn refund_reason(intent: &Intent) -> &'static str {
    match Form::decode(&intent.params).get(BECAUSE) {
        None => "duplicate",
        Some(_) => "requested_by_customer",
    }
}

/// Whether the intent undid its purchase, so that a payment that arrives later is refunded, too. One
/// that an operator ended is closed: its payment was settled in another way.
pub fn is_undone(intent: &Intent) -> bool {
    intent.kind == Undo::KIND && intent.state == IntentState::Done
}

/// Cancels a subscription that must not be, and refunds its payment.
pub(crate) struct Undo;

impl Chain for Undo {
    const KIND: IntentKind = IntentKind::DuplicateSubscription;

    /// The customer paid for something that they had or can't use: it is undone, whatever fails first.
    fn is_owed(_: &Intent) -> bool {
        true
    }

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        let about = |kind, name| params.get(name).map(|object| NewStep::about(kind, object));
        let cancel = about(StepKind::Cancel, SUBSCRIPTION);
        let refund = about(StepKind::Refund, PAYMENT);
        cancel.into_iter().chain(refund).collect()
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> Result<Taken, Trouble> {
        if step.kind == StepKind::Refund {
            return Ok(refund(app, step, &intent.id, refund_reason(intent), Less::IsMade).await?);
        }
        cancel(app, step.object_id.as_deref().unwrap_or_default()).await?;
        Ok(Taken::Done(None))
    }

    async fn finish(app: &App, intent: &Intent, steps: &[Step]) -> crate::error::Result<()> {
        let subscription = steps.first().and_then(|step| step.object_id.clone());
        let object = intent.stripe_object_id.clone().or(subscription);
        let (id, now) = (intent.id.clone(), app.now());
        app.write_and_sync(intent.account_id, move |tx| {
            let object = object.as_deref().unwrap_or_default();
            store::intents::set_done(tx, &id, object, None, None, now).map(|_| ())
        })
        .await
    }
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
