//! Payments that were on their way when their account was closed, such as a bank debit: nobody can use
//! what they bring, so they are refunded (G10).

use domain::plan::AccountStatus;
use domain::projection::{Transaction, TransactionStatus, TransactionType};
use domain::time::Timestamp;
use store::Tx;
use store::intents::{IntentKind, NewIntent};

use crate::intents::chain;
use crate::sync::duplicate_subscription::{self, Undo};

/// Records the refund of a payment that was pending before and arrived on a closed account. Only of such
/// a one: what a restored backup doesn't know may have been paid and used before the account was closed.
pub(super) fn note(
    tx: &mut Tx<'_>,
    account: i64,
    wanted: &Transaction,
    before: Option<TransactionStatus>,
    (intent, now): (&str, Timestamp),
) -> store::Result<()> {
    let has_arrived = before == Some(TransactionStatus::Pending)
        && wanted.status == TransactionStatus::Completed
        && wanted.kind != TransactionType::Refund
        && wanted.refunded_minor == 0;
    let Some(payment) = wanted.payment_intent.as_ref().filter(|_| has_arrived) else {
        return Ok(());
    };
    let row = store::accounts::find(tx, account)?;
    if row.is_none_or(|row| row.status != AccountStatus::Closed) {
        return Ok(());
    }
    let params = duplicate_subscription::refund_params(payment);
    // One sync may see several payments arrive.
    let id = format!("{intent}_{payment}");
    // The payment itself is the object of the intent that made it, if that was an automatic top-up.
    let object = format!("late:{payment}");
    let new = NewIntent {
        stripe_object_id: Some(&object),
        ..NewIntent::new(&id, account, IntentKind::DuplicateSubscription, &params)
    };
    chain::insert::<Undo>(tx, &new, now).map(|_| ())
}
