//! Trials: offered once per account, and given once per card.
//!
//! The card is known only after Checkout, so a trial with a card that already had one is ended by
//! the sync, without a charge.

use domain::catalog::Tier;

use crate::app::App;
use crate::error::Result;

/// The length in days of the trial that the account is offered with a plan, if any.
pub async fn offered(app: &App, account: i64, tier: &Tier) -> Result<Option<i64>> {
    let Some(days) = tier.trial_days else {
        return Ok(None);
    };
    Ok(may_have_one(app, account).await?.then_some(days))
}

/// Whether the account is offered a trial, if a plan has one.
pub async fn may_have_one(app: &App, account: i64) -> Result<bool> {
    let is_once = app.settings.billing.trial_once_per_account;
    app.read(move |tx| may_have(tx, account, is_once)).await
}

/// [`may_have_one`] within a database read; `is_once` is the setting.
pub fn may_have(tx: &mut store::Tx<'_>, account: i64, is_once: bool) -> store::Result<bool> {
    Ok(!is_once || !had_one(tx, account, None)?)
}

/// Whether the account had a trial, with a subscription other than `except`.
pub(crate) fn had_one(
    tx: &mut store::Tx<'_>,
    account: i64,
    except: Option<&str>,
) -> store::Result<bool> {
    let is_other = |id: &String| except != Some(id);
    let rows = store::subscriptions::of_account(tx, account)?;
    let mut had = rows
        .iter()
        .any(|row| row.trial_end.is_some() && is_other(&row.subscription_id));
    let seen = store::trials::of_account(tx, account)?;
    had |= seen.iter().any(|trial| is_other(&trial.subscription_id));
    Ok(had)
}
