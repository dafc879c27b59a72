//! Prices by the year beside those by the month.

use super::{Tier, read_money};
use crate::money::{Currency, MinorUnits};
use crate::words::words;

/// The months of a year.
const MONTHS: i64 = 12;

words! {
    /// How often a plan is paid for. The shorter interval is first.
    pub enum Interval {
        /// Every month.
        Month = "month",
        /// Every year.
        Year = "year",
    }
}

/// What a price of a plan costs, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The amount of each interval.
    pub price: MinorUnits,
    /// The interval, in Stripe's word. A price agreed with an account may have another one than
    /// those of the catalog.
    pub interval: String,
}

impl Terms {
    /// The terms of a list price.
    pub fn new(price: MinorUnits, interval: Interval) -> Terms {
        let interval = interval.word().to_owned();
        Terms { price, interval }
    }
}

/// The place of an interval among Stripe's, the shortest first.
pub fn length_of(interval: &str) -> usize {
    let longest_last = ["day", "week", "month", "year"];
    let place = longest_last.iter().position(|known| *known == interval);
    // What has no interval is a month's.
    place.unwrap_or(2)
}

/// What a year costs less than twelve months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// Exactly this many months.
    Months(i64),
    /// An amount that isn't a whole number of months.
    Amount(MinorUnits),
}

impl Tier {
    /// The list price of one interval; `None` where the plan isn't sold by it.
    pub fn price_by(&self, interval: Interval) -> Option<MinorUnits> {
        match interval {
            Interval::Month => self.price,
            Interval::Year => self.price_yearly,
        }
    }

    /// The lookup key at Stripe of its price by this interval; it is transferred to the new price
    /// when the amount changes.
    pub fn lookup_key_by(&self, interval: Interval) -> String {
        let name = self.name.to_ascii_lowercase();
        match interval {
            Interval::Month => format!("lbx_tier_{name}"),
            Interval::Year => format!("lbx_tier_{name}_yearly"),
        }
    }

    /// What a year costs less than twelve months; `None` if it costs as much, or more.
    pub fn saving(&self) -> Option<Saving> {
        let (month, year) = (self.price?, self.price_yearly?);
        let saved = month.amount.checked_mul(MONTHS)?.checked_sub(year.amount)?;
        if saved <= 0 || month.amount <= 0 {
            return None;
        }
        Some(
            match (
                saved.checked_div(month.amount),
                saved.checked_rem(month.amount),
            ) {
                (Some(months), Some(0)) => Saving::Months(months),
                _ => Saving::Amount(MinorUnits::new(saved, month.currency)),
            },
        )
    }
}

/// Reads the price of a year. A plan that is free or negotiated has none.
pub(super) fn read(
    name: &str,
    text: Option<&str>,
    month: Option<MinorUnits>,
    currency: Currency,
    faults: &mut Vec<String>,
) -> Option<MinorUnits> {
    let what = format!("tier {name:?}: price_yearly");
    let amount = read_money(text?, currency, &what, faults);
    if amount == 0 {
        faults.push(format!(
            "{what} must be positive; leave it out for no yearly price"
        ));
    }
    match month {
        None => faults.push(format!("{what} needs a price of a month beside it")),
        Some(month) if month.amount == 0 => {
            faults.push(format!("{what}: a free plan has no yearly price"));
        }
        Some(_) => {}
    }
    Some(MinorUnits::new(amount, currency))
}
