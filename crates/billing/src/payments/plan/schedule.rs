//! Downgrades at the end of the period, through a Stripe subscription schedule that can be
//! released.

use domain::catalog::Interval;
use domain::plan::SubscriptionStatus;
use store::subscriptions::Subscription;
use stripe::Form;
use stripe::objects::SubscriptionSchedule;

use crate::actors::SignedIn;
use crate::app::App;
use crate::error::Result;
use crate::intents::{call_again, note_failure};
use crate::payments::plan::quote::{self, Choice, Quote, Way, plan_item};
use crate::payments::plan::{Changed, Pending, SUBSCRIPTION, reserve, settle};
use crate::sync::checkout_session::INTENT_KEY;

/// Schedules the downgrade in the quote. Nothing is charged or refunded; the current plan lasts
/// until the end of the paid period.
pub(crate) async fn smaller(app: &App, caller: &SignedIn, quote: &Quote) -> Result<Changed> {
    let held = &quote.held;
    let starts_at = quote.starts_at();
    let params = Form::new()
        .push(SUBSCRIPTION, &held.subscription_id)
        .push("price", &quote.price_id)
        .push("at", starts_at.seconds())
        .encode();
    let intent = reserve(app, caller, &params).await?;
    let made = call_again(&intent, |key| make(app, quote, key, &intent.id));
    if let Err(error) = made.await {
        note_failure(app, &intent, &error).await?;
        return Err(error.into());
    }
    settle(app, caller.account.id, intent).await?;
    Ok(Changed::Scheduled(starts_at))
}

/// Schedules a downgrade again whose schedule was released for a change that Stripe then refused: a
/// declined card must not undo what the customer planned before.
pub(crate) async fn restore(app: &App, caller: &SignedIn, held: &Subscription) {
    let Some(pending) = Pending::of(held).filter(|pending| !pending.is_unpaid()) else {
        return;
    };
    let restored = async {
        let date = app.now().seconds();
        let choice = Choice {
            plan: &pending.tier,
            interval: pending.interval.as_deref().and_then(Interval::from_word),
        };
        let quote = quote::at(app, caller, held.clone(), choice, date).await?;
        if quote.way == Way::Down {
            smaller(app, caller, &quote).await?;
        }
        Ok::<(), crate::error::Error>(())
    };
    if let Err(error) = restored.await {
        let account = caller.account.id;
        tracing::error!(account, %error, "Failed to restore a scheduled downgrade");
    }
}

/// Takes the subscription's live schedule, or creates one from the subscription, and adds the next
/// phase. Each step has its own idempotency key, so the whole can be retried.
async fn make(app: &App, quote: &Quote, key: String, mark: &str) -> stripe::Result<()> {
    let id = &quote.held.subscription_id;
    let now = app.stripe.retrieve_subscription(id).await?;
    let known = match now.schedule.id() {
        Some(schedule) => Some(app.stripe.retrieve_subscription_schedule(schedule).await?),
        None => None,
    };
    let schedule = if let Some(schedule) = known.filter(SubscriptionSchedule::is_live) {
        schedule
    } else {
        let form = Form::new().push("from_subscription", id);
        let key = format!("{key}-schedule");
        app.stripe.create_subscription_schedule(&form, &key).await?
    };
    let phases = phases(quote, &now, &schedule).metadata(INTENT_KEY, mark);
    app.stripe
        .update_subscription_schedule(&schedule.id, &phases, &key)
        .await?;
    Ok(())
}

/// The current period unchanged, then one with the smaller plan; after that the schedule releases
/// the subscription, which renews as usual.
fn phases(
    quote: &Quote,
    now: &stripe::objects::Subscription,
    schedule: &SubscriptionSchedule,
) -> Form {
    let plan = plan_item(now, quote.held.price_id.as_deref()).map(|item| item.id.as_str());
    let running = schedule
        .current_phase
        .as_ref()
        .map(|phase| phase.start_date);
    let first = schedule.phases.first().map(|phase| phase.start_date);
    let start = running.or(first).or(now.current_period_start());
    items(quote, now, plan)
        .push("end_behavior", "release")
        .push_opt("phases[0][start_date]", start)
        .push("phases[0][end_date]", quote.starts_at().seconds())
        .push_opt(
            "phases[0][trial_end]",
            now.trial_end.filter(|_| is_trial(quote)),
        )
        // Long enough to start; the released subscription then renews as usual.
        .push("phases[1][duration][interval]", &quote.interval)
        .push("phases[1][duration][interval_count]", 1)
        .push("phases[1][proration_behavior]", "none")
}

/// The items of both phases: all current items, with the smaller plan's price in the second. An
/// item that a phase doesn't list would be removed.
fn items(quote: &Quote, now: &stripe::objects::Subscription, plan: Option<&str>) -> Form {
    let mut form = Form::new();
    for (place, item) in now.items.data.iter().enumerate() {
        let price = item.price.as_ref().map(|price| price.id.as_str());
        let is_plan = Some(item.id.as_str()) == plan;
        let later = if is_plan {
            Some(quote.price_id.as_str())
        } else {
            price
        };
        for (phase, price) in [(0, price), (1, later)] {
            let name = format!("phases[{phase}][items][{place}]");
            form = form
                .push_opt(format!("{name}[price]"), price)
                .push(format!("{name}[quantity]"), item.quantity.unwrap_or(1));
        }
    }
    form
}

fn is_trial(quote: &Quote) -> bool {
    quote.held.status == SubscriptionStatus::Trialing
}
