//! Enforces one free trial per account and per card.

use store::trials::{Trial, TrialState};
use stripe::Form;
use stripe::objects::{Subscription, SubscriptionStatus};

use crate::app::App;
use crate::error::Result;
use crate::sync::checkout_session::INTENT_KEY;
use crate::sync::snapshot::Fetched;
use crate::trials::had_one;

/// The ids of the subscriptions in trial.
pub(super) fn trialing(fetched: &Fetched) -> Vec<String> {
    let all = fetched.snapshot.subscriptions.iter();
    all.filter(|one| one.status == domain::plan::SubscriptionStatus::Trialing)
        .map(|one| one.id.clone())
        .collect()
}

/// Checks those of the account's trials that haven't been checked yet. Returns whether one was
/// ended, in which case the account must be fetched again.
pub async fn check(app: &App, account: i64, trialing: &[String]) -> Result<bool> {
    let billing = &app.settings.billing;
    if !billing.trial_once_per_account && !billing.trial_once_per_card {
        return Ok(false);
    }
    let mut has_ended = false;
    for subscription in trialing {
        let id = subscription.clone();
        let seen = app
            .read(move |tx| store::trials::find(tx, account, &id))
            .await?;
        // A trial whose refusal was started but not recorded as done is ended again.
        if seen.is_none_or(|trial| trial.state == TrialState::Refusing) {
            has_ended |= check_one(app, account, subscription).await?;
        }
    }
    Ok(has_ended)
}

async fn check_one(app: &App, account: i64, subscription: &str) -> Result<bool> {
    let fetched = app.stripe.retrieve_subscription(subscription).await?;
    // A trial that someone set in Stripe's dashboard was intentional.
    let is_ours = fetched.metadata.contains_key(INTENT_KEY);
    if fetched.status != SubscriptionStatus::Trialing || !is_ours {
        return Ok(false);
    }
    let card = card_hash(app, &fetched).await?;
    let (id, now) = (subscription.to_owned(), app.now());
    let once_per_account = app.settings.billing.trial_once_per_account;
    let refused = app
        .write(account, move |tx| {
            let is_first = match &card {
                Some(card) => store::trials::claim_card(tx, account, &id, card, now)?,
                None => true,
            };
            let refused = !is_first || once_per_account && had_one(tx, account, Some(&id))?;
            let state = if refused {
                TrialState::Refusing
            } else {
                TrialState::Granted
            };
            note(tx, account, &id, state, now)?;
            Ok(refused)
        })
        .await?;
    if !refused {
        return Ok(false);
    }
    match app
        .stripe
        .cancel_subscription(subscription, &Form::new())
        .await
    {
        Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let id = subscription.to_owned();
    app.write(account, move |tx| {
        note(tx, account, &id, TrialState::Refused, now)
    })
    .await?;
    tracing::info!(
        account,
        subscription,
        "Ended a trial that was not the first"
    );
    Ok(true)
}

fn note(
    tx: &mut store::Tx<'_>,
    account: i64,
    subscription: &str,
    state: TrialState,
    now: domain::time::Timestamp,
) -> store::Result<u64> {
    let row = Trial {
        subscription_id: subscription.to_owned(),
        account_id: account,
        state,
        created_at: now,
    };
    store::trials::put(tx, &row)
}

/// A digest of the card's fingerprint, which is enough to recognize the card.
async fn card_hash(app: &App, subscription: &Subscription) -> Result<Option<String>> {
    if !app.settings.billing.trial_once_per_card {
        return Ok(None);
    }
    let mut method = subscription.default_payment_method.id().map(str::to_owned);
    if method.is_none()
        && let Some(customer) = subscription.customer.id()
    {
        let customer = app.stripe.retrieve_customer(customer).await?;
        method = customer.default_payment_method().id().map(str::to_owned);
    }
    let Some(method) = method else {
        return Ok(None);
    };
    let method = app.stripe.retrieve_payment_method(&method).await?;
    let fingerprint = method.card.and_then(|card| card.fingerprint);
    Ok(fingerprint.map(|text| hex::encode(crate::secrets::hash(&format!("card:{text}")))))
}
