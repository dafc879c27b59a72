//! Closing an account (F15): everything that could still charge is ended at Stripe first; only then
//! is personal data erased. The books remain.

use domain::people::UserRole;
use domain::plan::SubscriptionStatus;
use serde_json::json;
use store::intents::{IntentKind, IntentState, NewIntent};
use store::subscriptions::Subscription;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::{rate_limit, sync};

/// Maximum number of attempts per minute and account.
const PER_MINUTE: u32 = 3;

const KIND: IntentKind = IntentKind::Closing;

/// Maximum number of Checkout pages that are checked; far more than are ever open.
const PAGES_MAX: i64 = 100;

/// Closes the caller's account. If Stripe fails, nothing is deleted, and the next attempt
/// continues.
pub async fn close(app: &App, caller: &SignedIn) -> Result<()> {
    caller.may_own()?;
    let account = caller.account.id;
    rate_limit::take(app, &format!("close:{account}"), PER_MINUTE, account).await?;
    // Use Stripe's current state, not the last one we stored.
    let is_known = app
        .read(move |tx| Ok(!store::customers::of_account(tx, account)?.is_empty()))
        .await?;
    if is_known {
        sync::account(app, account).await?;
        end_pages(app, account).await?;
        end_subscriptions(app, caller).await?;
        forget_at_stripe(app, caller).await?;
        sync::account(app, account).await?;
        let rest = chargeable(app, account).await?;
        if !rest.is_empty() {
            let detail = "A subscription started in the meantime. Nothing was deleted. Try again.";
            return Err(Error::unavailable("still_subscribed", detail));
        }
    }
    forget(app, caller).await
}

/// Subscriptions that can still charge, whatever their status.
async fn chargeable(app: &App, account: i64) -> Result<Vec<Subscription>> {
    let all = app
        .read(move |tx| store::subscriptions::of_account(tx, account))
        .await?;
    let is_over = |row: &Subscription| {
        row.ended_at.is_some()
            || matches!(
                row.status,
                SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired
            )
    };
    Ok(all.into_iter().filter(|row| !is_over(row)).collect())
}

/// Expires Checkout pages that could still be paid.
async fn end_pages(app: &App, account: i64) -> Result<()> {
    let now = app.now();
    let intents = app
        .read(move |tx| store::intents::of_account(tx, account, PAGES_MAX))
        .await?;
    let open = intents.into_iter().filter(|intent| {
        intent.kind.is_checkout()
            && intent.state == IntentState::Done
            && intent.expires_at.is_some_and(|end| end > now)
    });
    for intent in open {
        if let Some(session) = &intent.stripe_object_id {
            let key = format!("{}-expire", intent.id);
            match app.stripe.expire_checkout_session(session, &key).await {
                // Refused: it was already paid or expired, and the sync read which.
                Ok(_) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let id = intent.id;
        app.write(account, move |tx| store::intents::close(tx, &id, now))
            .await?;
    }
    Ok(())
}

/// Cancels every subscription immediately. Canceling twice changes nothing, so an interrupted
/// attempt can simply be repeated.
async fn end_subscriptions(app: &App, caller: &SignedIn) -> Result<()> {
    for row in chargeable(app, caller.account.id).await? {
        let intent = write_down(app, caller, &row.subscription_id).await?;
        let ended = app
            .stripe
            .cancel_subscription(&row.subscription_id, &Form::new())
            .await;
        match ended {
            Ok(_) | Err(stripe::Error::NotFound { .. }) => settle(app, caller, intent).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes name and email address from the Stripe customer; its invoices remain, as the law
/// requires.
async fn forget_at_stripe(app: &App, caller: &SignedIn) -> Result<()> {
    let account = caller.account.id;
    let customer = app
        .read(move |tx| store::customers::current(tx, account))
        .await?;
    let Some(customer) = customer else {
        return Ok(());
    };
    let intent = write_down(app, caller, &customer).await?;
    let nobody = Form::new().push("email", "").push("name", "");
    match app
        .stripe
        .update_customer(&customer, &nobody, &intent)
        .await
    {
        Ok(_) | Err(stripe::Error::NotFound { .. }) => settle(app, caller, intent).await,
        Err(error) => Err(error.into()),
    }
}

/// Records the intent of a call to Stripe; continues an earlier attempt at the same call.
async fn write_down(app: &App, caller: &SignedIn, object: &str) -> Result<String> {
    let (id, object, now) = (app.new_id("int"), object.to_owned(), app.now());
    let (account, user) = (caller.account.id, caller.user.id);
    app.write(account, move |tx| {
        if let Some(earlier) = store::intents::under_way(tx, account, KIND)? {
            if earlier.params == object {
                return Ok(earlier.id);
            }
            store::intents::close(tx, &earlier.id, now)?;
        }
        let new = NewIntent {
            user_id: Some(user),
            ..NewIntent::new(&id, account, KIND, &object)
        };
        store::intents::insert(tx, &new, now)?;
        Ok(id.clone())
    })
    .await
}

async fn settle(app: &App, caller: &SignedIn, intent: String) -> Result<()> {
    let now = app.now();
    app.write(caller.account.id, move |tx| {
        store::intents::close(tx, &intent, now)
    })
    .await?;
    Ok(())
}

/// In one commit: removes the members, erases the account's personal data, and erases users who now
/// belong to no account. Operators are kept, since they belong to the service.
async fn forget(app: &App, caller: &SignedIn) -> Result<()> {
    let (account, now) = (caller.account.id, app.now());
    let author = Author::new(app, &caller.user.public_id);
    let subject = caller.account.public_id.clone();
    app.write(account, move |tx| {
        let members = store::users::members(tx, account)?;
        for member in &members {
            store::users::remove_member(tx, member.user_id, account)?;
        }
        store::erasure::account(tx, account, now)?;
        let mut forgotten = 0;
        for member in members {
            let is_elsewhere = !store::users::places(tx, member.user_id)?.is_empty();
            let user = store::users::find(tx, member.user_id)?;
            let is_customer = user.is_some_and(|user| user.role == UserRole::User);
            if !is_elsewhere && is_customer {
                store::erasure::user(tx, member.user_id, &member.email, now)?;
                forgotten += 1;
            }
        }
        let act = author.act(Action::AccountClose, &subject);
        act.with("usersForgotten", json!(forgotten)).append(tx)
    })
    .await?;
    app.keys.clear();
    Ok(())
}
