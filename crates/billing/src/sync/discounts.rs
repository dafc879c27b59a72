//! The discounts that recur on subscriptions: what revenue a month has after them.

use std::collections::{HashMap, HashSet};

use domain::recurring::{Discount, Off, Part, monthly};
use domain::time::Timestamp;
use stripe::objects;

use crate::app::App;
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
    /// Coupons that could not be read.
    unread: HashSet<String>,
}

/// What a subscription brings each month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monthly {
    /// The amount after the discounts that recur, in minor units.
    pub minor: i64,
    /// When the first of them ends.
    pub until: Option<Timestamp>,
}

/// What the subscriptions bring each month, as stored.
pub fn stored(rows: &[store::subscriptions::Subscription]) -> HashMap<String, Monthly> {
    let known = rows.iter().filter_map(|row| {
        let (minor, until) = (row.monthly_minor?, row.discount_ends_at);
        Some((row.subscription_id.clone(), Monthly { minor, until }))
    });
    known.collect()
}

impl Discounts {
    /// Notes the discount of a customer.
    pub fn add_customer(&mut self, customer: &objects::Customer) {
        if let Some(discount) = customer.discount.clone() {
            self.of_customer.insert(customer.id.clone(), discount);
        }
    }

    /// Reads the coupons of all discounts that are on these subscriptions and weren't read before. If
    /// Stripe doesn't answer with one, the sync continues without it: grants never wait for a figure.
    pub async fn read(&mut self, app: &App, subscriptions: &[objects::Subscription]) {
        let live = subscriptions.iter().filter(|one| one.ended_at.is_none());
        let own = live.flat_map(discounts_of).cloned();
        let all: Vec<objects::Discount> = own.chain(self.of_customer.values().cloned()).collect();
        for discount in all.iter().take(COUPONS_MAX) {
            let Some(id) = discount.coupon().id() else {
                continue;
            };
            if self.coupons.contains_key(id) || self.unread.contains(id) {
                continue;
            }
            match app.coupons.read(&app.stripe, &discount.id, id).await {
                Ok(coupon) => {
                    self.coupons.insert(id.to_owned(), coupon);
                }
                // A deleted coupon still discounts; older versions send its terms along.
                Err(stripe::Error::NotFound { .. }) => {
                    if let Some(coupon) = discount.coupon().get() {
                        self.coupons.insert(id.to_owned(), coupon.clone());
                    }
                }
                Err(error) => {
                    tracing::warn!(coupon = %id, %error, "Failed to read a coupon");
                    self.unread.insert(id.to_owned());
                }
            }
        }
    }

    /// What a subscription brings each month; `None` if one of its coupons could not be read.
    pub fn monthly(&self, subscription: &objects::Subscription, now: Timestamp) -> Option<Monthly> {
        if self.on(subscription).any(|one| self.is_unread(one)) {
            return None;
        }
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
        let inherited = self.inherited(subscription);
        let discounts = read(own.into_iter().chain(inherited).collect());
        Some(Monthly {
            minor: monthly(&parts, &discounts),
            until,
        })
    }

    /// The customer's discount, if the subscription has none of its own.
    fn inherited(&self, subscription: &objects::Subscription) -> Option<&objects::Discount> {
        let customer = self.of_customer.get(subscription.customer.id()?)?;
        expanded(&subscription.discounts)
            .is_empty()
            .then_some(customer)
    }

    /// All discounts that apply to a subscription.
    fn on<'a>(
        &'a self,
        subscription: &'a objects::Subscription,
    ) -> impl Iterator<Item = &'a objects::Discount> {
        discounts_of(subscription).chain(self.inherited(subscription))
    }

    fn is_unread(&self, discount: &objects::Discount) -> bool {
        let coupon = discount.coupon().id();
        coupon.is_some_and(|id| self.unread.contains(id))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_whose_coupon_could_not_be_read_has_no_monthly_figure() {
        let subscription = |id: &str, discounts: serde_json::Value| -> objects::Subscription {
            serde_json::from_value(json!({
                "id": id, "status": "active", "customer": "cus_1", "created": 1,
                "cancel_at_period_end": false, "discounts": discounts,
                "items": { "data": [{ "id": "si_1", "quantity": 1, "price": {
                    "id": "price_1", "currency": "usd", "unit_amount": 1900,
                    "recurring": { "interval": "month", "interval_count": 1 } } }] },
            }))
            .expect("a subscription")
        };
        let discount = json!([{ "id": "di_1", "coupon": { "id": "half", "percent_off": 50 } }]);
        let mut discounts = Discounts::default();
        discounts.unread.insert("half".to_owned());

        let now = Timestamp::from_seconds(1);
        let plain = discounts.monthly(&subscription("sub_1", json!([])), now);
        let discounted = discounts.monthly(&subscription("sub_2", discount), now);

        assert_eq!(plain.map(|monthly| monthly.minor), Some(1_900));
        assert_eq!(discounted, None);
    }
}
