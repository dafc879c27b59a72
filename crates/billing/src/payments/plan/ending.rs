//! Cancels a plan immediately and refunds the rest of its period.
//!
//! The refund is the value of the unused time, capped at the share of the payment that corresponds
//! to the period's unspent credits, which are voided. Otherwise a customer could buy a period,
//! spend or keep its credits, and get the money back.
//!
//! Cancellation and refunds at Stripe and the void of the credits are steps of one intent whose
//! parameters list them all. If a crash interrupts them, [`finish_left`] completes the intent.

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

/// Parameter: the refundable amount of the period's payments, in minor units.
const PAID: &str = "paid";

/// Parameter: the credits were voided and the refund amounts are final.
const SETTLED: &str = "settled";

/// Maximum number of payments of a period (for the plan and its changes) that are refunded.
const PAYMENTS_MAX: i64 = 20;

/// Maximum number of grants that are searched for the period's.
const GRANTS_MAX: i64 = 500;

/// Seconds without an update after which an intent no longer belongs to a running request.
const LEFT_SECONDS: i64 = 60;

/// Maximum number of intents per round.
const LEFT_MAX: i64 = 200;

/// Maximum number of charges of a payment that are searched for the paid one.
const CHARGES_MAX: usize = 20;

/// Maximum number of refunds of a payment that are searched for ours.
const REFUNDS_MAX: usize = 100;

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
    /// What was paid and hasn't been refunded yet, in minor units.
    paid_minor: i64,
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
    // Only a paid period can be refunded.
    if app.settings.billing.cancel_now() != CancelNow::Refund
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

/// The credits that a period granted and the part that is left, in micro-credits.
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

    /// Sums the allowance grants with a matching source key.
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

    /// The share of `paid` that corresponds to the credits left, rounded down; all of it if the
    /// period granted none.
    fn left_of(&self, paid: i64) -> i64 {
        if self.amount == 0 {
            return paid;
        }
        let part = i128::from(paid) * i128::from(self.left.max(0)) / i128::from(self.amount);
        i64::try_from(part).expect("a part is no larger than the whole")
    }
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
    let form = form.push(PAID, ending.paid_minor);
    let credits = ending.earned.keys.iter().enumerate();
    let form = credits.fold(form, |form, (index, key)| {
        form.push(format!("credits[{index}]"), key)
    });
    form.encode()
}

/// The intent of this cancellation: the one in progress, whatever its parameters, since its refund
/// is owed; or else a new one.
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

/// Cancels, voids the credits, refunds, then syncs. Any of the steps may already have been done.
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

/// Voids the unspent credits of the period, except those that open holds have set aside. In the
/// same commit the refunds are reduced to what the remaining credits are worth: otherwise a
/// customer could spend them between the quote and now and still get the full refund. Returns the
/// parameters with the final refunds, which are stored so that a retry doesn't find the credits
/// gone and refund nothing.
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

/// The parameters with refunds capped at the value of the remaining credits, taken from the newest
/// payments first.
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
        // If the call already succeeded, a retry gets "not found".
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
    // Stripe may have forgotten the key; our metadata on the refund remains.
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

/// Stripe refused the quoted refund. If part of the payment was refunded elsewhere in the meantime,
/// the rest is refunded. If the payment is disputed, the bank has the money and nothing is owed.
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

/// Completes cancellations that a crash or an unresponsive Stripe left unfinished.
pub async fn finish_left(app: &App) -> Result<()> {
    let before = app.now().plus_seconds(-LEFT_SECONDS);
    let left = app
        .read(move |tx| store::intents::waiting(tx, KIND, before, LEFT_MAX))
        .await?;
    for intent in left {
        let (id, account) = (intent.id.clone(), intent.account_id);
        match finish(app, intent).await {
            Ok(()) => tracing::info!(intent = id, account, "Finished canceling a plan"),
            Err(error) => {
                tracing::warn!(intent = id, account, %error, "Canceling a plan is not finished");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
