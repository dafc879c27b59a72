//! Which of a subscription's items is its plan. The others are add-ons.

use std::collections::{HashMap, HashSet};

use super::{Known, Subscription};

/// The position of the plan's price among the prices of a subscription's items, a phase's items or
/// an invoice's lines: the highest tier's, else the first that isn't an add-on's, else the first.
pub fn plan_among<'a>(
    prices: impl IntoIterator<Item = Option<&'a str>>,
    tier_of_price: &HashMap<String, String>,
    rank_of_tier: &HashMap<String, usize>,
    addon_prices: &HashSet<String>,
) -> Option<usize> {
    let rank = |price: &str| {
        let tier = tier_of_price.get(price)?;
        Some(rank_of_tier.get(tier).copied().unwrap_or_default())
    };
    let worth = |price: Option<&str>| {
        let is_addon = price.is_some_and(|price| addon_prices.contains(price));
        (price.and_then(rank), !is_addon)
    };
    let mut best: Option<(usize, (Option<usize>, bool))> = None;
    for (place, price) in prices.into_iter().enumerate() {
        let worth = worth(price);
        // Of two with the same rank, the first counts.
        if best.is_none_or(|(_, known)| worth > known) {
            best = Some((place, worth));
        }
    }
    best.map(|(place, _)| place)
}

/// Whether a subscription has add-ons and no plan.
pub(super) fn is_addons_only(fetched: &Subscription, known: &Known) -> bool {
    let price = fetched.price_id.as_ref();
    price.is_some_and(|price| known.addon_prices.contains(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_the_highest_tier_wherever_it_stands_and_never_an_add_on_next_to_a_plan() {
        let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let tiers = map(&[("pro", "PRO"), ("plus", "PRO_PLUS")]);
        let ranks = HashMap::from([("PRO".to_owned(), 1), ("PRO_PLUS".to_owned(), 2)]);
        let addons = HashSet::from(["seats".to_owned()]);
        let plan = |prices: &[&str]| {
            let prices = prices.iter().map(|price| Some(*price));
            plan_among(prices, &tiers, &ranks, &addons)
        };

        assert_eq!(plan(&["pro", "seats"]), Some(0));
        assert_eq!(plan(&["seats", "pro"]), Some(1));
        assert_eq!(plan(&["pro", "seats", "plus"]), Some(2));
        assert_eq!(
            plan(&["seats", "unknown"]),
            Some(1),
            "an unknown price is to be seen"
        );
        assert_eq!(plan(&["seats"]), Some(0));
        assert_eq!(plan(&[]), None);
    }
}
