//! `/pricing`: the public price list.

use axum::extract::State;
use axum::response::Html;
use billing::app::App;
use domain::catalog::{Catalog, Interval, Operation, Tier};
use domain::money::Credits;
use serde::Deserialize;
use views::components::Action;
use views::format;
use views::layout::Nav;
use views::pricing::{PackLine, PricingPage};

use crate::frame::{html, public_shell};
use crate::http::callers::MaybeVisitor;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::offer;

/// The page's own address.
const PRICING: &str = "/pricing";

/// Which prices to show.
#[derive(Debug, Deserialize)]
pub struct Query {
    interval: Option<String>,
}

/// `GET /pricing`; with `interval=year`, the prices of a year.
pub async fn show(
    State(app): State<App>,
    MaybeVisitor(visitor): MaybeVisitor,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let catalog = app.catalog();
    let held = match &visitor {
        Some(visitor) => offer::tier_of(&app, visitor).await?,
        None => None,
    };
    let current = held
        .as_ref()
        .map(|(tier, interval)| (tier.as_str(), *interval));
    let asked = offer::asked(query.interval.as_deref());
    let interval = asked.or(current.and_then(|held| held.1));
    let interval = interval.unwrap_or(Interval::Month);
    let shown = views::offer::Shown {
        interval,
        current,
        pick: None,
    };
    let is_known = visitor.is_some();
    let mut plans = views::offer::plan_cards(&catalog, shown, |tier| {
        choose(&app, tier, interval, is_known)
    });
    views::offer::say_trials(&mut plans, &catalog, true, " for new accounts");
    let page = PricingPage {
        shell: public_shell(&app, visitor.as_ref(), Nav::Pricing),
        lead: "Plans set your limits and credits pay for calls. Start free and change any time."
            .to_owned(),
        intervals: views::offer::intervals(&catalog, interval, PRICING),
        plans,
        packs: packs(&catalog),
        packs_note: packs_note(&catalog),
        compare: views::offer::comparison(&catalog, current.map(|held| held.0)),
        note: views::offer::note(&catalog),
    };
    html(&page)
}

fn choose(app: &App, tier: &Tier, interval: Interval, is_known: bool) -> Action {
    let label = format!("Choose {}", tier.title);
    let upgrade = match tier.price_by(interval) {
        Some(_) if interval == Interval::Year => "/dashboard/billing/upgrade?interval=year",
        _ => "/dashboard/billing/upgrade",
    };
    match (tier.price, is_known) {
        (None, _) => offer::contact(app),
        (Some(_), true) => Action::link(label, upgrade),
        (Some(_), false) if tier.is_free() => Action::link("Start free", "/login"),
        (Some(_), false) => Action::link(label, format!("/login?next={upgrade}")),
    }
}

fn packs(catalog: &Catalog) -> Vec<PackLine> {
    let line = |pack: &domain::catalog::Pack| PackLine {
        credits: views::offer::pack_title(pack.credits),
        price: views::offer::money(pack.price),
        unit_price: views::offer::unit_price(pack),
    };
    catalog.packs.iter().map(line).collect()
}

/// What a credit is, and when purchased credits expire.
pub(crate) fn packs_note(catalog: &Catalog) -> String {
    let is_kept = |pack: &domain::catalog::Pack| pack.expires_after_days.is_none();
    let kept = if catalog.packs.iter().all(is_kept) {
        " Purchased credits never expire."
    } else {
        ""
    };
    let call = catalog.operation(domain::catalog::DEFAULT_OPERATION);
    let cost = call.map_or(Credits::ZERO, Operation::unit_cost);
    if !cost.is_positive() {
        return format!("A standard API call is free.{kept}");
    }
    let cost = format::credits_worded(cost.micros());
    format!("One standard API call costs {cost}.{kept}")
}
