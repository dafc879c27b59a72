//! The items of a subscription besides its plan, with the catalog's names.

use domain::money::{Currency, MinorUnits};
use serde::Deserialize;
use store::subscriptions::Subscription;

use crate::app::App;

/// An item besides the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The add-on's name in the catalog, or the price id if the catalog doesn't have it.
    pub name: String,
    /// Its title on pages.
    pub title: String,
    /// Its quantity in the subscription.
    pub quantity: i64,
    /// The cost of the whole quantity per period, if Stripe reports it.
    pub amount: Option<MinorUnits>,
}

/// An item as the sync stored it.
#[derive(Debug, Deserialize)]
struct Item {
    price: String,
    quantity: i64,
    amount: Option<i64>,
    currency: Option<String>,
}

/// The items of the subscription besides its plan.
pub fn of(app: &App, row: &Subscription) -> Vec<Held> {
    let kept = row.items.as_deref().unwrap_or("[]");
    let items: Vec<Item> = serde_json::from_str(kept).unwrap_or_default();
    let (prices, catalog) = (app.prices(), app.catalog());
    let named = items.into_iter().map(|item| {
        let name = prices.addon_of_price.get(&item.price);
        let addon = name.and_then(|name| catalog.addon(name));
        let currency = item.currency.as_deref().and_then(Currency::parse);
        let unit = item.amount.zip(currency);
        Held {
            title: addon.map_or_else(|| "Another item".to_owned(), |addon| addon.title.clone()),
            name: name.cloned().unwrap_or(item.price),
            quantity: item.quantity,
            amount: unit.map(|(amount, currency)| {
                MinorUnits::new(amount.saturating_mul(item.quantity), currency)
            }),
        }
    });
    named.collect()
}
