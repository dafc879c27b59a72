//! What a sync found that needs manual review.

use crate::amounts::amount as money;
use crate::money::MinorUnits;

/// Something that needs manual review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A live subscription has a price that was never in the catalog: its tier is kept and the
    /// account is parked.
    UnknownPrice {
        /// Stripe's id of the subscription.
        subscription: String,
        /// Stripe's id of the price.
        price: String,
    },
    /// Two live subscriptions can charge the account.
    DuplicateSubscription {
        /// Stripe's id of the subscription that does not count.
        subscription: String,
    },
    /// A refund that this service requested failed after Stripe had accepted it, and the payment has
    /// not gone back since: it is owed again.
    FailedRefund {
        /// Stripe's id of the refund.
        refund: String,
        /// Stripe's id of the payment intent.
        payment: String,
        /// The amount of the refund.
        amount: MinorUnits,
    },
    /// A subscription has an item besides its plan that isn't an add-on of the catalog: the plan
    /// counts; the item is charged but grants nothing.
    StrayItem {
        /// Stripe's id of the subscription.
        subscription: String,
        /// Stripe's id of the item's price.
        price: String,
    },
}

impl Finding {
    /// The description shown to the operator.
    pub fn text(&self) -> String {
        match self {
            Finding::UnknownPrice {
                subscription,
                price,
            } => format!("subscription {subscription} has the unknown price {price}"),
            Finding::DuplicateSubscription { subscription } => {
                format!("subscription {subscription} charges the account beside another one")
            }
            Finding::FailedRefund {
                refund,
                payment,
                amount,
            } => format!(
                "refund {refund} of {} for payment {payment} failed, and the money has not been \
                 returned since",
                money(*amount)
            ),
            Finding::StrayItem {
                subscription,
                price,
            } => format!("subscription {subscription} has an item of the unknown price {price}"),
        }
    }
}
