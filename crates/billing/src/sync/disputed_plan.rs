//! A plan whose payment was lost in a dispute: an operator is asked whether it continues, or it is
//! canceled, as `plan_after_lost_dispute` says.
//!
//! The decision is written with its dispute. The end at Stripe is an intent of the same commit; the
//! call is made afterward, as a chain of one step.

use domain::time::Timestamp;
use store::Tx;
use store::disputes::{Decision, Dispute};
use store::intent_steps::{NewStep, Step, StepKind};
use store::intents::{Intent, IntentKind, NewIntent};
use stripe::Form;

use crate::app::App;
use crate::config::AfterLostDispute;
use crate::error::Result;
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::sync::duplicate_subscription::cancel;

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
            // One sync may find several lost disputes.
            let intent = format!("{intent}_{id}");
            end(tx, account, subscription, (&intent, now))?;
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
    chain::insert::<End>(tx, &new, now).map(|_| ())
}

/// The end of a disputed plan.
pub(crate) struct End;

impl Chain for End {
    const KIND: IntentKind = IntentKind::DisputedPlanEnd;

    /// The decision was recorded with the intent: it is carried out, whatever fails first.
    fn is_owed(_: &Intent) -> bool {
        true
    }

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
        vec![NewStep::about(StepKind::Cancel, subscription)]
    }

    async fn take(app: &App, _: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        cancel(app, step.object_id.as_deref().unwrap_or_default()).await?;
        Ok(Taken::Done(None))
    }

    async fn finish(app: &App, intent: &Intent, _: &[Step]) -> Result<()> {
        let (id, now) = (intent.id.clone(), app.now());
        app.write_and_sync(intent.account_id, move |tx| {
            store::intents::set_done(tx, &id, &id, None, None, now).map(|_| ())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use domain::plan::AccountKind;
    use store::accounts::NewAccount;

    use super::*;

    #[test]
    fn the_plans_of_two_lost_disputes_are_both_ended() {
        let db = store::testing::sqlite().opened();
        let now = Timestamp::from_micros(1_000_000);
        let new = NewAccount {
            public_id: "acc_1",
            external_id: None,
            kind: AccountKind::Personal,
            name: "Ann",
            email: None,
            tier: "FREE",
            email_verified_at: None,
        };
        let account = db.write_blocking(0, move |tx| store::accounts::insert(tx, &new, now));
        let account = account.expect("a new account").id;
        let ended = db.write_blocking(account, move |tx| {
            end(tx, account, "sub_1", ("int_1", now))?;
            end(tx, account, "sub_2", ("int_2", now))?;
            store::intents::unfinished::owed(tx, account, 10)
        });
        let ended = ended.expect("both are recorded");

        let ids: Vec<&str> = ended.iter().map(|intent| &*intent.id).collect();
        assert_eq!(ids, ["int_1", "int_2"]);
    }
}
