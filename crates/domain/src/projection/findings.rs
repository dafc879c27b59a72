//! What a sync found that needs manual review.

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
            Finding::StrayItem {
                subscription,
                price,
            } => format!("subscription {subscription} has an item of the unknown price {price}"),
        }
    }
}
