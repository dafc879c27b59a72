//! Chains: intents that take several calls to Stripe, with their steps written down.
//!
//! A chain is continued until its last step was taken. Before the first step that can't be taken
//! back, a refusal ends it and nothing was done. After it, the rest is owed: a step is retried with
//! the same idempotency key while that can succeed, and with a new one after Stripe refused it or
//! saved an error and a look shows that nothing was done. When retries are used up, an operator
//! continues it; operators are alerted before that (G5).

use domain::backoff::UNFINISHED_REQUEST;
use domain::time::Timestamp;
use store::intent_steps::{self, NewStep, Step, StepKind, StepState};
use store::intents::unfinished::{self, Failure, NEVER};
use store::intents::{Intent, IntentKind, IntentState, NewIntent};

use super::{is_key_stale, is_refusal, may_be_saved, start_call};
use crate::app::App;
use crate::error::{Error, Result};

/// Failed attempts after which operators are alerted, even if Stripe only didn't answer.
const ATTEMPTS_UNTIL_ALERT: i64 = 3;

/// How often a step is taken again immediately: once to learn whether Stripe saved an error under
/// the key, and once with a new key.
const REPEATS_MAX: usize = 2;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was taken; what it created at Stripe.
    Done(Option<String>),
    /// There was nothing left to do.
    Dropped,
    /// Only this amount, in minor units, is left to do.
    Reduced(i64),
    /// It can't be taken now and is tried again later.
    Waits {
        /// Why, as a part of a sentence.
        why: &'static str,
        /// Seconds until it is tried again.
        seconds: i64,
    },
}

/// Why a step was not taken.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Stripe's answer.
    Stripe(stripe::Error),
    /// An error of ours: the step is tried again.
    Own(Error),
}

impl From<stripe::Error> for Trouble {
    fn from(error: stripe::Error) -> Trouble {
        Trouble::Stripe(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Own(error)
    }
}

/// How far a chain came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Every step was taken.
    Finished,
    /// The rest is owed and will be tried again.
    Owed,
    /// It had ended before.
    Over,
}

/// A request to Stripe that takes several steps.
pub(crate) trait Chain {
    /// The kind of its intents.
    const KIND: IntentKind;

    /// Whether it is owed before its first step was taken: then a refusal doesn't end it.
    fn is_owed(_intent: &Intent) -> bool {
        false
    }

    /// The error for a caller whose chain was refused before anything was done.
    fn refused(error: stripe::Error) -> Error {
        error.into()
    }

    /// Its steps in their order, from the parameters of the intent.
    fn steps(intent: &Intent) -> Vec<NewStep>;

    /// Takes a step. Taking one that was taken before changes nothing.
    fn take(
        app: &App,
        intent: &Intent,
        step: &Step,
    ) -> impl Future<Output = std::result::Result<Taken, Trouble>> + Send;

    /// Ends the intent after its last step: it is closed, unless more is left to write.
    fn finish(
        app: &App,
        intent: &Intent,
        _steps: &[Step],
    ) -> impl Future<Output = Result<()>> + Send {
        close(app, intent)
    }
}

/// Closes an intent.
pub(crate) async fn close(app: &App, intent: &Intent) -> Result<()> {
    let (id, now) = (intent.id.clone(), app.now());
    app.write(intent.account_id, move |tx| {
        store::intents::close(tx, &id, now).map(|_| ())
    })
    .await
}

/// Records an intent with its steps. `None` if one of its kind is in progress and not owed yet, or
/// this one was recorded before.
pub(crate) fn insert<C: Chain>(
    tx: &mut store::Tx<'_>,
    new: &NewIntent<'_>,
    now: Timestamp,
) -> store::Result<Option<Intent>> {
    let intent = store::intents::insert(tx, new, now)?;
    if let Some(intent) = &intent {
        let steps = C::steps(intent);
        intent_steps::put(tx, (intent.account_id, &intent.id), &steps, now, now)?;
        // What is owed keeps no later one of its kind from being recorded.
        if C::is_owed(intent) {
            unfinished::set_owed(tx, &intent.id, now)?;
        }
    }
    Ok(intent)
}

/// Takes the steps that are left. An error means that nothing was done that can't be taken back; the
/// chain is retried in the background unless Stripe refused it.
pub(crate) async fn run<C: Chain>(app: &App, intent: &Intent) -> Result<Progress> {
    let _busy = app.busy();
    if !start_call(app, intent).await? {
        return Ok(Progress::Over);
    }
    let mut repeats = 0;
    loop {
        let steps = recorded::<C>(app, intent).await?;
        let Some(step) = steps.iter().find(|step| step.state == StepState::Due) else {
            return finish::<C>(app, intent, &steps).await;
        };
        let is_owed = C::is_owed(intent) || intent.is_owed || steps.iter().any(is_done);
        let trouble = match C::take(app, intent, step).await {
            Ok(Taken::Waits { why, seconds }) => {
                wait(app, step, why, seconds).await?;
                return Ok(Progress::Owed);
            }
            Ok(taken) => {
                record(app, step, taken).await?;
                continue;
            }
            Err(Trouble::Stripe(error)) if !is_owed && is_refusal(&error) => {
                fail(app, intent, &error).await?;
                return Err(C::refused(error));
            }
            Err(trouble) => trouble,
        };
        let is_saved = matches!(&trouble, Trouble::Stripe(error) if may_be_saved(error));
        let is_repeated = is_saved && repeats < REPEATS_MAX;
        note(app, intent, step, &trouble, !is_repeated).await?;
        if is_repeated {
            repeats += 1;
            continue;
        }
        return match trouble {
            _ if is_owed => Ok(Progress::Owed),
            Trouble::Stripe(error) => Err(error.into()),
            Trouble::Own(error) => Err(error),
        };
    }
}

fn is_done(step: &Step) -> bool {
    step.state == StepState::Done
}

/// Ends an intent whose steps were all taken. If that fails, it is tried again like a step.
async fn finish<C: Chain>(app: &App, intent: &Intent, steps: &[Step]) -> Result<Progress> {
    let Err(error) = C::finish(app, intent, steps).await else {
        return Ok(Progress::Finished);
    };
    let (id, text, now) = (intent.id.clone(), error.to_string(), app.now());
    let (needs_attention, next_attempt_at) = retry_of(intent, now);
    app.write(intent.account_id, move |tx| {
        let failure = Failure {
            error: &text,
            needs_attention,
            counts: true,
            next_attempt_at,
        };
        unfinished::put_off(tx, &id, &failure, now)
    })
    .await?;
    if steps.iter().any(is_done) {
        tracing::warn!(intent = intent.id, %error, "A request to Stripe was made and is recorded later");
        return Ok(Progress::Owed);
    }
    Err(error)
}

/// After another failed attempt: whether operators are alerted, and when the next one is made.
fn retry_of(intent: &Intent, now: Timestamp) -> (bool, Timestamp) {
    let attempts = intent.attempts + 1;
    let wait = UNFINISHED_REQUEST.next_seconds(attempts);
    let next_attempt_at = wait.map_or(NEVER, |seconds| now.plus_seconds(seconds));
    (attempts >= ATTEMPTS_UNTIL_ALERT, next_attempt_at)
}

/// Continues the chain of the account's latest commit. A failure is only logged; the janitor
/// retries it.
pub(crate) async fn run_latest<C: Chain>(app: &App, account: i64) {
    let found = app
        .read(move |tx| store::intents::of_kind(tx, account, C::KIND, 1))
        .await;
    let made = match found.map(|found| found.into_iter().next()) {
        Ok(Some(intent)) if intent.state == IntentState::Open => {
            run::<C>(app, &intent).await.map(drop)
        }
        Ok(_) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = made {
        let kind = C::KIND.word();
        tracing::warn!(account, kind, %error, "A request to Stripe is unfinished");
    }
}

/// Continues the chains of a kind that are due, the longest due first. One that fails doesn't keep
/// the others from being continued.
pub(crate) async fn run_due<C: Chain>(app: &App, limit: i64) -> Result<()> {
    let now = app.now();
    let due = app
        .read(move |tx| unfinished::due(tx, C::KIND, now, limit))
        .await?;
    for intent in due {
        let (id, account) = (intent.id.clone(), intent.account_id);
        if !app
            .write(account, move |tx| unfinished::claim(tx, &id, now))
            .await?
        {
            continue;
        }
        let id = &intent.id;
        match go_on::<C>(app, &intent).await {
            Ok(Progress::Finished | Progress::Over) => {
                tracing::info!(account, intent = id, "Finished a request to Stripe");
            }
            Ok(Progress::Owed) => {
                tracing::warn!(account, intent = id, "A request to Stripe is unfinished");
            }
            Err(error) => {
                tracing::warn!(account, intent = id, %error, "A request to Stripe failed");
            }
        }
    }
    Ok(())
}

/// Continues a chain without its caller, who was told to try again if nothing was done: a
/// subscription is then not canceled later, when no one expects it. Whether it was canceled is
/// looked up.
async fn go_on<C: Chain>(app: &App, intent: &Intent) -> Result<Progress> {
    let steps = recorded::<C>(app, intent).await?;
    let is_owed = C::is_owed(intent) || intent.is_owed || steps.iter().any(is_done);
    let first = steps.iter().find(|step| step.state == StepState::Due);
    let Some(step) = first.filter(|step| step.kind == StepKind::Cancel && !is_owed) else {
        return run::<C>(app, intent).await;
    };
    let subscription = step.object_id.as_deref().unwrap_or_default();
    match app.stripe.retrieve_subscription(subscription).await {
        Ok(held) if held.ended_at.is_none() => {
            let (id, now) = (intent.id.clone(), app.now());
            app.write(intent.account_id, move |tx| {
                store::intents::set_failed(tx, &id, "the subscription was not canceled", now)
            })
            .await?;
            Ok(Progress::Over)
        }
        Ok(_) | Err(stripe::Error::NotFound { .. }) => {
            record(app, step, Taken::Done(None)).await?;
            run::<C>(app, intent).await
        }
        Err(error) => {
            // A look that is refused says nothing about the subscription.
            let trouble = Trouble::Own(error.into());
            note(app, intent, step, &trouble, true).await?;
            Ok(Progress::Owed)
        }
    }
}

/// The steps as recorded. Those of an intent from before steps were recorded are recorded now.
async fn recorded<C: Chain>(app: &App, intent: &Intent) -> Result<Vec<Step>> {
    let (account, id) = (intent.account_id, intent.id.clone());
    let steps = app
        .read(move |tx| intent_steps::of_intent(tx, account, &id))
        .await?;
    if !steps.is_empty() {
        return Ok(steps);
    }
    let (id, steps, now) = (intent.id.clone(), C::steps(intent), app.now());
    let key_at = intent.created_at;
    app.write(account, move |tx| {
        intent_steps::put(tx, (account, &id), &steps, key_at, now)?;
        intent_steps::of_intent(tx, account, &id)
    })
    .await
}

async fn record(app: &App, step: &Step, taken: Taken) -> Result<()> {
    let (step, now) = (step.clone(), app.now());
    app.write(step.account_id, move |tx| {
        let place = (&*step.intent_id, step.position);
        match &taken {
            Taken::Done(result) => {
                intent_steps::settle(tx, place, StepState::Done, result.as_deref(), now)?;
                unfinished::set_owed(tx, &step.intent_id, now)?;
            }
            Taken::Reduced(amount) => {
                intent_steps::set_amount(tx, place, *amount, now)?;
                intent_steps::change_key(tx, place, step.key_number, now)?;
            }
            Taken::Dropped | Taken::Waits { .. } => {
                intent_steps::settle(tx, place, StepState::Dropped, None, now)?;
            }
        }
        Ok(())
    })
    .await
}

/// Nothing was done, and nothing will be.
async fn fail(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let (id, text, now) = (intent.id.clone(), error.to_string(), app.now());
    app.write(intent.account_id, move |tx| {
        store::intents::set_failed(tx, &id, &text, now).map(|_| ())
    })
    .await
}

async fn wait(app: &App, step: &Step, why: &'static str, seconds: i64) -> Result<()> {
    let (step, now) = (step.clone(), app.now());
    app.write(step.account_id, move |tx| {
        let failure = Failure {
            error: why,
            needs_attention: false,
            counts: false,
            next_attempt_at: now.plus_seconds(seconds),
        };
        unfinished::put_off(tx, &step.intent_id, &failure, now)?;
        intent_steps::fail(tx, (&step.intent_id, step.position), why, now).map(|_| ())
    })
    .await
}

/// Records a failed attempt. A key under which Stripe saved an answer, or that it may have
/// forgotten, is replaced. `counts`: it uses up one of the retries.
async fn note(
    app: &App,
    intent: &Intent,
    step: &Step,
    trouble: &Trouble,
    counts: bool,
) -> Result<()> {
    let (error, is_refused, is_saved) = match trouble {
        Trouble::Stripe(error) => {
            let is_refused = is_refusal(error);
            let is_saved = error.is_replayed() && !is_refused;
            (error.to_string(), is_refused, is_saved)
        }
        Trouble::Own(error) => (error.to_string(), false, false),
    };
    let now = app.now();
    let has_new_key = is_refused || is_saved || is_key_stale(step, now);
    let (is_late, next_attempt_at) = retry_of(intent, now);
    let needs_attention = is_refused || is_late;
    let step = step.clone();
    app.write(step.account_id, move |tx| {
        let place = (&*step.intent_id, step.position);
        let failure = Failure {
            error: &error,
            needs_attention,
            counts,
            next_attempt_at,
        };
        unfinished::put_off(tx, &step.intent_id, &failure, now)?;
        intent_steps::fail(tx, place, &error, now)?;
        if has_new_key {
            intent_steps::change_key(tx, place, step.key_number, now)?;
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests;
