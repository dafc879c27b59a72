//! Suspended accounts are charged nothing (G10): the collection of their plans is paused at Stripe, and
//! resumed when the suspension is lifted.
//!
//! The suspension, or its end, is an intent of the commit that changes the account's status; a sync
//! that finds a plan in the wrong state writes another one. Which state is right is decided when a step
//! is taken, so it doesn't matter in which order the steps of a suspension and of its end are tried. A
//! pause of ours carries our mark: one that an operator made in Stripe's dashboard stays.

use domain::plan::{AccountStatus, SubscriptionStatus};
use domain::projection::{Desired, InvoiceStatus};
use domain::time::Timestamp;
use store::Tx;
use store::intent_steps::{NewStep, Step, StepKind, StepState};
use store::intents::{Intent, IntentKind, NewIntent, unfinished};
use stripe::Form;
use stripe::objects::{self, PaymentIntentStatus};

use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::intents::key_of;
use crate::intents::pages::end_pages;
use crate::sync::mark;

const KIND: IntentKind = IntentKind::Suspension;

/// The metadata key of our mark on a subscription whose collection we paused.
const MARK: &str = "localboxs_suspended";

/// What Stripe does with the invoices of a plan that we paused. The time of a suspension is never paid
/// for, and nothing is left to collect afterward.
const VOID: &str = "void";

/// Our own entry in the frozen parameters: the subscriptions.
const SUBSCRIPTIONS: &str = "subscription";

/// Our own entry in the frozen parameters: what happens to them, a [`StepKind`].
const STEP: &str = "step";

/// Our own entry in the frozen parameters: whether the open Checkout pages are expired first.
const PAGES: &str = "pages";

/// Maximum number of subscriptions of an intent; far more than an account has.
const SUBSCRIPTIONS_MAX: usize = 100;

/// Maximum number of an account's unfinished requests that are searched for an earlier one.
const OWED_MAX: i64 = 100;

/// Maximum number of unpaid invoices of a subscription; far more than Stripe leaves open.
const INVOICES_MAX: usize = 100;

/// Whether the collection is paused by us: with our mark, and as we pause it. Who changes the pause in
/// Stripe's dashboard takes it over.
pub(super) fn is_ours(object: &objects::Subscription, mark: &str) -> bool {
    let is_as_made = |pause: &objects::PauseCollection| {
        pause.behavior.as_deref() == Some(VOID) && pause.resumes_at.is_none()
    };
    object.metadata.get(MARK).map(String::as_str) == Some(mark)
        && object.pause_collection.as_ref().is_some_and(is_as_made)
}

/// Whether a subscription in this state charges its customer without being asked to.
fn collects(status: &SubscriptionStatus) -> bool {
    status.is_live() && *status != SubscriptionStatus::Paused
}

/// Records what a suspended account's plans and pages at Stripe need, in the commit that suspends it.
pub(crate) fn begin(tx: &mut Tx<'_>, account: i64, id: &str, now: Timestamp) -> store::Result<()> {
    let all = running(tx, account)?;
    insert(tx, account, (StepKind::Pause, true), &all, (id, now))
}

/// Records that a suspended account's plans are collected again, in the commit that lifts the
/// suspension.
pub(crate) fn lift(tx: &mut Tx<'_>, account: i64, id: &str, now: Timestamp) -> store::Result<()> {
    let all = running(tx, account)?;
    insert(tx, account, (StepKind::Resume, false), &all, (id, now))
}

/// The account's subscriptions that have not ended.
fn running(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<String>> {
    let all = store::subscriptions::of_account(tx, account)?.into_iter();
    let running = all.filter(|row| {
        row.ended_at.is_none() && (row.live || row.status == SubscriptionStatus::Incomplete)
    });
    Ok(running.map(|row| row.subscription_id).collect())
}

fn insert(
    tx: &mut Tx<'_>,
    account: i64,
    (step, pages): (StepKind, bool),
    subscriptions: &[String],
    (id, now): (&str, Timestamp),
) -> store::Result<()> {
    if subscriptions.is_empty() && !pages {
        return Ok(());
    }
    let form = Form::new().push(STEP, step.word()).push(PAGES, pages);
    let all = subscriptions.iter().take(SUBSCRIPTIONS_MAX).enumerate();
    let form = all.fold(form, |form, (index, id)| {
        form.push(format!("{SUBSCRIPTIONS}[{index}]"), id)
    });
    let params = form.encode();
    let new = NewIntent::new(id, account, KIND, &params);
    chain::insert::<Suspension>(tx, &new, now).map(|_| ())
}

/// The subscriptions that an intent is about.
fn subscriptions(params: &Form) -> impl Iterator<Item = &str> {
    (0..SUBSCRIPTIONS_MAX).map_while(|index| params.get(&format!("{SUBSCRIPTIONS}[{index}]")))
}

/// Records what must change at Stripe, from what a sync fetched: a plan of a suspended account that is
/// collected, because it began or was resumed meanwhile, and one of an active account that we paused.
/// What an unfinished intent changes is left to it.
pub(super) fn check(
    tx: &mut Tx<'_>,
    account: i64,
    wanted: &Desired,
    (id, now): (&str, Timestamp),
) -> store::Result<()> {
    let row = store::accounts::find(tx, account)?;
    let step = match row.map(|row| row.status) {
        Some(AccountStatus::Suspended) => StepKind::Pause,
        Some(AccountStatus::Active) => StepKind::Resume,
        Some(AccountStatus::Closed) | None => return Ok(()),
    };
    let all = wanted.subscriptions.iter().map(|one| &one.fetched);
    let running = all.filter(|one| one.ended_at.is_none());
    let wrong = running.filter(|one| match step {
        StepKind::Pause => {
            let is_charging = collects(&one.status) && !one.is_paused;
            is_charging || is_retried(wanted, &one.id)
        }
        _ => one.is_paused_by_us,
    });
    let mut wrong: Vec<String> = wrong.map(|one| one.id.clone()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let earlier = unfinished::owed(tx, account, OWED_MAX)?;
    for intent in earlier.iter().filter(|intent| intent.kind == KIND) {
        let params = Form::decode(&intent.params);
        if params.get(STEP) == Some(step.word()) {
            let due = covered(tx, intent)?;
            wrong.retain(|id| !due.contains(id));
        }
    }
    insert(tx, account, (step, false), &wrong, (id, now))
}

/// The subscriptions that an unfinished intent still changes. What is behind a step that Stripe refuses
/// waits for that, so another intent changes it.
fn covered(tx: &mut Tx<'_>, intent: &Intent) -> store::Result<Vec<String>> {
    let steps = store::intent_steps::of_intent(tx, intent.account_id, &intent.id)?;
    let due = steps.into_iter().filter(|one| one.state == StepState::Due);
    let most = if intent.needs_attention {
        1
    } else {
        usize::MAX
    };
    Ok(due.take(most).filter_map(|one| one.object_id).collect())
}

/// Whether Stripe, or the customer, may pay an invoice of this subscription again after a failed
/// attempt.
fn is_retried(wanted: &Desired, subscription: &str) -> bool {
    let invoices = wanted.invoices.iter().map(|one| &one.fetched);
    let mut open = invoices.filter(|one| {
        one.subscription_id.as_deref() == Some(subscription)
            && one.status() == Some(InvoiceStatus::Open)
    });
    open.any(|one| one.attempt_count > 0 || one.needs_confirmation)
}

/// The pause of what charges a suspended account, or its end.
pub(crate) struct Suspension;

impl Chain for Suspension {
    const KIND: IntentKind = KIND;

    /// The account's status has changed already.
    fn is_owed(_: &Intent) -> bool {
        true
    }

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        let kind = params.get(STEP).and_then(StepKind::from_word);
        let kind = kind.unwrap_or(StepKind::Pause);
        let pages = params.get(PAGES) == Some("true");
        let pages = pages.then(|| NewStep::of_kind(StepKind::ClosePages));
        let plans = || subscriptions(&params).map(|id| NewStep::about(kind, id));
        // Every plan is paused before the first unpaid invoice is voided.
        let unpaid = (kind == StepKind::Pause).then(plans);
        let steps = pages.into_iter().chain(plans());
        steps.chain(unpaid.into_iter().flatten()).collect()
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let account = intent.account_id;
        let row = app
            .read(move |tx| store::accounts::find(tx, account))
            .await?;
        let wanted = match step.kind {
            StepKind::Resume => AccountStatus::Active,
            _ => AccountStatus::Suspended,
        };
        let Some(row) = row.filter(|row| row.status == wanted) else {
            return Ok(Taken::Dropped);
        };
        if step.kind == StepKind::ClosePages {
            end_pages(app, account).await?;
            return Ok(Taken::Done(None));
        }
        let subscription = step.object_id.as_deref().unwrap_or_default();
        let held = match app.stripe.retrieve_subscription(subscription).await {
            Ok(held) if held.ended_at.is_none() => held,
            Ok(_) | Err(stripe::Error::NotFound { .. }) => return Ok(Taken::Dropped),
            Err(error) => return Err(error.into()),
        };
        let mark = mark::of(app, &row.public_id);
        if step.kind == StepKind::Resume {
            return resume(app, (intent, step), &held, &mark).await;
        }
        if is_second(intent, step) {
            end_unpaid(app, (intent, step), &held).await?;
        } else {
            pause(app, (intent, step), &held, &mark).await?;
        }
        Ok(Taken::Done(None))
    }
}

/// Whether this is the second step of its subscription, which voids what is unpaid.
fn is_second(intent: &Intent, step: &Step) -> bool {
    let steps = Suspension::steps(intent).into_iter();
    let before = steps.zip(0..step.position);
    before
        .filter(|(one, _)| one.object_id == step.object_id)
        .count()
        > 0
}

/// Pauses the collection of a subscription, unless it is paused already, by whomever.
async fn pause(
    app: &App,
    (intent, step): (&Intent, &Step),
    held: &objects::Subscription,
    mark: &str,
) -> std::result::Result<(), Trouble> {
    let status = SubscriptionStatus::from_word(held.status.as_str());
    if held.pause_collection.is_some() || !collects(&status) {
        return Ok(());
    }
    let form = Form::new()
        .push("pause_collection[behavior]", VOID)
        .metadata(MARK, mark);
    let key = key_of(&format!("{}-pause-{}", intent.id, held.id), step);
    app.stripe
        .update_subscription(&held.id, &form, &key)
        .await?;
    Ok(())
}

/// Resumes the collection of a subscription that we paused.
async fn resume(
    app: &App,
    (intent, step): (&Intent, &Step),
    held: &objects::Subscription,
    mark: &str,
) -> std::result::Result<Taken, Trouble> {
    if held.metadata.get(MARK).map(String::as_str) != Some(mark) {
        return Ok(Taken::Dropped);
    }
    let mut form = Form::new().metadata(MARK, "");
    if is_ours(held, mark) {
        form = form.push("pause_collection", "");
    }
    let key = key_of(&format!("{}-resume-{}", intent.id, held.id), step);
    app.stripe
        .update_subscription(&held.id, &form, &key)
        .await?;
    Ok(Taken::Done(None))
}

/// Whether the account is still suspended: the calls of a step take a while.
async fn is_suspended(app: &App, account: i64) -> Result<bool> {
    let row = app
        .read(move |tx| store::accounts::find(tx, account))
        .await?;
    Ok(row.is_some_and(|row| row.status == AccountStatus::Suspended))
}

/// Whether a payment of this invoice is in progress, such as a bank debit: voiding it doesn't stop the
/// money.
pub(crate) async fn is_being_paid(app: &App, invoice: &objects::Invoice) -> stripe::Result<bool> {
    let Some(payment) = invoice.payment_intent().id() else {
        return Ok(false);
    };
    let payment = app.stripe.retrieve_payment_intent(payment).await?;
    Ok(payment.status == PaymentIntentStatus::Processing)
}

/// Voids the invoices of a subscription that Stripe would still collect: a pause concerns only new
/// ones. One whose payment is in progress is left: it was paid before. A draft is kept as one:
/// finalizing it would spend the customer's balance on it, which can pay it.
async fn end_unpaid(
    app: &App,
    (intent, step): (&Intent, &Step),
    held: &objects::Subscription,
) -> std::result::Result<(), Trouble> {
    let filter = Form::new().push("subscription", &held.id);
    let drafts = filter.clone().push("status", "draft");
    let account = intent.account_id;
    for draft in app.stripe.list_invoices(&drafts, INVOICES_MAX).await?.data {
        // What an operator keeps as a draft is collected only when they say so.
        if draft.auto_advance {
            if !is_suspended(app, account).await? {
                return Ok(());
            }
            let key = key_of(&format!("{}-keep-{}", intent.id, draft.id), step);
            match app.stripe.keep_draft(&draft.id, &key).await {
                // Refused: Stripe has finalized it meanwhile.
                Ok(_) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let open = filter.push("status", "open");
    for invoice in app.stripe.list_invoices(&open, INVOICES_MAX).await?.data {
        if is_being_paid(app, &invoice).await? {
            continue;
        }
        if !is_suspended(app, account).await? {
            return Ok(());
        }
        let key = key_of(&format!("{}-void-{}", intent.id, invoice.id), step);
        match app.stripe.void_invoice(&invoice.id, &key).await {
            Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
            // It may have been paid in the meantime.
            Err(error @ stripe::Error::Refused { .. }) => {
                let now = app.stripe.retrieve_invoice(&invoice.id).await?;
                if now.status == Some(objects::InvoiceStatus::Open) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Suspends or resumes what an account has at Stripe, as its latest commit says. Returns whether Stripe
/// has confirmed all of it. A failure is only logged; it is tried again in the background.
pub(crate) async fn send(app: &App, account: i64) -> bool {
    if let Err(error) = crate::binding::check(app).await {
        tracing::warn!(account, %error, "A suspension is not sent to Stripe yet");
        return false;
    }
    chain::run_latest::<Suspension>(app, account).await;
    if let Err(error) = app.mark_for_sync(account).await {
        let error: Error = error;
        tracing::warn!(account, %error, "A suspension is not synced yet");
    }
    let latest = app
        .read(move |tx| store::intents::of_kind(tx, account, KIND, 1))
        .await;
    latest.is_ok_and(|all| all.iter().all(|intent| !intent.is_unfinished()))
}
