//! What Stripe's price ids mean.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use domain::catalog::{Catalog, Interval, Terms};
use domain::money::{Currency, MinorUnits};
use store::Tx;
use store::catalog::PriceKind;

use crate::app::App;

/// What Stripe's price ids mean, including those of archived prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Tier by price id.
    pub tier_of_price: HashMap<String, String>,
    /// Price id at which new customers buy a tier by the month, by tier.
    pub price_of_tier: HashMap<String, String>,
    /// Price id at which new customers buy a tier by the year, by tier.
    pub yearly_price_of_tier: HashMap<String, String>,
    /// What each tier's price costs and how often, including archived prices.
    pub terms_of_price: HashMap<String, Terms>,
    /// Price id of a pack, by its credits.
    pub price_of_pack: HashMap<i64, String>,
    /// Pack by price id.
    pub pack_of_price: HashMap<String, PackPrice>,
    /// Add-on by price id.
    pub addon_of_price: HashMap<String, String>,
}

/// What a pack's price sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackPrice {
    /// The credits of the pack.
    pub credits: i64,
    /// The price of one pack.
    pub price: MinorUnits,
}

impl Prices {
    /// The price id at which new customers buy a tier by this interval.
    pub fn sold(&self, tier: &str, interval: Interval) -> Option<&String> {
        match interval {
            Interval::Month => self.price_of_tier.get(tier),
            Interval::Year => self.yearly_price_of_tier.get(tier),
        }
    }

    /// The interval of a tier's price, if it is one of the catalog's.
    pub fn interval_of(&self, price: &str) -> Option<Interval> {
        Interval::from_word(&self.terms_of_price.get(price)?.interval)
    }

    fn sell(&mut self, tier: &str, interval: Interval, id: &str) {
        let sold = match interval {
            Interval::Month => &mut self.price_of_tier,
            Interval::Year => &mut self.yearly_price_of_tier,
        };
        sold.insert(tier.to_owned(), id.to_owned());
    }

    /// Sells a tier at a price that was created manually.
    fn sell_named(&mut self, catalog: &Catalog, tier: &str, interval: Interval, id: &str) {
        let price = catalog.tier(tier).and_then(|tier| tier.price_by(interval));
        self.sell(tier, interval, id);
        self.know(tier, id, price.map(|price| Terms::new(price, interval)));
    }

    /// Maps a price. The amount of one that was created manually and isn't sold is unknown.
    fn know(&mut self, tier: &str, id: &str, terms: Option<Terms>) {
        self.tier_of_price.insert(id.to_owned(), tier.to_owned());
        if let Some(terms) = terms {
            self.terms_of_price.insert(id.to_owned(), terms);
        }
    }

    /// Whether the catalog sells or ever sold something at this price.
    pub fn knows(&self, price: &str) -> bool {
        self.tier_of_price.contains_key(price)
            || self.pack_of_price.contains_key(price)
            || self.addon_of_price.contains_key(price)
    }
}

impl App {
    /// Reloads the price map.
    pub async fn load_prices(&self) -> anyhow::Result<()> {
        let look = |tx: &mut Tx<'_>| Ok((store::catalog::prices(tx)?, store::catalog::addons(tx)?));
        let (rows, addons) = self.db.read(look).await?;
        let catalog = self.catalog();
        let mut prices = Prices {
            addon_of_price: addons.into_iter().collect(),
            ..Prices::default()
        };
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|row| row.first_version);
        for row in rows {
            if row.kind == PriceKind::Tier {
                let interval = row.interval();
                let wanted = catalog.tier(&row.name);
                let wanted = wanted.and_then(|tier| tier.price_by(interval));
                let fits = wanted.is_some_and(|price| price.amount == row.amount_minor);
                if fits && row.archived_at.is_none() {
                    prices.sell(&row.name, interval, &row.price_id);
                }
                let currency = Currency::parse(&row.currency);
                let terms = currency.map(|currency| {
                    Terms::new(MinorUnits::new(row.amount_minor, currency), interval)
                });
                prices.know(&row.name, &row.price_id, terms);
            } else if let Ok(credits) = row.name.parse::<i64>() {
                let wanted = catalog.pack(credits).map(|pack| pack.price.amount);
                if wanted == Some(row.amount_minor) && row.archived_at.is_none() {
                    prices.price_of_pack.insert(credits, row.price_id.clone());
                }
                if let Some(currency) = Currency::parse(&row.currency) {
                    let price = MinorUnits::new(row.amount_minor, currency);
                    let sold = PackPrice { credits, price };
                    prices.pack_of_price.insert(row.price_id, sold);
                }
            }
        }
        for (name, id) in self.settings.stripe.named_prices() {
            if let Ok(credits) = name.parse::<i64>() {
                prices.price_of_pack.insert(credits, id.to_owned());
                if let Some(pack) = catalog.pack(credits) {
                    let price = pack.price;
                    let sold = PackPrice { credits, price };
                    prices.pack_of_price.insert(id.to_owned(), sold);
                }
            } else {
                prices.sell_named(&catalog, name, Interval::Month, id);
            }
        }
        for (name, id) in self.settings.stripe.named_yearly_prices() {
            prices.sell_named(&catalog, name, Interval::Year, id);
        }
        *self.prices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prices);
        self.wake_those_who_waited_for_prices().await
    }

    /// Marks for sync the accounts that were parked on an unknown price that is now known, and those
    /// with a subscription that was another product's while its price was unknown.
    async fn wake_those_who_waited_for_prices(&self) -> anyhow::Result<()> {
        let prices = self.prices();
        let look = |tx: &mut Tx<'_>| {
            let waiting = store::sync::waiting_for_prices(tx, WAITING_MAX)?;
            Ok((waiting, store::foreign::prices(tx, WAITING_MAX)?))
        };
        let (mut waiting, mut set_aside) = self.db.read(look).await?;
        waiting.retain(|(_, price)| prices.knows(price));
        set_aside.retain(|(_, price)| prices.knows(price));
        if waiting.is_empty() && set_aside.is_empty() {
            return Ok(());
        }
        let now = self.real_now();
        self.db
            .write(0, move |tx| {
                for (account, _) in &waiting {
                    store::events::requeue_of_account(tx, *account)?;
                    store::sync::unpark(tx, *account, now)?;
                    store::sync::mark_for_sync(tx, *account, now)?;
                }
                for (account, _) in &set_aside {
                    // Not the sync that may be running: this repeats until one has ended.
                    store::sync::forget_read(tx, *account)?;
                    store::sync::mark_for_sync(tx, *account, now)?;
                }
                Ok(())
            })
            .await?;
        self.sync_due.notify_one();
        Ok(())
    }
}

/// Maximum number of accounts parked on a price that are checked at once.
const WAITING_MAX: i64 = 10_000;
