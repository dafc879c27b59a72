//! Intents: rows that are written before Stripe is asked to create or change something.

use domain::time::Timestamp;
use store::intents::{Intent, IntentKind, IntentState};

use crate::app::App;
use crate::error::{Error, Result};
use crate::payments::KEY_HOURS;

/// Whether an intent's idempotency key is too old to be reused.
pub(crate) fn is_stale(intent: &Intent, now: Timestamp) -> bool {
    now >= intent.created_at.plus_seconds(KEY_HOURS * 3_600)
}

/// Records that Stripe is asked now. False if the intent has ended meanwhile: then nothing may be
/// sent.
pub(crate) async fn start_call(app: &App, intent: &Intent) -> Result<bool> {
    let (id, now) = (intent.id.clone(), app.now());
    app.write(intent.account_id, move |tx| {
        store::intents::set_calling(tx, &id, now)
    })
    .await
}

/// Handles a failed call: a definite refusal ends the intent, an unknown outcome keeps it for a
/// retry with the same key, and an error that Stripe stored under the key makes the key unusable,
/// which also ends the intent.
pub(crate) async fn note_failure(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let is_over = error.is_replayed() || !(error.is_temporary() || error.is_outcome_unknown());
    let (id, now, text) = (intent.id.clone(), app.now(), error.to_string());
    if is_over {
        app.write(intent.account_id, move |tx| {
            store::intents::set_failed(tx, &id, &text, now)
        })
        .await?;
    }
    Ok(())
}

/// The error for a request that lost to a concurrent one for the same thing and must be retried.
pub(crate) fn claimed() -> Error {
    Error::unavailable(
        "claimed",
        "Another request is already doing this. Try again.",
    )
}

/// Seconds after which a deferred call with an unknown outcome is retried.
const RETRY_SECONDS: i64 = 60;

/// A Stripe call that a commit decided on: it is made after the commit, outside any transaction,
/// and retried by the sweep until its outcome is known.
pub(crate) trait Deferred {
    /// The kind of its intents; an account has at most one in progress.
    const KIND: IntentKind;

    /// Maximum number of intents per sweep.
    const ROUND_MAX: i64;

    /// Calls Stripe and settles the intent.
    fn carry_out(app: &App, intent: &Intent) -> impl Future<Output = Result<()>> + Send;
}

/// Makes the call that the account's latest commit decided on. A failure is only logged;
/// [`attempt_waiting`] retries it.
pub(crate) async fn attempt_now<D: Deferred>(app: &App, account: i64) {
    let found = app
        .read(move |tx| store::intents::under_way(tx, account, D::KIND))
        .await;
    match found {
        Ok(Some(intent)) if intent.state == IntentState::Open => attempt::<D>(app, &intent).await,
        Ok(_) => {}
        Err(error) => {
            let kind = D::KIND.word();
            tracing::warn!(account, kind, %error, "Failed to read an account's open intents");
        }
    }
}

/// Retries calls that failed or whose process died.
pub(crate) async fn attempt_waiting<D: Deferred>(app: &App) -> Result<()> {
    let before = app.now().plus_seconds(-RETRY_SECONDS);
    let waiting = app
        .read(move |tx| store::intents::waiting(tx, D::KIND, before, D::ROUND_MAX))
        .await?;
    for intent in waiting {
        attempt::<D>(app, &intent).await;
    }
    Ok(())
}

async fn attempt<D: Deferred>(app: &App, intent: &Intent) {
    let _busy = app.busy();
    if let Err(error) = D::carry_out(app, intent).await {
        let (account, kind) = (intent.account_id, D::KIND.word());
        tracing::warn!(account, intent = intent.id, kind, %error, "A deferred call failed");
    }
}
