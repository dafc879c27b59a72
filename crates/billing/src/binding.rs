//! The Stripe account and mode that the database belongs to (G1).
//!
//! Both are stored at the first contact. A key of another account or mode would find none of our
//! customers and make new ones, so nothing is read from or sent to Stripe with it.

use std::sync::atomic::Ordering;

use store::Tx;

use crate::app::App;
use crate::config::Settings;
use crate::error::{Error, Result};

/// Name of the setting that holds the id of the Stripe account.
pub const ACCOUNT: &str = "stripe.account";

/// Name of the setting that holds the mode: `live` or `test`.
pub const MODE: &str = "stripe.mode";

/// The code of the error for a key of another account or mode.
pub const OTHER_ACCOUNT: &str = "other_stripe_account";

/// A Stripe account in one of its modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Stripe's id of the account: `acct_...`.
    pub account: String,
    /// `live` or `test`.
    pub mode: String,
}

fn mode_of(app: &App) -> &'static str {
    if app.settings.stripe.is_live() {
        "live"
    } else {
        "test"
    }
}

/// What the database is bound to; `None` before the first contact with Stripe.
pub fn stored(tx: &mut Tx<'_>) -> store::Result<Option<Binding>> {
    let account = store::settings::get(tx, ACCOUNT)?;
    let mode = store::settings::get(tx, MODE)?;
    Ok(account
        .zip(mode)
        .map(|(account, mode)| Binding { account, mode }))
}

/// Checks that the database belongs to the account and mode of the configured key, and binds a
/// database that is not bound yet. Once it succeeded, this process doesn't check again.
///
/// # Errors
///
/// Fails with `other_stripe_account` if it doesn't, and with Stripe's error if Stripe can't be
/// asked.
pub async fn check(app: &App) -> Result<()> {
    if app.is_bound.load(Ordering::Relaxed) {
        return Ok(());
    }
    let bound = app.read(stored).await?;
    let mode = mode_of(app);
    if let Some(bound) = &bound
        && bound.mode != mode
    {
        return Err(other(app, bound, &format!("of {mode} mode")));
    }
    let account = match app.stripe.retrieve_account().await {
        Ok(account) => account.id,
        // A restricted key without the permission to read the account: its mode is known, and
        // Stripe itself refuses other accounts' objects.
        Err(stripe::Error::Refused { status: 403, .. }) => {
            tracing::warn!(
                "The key may not read the Stripe account, so its latest customer is looked up instead"
            );
            check_customer(app, "the key's account", mode).await?;
            app.is_bound.store(true, Ordering::Relaxed);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let bound = match bound {
        Some(bound) => bound,
        None => bind(app, account.clone(), mode).await?,
    };
    if bound.account != account || bound.mode != mode {
        return Err(other(app, &bound, &format!("of {account} in {mode} mode")));
    }
    app.is_bound.store(true, Ordering::Relaxed);
    Ok(())
}

/// Stores the account and mode, unless another process was first. A database from before this check
/// has customers: one of them must be found.
async fn bind(app: &App, account: String, mode: &'static str) -> Result<Binding> {
    check_customer(app, &account, mode).await?;
    let now = app.real_now();
    app.write(0, move |tx| {
        Ok(Binding {
            account: store::settings::put_once(tx, ACCOUNT, &account, now)?,
            mode: store::settings::put_once(tx, MODE, mode, now)?,
        })
    })
    .await
}

/// Checks that Stripe has the latest customer of the database, if there is one.
async fn check_customer(app: &App, account: &str, mode: &str) -> Result<()> {
    let known = app.read(store::customers::latest).await?;
    let Some(customer) = known else {
        return Ok(());
    };
    match app.stripe.retrieve_customer(&customer).await {
        Ok(_) => Ok(()),
        Err(stripe::Error::NotFound { .. }) => Err(Error::unavailable(
            OTHER_ACCOUNT,
            format!(
                "{account} in {mode} mode does not have {customer}, the latest customer of this \
                 database. {}",
                advice(app)
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

fn other(app: &App, bound: &Binding, key: &str) -> Error {
    let Binding { account, mode } = bound;
    let advice = advice(app);
    Error::unavailable(
        OTHER_ACCOUNT,
        format!(
            "This database belongs to the Stripe account {account} in {mode} mode, and the \
             configured key is {key}. {advice}"
        ),
    )
}

fn advice(app: &App) -> &'static str {
    if app.settings.stripe.api_base == Settings::STRIPE {
        "Configure that account's key, or use another database."
    } else {
        "Start the twin with the saved state that belongs to this database, or start with a new \
         database."
    }
}
