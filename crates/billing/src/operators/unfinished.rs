//! Unfinished requests to Stripe that need an operator: what is owed, and why it was not done.

use std::collections::HashSet;

use domain::amounts::amount as money;
use domain::time::Timestamp;
use serde_json::json;
use store::Tx;
use store::accounts::Account;
use store::intent_steps::{self, Step, StepKind, StepState};
use store::intents::unfinished::{self, NEVER};
use store::intents::{Intent, IntentKind};
use stripe::Form;

use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::chain::Progress;
use crate::intents::refund::made;
use crate::jobs::unfinished::go_on;
use crate::operators::audit_log::{Action, Author};
use crate::payments::owed;
use crate::payments::plan::ending::refund_mark;

/// Maximum number of requests that are listed.
pub const LISTED_MAX: i64 = 50;

/// Maximum number of requests of which the accounts are alerted.
const ALERTED_MAX: i64 = 5_000;

/// A request to Stripe that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The id of the request: `int_...` or `rfd_...`.
    pub id: String,
    /// The public id of the account.
    pub account: String,
    /// What is still to be done, as the start of a sentence: "A refund of $49.00".
    pub what: String,
    /// Why the last attempt failed.
    pub error: String,
    /// The number of failed attempts.
    pub attempts: i64,
    /// When it was requested.
    pub since: Timestamp,
    /// When it is tried again; none if only an operator continues it.
    pub next_attempt_at: Option<Timestamp>,
}

/// Requests of all accounts that need attention, the oldest first.
pub fn all(tx: &mut Tx<'_>) -> store::Result<Vec<Unfinished>> {
    let intents = unfinished::needing_attention(tx, LISTED_MAX)?;
    shown(tx, intents)
}

/// The number of requests of all accounts that need attention.
pub fn count(tx: &mut Tx<'_>) -> store::Result<i64> {
    unfinished::count_needing_attention(tx)
}

/// The oldest request of each account that needs attention.
pub fn by_account(tx: &mut Tx<'_>) -> store::Result<Vec<Unfinished>> {
    let mut intents = unfinished::needing_attention(tx, ALERTED_MAX)?;
    let mut seen = HashSet::new();
    intents.retain(|intent| seen.insert(intent.account_id));
    shown(tx, intents)
}

/// An account's requests that need attention or of which an attempt failed, the oldest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<Unfinished>> {
    let intents = unfinished::troubled(tx, account, LISTED_MAX)?;
    shown(tx, intents)
}

fn shown(tx: &mut Tx<'_>, intents: Vec<Intent>) -> store::Result<Vec<Unfinished>> {
    let mut list = Vec::new();
    for intent in intents {
        let account = store::accounts::find(tx, intent.account_id)?;
        let steps = intent_steps::of_intent(tx, intent.account_id, &intent.id)?;
        let due = steps.into_iter().find(|step| step.state == StepState::Due);
        list.push(Unfinished {
            account: account.map(|account| account.public_id).unwrap_or_default(),
            what: what(tx, &intent, due.as_ref())?,
            error: intent.error.unwrap_or_default(),
            attempts: intent.attempts,
            since: intent.created_at,
            next_attempt_at: Some(intent.next_attempt_at).filter(|at| *at != NEVER),
            id: intent.id,
        });
    }
    Ok(list)
}

/// What is left of a request, from its next step.
pub fn what(tx: &mut Tx<'_>, intent: &Intent, due: Option<&Step>) -> store::Result<String> {
    Ok(match due.map(|step| (step.kind, step)) {
        Some((StepKind::Refund, step)) => match owed::amount_of(tx, step)? {
            Some(amount) => format!("A refund of {}", money(amount)),
            None => "A refund".to_owned(),
        },
        Some((StepKind::Cancel, _)) => "The cancellation of a subscription".to_owned(),
        Some((StepKind::ClosePages, _)) => "The end of open Checkout pages".to_owned(),
        Some((StepKind::Pause, _)) => "The pause of a suspended account's plan".to_owned(),
        Some((StepKind::Resume, _)) => "The resumption of a plan after a suspension".to_owned(),
        Some((StepKind::Forget | StepKind::Erase, _)) => "The closing of the account".to_owned(),
        _ => of_kind(intent.kind).to_owned(),
    })
}

fn of_kind(kind: IntentKind) -> &'static str {
    match kind {
        IntentKind::AutoTopup => "An automatic top-up",
        IntentKind::Customer => "The creation of a Stripe customer",
        IntentKind::CustomerChange => "A new name or email address at Stripe",
        IntentKind::PlanEnd => "The end of a plan",
        IntentKind::DuplicateSubscription => "The undoing of a purchase",
        IntentKind::DisputedPlanEnd => "The end of a disputed plan",
        IntentKind::Refund => "A refund",
        IntentKind::Closing => "The closing of the account",
        IntentKind::Suspension => "The suspension of the account at Stripe",
        IntentKind::PlanChange => "A change of plan",
        IntentKind::CheckoutSubscription | IntentKind::CheckoutTopup => "A Checkout page",
    }
}

/// Tries one of an account's unfinished requests again now. Returns whether it is finished.
pub async fn retry(app: &App, account: &Account, id: &str, actor: &str) -> Result<bool> {
    let (author, subject) = (Author::new(app, actor), account.public_id.clone());
    let (number, id, now) = (account.id, id.to_owned(), app.now());
    let intent = app
        .write(number, move |tx| {
            if !unfinished::try_now(tx, number, &id, now)? {
                return Ok(None);
            }
            let act = author.act(Action::RequestRetry, &subject);
            act.with("request", json!(id)).append(tx)?;
            store::intents::find(tx, number, &id)
        })
        .await?;
    let intent = intent.ok_or_else(ended)?;
    let progress = go_on(app, &intent).await?;
    Ok(progress != Progress::Owed)
}

/// Ends one of an account's unfinished requests that was settled in another way, such as a refund
/// by bank transfer. The rest of its steps is never taken.
pub async fn dismiss(
    app: &App,
    account: &Account,
    id: &str,
    reason: &str,
    actor: &str,
) -> Result<()> {
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Error::field("reason", "Say how it was settled."));
    }
    check_not_made(app, account, id).await?;
    let (author, subject) = (Author::new(app, actor), account.public_id.clone());
    let (number, id, now) = (account.id, id.to_owned(), app.now());
    let is_open = app
        .write_and_sync(number, move |tx| {
            let found = store::intents::find(tx, number, &id)?;
            if !found.is_some_and(|intent| intent.is_troubled() && intent.is_unfinished()) {
                return Ok(false);
            }
            for step in intent_steps::of_intent(tx, number, &id)? {
                let place = (&*step.intent_id, step.position);
                intent_steps::settle(tx, place, StepState::Dropped, None, now)?;
            }
            store::intents::close(tx, &id, now)?;
            let act = author.act(Action::RequestDismiss, &subject);
            act.with("request", json!(id)).reason(&reason).append(tx)?;
            Ok(true)
        })
        .await?;
    if is_open { Ok(()) } else { Err(ended()) }
}

/// Refuses to end a request whose refund was made, although the answer was lost: otherwise it would
/// be settled twice.
async fn check_not_made(app: &App, account: &Account, id: &str) -> Result<()> {
    let (number, name) = (account.id, id.to_owned());
    let (intent, steps) = app
        .read(move |tx| {
            let intent = store::intents::find(tx, number, &name)?;
            Ok((intent, intent_steps::of_intent(tx, number, &name)?))
        })
        .await?;
    let intent = intent.ok_or_else(ended)?;
    for step in &steps {
        let is_refund = step.kind == StepKind::Refund && step.state == StepState::Due;
        let Some(payment) = step.object_id.as_ref().filter(|_| is_refund) else {
            continue;
        };
        let mark = match intent.kind {
            IntentKind::PlanEnd => refund_mark(&intent, step),
            _ => intent.id.clone(),
        };
        let filter = Form::new().push("payment_intent", payment);
        if made(app, &filter, &mark).await?.is_some() {
            let detail = "Stripe made this refund. Try it again, so that it is recorded.";
            return Err(Error::conflict("refund_made", detail));
        }
    }
    Ok(())
}

fn ended() -> Error {
    Error::conflict("request_ended", "This was done or ended in the meantime.")
}
