//! A plan whose payment was lost in a dispute: an operator is asked whether it continues, or it is
//! canceled, as `plan_after_lost_dispute` says.
//!
//! The decision is written with its dispute. The end at Stripe is an intent of the same commit; the
//! call is made afterward and retried by the sweep until its outcome is known.

use domain::time::Timestamp;
use store::Tx;
use store::disputes::{Decision, Dispute};
use store::intents::{Intent, IntentKind, NewIntent};
use stripe::Form;

use crate::app::App;
use crate::config::AfterLostDispute;
use crate::error::Result;
use crate::intents::{Deferred, start_call};
use crate::sync::duplicate_subscription::{cancel, note_failure};

const SUBSCRIPTION: &str = "subscription";

/// Records what happens to the plan that a lost dispute's payment was for, unless that is decided.
/// Only a dispute that we knew to be open ends a plan automatically: one that was lost before we
/// first saw it may be old, so an operator is asked.
pub(super) fn note_loss(
    tx: &mut Tx<'_>,
    account: i64,
    dispute: &Dispute,
    was_open: bool,
    rule: AfterLostDispute,
    (intent, now): (&str, Timestamp),
) -> store::Result<()> {
    let Some(subscription) = &dispute.subscription_id else {
        return Ok(());
    };
    let held = store::subscriptions::find(tx, account, subscription)?;
    if !held.is_some_and(|held| held.live) {
        return Ok(());
    }
    let id = &dispute.dispute_id;
    if rule == AfterLostDispute::End && was_open {
        if store::disputes::decide(tx, account, id, Decision::Ended, None)? {
            end(tx, account, subscription, (intent, now))?;
        }
    } else {
        store::disputes::decide(tx, account, id, Decision::Asked, None)?;
    }
    Ok(())
}

/// Writes the intent to cancel a subscription.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    account: i64,
    subscription: &str,
    (intent, now): (&str, Timestamp),
) -> store::Result<()> {
    let params = Form::new().push(SUBSCRIPTION, subscription).encode();
    let new = NewIntent::new(intent, account, IntentKind::DisputedPlanEnd, &params);
    store::intents::insert(tx, &new, now).map(|_| ())
}

/// The deferred end of a disputed plan.
pub(crate) struct End;

impl Deferred for End {
    const KIND: IntentKind = IntentKind::DisputedPlanEnd;
    const ROUND_MAX: i64 = 20;

    async fn carry_out(app: &App, intent: &Intent) -> Result<()> {
        if !start_call(app, intent).await? {
            return Ok(());
        }
        let params = Form::decode(&intent.params);
        let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
        if let Err(error) = cancel(app, subscription).await {
            note_failure(app, intent, &error).await?;
            return Err(error.into());
        }
        let (id, now) = (intent.id.clone(), app.now());
        app.write_and_sync(intent.account_id, move |tx| {
            store::intents::set_done(tx, &id, &id, None, None, now).map(|_| ())
        })
        .await
    }
}
