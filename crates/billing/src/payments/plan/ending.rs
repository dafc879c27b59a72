//! Cancels a plan immediately and refunds the rest of its period.
//!
//! The refund is the value of the unused time, capped at the share of the payment that corresponds
//! to the period's unspent credits, which are voided. Otherwise a customer could buy a period,
//! spend or keep its credits, and get the money back.
//!
//! Cancellation and refunds at Stripe and the void of the credits are the steps of a chain. Once the
//! plan is canceled, the refund is owed, whatever fails.

mod earned;

use domain::ledger::{Command, Refusal, Request};
use domain::money::MinorUnits;
use domain::plan::SubscriptionStatus;
use domain::time::Timestamp;
use store::intent_steps::{self, NewStep, Step, StepKind, StepState};
use store::intents::{Intent, IntentKind, IntentState, NewIntent, unfinished};
use store::subscriptions::Subscription;
use store::transactions::Refundable;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::config::CancelNow;
use crate::error::{Error, Result};
use crate::intents::chain::{self, Chain, Taken, Trouble};
use crate::intents::claimed;
use crate::intents::refund::{Less, refund};
use crate::payments::plan::quote::is_fresh;
use crate::payments::plan::{SUBSCRIPTION, allowed, in_progress, known_feedback};
use crate::payments::preview::money;
use crate::sync;

use earned::{Earned, months_after, part_of};

const KIND: IntentKind = IntentKind::PlanEnd;

const FEEDBACK: &str = "feedback";

/// Parameter: the amount that was charged for the period, in minor units.
const PAID: &str = "paid";

/// Parameter: the credits were voided and the refund amounts are final.
const SETTLED: &str = "settled";

/// Parameter: the period's credits for months that have not begun, in micro-credits.
const LATER: &str = "later";

/// Parameter: the part of these that will be granted, in micro-credits.
const LATER_LEFT: &str = "later_left";

/// Maximum number of payments of a period (for the plan and its changes) that are refunded.
const PAYMENTS_MAX: i64 = 20;

/// Maximum number of grants that are searched for the period's.
const GRANTS_MAX: i64 = 500;

/// Maximum number of an account's earlier cancellations that are searched for one of this plan.
const ENDINGS_MAX: i64 = 100;

/// Maximum number of cancellations from before steps were recorded that are checked at a start.
const UNDONE_MAX: i64 = 5_000;

/// Why a cancellation that did nothing ended.
const NOTHING_ENDED: &str = "the plan was not canceled";

/// The position of the step that voids the credits.
const VOID_AT: i64 = 1;

/// The position of the first refund.
const REFUNDS_FROM: i64 = 2;

/// An immediate cancellation, before it is confirmed.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The subscription to cancel.
    pub held: Subscription,
    /// The time as of which the unused part is calculated, in Unix seconds.
    pub date: i64,
    /// The amount to refund.
    pub refund: MinorUnits,
    parts: Vec<(String, i64)>,
    /// The period's credits, which are voided with the plan.
    earned: Earned,
    /// What was charged for the period, including what was refunded since, in minor units.
    charged_minor: i64,
}

impl Ending {
    /// The value that the form sends to confirm this quote: `date:amount`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.date, self.refund.amount)
    }
}

/// Whether plans can be canceled immediately.
pub fn is_offered(app: &App) -> bool {
    app.settings.billing.cancel_now() != CancelNow::Off
}

/// What canceling the plan now would refund. Changes nothing.
pub async fn quote(app: &App, caller: &SignedIn) -> Result<Ending> {
    let held = endable(app, caller).await?;
    quote_at(app, held, app.now().seconds()).await
}

/// Cancels the plan now, if the refund is still what was `quoted`: the quote's time (Unix seconds)
/// and amount (minor units). Otherwise returns the new quote.
pub async fn end(
    app: &App,
    caller: &SignedIn,
    quoted: (i64, i64),
    feedback: Option<&str>,
) -> Result<Option<Ending>> {
    let held = endable(app, caller).await?;
    let now = app.now().seconds();
    let is_fresh = is_fresh(quoted.0, now);
    let date = if is_fresh { quoted.0 } else { now };
    let ending = quote_at(app, held, date).await?;
    if !is_fresh || ending.refund.amount != quoted.1 {
        return Ok(Some(ending));
    }
    let intent = reserve(app, caller, &ending, known_feedback(feedback)).await?;
    chain::run::<PlanEnd>(app, &intent).await?;
    // The plan has ended, even if its refund is still owed or a sync has to wait.
    if let Err(error) = crate::sync::account(app, caller.account.id).await {
        tracing::warn!(%error, "The account of an ended plan will be synced later");
        app.mark_for_sync(caller.account.id).await?;
    }
    Ok(None)
}

async fn endable(app: &App, caller: &SignedIn) -> Result<Subscription> {
    if !is_offered(app) {
        let detail = "Plans end with their period here, not immediately.";
        return Err(Error::conflict("ends_with_period", detail));
    }
    let held = allowed(app, caller).await?;
    in_progress::refuse_end(app, &held.subscription_id).await?;
    // What was paid for the new period is known after a sync.
    if held.period_end.is_some_and(|end| end <= app.now()) {
        sync::account(app, caller.account.id).await?;
        return allowed(app, caller).await;
    }
    Ok(held)
}

async fn quote_at(app: &App, held: Subscription, date: i64) -> Result<Ending> {
    let currency = held.currency.clone().unwrap_or_else(|| "usd".to_owned());
    let mut ending = Ending {
        refund: money(&currency, 0)?,
        held,
        date,
        parts: Vec::new(),
        earned: Earned::default(),
        charged_minor: 0,
    };
    // Only a paid period can be refunded.
    let is_over = ending
        .held
        .period_end
        .is_some_and(|end| end.seconds() <= date);
    if app.settings.billing.cancel_now() != CancelNow::Refund
        || is_over
        || ending.held.status != SubscriptionStatus::Active
    {
        return Ok(ending);
    }
    let unused = unused(app, &ending.held, date).await?;
    let (account, id) = (ending.held.account_id, ending.held.subscription_id.clone());
    // A first invoice may be slightly older than the period it pays for.
    let since = ending
        .held
        .period_start
        .map_or(Timestamp::from_micros(0), |start| start.plus_days(-1));
    let until = ending
        .held
        .period_end
        .map_or(Timestamp::from_micros(0), |end| end.plus_days(-1));
    let period = ending.held.period_start.zip(ending.held.period_end);
    let allowance = ending
        .held
        .tier
        .as_deref()
        .and_then(|tier| Some(app.catalog().tier(tier)?.allowance));
    let later = period.map_or(0, |period| months_after(period, date));
    let later = allowance.map_or(0, |credits| credits.micros().saturating_mul(later));
    let (paid, earned) = app
        .read(move |tx| {
            let paid =
                store::transactions::refundable(tx, account, &id, (since, until), PAYMENTS_MAX)?;
            let grants = store::ledger::grants(tx, account, i64::MAX, GRANTS_MAX)?;
            Ok((paid, Earned::of(&grants, period)))
        })
        .await?;
    let charged: i64 = paid.iter().map(|payment| payment.charged_minor).sum();
    let left: i64 = paid.iter().map(|payment| payment.left_minor).sum();
    // What was refunded has reduced the credits already, and so it will those of later months.
    let later_left = if charged > 0 {
        part_of(later, left, charged)
    } else {
        later
    };
    ending.charged_minor = charged;
    ending.earned = earned.and_later(later, later_left);
    ending.parts = split(unused.min(ending.earned.left_of(charged)), &paid);
    ending.refund = money(&currency, ending.parts.iter().map(|part| part.1).sum())?;
    Ok(ending)
}

/// The value of the rest of the period, from Stripe's preview, in minor units.
async fn unused(app: &App, held: &Subscription, date: i64) -> Result<i64> {
    let params = Form::new()
        .push("subscription", &held.subscription_id)
        .push("subscription_details[cancel_now]", "true")
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", date);
    let preview = app.stripe.preview_invoice(&params).await?;
    Ok(preview.total.saturating_neg().max(0))
}

/// Spreads an amount over payments, newest first, up to the refundable amount of each.
fn split(amount: i64, paid: &[Refundable]) -> Vec<(String, i64)> {
    let mut rest = amount;
    let mut parts = Vec::new();
    for payment in paid {
        let part = rest.min(payment.left_minor);
        if part > 0 {
            parts.push((payment.payment_intent_id.clone(), part));
            rest -= part;
        }
    }
    parts
}

fn params(ending: &Ending, feedback: Option<&str>) -> String {
    let named = Form::new()
        .push(SUBSCRIPTION, &ending.held.subscription_id)
        .push_opt(FEEDBACK, feedback);
    let parts = ending.parts.iter().enumerate();
    let form = parts.fold(named, |form, (index, (payment, amount))| {
        form.push(format!("refund[{index}][payment_intent]"), payment)
            .push(format!("refund[{index}][amount]"), amount)
    });
    let form = form
        .push(PAID, ending.charged_minor)
        .push(LATER, ending.earned.later)
        .push(LATER_LEFT, ending.earned.later_left);
    let credits = ending.earned.keys.iter().enumerate();
    let form = credits.fold(form, |form, (index, key)| {
        form.push(format!("credits[{index}]"), key)
    });
    form.encode()
}

/// The intent of this cancellation: the one of the same subscription, whatever its parameters and
/// state, since a plan is ended and refunded once; or else a new one.
async fn reserve(
    app: &App,
    caller: &SignedIn,
    ending: &Ending,
    feedback: Option<&str>,
) -> Result<Intent> {
    let (id, now, params) = (app.new_id("int"), app.now(), params(ending, feedback));
    let (account, user) = (caller.account.id, caller.user.id);
    let (amount, currency) = (ending.refund.amount, ending.refund.currency);
    let subscription = ending.held.subscription_id.clone();
    let intent = app
        .write(account, move |tx| {
            let earlier = store::intents::of_kind(tx, account, KIND, ENDINGS_MAX)?;
            let of_this = earlier.into_iter().filter(|earlier| {
                let params = Form::decode(&earlier.params);
                earlier.state != IntentState::Failed
                    && params.get(SUBSCRIPTION) == Some(&*subscription)
            });
            for earlier in of_this {
                let steps = intent_steps::of_intent(tx, account, &earlier.id)?;
                if !ended_nothing(&earlier, &steps) {
                    return Ok(Some(earlier));
                }
                store::intents::set_failed(tx, &earlier.id, NOTHING_ENDED, now)?;
            }
            let new = NewIntent {
                user_id: Some(user),
                amount_minor: Some(amount),
                currency: Some(currency.code()),
                ..NewIntent::new(&id, account, KIND, &params)
            };
            chain::insert::<PlanEnd>(tx, &new, now)
        })
        .await?;
    intent.ok_or_else(claimed)
}

/// The first idempotency key of a refund of a plan's end, by which it is found at Stripe.
pub(crate) fn refund_mark(intent: &Intent, step: &Step) -> String {
    let index = step.position - REFUNDS_FROM;
    format!("{}-refund-{index}", intent.id)
}

/// Whether an earlier cancellation, settled or reopened, never canceled its plan: it failed before
/// steps were recorded, or an operator ended it.
fn ended_nothing(intent: &Intent, steps: &[Step]) -> bool {
    match steps.first() {
        Some(cancel) => cancel.state == StepState::Dropped,
        None => intent.is_owed && Form::decode(&intent.params).get(SETTLED).is_none(),
    }
}

/// Ends the cancellations from before steps were recorded that never canceled their plan: nothing
/// is owed for them. Their parameters may be encrypted, so a migration can't tell.
pub(crate) async fn close_undone(app: &App) -> Result<()> {
    let now = app.now();
    app.write(0, move |tx| {
        for intent in unfinished::needing_attention(tx, UNDONE_MAX)? {
            let steps = intent_steps::of_intent(tx, intent.account_id, &intent.id)?;
            if intent.kind == KIND && steps.is_empty() && ended_nothing(&intent, &steps) {
                store::intents::set_failed(tx, &intent.id, NOTHING_ENDED, now)?;
            }
        }
        Ok(())
    })
    .await
}

/// Cancels a subscription immediately, voids its period's credits, and refunds its payments.
pub(crate) struct PlanEnd;

impl Chain for PlanEnd {
    const KIND: IntentKind = KIND;

    fn steps(intent: &Intent) -> Vec<NewStep> {
        let params = Form::decode(&intent.params);
        let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
        // An intent from before steps were recorded says so when its credits were voided.
        let is_done = params.get(SETTLED).is_some();
        // One that failed before its plan was canceled: nothing is owed.
        if intent.is_owed && !is_done {
            return Vec::new();
        }
        let steps = [StepKind::Cancel, StepKind::Void].map(|kind| NewStep {
            is_done,
            ..NewStep::about(kind, subscription)
        });
        let refunds = (0..PAYMENTS_MAX).map_while(|index| {
            let payment = params.get(&format!("refund[{index}][payment_intent]"))?;
            let amount = params.get(&format!("refund[{index}][amount]"))?;
            Some(NewStep {
                amount_minor: amount.parse().ok(),
                currency: intent.currency.clone(),
                ..NewStep::about(StepKind::Refund, payment)
            })
        });
        steps.into_iter().chain(refunds).collect()
    }

    async fn take(app: &App, intent: &Intent, step: &Step) -> std::result::Result<Taken, Trouble> {
        let params = Form::decode(&intent.params);
        match step.kind {
            StepKind::Cancel => end_at_stripe(app, &params).await?,
            StepKind::Void => end_credits(app, intent, &params).await?,
            _ => {
                let mark = refund_mark(intent, step);
                return Ok(refund(app, step, &mark, "requested_by_customer", Less::IsMade).await?);
            }
        }
        Ok(Taken::Done(None))
    }

    async fn finish(app: &App, intent: &Intent, _: &[Step]) -> Result<()> {
        let (id, now) = (intent.id.clone(), app.now());
        app.write_and_sync(intent.account_id, move |tx| {
            store::intents::close(tx, &id, now).map(|_| ())
        })
        .await
    }
}

/// Voids the unspent credits of the period, except those that open holds have set aside. In the
/// same commit the refunds are reduced to what the remaining credits are worth: otherwise a
/// customer could spend them between the quote and now and still get the full refund. The step
/// itself is recorded in the same commit, so that a retry doesn't find the credits gone and refund
/// nothing.
async fn end_credits(app: &App, intent: &Intent, params: &Form) -> Result<()> {
    let (account, id, params) = (intent.account_id, intent.id.clone(), params.clone());
    let (rules, now) = (app.rules(), app.now());
    app.write(account, move |tx| {
        if !intent_steps::settle(tx, (&id, VOID_AT), StepState::Done, None, now)? {
            return Ok(());
        }
        let keys = (0..GRANTS_MAX).map_while(|index| params.get(&format!("credits[{index}]")));
        let keys: Vec<String> = keys.map(str::to_owned).collect();
        let grants = store::ledger::grants(tx, account, i64::MAX, GRANTS_MAX)?;
        let number = |name| {
            params
                .get(name)
                .and_then(|number| number.parse::<i64>().ok())
        };
        let later = number(LATER).unwrap_or(0);
        let earned = Earned::sum(&grants, |key| keys.iter().any(|known| known == key))
            .and_later(later, number(LATER_LEFT).unwrap_or(later));
        let voids: Vec<Request> = keys
            .into_iter()
            .map(|source_key| Request::internal(Command::Void { source_key }))
            .collect();
        for decision in store::ledger::execute(tx, &rules, account, &voids, now)? {
            match decision {
                Ok(_) | Err(Refusal::GrantNotFound) => {}
                Err(refusal) => return Err(store::Error::Abandoned(refusal.to_string())),
            }
        }
        let worth = number(PAID).map_or(i64::MAX, |paid| earned.left_of(paid));
        let steps = intent_steps::of_intent(tx, account, &id)?;
        let refunds = steps.iter().filter(|step| step.kind == StepKind::Refund);
        let promised: Vec<i64> = refunds
            .clone()
            .map(|step| step.amount_minor.unwrap_or(0))
            .collect();
        for (step, amount) in refunds.zip(capped(&promised, worth)) {
            intent_steps::set_amount(tx, (&id, step.position), amount, now)?;
        }
        Ok(())
    })
    .await
}

/// The refunds capped at `worth` in total, taken from the first payments first.
fn capped(promised: &[i64], worth: i64) -> Vec<i64> {
    let mut rest = worth;
    let parts = promised.iter().map(|amount| {
        let part = rest.min(*amount);
        rest -= part;
        part
    });
    parts.collect()
}

async fn end_at_stripe(app: &App, params: &Form) -> std::result::Result<(), stripe::Error> {
    let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
    let details = Form::new().push_opt("cancellation_details[feedback]", params.get(FEEDBACK));
    match app.stripe.cancel_subscription(subscription, &details).await {
        // If the call already succeeded, a retry gets "not found".
        Ok(_) | Err(stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
