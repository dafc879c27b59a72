//! Changes to an existing plan: an upgrade takes effect now, at the quoted price; a downgrade with
//! the next period; a cancellation at the period's end or immediately. Each can be undone while it
//! is pending.

pub mod ending;
mod in_progress;
pub mod quote;
pub mod schedule;

use domain::catalog::Terms;
use domain::money::{Currency, MinorUnits};
use domain::plan::SubscriptionStatus;
use domain::projection::PendingKind;
use domain::time::Timestamp;
use serde::Deserialize;
use store::intents::{Intent, IntentKind, NewIntent};
use store::subscriptions::Subscription;
use stripe::Form;
use stripe::objects::PaymentIntentStatus;

use crate::actors::{SignedIn, access};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::intents::{call_again, call_again_as, claimed, is_refusal, is_stale, note_failure};
use crate::payments::preview;
use crate::{rate_limit, sync};

pub use crate::payments::plan::quote::Choice;
pub use crate::payments::plan::quote::QUOTE_SECONDS;
pub use crate::payments::plan::quote::Quote;
pub use crate::payments::plan::quote::Way;

const KIND: IntentKind = IntentKind::PlanChange;

/// Our own entry in the frozen parameters, the subscription being changed. Not sent to Stripe.
const SUBSCRIPTION: &str = "subscription";

/// Feedback values that Stripe accepts for a cancellation.
const FEEDBACK: [&str; 5] = [
    "too_expensive",
    "missing_features",
    "unused",
    "switched_service",
    "other",
];

/// The account's newest subscription that can still charge.
pub async fn live(app: &App, account: i64) -> Result<Option<Subscription>> {
    let live = app
        .read(move |tx| store::subscriptions::live(tx, account))
        .await?;
    Ok(live.into_iter().next())
}

/// A subscription's pending change, as stored by the sync.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pending {
    /// `scheduled` if it waits for its date, `payment` if it waits for its payment.
    kind: String,
    /// The tier it changes to.
    pub tier: String,
    /// When it takes effect, or expires if unpaid.
    at: String,
    /// How often the new price is paid; `None` in a row of an earlier version.
    pub interval: Option<String>,
    /// The new price.
    price: Option<PendingPrice>,
}

/// A price as the row keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct PendingPrice {
    amount: String,
    currency: String,
}

impl Pending {
    /// The pending change of this subscription.
    pub fn of(row: &Subscription) -> Option<Pending> {
        serde_json::from_str(row.pending_change.as_deref()?).ok()
    }

    /// Whether it waits for a payment.
    pub fn is_unpaid(&self) -> bool {
        PendingKind::from_word(&self.kind) == Some(PendingKind::Payment)
    }

    /// What the new plan costs, and how often; `None` if that isn't known.
    pub fn terms(&self) -> Option<Terms> {
        let price = self.price.as_ref()?;
        let price = MinorUnits::parse(&price.amount, Currency::parse(&price.currency)?)?;
        let interval = self.interval.clone()?;
        Some(Terms { price, interval })
    }

    /// When it takes effect, or expires if unpaid.
    pub fn at(&self) -> Option<Timestamp> {
        domain::time::parse(&self.at)
    }
}

/// The feedback, if it is a value that Stripe knows.
fn known_feedback(feedback: Option<&str>) -> Option<&str> {
    feedback.filter(|feedback| FEEDBACK.contains(feedback))
}

/// Cancels the plan at the end of the paid period. Does nothing if it is already set to end.
pub async fn cancel(app: &App, caller: &SignedIn, feedback: Option<&str>) -> Result<()> {
    let held = allowed(app, caller).await?;
    if held.cancel_at.is_some() || held.cancel_at_period_end {
        return Ok(());
    }
    let change = Form::new()
        .push("cancel_at_period_end", "true")
        .push_opt("cancellation_details[feedback]", known_feedback(feedback));
    apply(app, caller, &held, change).await.map(|_| ())
}

/// Undoes a cancellation while the plan is still running, or resumes a plan that is paused because
/// its trial ended without a payment method. The latter starts a period that is charged now; returns
/// the payment that it waits for, if it could not be charged.
pub async fn resume(app: &App, caller: &SignedIn) -> Result<Option<Waiting>> {
    let held = allowed(app, caller).await?;
    if held.status == SubscriptionStatus::Paused {
        return resume_paused(app, caller, &held).await;
    }
    // A date that was set in Stripe is cleared through its own field.
    let change = match (held.cancel_at_period_end, held.cancel_at) {
        (true, _) => Form::new().push("cancel_at_period_end", "false"),
        (false, Some(_)) => Form::new().push("cancel_at", ""),
        (false, None) => return Ok(None),
    };
    apply(app, caller, &held, change).await.map(|_| None)
}

/// Starts a new period of a paused plan. It stays paused until its invoice is paid.
async fn resume_paused(
    app: &App,
    caller: &SignedIn,
    held: &Subscription,
) -> Result<Option<Waiting>> {
    let account = caller.account.id;
    let card = app
        .read(move |tx| store::payment_methods::of_account(tx, account))
        .await?;
    if card.is_none() {
        let detail = "Add a payment method first; then resume the plan.";
        return Err(Error::conflict("no_payment_method", detail));
    }
    let params = Form::new()
        .push(SUBSCRIPTION, &held.subscription_id)
        .push("resume", "true")
        .encode();
    let intent = reserve(app, caller, &params).await?;
    let id = &held.subscription_id;
    let called = call_again(&intent, |key| async move {
        app.stripe.resume_subscription(id, &key).await
    });
    let resumed = match called.await {
        Ok(resumed) => resumed,
        Err(error) => {
            note_failure(app, &intent, &error).await?;
            return Err(declined(error));
        }
    };
    settle(app, account, intent).await?;
    // The answer may come before the charge; what is stored now is the last word.
    let now = live(app, account).await?;
    if now.is_none_or(|now| now.status != SubscriptionStatus::Paused) {
        return Ok(None);
    }
    let currency = app.catalog().currency;
    let nothing = MinorUnits::new(0, currency);
    let mut waiting = waiting(app, resumed.latest_invoice.id(), nothing).await?;
    if let Some(invoice) = resumed.latest_invoice.id() {
        let invoice = app.stripe.retrieve_invoice(invoice).await?;
        waiting.due = preview::money(&invoice.currency, invoice.amount_due)?;
    }
    Ok(Some(waiting))
}

/// Undoes the pending change: a downgrade at the period's end, or an upgrade that waits for its
/// payment. Does nothing if there is none.
pub async fn undo(app: &App, caller: &SignedIn) -> Result<()> {
    let held = allowed(app, caller).await?;
    in_progress::refuse_change(app, &held.subscription_id).await?;
    let now = app
        .stripe
        .retrieve_subscription(&held.subscription_id)
        .await?;
    let params = Form::new()
        .push(SUBSCRIPTION, &held.subscription_id)
        .push("undo", "true")
        .encode();
    let intent = reserve(app, caller, &params).await?;
    if now.pending_update.is_some()
        && let Some(invoice) = now.latest_invoice.id()
    {
        // The change waits for this invoice; voiding it drops the change.
        let voided = call_again(&intent, |key| async move {
            app.stripe.void_invoice(invoice, &key).await
        });
        unless_over(app, &intent, voided.await.map(drop)).await?;
    }
    if let Some(schedule) = now.schedule.id() {
        release(app, schedule, &intent).await?;
    }
    settle(app, caller.account.id, intent).await
}

/// Checks the caller's permission and rate limit, and returns the plan to change.
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

/// The result of a plan change.
#[derive(Clone, Debug)]
pub enum Changed {
    /// It is paid and in effect.
    Done,
    /// It starts with the next period.
    Scheduled(Timestamp),
    /// It waits for a payment; the old plan stays in effect until then.
    Waits(Waiting),
    /// Its price is now different: ask for confirmation again.
    Differs(Box<Quote>),
}

/// A payment that a plan change waits for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The URL of the hosted invoice page, where it can be paid.
    pub url: Option<String>,
    /// The amount of the invoice.
    pub due: MinorUnits,
    /// Why the card was declined; none if the bank only requires the cardholder's authentication.
    pub declined: Option<String>,
}

/// Quotes a change to another plan. Changes nothing.
pub async fn quote(app: &App, caller: &SignedIn, choice: Choice<'_>) -> Result<Quote> {
    let held = allowed(app, caller).await?;
    quote::at(app, caller, held, choice, app.now().seconds()).await
}

/// Changes to another plan. An upgrade takes effect now, if it still costs what was `quoted`: the
/// quote's time (Unix seconds) and amount (minor units), as confirmed on the page; they are
/// compared and never used as a price (F1). A downgrade costs nothing now and starts with the next
/// period.
pub async fn change(
    app: &App,
    caller: &SignedIn,
    choice: Choice<'_>,
    quoted: Option<(i64, i64)>,
) -> Result<Changed> {
    let held = allowed(app, caller).await?;
    let now = app.now().seconds();
    // A caller who could choose the time could shrink the rest of the period at will.
    let fresh = quoted.filter(|(date, _)| quote::is_fresh(*date, now));
    let date = fresh.map_or(now, |(date, _)| date);
    let quote = quote::at(app, caller, held, choice, date).await?;
    if quote.way == Way::Down {
        return schedule::smaller(app, caller, &quote).await;
    }
    if quoted.is_none() {
        return Err(Error::field("quote", "Review the change first."));
    }
    if fresh.is_none_or(|(_, due)| due != quote.due.amount) {
        return Ok(Changed::Differs(Box::new(quote)));
    }
    let updated = apply(app, caller, &quote.held, quote.change()).await?;
    if updated.pending_update.is_none() {
        return Ok(Changed::Done);
    }
    let invoice = updated.latest_invoice.id();
    Ok(Changed::Waits(waiting(app, invoice, quote.due).await?))
}

/// Reads why the invoice of a change is unpaid.
async fn waiting(app: &App, invoice: Option<&str>, due: MinorUnits) -> Result<Waiting> {
    let mut waiting = Waiting {
        url: None,
        due,
        declined: None,
    };
    let Some(invoice) = invoice else {
        return Ok(waiting);
    };
    let invoice = app.stripe.retrieve_invoice(invoice).await?;
    waiting.url = invoice.hosted_invoice_url.clone();
    if let Some(payment) = invoice.payment_intent().id() {
        let payment = app.stripe.retrieve_payment_intent(payment).await?;
        let said = payment.last_payment_error.and_then(|error| error.message);
        if payment.status == PaymentIntentStatus::RequiresPaymentMethod {
            waiting.declined = Some(said.unwrap_or_else(|| "Your card was declined.".to_owned()));
        }
    }
    Ok(waiting)
}

/// Updates the subscription at Stripe, then syncs. Our rows change only through that sync.
async fn apply(
    app: &App,
    caller: &SignedIn,
    held: &Subscription,
    change: Form,
) -> Result<stripe::objects::Subscription> {
    let params = with_subscription(&held.subscription_id, &change).encode();
    let intent = reserve(app, caller, &params).await?;
    // Stripe rejects these fields while a schedule controls the subscription.
    if let Some(schedule) = &held.schedule_id {
        release(app, schedule, &intent).await?;
    }
    let (id, change) = (&held.subscription_id, &change);
    let called = call_again(&intent, |key| async move {
        app.stripe.update_subscription(id, change, &key).await
    });
    let updated = match called.await {
        Ok(updated) => updated,
        Err(error) => {
            note_failure(app, &intent, &error).await?;
            if held.schedule_id.is_some() && is_refusal(&error) {
                schedule::restore(app, caller, held).await;
            }
            return Err(declined(error));
        }
    };
    settle(app, caller.account.id, intent).await?;
    Ok(updated)
}

/// The change was made: closes its intent and syncs the account.
async fn settle(app: &App, account: i64, intent: Intent) -> Result<()> {
    let (id, now) = (intent.id, app.now());
    app.write(account, move |tx| store::intents::close(tx, &id, now))
        .await?;
    sync::account(app, account).await.map(|_| ())
}

/// Releases the schedule and leaves the subscription as it is. A schedule that was already
/// released, or that ended with its subscription, counts as released.
async fn release(app: &App, schedule: &str, intent: &Intent) -> Result<()> {
    let key = format!("{}-release", intent.id);
    let released = call_again_as(&key, |key| async move {
        let form = Form::new();
        app.stripe
            .release_subscription_schedule(schedule, &form, &key)
            .await
    });
    unless_over(app, intent, released.await.map(drop)).await
}

/// Treats a refused or not-found call as success: the step was already done.
async fn unless_over(
    app: &App,
    intent: &Intent,
    made: std::result::Result<(), stripe::Error>,
) -> Result<()> {
    match made {
        Ok(()) | Err(stripe::Error::Refused { .. } | stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => {
            note_failure(app, intent, &error).await?;
            Err(error.into())
        }
    }
}

/// The error for a declined card, which the buyer can fix; other errors are converted as usual.
fn declined(error: stripe::Error) -> Error {
    let stripe::Error::Card { message, .. } = &error else {
        return error.into();
    };
    let detail = message.as_deref().unwrap_or("Your card was declined.");
    Error::new(Kind::PaymentRequired, "card_declined", detail).cause(&error)
}

fn with_subscription(id: &str, change: &Form) -> Form {
    let named = Form::new().push(SUBSCRIPTION, id);
    let pairs = change.iter();
    pairs.fold(named, |form, (name, value)| form.push(name, value))
}

/// The intent whose id is the idempotency key: that of an earlier attempt at the same change with
/// an unknown outcome, or else a new one.
async fn reserve(app: &App, caller: &SignedIn, params: &str) -> Result<Intent> {
    let (id, now, params) = (app.new_id("int"), app.now(), params.to_owned());
    let (account, user) = (caller.account.id, caller.user.id);
    let intent = app
        .write(account, move |tx| {
            // It may have been suspended or closed since the request began.
            if let Err(refusal) = access::ask_buyer(tx, account)? {
                return Ok(Err(refusal));
            }
            if let Some(earlier) = store::intents::under_way(tx, account, KIND)? {
                if earlier.params == params && !is_stale(&earlier, now) {
                    return Ok(Ok(Some(earlier)));
                }
                store::intents::close(tx, &earlier.id, now)?;
            }
            let new = NewIntent {
                user_id: Some(user),
                ..NewIntent::new(&id, account, KIND, &params)
            };
            // Another process was faster; only an identical change may continue with its row.
            let intent = store::intents::insert_or_find(tx, &new, now)?;
            Ok(Ok(intent.filter(|intent| intent.params == params)))
        })
        .await?;
    intent?.ok_or_else(claimed)
}
