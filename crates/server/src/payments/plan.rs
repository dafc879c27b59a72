//! Changes of a plan that is held: ends it with its period, or takes that back.

use store::intents::{Intent, NewIntent};
use store::subscriptions::Subscription;
use stripe::Form;

use super::{is_stale, note_failure};
use crate::app::App;
use crate::http::callers::SignedIn;
use crate::http::error::{Error, Result};
use crate::http::rate_limit;
use crate::sync;

const KIND: &str = "plan_change";
/// Our own parameter in the frozen ones: whose change it is. Not sent.
const SUBSCRIPTION: &str = "subscription";
/// Reasons that Stripe keeps statistics of.
const FEEDBACK: [&str; 5] = [
    "too_expensive",
    "missing_features",
    "unused",
    "switched_service",
    "other",
];

/// The account's subscription that can still charge: the newest.
pub async fn live(app: &App, account: i64) -> Result<Option<Subscription>> {
    let live = app
        .read(move |tx| store::subscriptions::live(tx, account))
        .await?;
    Ok(live.into_iter().next())
}

/// Ends the plan with the period that is paid. Once it is set to end, this changes nothing.
pub async fn cancel(app: &App, caller: &SignedIn, feedback: Option<&str>) -> Result<()> {
    let held = allowed(app, caller).await?;
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        return Ok(());
    }
    let feedback = feedback.filter(|feedback| FEEDBACK.contains(feedback));
    let change = Form::new()
        .push("cancel_at_period_end", "true")
        .push_opt("cancellation_details[feedback]", feedback);
    apply(app, caller, &held, change).await
}

/// Takes a cancellation back while the plan still runs.
pub async fn resume(app: &App, caller: &SignedIn) -> Result<()> {
    let held = allowed(app, caller).await?;
    // A date that somebody set at Stripe is taken back by its own field.
    let change = match (held.cancel_at_period_end, held.cancel_at) {
        (true, _) => Form::new().push("cancel_at_period_end", "false"),
        (false, Some(_)) => Form::new().push("cancel_at", ""),
        (false, None) => return Ok(()),
    };
    apply(app, caller, &held, change).await
}

async fn allowed(app: &App, caller: &SignedIn) -> Result<Subscription> {
    if !app.settings.billing.enabled {
        return Err(Error::not_found("Billing is switched off."));
    }
    caller.may_pay()?;
    let limit = app.settings.limits.portal_per_minute;
    let account = caller.account.id;
    rate_limit::take(app, &format!("plan:{}", caller.user.id), limit, account).await?;
    let nothing = || Error::conflict("no_plan", "There is no plan to change.");
    live(app, account).await?.ok_or_else(nothing)
}

/// Asks Stripe, then looks at what it says. What is held changes by that look alone.
async fn apply(app: &App, caller: &SignedIn, held: &Subscription, change: Form) -> Result<()> {
    let params = with_subscription(&held.subscription_id, &change).encode();
    let intent = reserve(app, caller, &params).await?;
    // Stripe refuses these fields while a schedule rules the subscription.
    if let Some(schedule) = &held.schedule_id {
        let key = format!("{}-release", intent.id);
        let released = app
            .stripe
            .release_subscription_schedule(schedule, &Form::new(), &key)
            .await;
        match released {
            // Released before, or gone with its subscription: nothing rules any more.
            Ok(_) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let called = app
        .stripe
        .update_subscription(&held.subscription_id, &change, &intent.id)
        .await;
    if let Err(error) = called {
        note_failure(app, &intent, &error).await?;
        return Err(error.into());
    }
    let (id, now) = (intent.id, app.now());
    app.write(caller.account.id, move |tx| {
        store::intents::close(tx, &id, now)
    })
    .await?;
    sync::account(app, caller.account.id).await?;
    Ok(())
}

fn with_subscription(id: &str, change: &Form) -> Form {
    let named = Form::new().push(SUBSCRIPTION, id);
    let pairs = change.iter();
    pairs.fold(named, |form, (name, value)| form.push(name, value))
}

/// The row whose id is the idempotency key: that of an earlier try of the same change whose outcome
/// is not known, else a new one.
async fn reserve(app: &App, caller: &SignedIn, params: &str) -> Result<Intent> {
    let (id, now, params) = (app.new_id("int"), app.now(), params.to_owned());
    let (account, user) = (caller.account.id, caller.user.id);
    let intent = app
        .write(account, move |tx| {
            if let Some(earlier) = store::intents::under_way(tx, account, KIND)? {
                if earlier.params == params && !is_stale(&earlier, now) {
                    return Ok(Some(earlier));
                }
                store::intents::close(tx, &earlier.id, now)?;
            }
            let new = NewIntent {
                id: &id,
                account_id: account,
                user_id: Some(user),
                kind: KIND,
                params: &params,
                ..NewIntent::default()
            };
            match store::intents::insert(tx, &new, now)? {
                Some(intent) => Ok(Some(intent)),
                None => store::intents::under_way(tx, account, KIND),
            }
        })
        .await?;
    intent.ok_or_else(|| Error::unavailable("claimed", "Another request is doing this; try again."))
}
