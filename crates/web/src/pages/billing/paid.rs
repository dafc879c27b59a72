//! What an account pays for, as text.

use domain::catalog::Catalog;
use domain::plan::Plan;
use domain::time::Timestamp;
use store::subscriptions::Subscription;
use views::offer;

use crate::pages::billing::rows::Rows;
use crate::pages::standing::waiting_title;
use crate::rows::money::of_row;

pub(super) fn amount(minor: i64, currency: &str) -> String {
    offer::money(of_row(minor, currency))
}

/// "$19.00 per month": the price actually paid, which may be older than today's list price.
pub(super) fn price(catalog: &Catalog, plan: &Plan, live: Option<&Subscription>) -> String {
    let paid = live.and_then(|row| Some((row.amount_minor?, row.currency.as_deref()?)));
    let interval = live.and_then(|row| row.billing_interval.as_deref());
    match (paid, catalog.tier(&plan.tier)) {
        (Some((minor, currency)), _) => {
            let per = interval.unwrap_or("month");
            let quantity = live.map_or(1, |row| row.quantity);
            let times = (quantity != 1).then(|| format!("{quantity} \u{d7} "));
            let times = times.unwrap_or_default();
            format!("{times}{} per {per}", amount(minor, currency))
        }
        (None, Some(tier)) => offer::monthly(tier),
        (None, None) => String::new(),
    }
}

/// The name of the plan that is paid for, whether or not it grants access now.
pub(super) fn paid_title(catalog: &Catalog, plan: &Plan, row: Option<&Subscription>) -> String {
    let tier = row.and_then(|row| row.tier.as_deref());
    offer::title(catalog, tier.unwrap_or(&plan.tier))
}

/// The name of the plan that starts with the next period, and when.
pub(super) fn scheduled(catalog: &Catalog, rows: &Rows) -> Option<(String, Timestamp)> {
    let waiting = rows.waiting.as_ref().filter(|one| !one.is_unpaid())?;
    let here = rows.live.as_ref().and_then(|row| row.tier.as_deref());
    let title = waiting_title(catalog, here.unwrap_or_default(), waiting);
    Some((title, waiting.at()?))
}
