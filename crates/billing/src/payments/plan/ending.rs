//! The end of a plan at once, with the rest of its period paid back.
//!
//! What is paid back is the unused time, but no larger a share of what was paid than is left of the
//! period's credits, and those that are left end: else one could buy a period, spend its credits or
//! keep them, and take the money back.
//!
//! The end and the refunds at Stripe and the credits here are steps of one intent whose parameters
//! name them all. A crash between them leaves the intent, and [`finish_left`] does what is missing.

use crate::config::CancelNow;
use domain::ledger::{Command, GrantKind, Lot, Refusal, Request};
use domain::money::MinorUnits;
use domain::plan::SubscriptionStatus;
use domain::time::Timestamp;
use store::intents::{Intent, IntentKind, NewIntent};
use store::subscriptions::Subscription;
use store::transactions::Refundable;
use stripe::Form;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::intents::{claimed, is_stale, note_failure};
use crate::payments::plan::quote::{is_fresh, money};
use crate::payments::plan::{SUBSCRIPTION, allowed, known_feedback, settle};
use crate::sync::checkout_session::INTENT_KEY;

const KIND: IntentKind = IntentKind::PlanEnd;

const FEEDBACK: &str = "feedback";

/// What of the period's payments could go back at all.
const PAID: &str = "paid";

/// That the credits ended, and the refunds are what is left of them worth.
const SETTLED: &str = "settled";

/// Payments of a period that money is given back of: the plan's and its changes'.
const PAYMENTS_MAX: i64 = 20;

/// Grants that are looked through for the period's.
const GRANTS_MAX: i64 = 500;

/// An intent that nobody touched for so long belongs to no request any more.
const LEFT_SECONDS: i64 = 60;

/// Intents looked at in a round.
const LEFT_MAX: i64 = 200;

/// Tries of a payment that are looked through for the one that was paid.
const CHARGES_MAX: usize = 20;

/// Refunds of a payment that are looked through for ours.
const REFUNDS_MAX: usize = 100;

/// A plan's end, before it is confirmed.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The plan that is held.
    pub held: Subscription,
    /// The moment the rest of the period is counted from, in unix seconds.
    pub date: i64,
    /// What is paid back.
    pub refund: MinorUnits,
    parts: Vec<(String, i64)>,
    /// The period's credits, which end with the plan.
    earned: Earned,
    /// What of the payments was not given back before.
    paid_minor: i64,
}

impl Ending {
    /// The name under which the form confirms it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.date, self.refund.amount)
    }
}

/// Whether plans can be ended at once.
pub fn is_offered(app: &App) -> bool {
    app.settings.billing.cancel_now() != CancelNow::Off
}

/// What the plan's end would give back now. Changes nothing.
pub async fn quote(app: &App, caller: &SignedIn) -> Result<Ending> {
    let held = endable(app, caller).await?;
    quote_at(app, held, app.now().seconds()).await
}

/// Ends the plan now, if that still gives back what was `quoted`: minor units as of a moment. Else
/// the new quote.
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
    finish(app, intent).await?;
    Ok(None)
}

async fn endable(app: &App, caller: &SignedIn) -> Result<Subscription> {
    if !is_offered(app) {
        let detail = "Plans end with their period here, not immediately.";
        return Err(Error::conflict("ends_with_period", detail));
    }
    allowed(app, caller).await
}

async fn quote_at(app: &App, held: Subscription, date: i64) -> Result<Ending> {
    let currency = held.currency.clone().unwrap_or_else(|| "usd".to_owned());
    let mut ending = Ending {
        refund: money(&currency, 0)?,
        held,
        date,
        parts: Vec::new(),
        earned: Earned::default(),
        paid_minor: 0,
    };
    // Only what is paid can be paid back.
    if app.settings.billing.cancel_now() != CancelNow::Refund
        || ending.held.status != SubscriptionStatus::Active
    {
        return Ok(ending);
    }
    let unused = unused(app, &ending.held, date).await?;
    let (account, id) = (ending.held.account_id, ending.held.subscription_id.clone());
    // A first invoice may be a moment older than the period it pays for.
    let since = ending
        .held
        .period_start
        .map_or(Timestamp::from_micros(0), |start| start.plus_days(-1));
    let period_start = ending.held.period_start;
    let (paid, earned) = app
        .read(move |tx| {
            let paid = store::transactions::refundable(tx, account, &id, since, PAYMENTS_MAX)?;
            let grants = store::ledger::grants(tx, account, i64::MAX, GRANTS_MAX)?;
            Ok((paid, Earned::of(&grants, period_start)))
        })
        .await?;
    ending.paid_minor = paid.iter().map(|payment| payment.left_minor).sum();
    ending.parts = split(unused.min(earned.left_of(ending.paid_minor)), &paid);
    ending.earned = earned;
    ending.refund = money(&currency, ending.parts.iter().map(|part| part.1).sum())?;
    Ok(ending)
}

/// The credits that a period brought, and what is left of them, in micro-credits.
#[derive(Clone, Debug, Default)]
struct Earned {
    keys: Vec<String>,
    amount: i64,
    left: i64,
}

impl Earned {
    fn of(grants: &[Lot], period_start: Option<Timestamp>) -> Earned {
        let period = period_start.map_or(0, Timestamp::micros);
        let suffix = format!(":{period}");
        Earned::sum(grants, |key| key.ends_with(&suffix))
    }

    /// The allowances among the grants whose source key is a wanted one.
    fn sum(grants: &[Lot], is_wanted: impl Fn(&str) -> bool) -> Earned {
        let of_period = grants
            .iter()
            .filter(|grant| grant.kind == GrantKind::Allowance && is_wanted(&grant.source_key));
        of_period.fold(Earned::default(), |mut earned, grant| {
            earned.keys.push(grant.source_key.clone());
            earned.amount += grant.amount.micros();
            earned.left += grant.unheld().micros();
            earned
        })
    }

    /// The share of `paid` that belongs to the credits that are left, rounded down; all of it where
    /// the period brought none.
    fn left_of(&self, paid: i64) -> i64 {
        if self.amount == 0 {
            return paid;
        }
        let part = i128::from(paid) * i128::from(self.left.max(0)) / i128::from(self.amount);
        i64::try_from(part).expect("a part is no larger than the whole")
    }
}

/// What the rest of the period is worth, by Stripe's own preview.
async fn unused(app: &App, held: &Subscription, date: i64) -> Result<i64> {
    let params = Form::new()
        .push("subscription", &held.subscription_id)
        .push("subscription_details[cancel_now]", "true")
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", date);
    let preview = app.stripe.preview_invoice(&params).await?;
    Ok(preview.total.saturating_neg().max(0))
}

/// Spreads an amount over payments, the newest first, none more than it has left.
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
    let form = form.push(PAID, ending.paid_minor);
    let credits = ending.earned.keys.iter().enumerate();
    let form = credits.fold(form, |form, (index, key)| {
        form.push(format!("credits[{index}]"), key)
    });
    form.encode()
}

/// The row of this end: the one that is under way, whatever it says, since what it promised is owed.
async fn reserve(
    app: &App,
    caller: &SignedIn,
    ending: &Ending,
    feedback: Option<&str>,
) -> Result<Intent> {
    let (id, now, params) = (app.new_id("int"), app.now(), params(ending, feedback));
    let (account, user) = (caller.account.id, caller.user.id);
    let (amount, currency) = (ending.refund.amount, ending.refund.currency);
    let intent = app
        .write(account, move |tx| {
            let new = NewIntent {
                user_id: Some(user),
                amount_minor: Some(amount),
                currency: Some(currency.code()),
                ..NewIntent::new(&id, account, KIND, &params)
            };
            store::intents::insert_or_find(tx, &new, now)
        })
        .await?;
    intent.ok_or_else(claimed)
}

/// Ends, pays back, and looks at what Stripe says then. Each step may have been made before.
async fn finish(app: &App, intent: Intent) -> Result<()> {
    let mut made = end_at_stripe(app, &Form::decode(&intent.params)).await;
    if made.is_ok() {
        let params = end_credits(app, &intent).await?;
        made = pay_all_back(app, &intent, &params).await;
    }
    if let Err(error) = made {
        note_failure(app, &intent, &error).await?;
        return Err(error.into());
    }
    settle(app, intent.account_id, intent).await
}

/// What is left of the period's credits ends; what calls in progress hold is theirs. In the same
/// commit the refunds shrink to what is left of the credits now: else one could spend them between
/// the quote and here, and have the money back too. Answers what is to be paid back, which is
/// written down, so that a second try does not find the credits gone and pay nothing.
async fn end_credits(app: &App, intent: &Intent) -> Result<Form> {
    let (account, id) = (intent.account_id, intent.id.clone());
    let (rules, now) = (app.rules(), app.now());
    app.write(account, move |tx| {
        let held = store::intents::find(tx, account, &id)?.ok_or(store::Error::NotFound)?;
        let params = Form::decode(&held.params);
        if params.get(SETTLED).is_some() {
            return Ok(params);
        }
        let keys = (0..GRANTS_MAX).map_while(|index| params.get(&format!("credits[{index}]")));
        let keys: Vec<String> = keys.map(str::to_owned).collect();
        let grants = store::ledger::grants(tx, account, i64::MAX, GRANTS_MAX)?;
        let earned = Earned::sum(&grants, |key| keys.iter().any(|known| known == key));
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
        let params = settled(&params, &earned);
        store::intents::set_params(tx, &id, &params.encode(), now)?;
        Ok(params)
    })
    .await
}

/// The parameters with refunds that come to no more than what is left of the credits is worth, the
/// newest payments first.
fn settled(params: &Form, earned: &Earned) -> Form {
    let paid = params.get(PAID).and_then(|paid| paid.parse().ok());
    let mut rest = paid.map_or(i64::MAX, |paid| earned.left_of(paid));
    let mut form = Form::new();
    for (name, value) in params.iter() {
        let amount = value.parse().ok().filter(|_| name.ends_with("[amount]"));
        form = match amount {
            Some(amount) => {
                let part = rest.min(amount);
                rest -= part;
                form.push(name, part)
            }
            None => form.push(name, value),
        };
    }
    form.push(SETTLED, "true")
}

async fn end_at_stripe(app: &App, params: &Form) -> std::result::Result<(), stripe::Error> {
    let subscription = params.get(SUBSCRIPTION).unwrap_or_default();
    let details = Form::new().push_opt("cancellation_details[feedback]", params.get(FEEDBACK));
    match app.stripe.cancel_subscription(subscription, &details).await {
        // A call that is sent again after it was done is not found.
        Ok(_) | Err(stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn pay_all_back(
    app: &App,
    intent: &Intent,
    params: &Form,
) -> std::result::Result<(), stripe::Error> {
    for index in 0..usize::try_from(PAYMENTS_MAX).expect("a small bound") {
        let payment = params.get(&format!("refund[{index}][payment_intent]"));
        let amount = params.get(&format!("refund[{index}][amount]"));
        let (Some(payment), Some(amount)) = (payment, amount) else {
            return Ok(());
        };
        if amount != "0" {
            pay_back(app, intent, index, payment, amount).await?;
        }
    }
    Ok(())
}

async fn pay_back(
    app: &App,
    intent: &Intent,
    index: usize,
    payment: &str,
    amount: &str,
) -> std::result::Result<(), stripe::Error> {
    let key = format!("{}-refund-{index}", intent.id);
    // Stripe may have forgotten the key; our mark on the refund stays.
    if is_stale(intent, app.now()) {
        let filter = Form::new().push("payment_intent", payment);
        let made = app.stripe.list_refunds(&filter, REFUNDS_MAX).await?;
        if made
            .data
            .iter()
            .any(|one| one.metadata.get(INTENT_KEY) == Some(&key))
        {
            return Ok(());
        }
    }
    let form = Form::new()
        .push("payment_intent", payment)
        .push("amount", amount)
        .push("reason", "requested_by_customer")
        .metadata(INTENT_KEY, &key);
    match app.stripe.create_refund(&form, &key).await {
        Ok(_) => Ok(()),
        Err(error @ stripe::Error::Refused { .. }) => {
            pay_rest_back(app, payment, amount, &key, error).await
        }
        Err(error) => Err(error),
    }
}

/// Stripe refused the refund that was promised. Somebody else gave money of the payment back
/// meanwhile: what is left of it goes back. Its bank has the money in a dispute: nothing is owed.
async fn pay_rest_back(
    app: &App,
    payment: &str,
    amount: &str,
    key: &str,
    refusal: stripe::Error,
) -> std::result::Result<(), stripe::Error> {
    let filter = Form::new().push("payment_intent", payment);
    let charges = app.stripe.list_charges(&filter, CHARGES_MAX).await?.data;
    let charge = charges.into_iter().find(|charge| charge.paid);
    let Some(charge) = charge else {
        return Err(refusal);
    };
    let left = charge.amount_captured - charge.amount_refunded;
    if charge.disputed || left <= 0 {
        return Ok(());
    }
    let promised: i64 = amount.parse().unwrap_or(0);
    if left >= promised {
        return Err(refusal);
    }
    let key = format!("{key}-rest");
    let form = Form::new()
        .push("payment_intent", payment)
        .push("amount", left)
        .push("reason", "requested_by_customer")
        .metadata(INTENT_KEY, &key);
    app.stripe.create_refund(&form, &key).await.map(drop)
}

/// Finishes ends that a crash or a silent Stripe left half done.
pub async fn finish_left(app: &App) -> Result<()> {
    let before = app.now().plus_seconds(-LEFT_SECONDS);
    let left = app
        .read(move |tx| store::intents::waiting(tx, KIND, before, LEFT_MAX))
        .await?;
    for intent in left {
        let (id, account) = (intent.id.clone(), intent.account_id);
        match finish(app, intent).await {
            Ok(()) => tracing::info!(intent = id, account, "Finished the end of a plan"),
            Err(error) => {
                tracing::warn!(intent = id, account, %error, "The end of a plan is not finished");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
