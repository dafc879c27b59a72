//! What a sync found that needs manual review.

/// Something a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A live subscription has a price the catalog never had: its tier is kept, the account is
    /// parked.
    UnknownPrice {
        /// The subscription.
        subscription: String,
        /// The price.
        price: String,
    },
    /// Two subscriptions can charge the account.
    SecondSubscription {
        /// The one that does not count.
        subscription: String,
    },
    /// A subscription has an item beside its plan that is no add-on of the catalog: its plan
    /// counts, the item is charged and brings nothing.
    StrayItem {
        /// The subscription.
        subscription: String,
        /// The item's price.
        price: String,
    },
}

impl Finding {
    /// The sentence for a person.
    pub fn text(&self) -> String {
        match self {
            Finding::UnknownPrice {
                subscription,
                price,
            } => format!("subscription {subscription} has the unknown price {price}"),
            Finding::SecondSubscription { subscription } => {
                format!("subscription {subscription} charges the account beside another one")
            }
            Finding::StrayItem {
                subscription,
                price,
            } => format!("subscription {subscription} has an item of the unknown price {price}"),
        }
    }
}
