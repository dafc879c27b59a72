//! What a subscription brings each month: its prices and quantities, less the discounts that recur.
//!
//! As in Stripe's monthly recurring revenue, a discount that applies once, tax, the customer's
//! balance and pending items don't count (docs.stripe.com/billing/subscriptions/analytics).

use crate::money::share_of;

/// A percentage is in ten-thousandths of a percent.
pub const WHOLE: i64 = 1_000_000;

/// One item of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The price of one unit for an interval, in minor units.
    pub unit: i64,
    /// The quantity.
    pub quantity: i64,
    /// The unit of the interval, in Stripe's word.
    pub interval: String,
    /// The number of units in the interval.
    pub count: i64,
    /// Stripe's id of the product.
    pub product: String,
    /// The discounts of the item itself.
    pub discounts: Vec<Discount>,
}

/// A discount that recurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    /// How much it takes off.
    pub off: Off,
    /// The products that it applies to; empty for all.
    pub products: Vec<String>,
}

/// How much a discount takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// A percentage, in ten-thousandths of a percent.
    Percent(i64),
    /// An amount in each interval, in minor units.
    Amount(i64),
}

impl Discount {
    fn applies_to(&self, product: &str) -> bool {
        self.products.is_empty() || self.products.iter().any(|one| one == product)
    }

    /// What is taken off an amount.
    fn of(&self, amount: i64) -> i64 {
        match self.off {
            Off::Percent(percent) => share_of(amount, percent.clamp(0, WHOLE), WHOLE),
            Off::Amount(off) => off.clamp(0, amount.max(0)),
        }
    }
}

/// The revenue of a month, in minor units, rounded once for each interval. The items' own discounts
/// apply first, then those of the subscription, one after the other.
pub fn monthly(parts: &[Part], discounts: &[Discount]) -> i64 {
    let mut amounts: Vec<i64> = Vec::new();
    for part in parts {
        let mut amount = part.unit.saturating_mul(part.quantity).max(0);
        for discount in &part.discounts {
            amount = amount.saturating_sub(discount.of(amount));
        }
        amounts.push(amount);
    }
    for discount in discounts {
        take_off(&mut amounts, parts, discount);
    }
    let mut intervals: Vec<((&str, i64), i64)> = Vec::new();
    for (part, amount) in parts.iter().zip(amounts) {
        let interval = (part.interval.as_str(), part.count);
        match intervals.iter_mut().find(|(known, _)| *known == interval) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => intervals.push((interval, amount)),
        }
    }
    let months = intervals
        .into_iter()
        .map(|((interval, count), amount)| of_month(amount, interval, count));
    months.fold(0, i64::saturating_add)
}

/// Takes a discount off the items that it applies to, in proportion.
fn take_off(amounts: &mut [i64], parts: &[Part], discount: &Discount) {
    let applies = |part: &Part| discount.applies_to(&part.product);
    let pairs = || parts.iter().zip(amounts.iter());
    let base = pairs()
        .filter(|(part, _)| applies(part))
        .map(|(_, amount)| *amount)
        .fold(0, i64::saturating_add);
    if base <= 0 {
        return;
    }
    let off = discount.of(base);
    let (mut seen, mut taken) = (0_i64, 0_i64);
    for (part, amount) in parts.iter().zip(amounts.iter_mut()) {
        if !applies(part) {
            continue;
        }
        // From the cumulative amount, so that the parts add up.
        seen = seen.saturating_add(*amount);
        let until = share_of(off, seen, base);
        *amount = amount.saturating_sub(until.saturating_sub(taken));
        taken = until;
    }
}

/// The part of a month of what is paid each `count` intervals. A year has 12 months, 52 weeks or 365
/// days.
pub fn of_month(amount: i64, interval: &str, count: i64) -> i64 {
    let in_a_year = match interval {
        "year" => 1,
        "week" => 52,
        "day" => 365,
        _ => 12,
    };
    share_of(amount, in_a_year, count.max(1).saturating_mul(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(unit: i64, quantity: i64, interval: &str) -> Part {
        Part {
            unit,
            quantity,
            interval: interval.to_owned(),
            count: 1,
            product: format!("prod_{unit}"),
            discounts: Vec::new(),
        }
    }

    fn all(off: Off) -> Discount {
        Discount {
            off,
            products: Vec::new(),
        }
    }

    #[test]
    fn a_month_is_a_twelfth_of_a_year_rounded_once() {
        assert_eq!(monthly(&[part(1_900, 1, "month")], &[]), 1_900);
        assert_eq!(monthly(&[part(19_000, 1, "year")], &[]), 1_583);
        // Two seats of $190.00 are $31.67, not twice $15.83.
        assert_eq!(monthly(&[part(19_000, 2, "year")], &[]), 3_167);
        assert_eq!(monthly(&[part(1_200, 1, "week")], &[]), 5_200);
        let quarter = Part {
            count: 3,
            ..part(5_000, 1, "month")
        };
        assert_eq!(monthly(&[quarter], &[]), 1_667);
    }

    #[test]
    fn discounts_that_recur_are_taken_off_one_after_the_other() {
        let half = all(Off::Percent(500_000));
        let ten = all(Off::Amount(1_000));
        let items = [part(1_900, 3, "month"), part(500, 2, "month")];

        assert_eq!(monthly(&items, &[]), 6_700);
        assert_eq!(monthly(&items, std::slice::from_ref(&half)), 3_350);
        assert_eq!(monthly(&items, &[half.clone(), ten.clone()]), 2_350);
        assert_eq!(monthly(&items, &[ten.clone(), half.clone()]), 2_850);
        let seats = Discount {
            products: vec!["prod_500".to_owned()],
            ..half.clone()
        };
        assert_eq!(monthly(&items, &[seats]), 6_200);
        let own = Part {
            discounts: vec![half],
            ..part(1_900, 1, "month")
        };
        assert_eq!(monthly(&[own], &[ten]), 0);
        assert_eq!(monthly(&items, &[all(Off::Amount(99_999))]), 0);
    }
}
