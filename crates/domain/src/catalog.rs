//! What is sold, as data: tiers, packs, add-ons and the cost of each operation.
//!
//! A tier is data, not an enum. The text is validated as a whole, and all errors are reported
//! together.

mod operations;
mod yearly;

#[cfg(test)]
mod tests;

pub use yearly::{Interval, Saving, Terms, length_of};

use serde::Deserialize;

pub use operations::{DEFAULT_OPERATION, Operation, PriceError, Priced, Rates};

use crate::money::{Credits, Currency, MinorUnits};
use crate::units::Quantity;

/// The longest trial that Stripe accepts, in days.
pub const TRIAL_DAYS_MAX: i64 = 730;

/// A parsed and validated catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The version number; versions are only ever added. 0 until the store has assigned one.
    pub version: i64,
    /// The single currency in which everything is sold.
    pub currency: Currency,
    /// Tiers, cheapest first; their order is their rank.
    pub tiers: Vec<Tier>,
    /// The credit packs, smallest first.
    pub packs: Vec<Pack>,
    /// Add-ons that a subscription may hold besides its plan, billed with it.
    pub addons: Vec<Addon>,
    /// Operations and what they cost.
    pub operations: Vec<Operation>,
}

/// A plan that a customer can be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The name of the tier in URLs, in JSON and in the database: `PRO_PLUS`.
    pub name: String,
    /// The name of the tier on pages.
    pub title: String,
    /// The position of the tier in the order of tiers, cheapest first.
    pub rank: usize,
    /// The price of a month; `None` where the price is negotiated individually.
    pub price: Option<MinorUnits>,
    /// The price of a year; `None` where it is only sold by the month.
    pub price_yearly: Option<MinorUnits>,
    /// Calls allowed per month; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// Credits that are granted each month.
    pub allowance: Credits,
    /// How much of an unspent allowance is carried into the next period; `None` for nothing.
    pub rollover: Option<Rollover>,
    /// The length of the trial before the first payment, in days; `None` without a trial.
    pub trial_days: Option<i64>,
    /// The features that the pages list.
    pub features: Vec<String>,
}

impl Tier {
    /// Whether this is the tier that every account has without paying.
    pub fn is_free(&self) -> bool {
        self.price.is_some_and(|price| price.amount == 0)
    }
}

/// How much of an unspent allowance is carried over, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// The most credits that may be carried over.
    pub cap: Credits,
    /// The number of months after which carried-over credits expire.
    pub months: i64,
}

/// Credits that are sold in one purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Whole credits; they also identify the pack in the API.
    pub credits: i64,
    /// Whole bonus credits granted in addition; they expire and are clawed back with the purchase.
    pub bonus: i64,
    /// The price of the pack.
    pub price: MinorUnits,
    /// The number of days after which bought credits expire; `None` for never.
    pub expires_after_days: Option<i64>,
}

impl Pack {
    /// The lookup key of its price at Stripe.
    pub fn lookup_key(&self) -> String {
        format!("lbx_pack_{}", self.credits)
    }
}

/// An extra that a subscription may hold besides its plan, billed with it each month. It changes
/// neither the tier nor the credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    /// The name of the add-on in the API: `SEATS`.
    pub name: String,
    /// The name of the add-on on pages.
    pub title: String,
    /// The price of one add-on for a month.
    pub price: MinorUnits,
}

impl Addon {
    /// The lookup key of its price at Stripe.
    pub fn lookup_key(&self) -> String {
        format!("lbx_addon_{}", self.name.to_ascii_lowercase())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogText {
    currency: String,
    #[serde(default)]
    tier: Vec<TierText>,
    #[serde(default)]
    pack: Vec<PackText>,
    #[serde(default)]
    addon: Vec<AddonText>,
    #[serde(default)]
    operation: Vec<operations::OperationText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierText {
    name: String,
    title: String,
    price: Option<String>,
    price_yearly: Option<String>,
    calls_limit: Option<i64>,
    allowance: String,
    rollover_cap: Option<String>,
    rollover_months: Option<i64>,
    trial_days: Option<i64>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackText {
    credits: i64,
    #[serde(default)]
    bonus: i64,
    price: String,
    expires_after_days: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddonText {
    name: String,
    title: String,
    price: String,
}

impl Catalog {
    /// Parses a catalog from TOML text. Returns all errors as sentences.
    pub fn parse(text: &str) -> Result<Catalog, Vec<String>> {
        let raw: CatalogText =
            toml::from_str(text).map_err(|error| vec![error.message().to_owned()])?;
        let mut faults = Vec::new();
        let currency = Currency::parse(&raw.currency).unwrap_or_else(|| {
            faults.push(format!(
                "currency {:?} is not a three-letter code",
                raw.currency
            ));
            Currency::USD
        });
        let tiers = read_tiers(&raw.tier, currency, &mut faults);
        let packs = read_packs(&raw.pack, currency, &mut faults);
        let addons = read_addons(&raw.addon, currency, &mut faults);
        let operations = operations::read(&raw.operation, &mut faults);
        if faults.is_empty() {
            Ok(Catalog {
                version: 0,
                currency,
                tiers,
                packs,
                addons,
                operations,
            })
        } else {
            Err(faults)
        }
    }

    /// Finds the tier with this name.
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// The tier that everyone has without paying.
    pub fn free(&self) -> &Tier {
        self.tiers
            .iter()
            .find(|tier| tier.is_free())
            .expect("a valid catalog has a free tier")
    }

    /// Finds the pack of this many credits.
    pub fn pack(&self, credits: i64) -> Option<&Pack> {
        self.packs.iter().find(|pack| pack.credits == credits)
    }

    /// Finds the add-on with this name.
    pub fn addon(&self, name: &str) -> Option<&Addon> {
        self.addons.iter().find(|addon| addon.name == name)
    }

    /// Finds the operation with this name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|known| known.name == name)
    }

    /// Prices a call ([`Operation::price`]).
    pub fn price(&self, operation: &str, units: Option<&Quantity>) -> Result<Priced, PriceError> {
        let found = self.operation(operation);
        let found = found.ok_or_else(|| PriceError::UnknownOperation(operation.to_owned()))?;
        found.price(units)
    }
}

fn read_tiers(texts: &[TierText], currency: Currency, faults: &mut Vec<String>) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    for (rank, text) in texts.iter().enumerate() {
        let name = &text.name;
        if !is_name(name) {
            faults.push(format!(
                "tier {name:?}: a name has capital letters, digits and _"
            ));
        }
        if tiers.iter().any(|known| known.name == *name) {
            faults.push(format!("tier {name:?} is there twice"));
        }
        if text.calls_limit.is_some_and(|limit| limit <= 0) {
            faults.push(format!("tier {name:?}: calls_limit must be positive"));
        }
        let trial = text.trial_days;
        if trial.is_some_and(|days| !(1..=TRIAL_DAYS_MAX).contains(&days)) {
            faults.push(format!(
                "tier {name:?}: trial_days must be between 1 and {TRIAL_DAYS_MAX}"
            ));
        }
        let price = text.price.as_ref().map(|price| {
            let amount = read_money(price, currency, &format!("tier {name:?}"), faults);
            MinorUnits::new(amount, currency)
        });
        let yearly = text.price_yearly.as_deref();
        tiers.push(Tier {
            name: name.clone(),
            title: text.title.clone(),
            rank,
            price,
            price_yearly: yearly::read(name, yearly, price, currency, faults),
            calls_limit: text.calls_limit,
            allowance: read_credits(&text.allowance, &format!("tier {name:?}"), faults),
            rollover: read_rollover(text, faults),
            trial_days: trial,
            features: text.features.clone(),
        });
    }
    for tier in tiers.iter().filter(|tier| tier.is_free()) {
        if tier.trial_days.is_some() {
            faults.push(format!("tier {:?}: what is free needs no trial", tier.name));
        }
    }
    if tiers.iter().filter(|tier| tier.is_free()).count() != 1 {
        faults.push("there must be one tier with price \"0\"".to_owned());
    }
    tiers
}

/// Whether a name has only capital letters, digits and `_`.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (1..=40).contains(&name.len()) && name.bytes().all(plain)
}

fn read_addons(texts: &[AddonText], currency: Currency, faults: &mut Vec<String>) -> Vec<Addon> {
    let mut addons: Vec<Addon> = Vec::new();
    for text in texts {
        let what = format!("addon {:?}", text.name);
        if !is_name(&text.name) {
            faults.push(format!("{what}: a name has capital letters, digits and _"));
        }
        if addons.iter().any(|known| known.name == text.name) {
            faults.push(format!("{what} is there twice"));
        }
        let amount = read_money(&text.price, currency, &what, faults);
        if amount == 0 {
            faults.push(format!("{what}: an add-on has a price"));
        }
        addons.push(Addon {
            name: text.name.clone(),
            title: text.title.clone(),
            price: MinorUnits::new(amount, currency),
        });
    }
    addons
}

/// Rollover is off without a cap; carried-over credits last one month unless the text says
/// otherwise.
fn read_rollover(text: &TierText, faults: &mut Vec<String>) -> Option<Rollover> {
    let what = format!("tier {:?}: rollover_cap", text.name);
    if text.rollover_cap.is_none() && text.rollover_months.is_some() {
        faults.push(format!("{what} is missing beside rollover_months"));
    }
    let cap = read_credits(text.rollover_cap.as_ref()?, &what, faults);
    let months = text.rollover_months.unwrap_or(1);
    if !(1..=120).contains(&months) {
        faults.push(format!(
            "tier {:?}: rollover_months must be between 1 and 120",
            text.name
        ));
    }
    cap.is_positive().then_some(Rollover { cap, months })
}

fn read_packs(texts: &[PackText], currency: Currency, faults: &mut Vec<String>) -> Vec<Pack> {
    let mut packs: Vec<Pack> = Vec::new();
    for text in texts {
        let what = format!("pack {}", text.credits);
        if !(1..=1_000_000_000).contains(&text.credits) {
            faults.push(format!(
                "{what}: credits must be between 1 and 1,000,000,000"
            ));
        }
        if packs.iter().any(|known| known.credits == text.credits) {
            faults.push(format!("{what} is there twice"));
        }
        let amount = read_money(&text.price, currency, &what, faults);
        if amount == 0 {
            faults.push(format!("{what}: a pack has a price"));
        }
        if !(0..=1_000_000_000).contains(&text.bonus) {
            faults.push(format!("{what}: bonus must be between 0 and 1,000,000,000"));
        }
        if text
            .expires_after_days
            .is_some_and(|days| !(1..=36_500).contains(&days))
        {
            faults.push(format!(
                "{what}: expires_after_days must be between 1 and 36,500; leave it out for never"
            ));
        }
        packs.push(Pack {
            credits: text.credits,
            bonus: text.bonus,
            price: MinorUnits::new(amount, currency),
            expires_after_days: text.expires_after_days,
        });
    }
    packs.sort_by_key(|pack| pack.credits);
    packs
}

fn read_credits(text: &str, what: &str, faults: &mut Vec<String>) -> Credits {
    match Credits::parse(text) {
        Ok(credits) if credits >= Credits::ZERO => credits,
        Ok(_) => {
            faults.push(format!("{what}: credits are not negative"));
            Credits::ZERO
        }
        Err(error) => {
            faults.push(format!("{what}: {error}"));
            Credits::ZERO
        }
    }
}

/// Parses decimal text into minor units of `currency`; returns -1 and records a fault if it is
/// invalid.
fn read_money(text: &str, currency: Currency, what: &str, faults: &mut Vec<String>) -> i64 {
    let amount = MinorUnits::parse(text, currency).map(|money| money.amount);
    let Some(amount) = amount else {
        faults.push(format!("{what}: {text:?} is not an amount of {currency}"));
        return -1;
    };
    if amount % currency.step() != 0 {
        let step = MinorUnits::new(currency.step(), currency).decimal_text();
        faults.push(format!(
            "{what}: {text:?} cannot be charged; {currency} is charged in steps of {step}"
        ));
    }
    amount
}
