//! What is sold: converts the catalog to the text and cards on pages.

use domain::catalog::{Catalog, Interval, Pack, Saving, Terms, Tier};
use domain::money::{Credits, MICROS_PER_CREDIT, MinorUnits};

use crate::components::{Action, Badge, Tab};
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

/// For example "$190.00 per year".
pub fn per(terms: &Terms) -> String {
    format!("{} per {}", money(terms.price), terms.interval)
}

/// For example "2 months free" or "saves $29.00"; `None` if a year isn't cheaper.
fn saves(tier: &Tier) -> Option<String> {
    Some(match tier.saving()? {
        Saving::Months(months) => {
            format!(
                "{} free",
                format::counted(months.unsigned_abs(), "month", "months")
            )
        }
        Saving::Amount(amount) => format!("saves {}", money(amount)),
    })
}

/// What the other interval costs: "$190.00 a year, 2 months free" or "$19.00 a month".
fn other(tier: &Tier, interval: Interval) -> String {
    match (interval, tier.price, tier.price_yearly) {
        (Interval::Month, _, Some(year)) => {
            let saves = saves(tier).map(|saves| format!(", {saves}"));
            format!("{} a year{}", money(year), saves.unwrap_or_default())
        }
        (Interval::Year, Some(month), Some(_)) => match saves(tier) {
            Some(saves) => format!("{saves}, instead of {} a month", money(month)),
            None => format!("{} a month", money(month)),
        },
        _ => String::new(),
    }
}

/// The choice of how often plans are paid, if any is sold by the year. `path` is the page's own
/// address.
pub fn intervals(catalog: &Catalog, shown: Interval, path: &str) -> Vec<Tab> {
    if catalog.tiers.iter().all(|tier| tier.price_yearly.is_none()) {
        return Vec::new();
    }
    let tab = |interval: Interval| Tab {
        label: match interval {
            Interval::Month => "Monthly".to_owned(),
            Interval::Year => "Yearly".to_owned(),
        },
        count: None,
        href: format!("{path}?interval={interval}"),
        current: interval == shown,
    };
    Interval::ALL.map(tab).to_vec()
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

/// Which plans are shown, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The interval whose prices are shown.
    pub interval: Interval,
    /// The reader's tier, and how often it is paid, if that is known.
    pub current: Option<(&'a str, Option<Interval>)>,
    /// The suggested tier.
    pub pick: Option<&'a str>,
}

impl Shown<'_> {
    /// Whether this is what the reader has. A plan that is sold by one interval only is the same in
    /// every view.
    fn is_here(&self, tier: &Tier) -> bool {
        self.current.is_some_and(|(name, interval)| {
            let interval = interval.unwrap_or(Interval::Month);
            let has_both = tier.price.is_some() && tier.price_yearly.is_some();
            name == tier.name && (!has_both || interval == self.interval)
        })
    }
}

/// The cards of all tiers.
pub fn plan_cards(
    catalog: &Catalog,
    shown: Shown<'_>,
    action: impl Fn(&Tier) -> Action,
) -> Vec<PlanCard> {
    let card = |tier: &Tier| {
        let is_here = shown.is_here(tier);
        let is_pick = !is_here && shown.pick == Some(tier.name.as_str());
        let yearly = tier
            .price_yearly
            .filter(|_| shown.interval == Interval::Year);
        let price = yearly.or(tier.price);
        let per = yearly.map_or("per month", |_| "per year");
        PlanCard {
            id: tier.name.clone(),
            name: tier.title.clone(),
            price: price.map_or_else(|| "Custom".to_owned(), short),
            per: price.map_or("custom price", |_| per).to_owned(),
            tagline: other(tier, shown.interval),
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
            // The price of the card follows the trial.
            let yearly = tier.price_yearly.filter(|_| card.per == "per year");
            let then = match yearly {
                Some(year) => format!("{} per year", money(year)),
                None => monthly(tier),
            };
            let other = std::mem::take(&mut card.tagline);
            let other = if other.is_empty() {
                other
            } else {
                format!(" Or {other}.")
            };
            card.tagline = format!("{days} free{whom}, then {then}.{other}");
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
    fn a_card_says_what_the_year_saves_and_marks_the_readers_interval() {
        let cards = |interval, held| {
            let current = Some(("PRO", Some(held)));
            let shown = Shown {
                interval,
                current,
                pick: None,
            };
            plan_cards(&catalog(), shown, |_| Action::link("x", "/"))
        };

        let months = cards(Interval::Month, Interval::Month);
        let years = cards(Interval::Year, Interval::Month);

        assert_eq!(months[1].tagline, "$190.00 a year, 2 months free");
        assert_eq!(
            (months[1].mark, months[1].price.as_str()),
            (Mark::Current, "$19")
        );
        assert_eq!(years[1].tagline, "2 months free, instead of $19.00 a month");
        assert_eq!(
            (years[1].mark, years[1].price.as_str()),
            (Mark::None, "$190")
        );
        assert_eq!(
            (years[1].per.as_str(), years[0].per.as_str()),
            ("per year", "per month")
        );
        assert_eq!(cards(Interval::Year, Interval::Year)[1].mark, Mark::Current);
    }

    #[test]
    fn a_plan_without_a_price_is_agreed_in_person() {
        let cards = {
            let current = Some(("PRO", Some(Interval::Month)));
            let shown = Shown {
                interval: Interval::Month,
                current,
                pick: None,
            };
            plan_cards(&catalog(), shown, |_| Action::link("x", "/"))
        };
        let enterprise = cards.iter().find(|card| card.id == "ENTERPRISE").unwrap();

        assert_eq!(enterprise.price, "Custom");
        assert_eq!(cards[1].mark, Mark::Current);
        assert_eq!(
            in_short(catalog().free()),
            "1,000 calls and 100 credits each month."
        );
    }
}
