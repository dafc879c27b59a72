//! A subscription of Stripe's, in our words.

use domain::money::{Currency, MinorUnits};
use domain::plan::SubscriptionStatus;
use domain::projection::Subscription;
use domain::time::Timestamp;
use stripe::objects;

use super::at;

/// The price that a waiting change leads to, and when it is given up.
fn read_update(object: &objects::PendingUpdate) -> Option<(String, Timestamp)> {
    let price = object.subscription_items.first()?.price.as_ref()?;
    Some((price.id.clone(), at(object.expires_at?)))
}

/// Reads a subscription of any API version.
pub fn read(object: &objects::Subscription) -> Subscription {
    let price = object
        .items
        .data
        .first()
        .and_then(|item| item.price.as_ref());
    let currency = price
        .and_then(|price| price.currency.as_deref())
        .or(object.currency.as_deref())
        .and_then(Currency::parse);
    let amount = price.and_then(|price| price.unit_amount);
    let start = object.current_period_start().unwrap_or(object.created);
    Subscription {
        id: object.id.clone(),
        status: SubscriptionStatus::from_word(object.status.as_str()),
        price_id: price.map(|price| price.id.clone()),
        price: amount
            .zip(currency)
            .map(|(amount, currency)| MinorUnits::new(amount, currency)),
        interval: price
            .and_then(|price| price.recurring.as_ref())
            .map(|recurring| recurring.interval.as_str().to_owned()),
        period_start: at(start),
        period_end: at(object.current_period_end().unwrap_or(start)),
        cancel_at_period_end: object.cancel_at_period_end,
        cancel_at: object.cancel_at.map(at),
        canceled_at: object.canceled_at.map(at),
        ended_at: object.ended_at.map(at),
        trial_end: object.trial_end.map(at),
        is_paused: object.pause_collection.is_some(),
        schedule_id: object.schedule.id().map(str::to_owned),
        pending_update: object.pending_update.as_ref().and_then(read_update),
        created_at: at(object.created),
    }
}
