//! What a sync found that needs manual review.

/// Something that needs manual review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A live subscription has a price the catalog never had: its tier is kept, the account is
    /// parked.
    UnknownPrice {
        /// Stripe's id of the subscription.
        subscription: String,
        /// Stripe's id of the price.
        price: String,
    },
    /// Two subscriptions can charge the account.
    DuplicateSubscription {
        /// Stripe's id of the subscription that does not count.
        subscription: String,
    },
    /// A subscription has an item besides its plan that is no add-on of the catalog: the plan
    /// counts; the item is charged and brings nothing.
    StrayItem {
        /// Stripe's id of the subscription.
        subscription: String,
        /// Stripe's id of the item's price.
        price: String,
    },
}

impl Finding {
    /// The sentence for the operator.
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
