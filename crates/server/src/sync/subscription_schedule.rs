//! A subscription's schedule of Stripe's, in our words.

use domain::projection::{Phase, Schedule};
use stripe::objects;

use super::at;

/// Reads a schedule.
pub fn read(object: &objects::SubscriptionSchedule) -> Schedule {
    let led = object.subscription.id().map(str::to_owned);
    let mut phases: Vec<Phase> = object
        .phases
        .iter()
        .map(|phase| Phase {
            starts_at: at(phase.start_date),
            price_id: phase
                .items
                .first()
                .and_then(|item| item.price.id())
                .map(str::to_owned),
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
