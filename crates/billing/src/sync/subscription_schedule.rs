//! Converts Stripe's subscription schedules to the domain's.

use domain::projection::{Phase, Schedule};
use stripe::objects;

use crate::sync::at;
use crate::sync::meaning::Meaning;

/// The price of the plan in a phase.
fn price(phase: &objects::SchedulePhase, meaning: &Meaning) -> Option<String> {
    let prices = phase.items.iter().map(|item| item.price.id());
    let plan = meaning.plan(prices)?;
    phase.items[plan].price.id().map(str::to_owned)
}

/// Converts a schedule.
pub fn read(object: &objects::SubscriptionSchedule, meaning: &Meaning) -> Schedule {
    let led = object.subscription.id().map(str::to_owned);
    let mut phases: Vec<Phase> = object
        .phases
        .iter()
        .map(|phase| Phase {
            starts_at: at(phase.start_date),
            price_id: price(phase, meaning),
        })
        .collect();
    phases.sort_by_key(|phase| phase.starts_at);
    let ended_at = object
        .released_at
        .or(object.canceled_at)
        .or(object.completed_at);
    Schedule {
        id: object.id.clone(),
        subscription_id: led.or_else(|| object.released_subscription.clone()),
        phases,
        ended_at: ended_at.map(at),
        created_at: at(object.created),
    }
}
