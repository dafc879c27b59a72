//! What the prices of items, phases and lines mean for one account, and which of several is the
//! plan's.

use std::collections::{HashMap, HashSet};

use domain::catalog::Terms;
use domain::money::{Currency, MinorUnits};
use domain::projection::plan_among;

use crate::app::App;
use crate::sync::{Held, mark};

/// The meaning of price ids for one account.
#[derive(Clone, Debug, Default)]
pub struct Meaning {
    /// Tier by price, from the catalog and the prices agreed with the account.
    pub tier_of_price: HashMap<String, String>,
    /// What each of these prices costs, and how often.
    pub terms_of_price: HashMap<String, Terms>,
    /// Rank by tier name.
    pub rank_of_tier: HashMap<String, usize>,
    /// Price ids of add-ons.
    pub addon_prices: HashSet<String>,
    /// The account's mark on Stripe's objects.
    pub mark: String,
}

impl Meaning {
    /// The current meaning, from the catalog and the stored rows.
    pub fn of(app: &App, held: &Held) -> Meaning {
        let prices = app.prices();
        let mut tier_of_price = prices.tier_of_price.clone();
        let mut terms_of_price = prices.terms_of_price.clone();
        for row in &held.agreed {
            tier_of_price.insert(row.price_id.clone(), row.tier.clone());
            if let Some(currency) = Currency::parse(&row.currency) {
                let price = MinorUnits::new(row.amount_minor, currency);
                let interval = row.billing_interval.clone();
                terms_of_price.insert(row.price_id.clone(), Terms { price, interval });
            }
        }
        let catalog = app.catalog();
        let ranks = catalog.tiers.iter();
        Meaning {
            tier_of_price,
            terms_of_price,
            rank_of_tier: ranks.map(|tier| (tier.name.clone(), tier.rank)).collect(),
            addon_prices: prices.addon_of_price.keys().cloned().collect(),
            mark: mark::of(app, &held.public_id),
        }
    }

    /// Whether a subscription to this price sells something of ours.
    pub fn knows(&self, price: &str) -> bool {
        self.tier_of_price.contains_key(price) || self.addon_prices.contains(price)
    }

    /// The index of the plan's price among these.
    pub fn plan<'a>(&self, prices: impl IntoIterator<Item = Option<&'a str>>) -> Option<usize> {
        plan_among(
            prices,
            &self.tier_of_price,
            &self.rank_of_tier,
            &self.addon_prices,
        )
    }
}
