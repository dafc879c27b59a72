//! The step of a chain that refunds a payment: made once, whatever happened to earlier attempts.

use store::intent_steps::Step;
use stripe::Form;
use stripe::objects::{self, Charge, Dispute, DisputeStatus, Refund};

use super::chain::Taken;
use super::{INTENT_KEY, key_of, may_be_made};
use crate::app::App;

/// Maximum number of charges of a payment that are searched for the paid one.
const CHARGES_MAX: usize = 20;

/// Maximum number of refunds of a payment that are searched for ours.
const REFUNDS_MAX: usize = 100;

/// Maximum number of disputes of a charge that are checked.
const DISPUTES_MAX: usize = 10;

/// Seconds until a refund that waits for the bank's decision about a dispute is tried again.
const DISPUTE_SECONDS: i64 = 86_400;

/// What a refund that can't be made in full becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Less {
    /// A refund of what is left: the customer is promised what can be returned.
    IsMade,
    /// Nothing: a person chose the amount and is asked again.
    IsRefused,
}

/// Refunds the step's payment. `mark` is the first idempotency key and the value in the metadata of
/// the refund, by which an earlier attempt is found.
pub(crate) async fn refund(
    app: &App,
    step: &Step,
    mark: &str,
    reason: &str,
    less: Less,
) -> stripe::Result<Taken> {
    let payment = step.object_id.as_deref().unwrap_or_default();
    if step.amount_minor == Some(0) {
        return Ok(Taken::Dropped);
    }
    let filter = Form::new().push("payment_intent", payment);
    if may_be_made(app, step)
        && let Some(made) = made(app, &filter, mark).await?
    {
        return Ok(Taken::Done(Some(made.id)));
    }
    let form = filter
        .push_opt("amount", step.amount_minor)
        .push("reason", reason)
        .metadata(INTENT_KEY, mark);
    match app.stripe.create_refund(&form, &key_of(mark, step)).await {
        Ok(refund) => Ok(Taken::Done(Some(refund.id))),
        Err(error @ stripe::Error::Refused { .. }) => after_refusal(app, step, less, error).await,
        Err(error) => Err(error),
    }
}

/// The refund with this mark, unless it failed.
pub(crate) async fn made(app: &App, filter: &Form, mark: &str) -> stripe::Result<Option<Refund>> {
    let listed = app.stripe.list_refunds(filter, REFUNDS_MAX).await?.data;
    Ok(listed.into_iter().find(|refund| {
        let status = refund.status.as_ref().map(objects::RefundStatus::as_str);
        let is_void = matches!(status, Some("failed" | "canceled"));
        refund
            .metadata
            .get(INTENT_KEY)
            .is_some_and(|own| own == mark)
            && !is_void
    }))
}

/// What Stripe's refusal leaves to do, from the charge as it is now: if part of the payment was
/// refunded elsewhere or is lost in disputes, the rest is refunded; if the bank has the money,
/// nothing is owed; and while the bank decides, the refund waits.
async fn after_refusal(
    app: &App,
    step: &Step,
    less: Less,
    refusal: stripe::Error,
) -> stripe::Result<Taken> {
    let payment = step.object_id.as_deref().unwrap_or_default();
    let filter = Form::new().push("payment_intent", payment);
    let charges = app.stripe.list_charges(&filter, CHARGES_MAX).await?.data;
    let Some(charge) = charges.into_iter().find(|charge| charge.paid) else {
        return Err(refusal);
    };
    // A charge stays `disputed` after a dispute that was won, so only its disputes say who has the
    // money.
    let disputes = if charge.disputed {
        let filter = Form::new().push("charge", &charge.id);
        app.stripe.list_disputes(&filter, DISPUTES_MAX).await?.data
    } else {
        Vec::new()
    };
    match rest(&charge, &disputes, step.amount_minor) {
        Some(Taken::Reduced(_)) if less == Less::IsRefused => Err(refusal),
        Some(taken) => Ok(taken),
        None => Err(refusal),
    }
}

/// What is left to do of a refund of `promised` minor units, or of all that is left. `None`: all of
/// it.
fn rest(charge: &Charge, disputes: &[Dispute], promised: Option<i64>) -> Option<Taken> {
    let left = charge.amount_captured - charge.amount_refunded;
    if left <= 0 {
        return Some(Taken::Dropped);
    }
    let (lost, undecided): (Vec<&Dispute>, Vec<&Dispute>) = disputes
        .iter()
        .filter(|one| one.status.claims_money())
        .partition(|one| matches!(one.status, DisputeStatus::Lost | DisputeStatus::Prevented));
    // An amount in another currency can't be compared; it is usually all of the charge.
    let taken = lost.iter().map(|one| {
        if one.currency == charge.currency {
            one.amount
        } else {
            charge.amount_captured
        }
    });
    let left = left - taken.sum::<i64>();
    if left <= 0 {
        return Some(Taken::Dropped);
    }
    if !undecided.is_empty() {
        return Some(Taken::Waits {
            why: "the payment is disputed, and the bank decides",
            seconds: DISPUTE_SECONDS,
        });
    }
    let is_less = match promised {
        Some(promised) => left < promised,
        // All that Stripe has was refused, so the lost part must be left out.
        None => !lost.is_empty(),
    };
    is_less.then_some(Taken::Reduced(left))
}

#[cfg(test)]
mod tests;
