//! An account's billing state as banners and badges.

use billing::payments::plan::Pending;
use billing::summary::View;
use domain::catalog::{Catalog, Tier};
use domain::money::Credits;
use domain::time::Timestamp;
use store::payment_methods::PaymentMethod as Card;
use store::subscriptions::Subscription;
use views::billing::PaymentMethod;
use views::components::Banner;
use views::{banners, format, offer, usage};

/// Credits are low below this percentage of the plan's allowance,
pub(crate) const LOW_PERCENT: i64 = 20;

/// or when they last for fewer than this many days at the rate of the last seven.
pub(crate) const LOW_DAYS: i64 = 3;

/// A card's expiry is announced this many days ahead.
pub(crate) const CARD_WARNING_DAYS: i64 = 30;

/// What the customer loses by canceling, as sentences.
pub fn what_ends(tier: Option<&Tier>, free: &Tier) -> Vec<String> {
    let mut points = Vec::new();
    let calls = |tier: &Tier| tier.calls_limit.map(i64::unsigned_abs);
    if let Some(tier) = tier {
        let from = calls(tier).map_or_else(|| "no limit".to_owned(), format::count);
        if let Some(to) = calls(free) {
            let to = format::count(to);
            points.push(format!("Calls per month drop from {from} to {to}."));
        }
        let from = format::credits(tier.allowance.micros());
        let to = format::credits(free.allowance.micros());
        points.push(format!("Credits each month drop from {from} to {to}."));
    }
    points.push("Credits you bought stay.".to_owned());
    points
}

pub(crate) fn day(at: Timestamp) -> format::When {
    format::day(at.micros())
}

/// The banner about a downgrade scheduled for the period's end.
pub fn waiting_banner(catalog: &Catalog, live: &[Subscription], waiting: &Pending) -> Vec<Banner> {
    let here = live.first().and_then(|row| row.tier.as_deref());
    let Some((at, here)) = waiting.at().zip(here) else {
        return Vec::new();
    };
    let to = catalog.tier(&waiting.tier);
    let price = match waiting.terms() {
        Some(terms) => offer::per(&terms),
        None => to.map(offer::monthly).unwrap_or_default(),
    };
    vec![banners::downgrade_scheduled(
        &offer::title(catalog, here),
        &waiting_title(catalog, here, waiting),
        day(at),
        &price,
    )]
}

/// The name of the plan that a pending change leads to; with its interval, if only that changes.
pub fn waiting_title(catalog: &Catalog, here: &str, waiting: &Pending) -> String {
    let title = offer::title(catalog, &waiting.tier);
    match waiting.interval.as_deref() {
        Some(interval) if waiting.tier == here => {
            format!("{title}, {}", format::often(interval))
        }
        _ => title,
    }
}

/// The state of an account's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditState {
    /// There are enough credits.
    Fine,
    /// Few credits are left.
    Low,
    /// All credits are spent.
    Empty,
    /// A refund or dispute took back credits that were already spent.
    Debt,
}

/// The credit state of an account that spent `week` micro-credits in the last seven days.
pub fn credit_state(view: &View, week: i64) -> CreditState {
    let available = view.available.micros();
    let allowance = view.plan.allowance.micros();
    let spent_some = view.used_this_month.is_positive() || week > 0;
    let had_some = spent_some || view.posted.is_positive() || view.plan.subscription_id.is_some();
    let is_soon_gone = i128::from(available) * 7 < i128::from(week) * i128::from(LOW_DAYS);
    let is_little = i128::from(available) * 100 < i128::from(allowance) * i128::from(LOW_PERCENT);
    match () {
        () if view.debt.is_positive() => CreditState::Debt,
        () if available <= 0 && had_some => CreditState::Empty,
        () if available > 0 && (is_soon_gone || is_little) => CreditState::Low,
        () => CreditState::Fine,
    }
}

/// The banner about the credit state, if there is anything to say.
pub fn credit_banner(view: &View, week: i64) -> Option<Banner> {
    match credit_state(view, week) {
        CreditState::Fine => None,
        CreditState::Low => {
            let left = format::credits_worded(view.available.micros());
            let lasts = usage::lasts(view.available.micros(), week);
            Some(banners::credits_low(&left, (week > 0).then_some(&*lasts)))
        }
        CreditState::Empty => Some(banners::credits_gone()),
        CreditState::Debt => Some(banners::debt(&format::credits_worded(view.debt.micros()))),
    }
}

/// When the next credits expire before `until`, and how many expire on that day.
pub(crate) fn ending(view: &View, until: Timestamp) -> Option<(Timestamp, Credits)> {
    let ending = view
        .lots
        .iter()
        .filter(|lot| lot.remaining().is_positive())
        .filter_map(|lot| Some((lot.expires_at?, lot.remaining())))
        .filter(|(at, _)| *at < until);
    let soonest = ending.clone().map(|(at, _)| at).min()?;
    let of_day = ending.filter(|(at, _)| at.day() == soonest.day());
    Some((soonest, of_day.map(|(_, left)| left).sum()))
}

/// For example "Visa ending 4242".
pub fn card_name(card: &Card) -> String {
    let brand = match card.brand.as_str() {
        "visa" => "Visa",
        "mastercard" => "Mastercard",
        "amex" => "American Express",
        "discover" => "Discover",
        "diners" => "Diners Club",
        "jcb" => "JCB",
        "unionpay" => "UnionPay",
        _ => "Card",
    };
    format!("{brand} ending {}", card.last4)
}

/// When the card expires: it is valid through the last day of its month.
pub(crate) fn card_ends(card: &Card) -> Option<Timestamp> {
    let first = format!("{:04}-{:02}-01", card.exp_year, card.exp_month);
    domain::time::parse(&first).map(|first| first.plus_months(1))
}

/// A card as the pages show it.
pub fn method(card: &Card, now: Timestamp) -> PaymentMethod {
    let ends = card_ends(card);
    let is_over = ends.is_some_and(|ends| ends <= now);
    let expiring = ends.is_some_and(|ends| ends.plus_days(-CARD_WARNING_DAYS) <= now);
    let word = match (is_over, expiring) {
        (true, _) => "Expired",
        (false, true) => "Expires soon,",
        (false, false) => "Expires",
    };
    PaymentMethod {
        name: card_name(card),
        expires: format!("{word} {:02}/{:04}", card.exp_month, card.exp_year),
        expiring,
    }
}

#[cfg(test)]
mod tests {
    use store::payment_methods::PaymentMethod as Card;

    use super::*;

    fn shown(exp_year: i64, exp_month: i64) -> (String, bool) {
        let card = Card {
            account_id: 1,
            brand: "visa".to_owned(),
            last4: "4242".to_owned(),
            exp_month,
            exp_year,
            synced_at: Timestamp::from_micros(0),
        };
        let now = domain::time::parse("2026-11-22").expect("a day");
        let method = method(&card, now);
        (method.expires, method.expiring)
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month_and_warned_of_thirty_days_before() {
        assert_eq!(shown(2027, 1), ("Expires 01/2027".to_owned(), false));
        assert_eq!(shown(2026, 12), ("Expires 12/2026".to_owned(), false));
        assert_eq!(shown(2026, 11), ("Expires soon, 11/2026".to_owned(), true));
        assert_eq!(shown(2026, 10), ("Expired 10/2026".to_owned(), true));
    }
}
