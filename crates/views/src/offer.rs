//! What is sold: converts the catalog to the text and cards on pages.

use domain::catalog::{Catalog, Pack, Tier};
use domain::money::{Credits, MICROS_PER_CREDIT, MinorUnits};

use crate::components::{Action, Badge};
use crate::format;
use crate::plans::{CompareRow, Comparison, Mark, PlanCard};

pub use domain::amounts::amount as money;

/// The display name of a tier; one that is no longer in the catalog is shown as stored.
pub fn title(catalog: &Catalog, tier: &str) -> String {
    let known = catalog.tier(tier);
    known.map_or_else(|| tier.to_owned(), |tier| tier.title.clone())
}

/// For example "$19.00 per month".
pub fn monthly(tier: &Tier) -> String {
    match tier.price {
        Some(price) if price.amount == 0 => format!("{} per month", short(price)),
        Some(price) => format!("{} per month", money(price)),
        None => "as agreed".to_owned(),
    }
}

/// For example "$19", with cents only if there are any.
pub(crate) fn short(price: MinorUnits) -> String {
    format::price(
        price.amount,
        price.currency.code(),
        price.currency.exponent(),
    )
}

/// The price of one credit of this pack, for example "$0.001".
pub fn unit_price(pack: &Pack) -> String {
    let credits = pack.credits.unsigned_abs();
    let currency = pack.price.currency;
    format::unit_price(
        pack.price.amount,
        credits,
        currency.code(),
        currency.exponent(),
    )
}

/// The price of these credits in the smallest pack, rounded down; `None` if nothing is sold.
pub fn worth(catalog: &Catalog, micros: i64) -> Option<String> {
    let pack = catalog.packs.first()?;
    let whole = i128::from(pack.credits) * i128::from(MICROS_PER_CREDIT);
    let minor = i128::from(micros.max(0)) * i128::from(pack.price.amount) / whole;
    let minor = i64::try_from(minor).unwrap_or(i64::MAX);
    Some(money(MinorUnits::new(minor, pack.price.currency)))
}

/// The name of the currency for the note below prices: "US dollars", "EUR".
pub fn note(catalog: &Catalog) -> String {
    let currency = match catalog.currency.code() {
        "usd" => "US dollars".to_owned(),
        "eur" => "euros".to_owned(),
        other => other.to_ascii_uppercase(),
    };
    format!("Prices in {currency}, tax added where it applies.")
}

/// The cards of all tiers; `pick` is the suggested one.
pub fn plan_cards(
    catalog: &Catalog,
    current: Option<&str>,
    pick: Option<&str>,
    action: impl Fn(&Tier) -> Action,
) -> Vec<PlanCard> {
    let card = |tier: &Tier| {
        let is_here = current == Some(tier.name.as_str());
        let is_pick = !is_here && pick == Some(tier.name.as_str());
        let price = tier.price;
        PlanCard {
            id: tier.name.clone(),
            name: tier.title.clone(),
            price: price.map_or_else(|| "Custom".to_owned(), short),
            per: price.map_or("custom price", |_| "per month").to_owned(),
            tagline: String::new(),
            ticks: tier.features.clone(),
            badge: match (is_here, is_pick) {
                (true, _) => Some(Badge::accent("Current")),
                (_, true) => Some(Badge::accent("Suggested")),
                _ => None,
            },
            mark: match (is_here, is_pick) {
                (true, _) => Mark::Current,
                (_, true) => Mark::Pick,
                _ => Mark::None,
            },
            action: if is_here {
                Action::off("Current plan").block()
            } else {
                action(tier).block()
            },
        }
    };
    catalog.tiers.iter().map(card).collect()
}

/// Adds to the cards which plans have a trial; `whom` is "for new accounts" if the reader isn't
/// known.
pub fn say_trials(cards: &mut [PlanCard], catalog: &Catalog, may_try: bool, whom: &str) {
    for card in cards.iter_mut().filter(|_| may_try) {
        let tier = catalog.tier(&card.id);
        let Some((tier, days)) = tier.and_then(|tier| Some((tier, tier.trial_days?))) else {
            continue;
        };
        if tier.price.is_some() {
            let days = format::counted(days.unsigned_abs(), "day", "days");
            card.tagline = format!("{days} free{whom}, then {}.", monthly(tier));
        }
    }
}

pub fn comparison(catalog: &Catalog, current: Option<&str>) -> Comparison {
    let tiers = &catalog.tiers;
    let row = |feature: &str, cell: &dyn Fn(&Tier) -> Option<String>| CompareRow {
        feature: feature.to_owned(),
        cells: tiers.iter().map(cell).collect(),
    };
    let calls = |tier: &Tier| match (tier.price, tier.calls_limit) {
        (None, _) => Some("Custom".to_owned()),
        (_, None) => Some("No limit".to_owned()),
        (_, Some(limit)) => Some(format::count(limit.unsigned_abs())),
    };
    let credits = |tier: &Tier| match tier.price {
        None => Some("Custom".to_owned()),
        Some(_) => Some(format::credits(tier.allowance.micros())),
    };
    let extra = catalog.packs.first().map(unit_price);
    let extra = |tier: &Tier| match (&extra, tier.price) {
        (Some(price), Some(_)) => Some(price.clone()),
        (Some(_), None) => Some("Custom".to_owned()),
        (None, _) => None,
    };
    Comparison {
        plans: tiers
            .iter()
            .map(|tier| (tier.title.clone(), current == Some(tier.name.as_str())))
            .collect(),
        rows: vec![
            row("Calls per month", &calls),
            row("Credits each month", &credits),
            row("Price of one extra credit", &extra),
        ],
    }
}

/// For example "1,000 calls and 100 credits each month.".
pub fn in_short(tier: &Tier) -> String {
    let credits = format::credits_worded(tier.allowance.micros());
    match tier.calls_limit {
        Some(limit) => {
            let calls = format::counted(limit.unsigned_abs(), "call", "calls");
            format!("{calls} and {credits} each month.")
        }
        None => format!("{credits} each month, unlimited calls."),
    }
}

/// For example "5,000 credits".
pub fn pack_title(credits: i64) -> String {
    format::credits_worded(Credits::new(credits).micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog::parse(include_str!("../../../catalog.toml")).unwrap()
    }

    #[test]
    fn credits_are_worth_what_they_cost_in_the_smallest_pack() {
        assert_eq!(worth(&catalog(), 1_228_999_999).unwrap(), "$1.22");
        assert_eq!(worth(&catalog(), -5).unwrap(), "$0.00");
        assert!(worth(&catalog(), i64::MAX).is_some());
    }

    #[test]
    fn a_plan_without_a_price_is_agreed_in_person() {
        let cards = plan_cards(&catalog(), Some("PRO"), None, |_| Action::link("x", "/"));
        let enterprise = cards.iter().find(|card| card.id == "ENTERPRISE").unwrap();

        assert_eq!(enterprise.price, "Custom");
        assert_eq!(cards[1].mark, Mark::Current);
        assert_eq!(
            in_short(catalog().free()),
            "1,000 calls and 100 credits each month."
        );
    }
}
