//! The discounts that recur on subscriptions: what revenue a month has after them.

use std::collections::HashMap;

use domain::recurring::{Discount, Off, Part, monthly};
use domain::time::Timestamp;
use stripe::objects;

use crate::app::App;
use crate::error::Result;
use crate::sync::at;

/// The most coupons that are read for one account; Stripe allows 20 discounts on a subscription.
const COUPONS_MAX: usize = 100;

/// What is known about the discounts of an account.
#[derive(Clone, Debug, Default)]
pub struct Discounts {
    /// The coupons of the discounts, by id.
    coupons: HashMap<String, objects::Coupon>,
    /// The discounts of the customers, by customer.
    of_customer: HashMap<String, objects::Discount>,
}

/// What a subscription brings each month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monthly {
    /// The amount after the discounts that recur, in minor units.
    pub minor: i64,
    /// When the first of them ends.
    pub until: Option<Timestamp>,
}

impl Discounts {
    /// Notes the discount of a customer.
    pub fn add_customer(&mut self, customer: &objects::Customer) {
        if let Some(discount) = customer.discount.clone() {
            self.of_customer.insert(customer.id.clone(), discount);
        }
    }

    /// Reads the coupons of all discounts that are on these subscriptions.
    pub async fn read(&mut self, app: &App, subscriptions: &[objects::Subscription]) -> Result<()> {
        let live = subscriptions.iter().filter(|one| one.ended_at.is_none());
        let own = live.flat_map(discounts_of).cloned();
        let all: Vec<objects::Discount> = own.chain(self.of_customer.values().cloned()).collect();
        for discount in all.iter().take(COUPONS_MAX) {
            let Some(id) = discount.coupon().id() else {
                continue;
            };
            if self.coupons.contains_key(id) {
                continue;
            }
            match app.stripe.retrieve_coupon(id).await {
                Ok(coupon) => {
                    self.coupons.insert(id.to_owned(), coupon);
                }
                // A deleted coupon still discounts; older versions send its terms along.
                Err(stripe::Error::NotFound { .. }) => {
                    if let Some(coupon) = discount.coupon().get() {
                        self.coupons.insert(id.to_owned(), coupon.clone());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What a subscription brings each month.
    pub fn monthly(&self, subscription: &objects::Subscription, now: Timestamp) -> Monthly {
        let mut until: Option<Timestamp> = None;
        let mut read = |all: Vec<&objects::Discount>| -> Vec<Discount> {
            let read = all.into_iter().filter_map(|discount| {
                let end = discount.end.map(at);
                if end.is_some_and(|end| end <= now) {
                    return None;
                }
                let read = self.discount(discount)?;
                until = [until, end].into_iter().flatten().min();
                Some(read)
            });
            read.collect()
        };
        let items = &subscription.items.data;
        let parts: Vec<Part> = items
            .iter()
            .filter_map(|item| {
                let price = item.price.as_ref()?;
                let recurring = price.recurring.as_ref();
                Some(Part {
                    unit: price.unit_amount?,
                    quantity: item.quantity.unwrap_or(1),
                    interval: recurring
                        .map_or("month", |one| one.interval.as_str())
                        .to_owned(),
                    count: recurring.map_or(1, |one| i64::from(one.interval_count)),
                    product: price.product.id().unwrap_or_default().to_owned(),
                    discounts: read(expanded(&item.discounts)),
                })
            })
            .collect();
        let own = expanded(&subscription.discounts);
        let customer = subscription.customer.id();
        let inherited = customer.and_then(|customer| self.of_customer.get(customer));
        let inherited = inherited.filter(|_| own.is_empty());
        let discounts = read(own.into_iter().chain(inherited).collect());
        Monthly {
            minor: monthly(&parts, &discounts),
            until,
        }
    }

    /// A discount that recurs; `None` for one that applies once.
    fn discount(&self, discount: &objects::Discount) -> Option<Discount> {
        let coupon = self.coupons.get(discount.coupon().id()?)?;
        if coupon.duration.as_deref() == Some("once") {
            return None;
        }
        let off = match (coupon.percent_off, coupon.amount_off) {
            (Some(percent), _) => Off::Percent(percent),
            (None, Some(amount)) => Off::Amount(amount),
            (None, None) => return None,
        };
        let products = coupon.applies_to.as_ref();
        let products = products.map_or_else(Vec::new, |limited| limited.products.clone());
        Some(Discount { off, products })
    }
}

fn expanded(all: &[objects::Expandable<objects::Discount>]) -> Vec<&objects::Discount> {
    all.iter().filter_map(objects::Expandable::get).collect()
}

/// The discounts of a subscription and of its items.
fn discounts_of(subscription: &objects::Subscription) -> impl Iterator<Item = &objects::Discount> {
    let items = subscription.items.data.iter();
    let of_items = items.flat_map(|item| expanded(&item.discounts));
    expanded(&subscription.discounts)
        .into_iter()
        .chain(of_items)
}
