//! Intents: rows that are written before Stripe is asked to create or change something.

pub(crate) mod chain;
pub(crate) mod pages;
pub(crate) mod refund;

use domain::time::Timestamp;
use store::intent_steps::Step;
use store::intents::Intent;

use crate::app::App;
use crate::error::{Error, Result};

/// The metadata key that marks what an intent created at Stripe, so that it is found again.
pub const INTENT_KEY: &str = "intent";

/// Stripe may forget an idempotency key after 24 hours; retries before this limit reuse the key.
const KEY_HOURS: i64 = 23;

/// Whether an intent's idempotency key is too old to be reused.
pub(crate) fn is_stale(intent: &Intent, now: Timestamp) -> bool {
    now >= intent.created_at.plus_seconds(KEY_HOURS * 3_600)
}

/// Whether the idempotency key of a step is too old to be reused.
pub(crate) fn is_key_stale(step: &Step, now: Timestamp) -> bool {
    now >= step.key_at.plus_seconds(KEY_HOURS * 3_600)
}

/// Whether an earlier attempt at this step may have succeeded, so that Stripe is searched first.
pub(crate) fn may_be_made(app: &App, step: &Step) -> bool {
    step.error.is_some() || step.key_number > 0 || is_key_stale(step, app.now())
}

/// The current idempotency key of a step, whose first one was `first`.
pub(crate) fn key_of(first: &str, step: &Step) -> String {
    match step.key_number {
        0 => first.to_owned(),
        number => format!("{first}-key-{number}"),
    }
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

/// Whether an error says that Stripe did nothing and never will for this request. An error of
/// Stripe's own that it saved under the idempotency key says neither.
pub(crate) fn is_refusal(error: &stripe::Error) -> bool {
    let is_saved = error.is_replayed() && matches!(error, stripe::Error::Unavailable { .. });
    !(is_saved || error.is_temporary() || error.is_outcome_unknown())
}

/// Handles a failed call that nothing depends on yet: a refusal ends the intent, so that the next
/// request has a new one; so does an error that Stripe saved under the key. An unknown outcome keeps
/// it for a retry with the same key.
pub(crate) async fn note_failure(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    if !is_refusal(error) && !error.is_replayed() {
        return Ok(());
    }
    let (id, now, text) = (intent.id.clone(), app.now(), error.to_string());
    app.write(intent.account_id, move |tx| {
        store::intents::set_failed(tx, &id, &text, now)
    })
    .await?;
    Ok(())
}

/// Whether Stripe failed while it executed a call, so that it probably saved the error under the
/// idempotency key and advised against a retry. Only another call with the key tells.
pub(crate) fn may_be_saved(error: &stripe::Error) -> bool {
    matches!(
        error,
        stripe::Error::Unavailable {
            status: Some(500),
            ..
        }
    )
}

/// Makes a call, and once more with the same key if an error of Stripe's own may be saved under it:
/// then the answer says so.
pub(crate) async fn call_twice<T, F>(call: impl Fn() -> F) -> stripe::Result<T>
where
    F: Future<Output = stripe::Result<T>>,
{
    match call().await {
        Err(error) if may_be_saved(&error) && !error.is_replayed() => call().await,
        answer => answer,
    }
}

/// Makes a call that may be repeated: if Stripe saved an error of its own under the idempotency key,
/// once more with a new one.
pub(crate) async fn call_again<T, F>(
    intent: &Intent,
    call: impl Fn(String) -> F,
) -> stripe::Result<T>
where
    F: Future<Output = stripe::Result<T>>,
{
    call_again_as(&intent.id, call).await
}

/// Like [`call_again`], for one of several calls of an intent, each with a key of its own.
pub(crate) async fn call_again_as<T, F>(key: &str, call: impl Fn(String) -> F) -> stripe::Result<T>
where
    F: Future<Output = stripe::Result<T>>,
{
    match call_twice(|| call(key.to_owned())).await {
        Err(error) if error.is_replayed() && !is_refusal(&error) => {
            call(format!("{key}-key-1")).await
        }
        answer => answer,
    }
}

/// The error for a request that lost to a concurrent one for the same thing and must be retried.
pub(crate) fn claimed() -> Error {
    Error::unavailable(
        "claimed",
        "Another request is already doing this. Try again.",
    )
}
