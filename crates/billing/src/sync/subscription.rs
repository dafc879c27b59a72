//! Converts Stripe's subscriptions to the domain's.

use domain::money::{Currency, MinorUnits};
use domain::plan::SubscriptionStatus;
use domain::projection::{Addon, Subscription};
use domain::time::Timestamp;
use store::next_charges::NextCharge;
use stripe::objects;

use crate::sync::at;
use crate::sync::discounts::Monthly;
use crate::sync::meaning::Meaning;
use crate::sync::suspension;

/// The price that a pending update changes to, and when the update expires.
fn read_update(object: &objects::PendingUpdate, meaning: &Meaning) -> Option<(String, Timestamp)> {
    let items = &object.subscription_items;
    let plan = meaning.plan(items.iter().map(price_id))?;
    let price = items[plan].price.as_ref()?;
    Some((price.id.clone(), at(object.expires_at?)))
}

fn price_id(item: &objects::SubscriptionItem) -> Option<&str> {
    item.price.as_ref().map(|price| price.id.as_str())
}

/// The price of one unit of an item per period.
fn unit(item: &objects::SubscriptionItem, fallback: Option<&str>) -> Option<MinorUnits> {
    let price = item.price.as_ref()?;
    let currency = price.currency.as_deref().or(fallback);
    let currency = currency.and_then(Currency::parse)?;
    Some(MinorUnits::new(price.unit_amount?, currency))
}

fn interval(item: &objects::SubscriptionItem) -> Option<String> {
    let recurring = item.price.as_ref()?.recurring.as_ref()?;
    Some(recurring.interval.as_str().to_owned())
}

/// The items other than the plan's.
fn addons(object: &objects::Subscription, plan: Option<usize>) -> Vec<Addon> {
    let items = object.items.data.iter().enumerate();
    let others = items.filter(|(place, _)| Some(*place) != plan);
    let read = |(_, item): (usize, &objects::SubscriptionItem)| {
        Some(Addon {
            price_id: price_id(item)?.to_owned(),
            quantity: item.quantity.unwrap_or(1),
            price: unit(item, object.currency.as_deref()),
            interval: interval(item),
        })
    };
    others.filter_map(read).collect()
}

/// Converts a subscription of any API version.
pub fn read(
    object: &objects::Subscription,
    meaning: &Meaning,
    monthly: Option<Monthly>,
    next: Option<&NextCharge>,
) -> Subscription {
    let place = meaning.plan(object.items.data.iter().map(price_id));
    let item = place.and_then(|place| object.items.data.get(place));
    let pause = object.pause_collection.as_ref();
    let start = object.current_period_start().unwrap_or(object.created);
    Subscription {
        id: object.id.clone(),
        customer_id: object.customer.id().map(str::to_owned),
        status: SubscriptionStatus::from_word(object.status.as_str()),
        price_id: item.and_then(price_id).map(str::to_owned),
        price: item.and_then(|item| unit(item, object.currency.as_deref())),
        interval: item.and_then(interval),
        quantity: item.and_then(|item| item.quantity).unwrap_or(1),
        monthly_minor: monthly.map(|monthly| monthly.minor),
        discount_ends_at: monthly.and_then(|monthly| monthly.until),
        next_charge: next.and_then(|next| {
            let currency = Currency::parse(next.currency.as_deref()?)?;
            Some(MinorUnits::new(next.amount_minor?, currency))
        }),
        addons: addons(object, place),
        period_start: at(start),
        period_end: at(object.current_period_end().unwrap_or(start)),
        cancel_at_period_end: object.cancel_at_period_end,
        cancel_at: object.cancel_at.map(at),
        canceled_at: object.canceled_at.map(at),
        ended_at: object.ended_at.map(at),
        trial_end: object.trial_end.map(at),
        is_paused: object.pause_collection.is_some(),
        is_paused_by_us: suspension::is_ours(object, &meaning.mark),
        pause_behavior: pause.and_then(|pause| pause.behavior.clone()),
        resumes_at: pause.and_then(|pause| pause.resumes_at).map(at),
        anchor_at: object.billing_cycle_anchor.map(at),
        schedule_id: object.schedule.id().map(str::to_owned),
        pending_update: object
            .pending_update
            .as_ref()
            .and_then(|update| read_update(update, meaning)),
        created_at: at(object.created),
    }
}
