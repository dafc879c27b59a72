//! The cache of coupons. What a coupon takes off never changes at Stripe, and a discount keeps its
//! coupon, so it is read once for each discount.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stripe::objects::Coupon;

/// The most discounts whose coupons are kept; then the cache starts again.
const DISCOUNTS_MAX: usize = 10_000;

/// The coupons by the discounts that they are on.
#[derive(Debug, Default)]
pub struct Cache(Mutex<HashMap<String, Coupon>>);

impl Cache {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Coupon>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The coupon of a discount, which is read from Stripe if it wasn't before.
    pub(crate) async fn read(
        &self,
        stripe: &stripe::Client,
        discount: &str,
        coupon: &str,
    ) -> stripe::Result<Coupon> {
        if let Some(known) = self.of(discount) {
            return Ok(known);
        }
        let coupon = stripe.retrieve_coupon(coupon).await?;
        // Older versions have discounts without an id.
        if !discount.is_empty() {
            self.keep(discount, &coupon);
        }
        Ok(coupon)
    }

    fn of(&self, discount: &str) -> Option<Coupon> {
        self.kept().get(discount).cloned()
    }

    fn keep(&self, discount: &str, coupon: &Coupon) {
        let mut kept = self.kept();
        if kept.len() >= DISCOUNTS_MAX {
            kept.clear();
        }
        kept.insert(discount.to_owned(), coupon.clone());
    }
}
